"""The write door: a batch's operations, inside one transaction. Nothing else changes memories."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import apsw

from keepstone.contract import NewId
from keepstone.errors import ConflictError, EmbedderMismatchError, InvalidRequestError
from keepstone.operations import (
    AddMemory,
    AppendEcho,
    AppendMessage,
    Applied,
    Batch,
    Disjoin,
    Enqueue,
    EnterCall,
    Feedback,
    Finish,
    Forget,
    Join,
    Load,
    MergeNames,
    Outcome,
    Restore,
    Retire,
    RetireScope,
    Revert,
    Revise,
    SourceSpan,
    Supersede,
    UnmergeNames,
)
from keepstone.stores.sqlite import archive, calls, feedback, idempotency, jobs, joining, naming, retiring, revising
from keepstone.stores.sqlite import encoding as enc
from keepstone.stores.sqlite.known import find_known
from keepstone.stores.sqlite.places import Place
from keepstone.stores.sqlite.transaction import MEMORY_COLUMNS, MemoryRow, Transaction
from keepstone.stores.sqlite.vectors import activate, active

SAID_AGAIN = "said again"

_WORKS: Mapping[type[Any], Callable[[Transaction, Any], Outcome]] = {
    Revise: revising.revise,
    Revert: revising.revert,
    Supersede: retiring.supersede,
    Retire: retiring.retire,
    Forget: retiring.forget,
    RetireScope: retiring.retire_scope,
    Restore: retiring.restore,
    Join: joining.join,
    Disjoin: joining.disjoin,
    Feedback: feedback.give,
    MergeNames: naming.merge,
    UnmergeNames: naming.unmerge,
    Enqueue: jobs.enqueue,
    Finish: jobs.finish_leased,
    EnterCall: calls.enter,
    Load: archive.load,
}


class Writer(Transaction):
    """Carries out one batch on a connection that is inside a write transaction."""

    def __init__(self, db: apsw.Connection, batch: Batch, new_id: NewId) -> None:
        super().__init__(db, batch, new_id)
        self._works: dict[type[Any], Callable[[Any], Outcome]] = {
            AppendMessage: self._append,
            AppendEcho: self._append_echo,
            AddMemory: self._add,
            **{kind: partial(work, self) for kind, work in _WORKS.items()},
        }

    def apply(self) -> Applied:
        """Do every operation, in order, and return what each did."""
        batch = self.batch
        if batch.embedder is not None:
            self._check_space()
        replayed = idempotency.replayed(db=self.db, places=self.places, batch=batch)
        if replayed is not None:
            return replayed
        outcomes = tuple(self._do(o) for o in batch.operations)
        self.save()
        idempotency.remember(self.db, self.places, batch, outcomes)
        return Applied(batch_id=batch.id, outcomes=outcomes, changes=tuple(self.logged))

    def _do(self, operation: object) -> Outcome:
        work = self._works.get(type(operation))
        if work is None:
            raise InvalidRequestError(f"Unknown operation {type(operation).__name__}.")
        made = len(self.logged)
        outcome = work(operation)
        return replace(outcome, change_id=self.logged[-1]) if len(self.logged) == made + 1 else outcome

    def _check_space(self) -> None:
        given = self.batch.embedder
        if given is None:
            return
        stored = active(self.db)
        if stored is None:
            activate(self.db, given)
        elif stored != given:
            raise EmbedderMismatchError(str(stored), str(given))

    def _append(self, op: AppendMessage) -> Outcome:
        place = self.places.of(op.scope)
        known = self._known(op, place)
        if known is not None:
            return known
        message_key = self._write(op, place)
        joined = self._join(op, place, message_key)
        self.appended[op.id] = op.memory.id if joined is None else joined
        if joined is not None:
            return Outcome(kind="refreshed", memory_id=joined, message_id=op.id, external_id=op.external_id)
        memory = op.memory
        if all(source.message_id != op.id for source in memory.sources):
            memory = replace(memory, sources=(SourceSpan(message_id=op.id), *memory.sources))
        self.written[op.id] = message_key
        key = self.write_memory(memory, place, copies_source=memory.text == op.content)
        return Outcome(
            kind="stored",
            memory_id=memory.id,
            message_id=op.id,
            external_id=op.external_id,
            sequence=key & enc.SEQUENCE_MASK,
        )

    def _write(self, op: AppendMessage, place: Place) -> int:
        return self.write_message(
            place, op.id, op.role, op.name, op.content, op.metadata, op.occurred_at, op.external_id, op.replay_key
        )

    def _append_echo(self, op: AppendEcho) -> Outcome:
        message = op.message
        place = self.places.of(message.scope)
        repeated = [(i, row) for i in op.memory_ids if (row := self.ours("memories", "key, status", i)) is not None]
        repeated = [(i, row) for i, row in repeated if row[2] != enc.ERASED]
        known = self._known(message, place)
        stale = op.refresh and bool(repeated) and repeated[0][1][2] != enc.CURRENT
        if known is not None or not repeated or stale:
            return known or self._append(message)
        message_key = self._write(message, place)
        joined = self._join(message, place, message_key) if op.refresh else None
        self.appended[message.id] = joined
        if joined is not None:
            return Outcome(kind="refreshed", memory_id=joined, message_id=message.id, external_id=message.external_id)
        for _, row in repeated:
            self.db.execute("INSERT OR IGNORE INTO sources VALUES(?,?,?,?)", (row[1], message_key, enc.ECHO, enc.ECHO))
        first = repeated[0][0]
        if op.refresh:
            row = self.memory_row(first)
            self.say_again(self.places.at(row.scope), row, reason=self.batch.reason or SAID_AGAIN)
        return Outcome(kind="echo", memory_id=first, message_id=message.id, external_id=message.external_id)

    def _known(self, op: AppendMessage, place: Place) -> Outcome | None:
        row = find_known(self.db, op, place.scope_key)
        if row is None:
            return None
        key, raw, external_id, same = row
        if not same:
            raise ConflictError(
                f"Message id {op.external_id!r} is taken by another text in this scope.",
                blocking=(enc.text_id(raw),),
            )
        low, high = enc.bounds(place.partition)
        sql = """SELECT m.id FROM sources o JOIN memories m ON m.key = o.memory
                 WHERE o.message = ? AND m.key BETWEEN ? AND ? ORDER BY m.key LIMIT 1"""
        memory = self.one(sql, (key, low, high))
        return Outcome(
            kind="replay",
            memory_id=None if memory is None else enc.text_id(memory[0]),
            message_id=enc.text_id(raw),
            external_id=external_id,
        )

    def _join(self, op: AppendMessage, place: Place, message_key: int) -> str | None:
        if op.join_key is None:
            return None
        sql = f"SELECT {MEMORY_COLUMNS} FROM memories WHERE scope = ? AND statement_key = ?"
        rows = map(MemoryRow._make, self.db.execute(sql, (place.scope_key, op.join_key)))
        row = max(rows, key=lambda r: r.recency, default=None)
        expired = row is not None and row.expires_at is not None and row.expires_at <= self.at
        if row is None or row.status != enc.CURRENT or expired:
            return None
        self.db.execute("INSERT INTO sources VALUES(?,?,-1,-1)", (row.key, message_key))
        self.say_again(place, row, reason=self.batch.reason or SAID_AGAIN)
        return enc.text_id(row.id)

    def _add(self, op: AddMemory) -> Outcome:
        memory = op.memory
        place = self.places.of(memory.scope)
        key = self.write_memory(memory, place, copies_source=False)
        return Outcome(kind="stored", memory_id=memory.id, sequence=key & enc.SEQUENCE_MASK)
