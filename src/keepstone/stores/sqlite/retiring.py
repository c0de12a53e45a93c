"""What is no longer believed: superseding a memory, taking it back, bringing it back."""

from __future__ import annotations

from keepstone.errors import ConflictError, InvalidRequestError, NotFoundError
from keepstone.logic.conversation import microseconds
from keepstone.logic.details import superseded
from keepstone.operations import Forget, Outcome, Restore, Retire, RetireScope, Supersede
from keepstone.stores.sqlite import encoding as enc
from keepstone.stores.sqlite.places import Place, begin
from keepstone.stores.sqlite.reading import revision_text
from keepstone.stores.sqlite.transaction import MemoryRow, Transaction
from keepstone.types import Action, Status


def supersede(work: Transaction, op: Supersede) -> Outcome:
    """Mark a memory as no longer true."""
    row, place = work.visible(op.memory_id, op.expected_revision)
    if op.by == op.memory_id:
        raise InvalidRequestError("A memory cannot supersede itself.")
    at = work.at if op.at is None else microseconds(op.at)
    by, began = None, False
    if op.by is not None:
        newer = work.visible(op.by, None)[0]
        by, began = newer.key, newer.valid_from is None
        if began:
            begin(work.db, by, at, row.key)
    details = superseded(enc.moment(row.valid_to), enc.instant(at), began=began)
    change = work.write_change(
        place, Action.SUPERSEDE, row.key, row.revision, row.revision, related=by, inverse_of=op.inverse_of,
        details=details, reason=op.reason,
    )  # fmt: skip
    _set_superseded(work, row.key, change, at, by)
    return Outcome(kind="stored", memory_id=op.memory_id)


def _set_superseded(work: Transaction, key: int, change: int, at: int | None, by: int | None) -> None:
    sql = "UPDATE memories SET status=1, valid_to = ?, superseded_by = ?, changed = ?, updated_at = ? WHERE key = ?"
    work.db.execute(sql, (at, by, change, work.at, key))


def retire(work: Transaction, op: Retire) -> Outcome:
    """Take a memory back."""
    row, place = work.visible(op.memory_id, op.expected_revision)
    change = work.write_change(
        place, Action.DELETE, row.key, row.revision, None, inverse_of=op.inverse_of, reason=op.reason
    )
    _set_retired(work, place, row.key, change, keeps_sources=op.keeps_sources)
    return Outcome(kind="stored", memory_id=op.memory_id, retired=1)


def _set_retired(work: Transaction, place: Place, key: int, change: int, *, keeps_sources: bool = False) -> None:
    place.show(-1)
    sql = """UPDATE memories SET status = 2, changed = ?, updated_at = ?,
             keeps_sources = CASE WHEN ? AND kind <> 0 THEN 1 END WHERE key = ?"""
    work.db.execute(sql, (change, work.at, keeps_sources, key))


def forget(work: Transaction, op: Forget) -> Outcome:
    """Take a memory back because a message of this batch asks for it."""
    id = op.memory_id if op.message_id is None else work.appended.get(op.message_id)
    found = None if id is None else work.ours("memories", "key, status, revision, valid_to", id)
    last = enc.CURRENT if op.lower else enc.LAST_VISIBLE
    if op.request not in work.appended or found is None or found[2] > last:
        return Outcome(kind="replay", memory_id=id)
    place, (key, _, revision, valid_to) = work.places.at(found[0]), found[1:]
    # What was asked for has its own reason; else it is that of the batch.
    if op.lower:
        details = superseded(enc.moment(valid_to), work.batch.at, began=False)
        change = work.write_change(place, Action.SUPERSEDE, key, revision, revision, reason=op.reason, details=details)
        _set_superseded(work, key, change, work.at, None)
    else:
        change = work.write_change(place, Action.DELETE, key, revision, None, reason=op.reason)
        _set_retired(work, place, key, change)
    return Outcome(kind="stored", memory_id=id, retired=int(not op.lower))


def retire_scope(work: Transaction, op: RetireScope) -> Outcome:
    """Retire every memory that a scope sees."""
    sql = "SELECT key, revision FROM memories WHERE scope = ? AND status <= 1"
    found = [
        (key, revision, place)
        for place, scope_key in work.places.seen_by(op.scope)
        for key, revision in work.db.execute(sql, (scope_key,))
    ]
    for key, revision, place in sorted(found, key=lambda f: f[0]):
        _set_retired(work, place, key, work.write_change(place, Action.DELETE, key, revision, None))
    return Outcome(kind="stored", retired=len(found))


def restore(work: Transaction, op: Restore) -> Outcome:
    """Bring a retired or superseded memory back."""
    row = work.memory_row(op.memory_id)
    if row.status == enc.ERASED:
        raise NotFoundError(f"Memory {op.memory_id} was erased.")
    work.expect(row, op.memory_id, op.expected_revision)
    if op.status not in (Status.CURRENT, Status.SUPERSEDED):
        raise InvalidRequestError(f"A memory cannot be restored to {op.status.value}.")
    if row.status == enc.CURRENT:
        raise ConflictError(f"Memory {op.memory_id} is current.", blocking=(op.memory_id,))
    if revision_text(work.db, row.key, row.revision) is None:
        raise ConflictError(f"The text of memory {op.memory_id} is not here: its archive left it out.")
    place = work.places.at(row.scope)
    place.show(int(row.status > enc.LAST_VISIBLE))
    change = work.write_change(place, Action.RESTORE, row.key, None, row.revision, inverse_of=op.inverse_of)
    current = op.status is Status.CURRENT
    keeps = op.keeps_validity or not current
    if op.began is not None:
        _begin_no_more(work, op.began, row)
    work.db.execute(
        "UPDATE memories SET status = ?, valid_to = ?, changed = ?, updated_at = ?, keeps_sources = NULL,"
        " superseded_by = CASE WHEN ? THEN NULL ELSE superseded_by END WHERE key = ?",
        (
            enc.STATUS_NUMBERS[op.status], row.valid_to if keeps else enc.micros(op.valid_to), change, work.at,
            current, row.key,
        ),
    )  # fmt: skip
    return Outcome(kind="stored", memory_id=op.memory_id)


def _begin_no_more(work: Transaction, by: str, superseded: MemoryRow) -> None:
    """Take back what superseding set: when *by* began to hold."""
    key = work.memory_key(by)
    found = None if key is None else work.one("SELECT valid_from FROM memories WHERE key = ?", (key,))
    if key is not None and found is not None and found[0] is not None and found[0] == superseded.valid_to:
        begin(work.db, key, None, superseded.key)
