"""New revisions of a memory, and back to earlier ones."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

from keepstone.errors import InvalidRequestError, NotFoundError
from keepstone.logic.entities import still_named
from keepstone.naming import Mention
from keepstone.operations import Outcome, Revert, Revise
from keepstone.stores.inmemory.state import StoredMemory, Unit
from keepstone.stores.inmemory.transaction import Transaction
from keepstone.types import Action


def revise(work: Transaction, operation: Revise) -> Outcome:
    """Give a memory a new revision."""
    memory = work.visible(operation.memory_id, operation.expected_revision)
    number = max(r.number for r in memory.revisions) + 1
    record = replace(
        memory.record,
        text=operation.text,
        categories=tuple(dict.fromkeys((*memory.record.categories, *operation.new_categories))),
        metadata=deepcopy(operation.metadata),
        expires_at=operation.expires_at,
        language=operation.language,
        revision=number,
        edited=True,
        updated_at=work.batch.at,
    )
    units, entities = _revised_units(work, memory, operation), _revised_entities(memory, operation)
    revision = work.revision_of(record, units, operation.statement_key, entities)
    recency = work.log(record, Action.UPDATE, old=memory.record.revision, new=number)
    work.tenant.put_memory(replace(memory, record=record, revisions=(*memory.revisions, revision), recency=recency))
    return Outcome(kind="stored", memory_id=record.id)


def _revised_units(work: Transaction, memory: StoredMemory, operation: Revise) -> tuple[Unit, ...]:
    if operation.units is not None:
        return work.units(operation.units)
    if memory.current is None or operation.text != memory.record.text:
        raise InvalidRequestError("A new text needs units of its own.")
    return memory.current.units


def _revised_entities(memory: StoredMemory, operation: Revise) -> tuple[Mention, ...]:
    before = memory.current.entities if memory.current is not None else ()
    if operation.units is None:
        return before
    if operation.entities is not None:
        return operation.entities
    return still_named(before, memory.record.text, operation.text)


def revert(work: Transaction, operation: Revert) -> Outcome:
    """Make an earlier revision the current one again."""
    memory = work.visible(operation.memory_id, operation.expected_revision)
    earlier = memory.revision(operation.revision)
    if earlier is None or earlier.text is None:
        raise NotFoundError(f"Memory {operation.memory_id!r} has no revision {operation.revision}.")
    recency = work.log(
        memory.record,
        Action.UPDATE,
        old=memory.record.revision,
        new=earlier.number,
        inverse_of=operation.inverse_of,
    )
    record = replace(
        memory.record,
        text=earlier.text,
        metadata=earlier.metadata,
        expires_at=earlier.expires_at,
        language=earlier.language,
        revision=earlier.number,
        edited=earlier.number > 1,
        updated_at=work.batch.at,
    )
    work.tenant.put_memory(replace(memory, record=record, recency=recency))
    return Outcome(kind="stored", memory_id=record.id)
