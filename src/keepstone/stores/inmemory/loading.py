"""Putting rows of an archive back, under the ids and times that they had."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

from keepstone.errors import ConflictError, NotFoundError
from keepstone.logic import replay
from keepstone.logic.ids import partition
from keepstone.naming import Merge
from keepstone.operations import ArchivedMemory, Load, Outcome
from keepstone.stores.inmemory.naming import load_merge
from keepstone.stores.inmemory.state import Revision, StoredMemory, StoredMessage
from keepstone.stores.inmemory.transaction import Transaction
from keepstone.types import Change, LedgerMessage, Message, Scope


def load(work: Transaction, operation: Load) -> Outcome:
    """Put the row of *operation* back, unless its id is there already."""
    scope, row = work.writable(operation.scope), operation.row
    if isinstance(row, LedgerMessage):
        return _load_message(work, row, scope)
    if isinstance(row, ArchivedMemory):
        return _load_memory(work, row, operation)
    if isinstance(row, Merge):
        return load_merge(work, row, scope)
    return _load_change(work, row, scope)


def _load_message(work: Transaction, row: LedgerMessage, scope: Scope) -> Outcome:
    if row.id in work.tenant.messages:
        return work.replay_of(work.tenant.messages[row.id])
    if row.external_id is not None and (scope, row.external_id) in work.tenant.by_external_id:
        known = work.tenant.by_external_id[scope, row.external_id]
        raise ConflictError(f"Message {row.external_id!r} is in the ledger already.", blocking=(known,))
    said = Message(content=row.content, role=row.role, name=row.name, id=row.external_id, timestamp=row.occurred_at)
    message = replace(
        row,
        scope=scope,
        metadata=deepcopy(row.metadata),
        position=work.tenant.next_position.get(scope, 0),
        sequence=work.tenant.next_sequence(scope, "messages"),
    )
    keys = replay.replay_keys([said], scope)
    work.tenant.put_message(StoredMessage(message=message, content_key=replay.content_key(said), replay_key=keys[0]))
    work.wrote(scope, None)
    return Outcome(kind="stored", message_id=row.id, external_id=row.external_id)


def _load_memory(work: Transaction, row: ArchivedMemory, operation: Load) -> Outcome:
    if row.record.id in work.tenant.memories:
        return Outcome(kind="replay", memory_id=row.record.id)
    unknown = [s.message_id for s in row.sources if s.message_id not in work.tenant.messages]
    if unknown:
        raise NotFoundError(f"There is no message {unknown[0]!r}.")
    scope = operation.scope
    record = replace(
        row.record,
        scope=scope,
        sequence=work.tenant.next_sequence(scope, "memories"),
        sources=work.public(row.sources),
        metadata=deepcopy(row.record.metadata),
        derived_from=(),
        superseded_by=None,
        review=(),
    )
    units = {**operation.older_units, record.revision: operation.units}
    revisions = tuple(
        Revision(
            number=r.number,
            text=r.text,
            metadata=deepcopy(r.metadata),
            expires_at=r.expires_at,
            language=r.language,
            at=r.at,
            units=work.units(units.get(r.number, ())),
            statement_key=operation.statement_key if r.number == record.revision else None,
            entities=r.entities,
        )
        for r in row.revisions
    )
    work.tenant.put_memory(
        StoredMemory(
            record=record,
            revisions=revisions,
            sources=row.sources,
            derived_from=tuple(id for id in row.derived_from if _is_ground(work, id, scope)),
            superseded_by=row.superseded_by,
            recency=row.recency,
            keeps_sources=row.keeps_sources,
        )
    )
    # What is said after the load must be newer than all that was loaded.
    place = work.tenant.partitions[partition(scope)]
    work.tenant.partitions[place.name] = replace(place, changes=max(place.changes, row.recency))
    return Outcome(kind="stored", memory_id=record.id)


def _is_ground(work: Transaction, id: str, scope: Scope) -> bool:
    """Whether there is such a memory, of the owner of *scope*: an archive may leave one out."""
    memory = work.tenant.memories.get(id)
    return memory is not None and partition(memory.record.scope) == partition(scope)


def _load_change(work: Transaction, row: Change, scope: Scope) -> Outcome:
    if row.id in work.tenant.changes:
        return Outcome(kind="replay", memory_id=row.memory_id)
    memory = work.tenant.memories.get(row.memory_id)
    if memory is None:
        raise NotFoundError(f"There is no memory {row.memory_id!r}.")
    sequence = work.tenant.next_sequence(memory.record.scope, "changes")
    work.wrote(memory.record.scope, row.action)
    work.tenant.changes[row.id] = replace(
        row, sequence=sequence, old_text=None, new_text=None, details=deepcopy(row.details)
    )
    return Outcome(kind="stored", memory_id=row.memory_id)
