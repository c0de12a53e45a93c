"""What is no longer believed: superseding a memory, taking it back, bringing it back."""

from __future__ import annotations

from dataclasses import replace

from keepstone.errors import ConflictError, InvalidRequestError, NotFoundError
from keepstone.logic.details import superseded
from keepstone.operations import Forget, Outcome, Restore, Retire, RetireScope, Supersede
from keepstone.stores.inmemory.state import VISIBLE, StoredMemory
from keepstone.stores.inmemory.transaction import Transaction
from keepstone.types import Action, Kind, Status


def supersede(work: Transaction, operation: Supersede) -> Outcome:
    """Mark a memory as no longer true."""
    memory = work.visible(operation.memory_id, operation.expected_revision)
    if operation.by == operation.memory_id:
        raise InvalidRequestError("A memory cannot supersede itself.")
    since, began = operation.at or work.batch.at, False
    if operation.by is not None:
        successor = work.visible(operation.by, None)
        began = successor.record.valid_from is None
        if began:
            work.tenant.put_memory(replace(successor, record=replace(successor.record, valid_from=since)))
    number = memory.record.revision
    work.log(
        memory.record,
        Action.SUPERSEDE,
        old=number,
        new=number,
        related_id=operation.by,
        inverse_of=operation.inverse_of,
        reason=operation.reason,
        details=superseded(memory.record.valid_to, since, began=began),
    )
    record = replace(memory.record, status=Status.SUPERSEDED, valid_to=since, updated_at=work.batch.at)
    work.tenant.put_memory(replace(memory, record=record, superseded_by=operation.by))
    return Outcome(kind="stored", memory_id=record.id)


def retire(work: Transaction, operation: Retire) -> Outcome:
    """Take a memory back."""
    memory = work.visible(operation.memory_id, operation.expected_revision)
    keeps = operation.keeps_sources and memory.record.kind is not Kind.EPISODE
    _take_back(work, memory, operation.inverse_of, operation.reason, keeps_sources=keeps)
    return Outcome(kind="stored", memory_id=memory.record.id)


def forget(work: Transaction, operation: Forget) -> Outcome:
    """Take a memory back because a message of this batch asks for it."""
    id = operation.memory_id if operation.message_id is None else work.appended.get(operation.message_id)
    memory = None if id is None else work.tenant.memories.get(id)
    if operation.request not in work.appended or memory is None or not memory.visible:
        return Outcome(kind="replay", memory_id=id)
    if operation.lower:
        return _rank_lower(work, memory, operation.reason)
    _take_back(work, memory, None, operation.reason)
    return Outcome(kind="stored", memory_id=id, retired=1)


def _rank_lower(work: Transaction, memory: StoredMemory, reason: str | None) -> Outcome:
    if memory.record.status is Status.SUPERSEDED:
        return Outcome(kind="replay", memory_id=memory.record.id)
    number, at = memory.record.revision, work.batch.at
    details = superseded(memory.record.valid_to, at, began=False)
    work.log(memory.record, Action.SUPERSEDE, old=number, new=number, reason=reason, details=details)
    record = replace(memory.record, status=Status.SUPERSEDED, valid_to=at, updated_at=at)
    work.tenant.put_memory(replace(memory, record=record, superseded_by=None))
    return Outcome(kind="stored", memory_id=record.id)


def retire_scope(work: Transaction, operation: RetireScope) -> Outcome:
    """Retire every memory that a scope sees."""
    if operation.scope.tenant != work.batch.tenant:
        raise InvalidRequestError("A batch writes to one tenant.")
    seen = [m for m in work.tenant.memories.values() if m.visible and operation.scope.sees(m.record.scope)]
    for memory in sorted(seen, key=lambda m: work.tenant.place(m.record.scope, m.record.sequence)):
        _take_back(work, memory, None)
    return Outcome(kind="stored", retired=len(seen))


def _take_back(
    work: Transaction,
    memory: StoredMemory,
    inverse_of: str | None,
    reason: str | None = None,
    *,
    keeps_sources: bool = False,
) -> None:
    work.log(memory.record, Action.DELETE, old=memory.record.revision, inverse_of=inverse_of, reason=reason)
    record = replace(memory.record, status=Status.RETIRED, updated_at=work.batch.at)
    work.tenant.put_memory(replace(memory, record=record, keeps_sources=keeps_sources))


def restore(work: Transaction, operation: Restore) -> Outcome:
    """Bring a retired or superseded memory back."""
    memory = work.tenant.memories.get(operation.memory_id)
    if memory is None or memory.record.status is Status.ERASED:
        raise NotFoundError(f"There is no memory {operation.memory_id!r}.")
    work.expect(memory, operation.expected_revision)
    if operation.status not in VISIBLE:
        raise InvalidRequestError(f"A memory cannot be restored to {operation.status.value}.")
    if memory.record.status is Status.CURRENT:
        raise ConflictError(f"Memory {operation.memory_id!r} is current.", blocking=(memory.record.id,))
    if memory.current is None or memory.current.text is None:
        raise ConflictError(
            f"The text of memory {operation.memory_id!r} was not brought here.", blocking=(memory.record.id,)
        )
    if operation.began is not None:
        _begin_no_more(work, operation.began, memory)
    keeps = operation.keeps_validity or operation.status is not Status.CURRENT
    number = memory.record.revision
    work.log(memory.record, Action.RESTORE, new=number, inverse_of=operation.inverse_of)
    record = replace(
        memory.record,
        status=operation.status,
        valid_to=memory.record.valid_to if keeps else operation.valid_to,
        updated_at=work.batch.at,
    )
    by = memory.superseded_by if operation.status is Status.SUPERSEDED else None
    work.tenant.put_memory(replace(memory, record=record, superseded_by=by, keeps_sources=False))
    return Outcome(kind="stored", memory_id=record.id)


def _begin_no_more(work: Transaction, by: str, memory: StoredMemory) -> None:
    """Take back what superseding *memory* set: when *by* began to hold."""
    successor = work.tenant.memories.get(by)
    if successor is not None and successor.record.valid_from == memory.record.valid_to:
        work.tenant.put_memory(replace(successor, record=replace(successor.record, valid_from=None)))
