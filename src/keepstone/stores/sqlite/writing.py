"""The write door: a batch's operations, inside one transaction. Nothing else changes memories."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import apsw

from keepstone.contract import NewId
from keepstone.errors import ConflictError, EmbedderMismatchError, InvalidRequestError, NotFoundError
from keepstone.operations import (
    AddMemory,
    AppendEcho,
    AppendMessage,
    Applied,
    Batch,
    Enqueue,
    Forget,
    Load,
    NewMemory,
    NewUnit,
    Outcome,
    Restore,
    Retire,
    RetireScope,
    Revert,
    Revise,
    SourceSpan,
    Supersede,
)
from keepstone.stores.sqlite import encoding as enc
from keepstone.stores.sqlite import idempotency
from keepstone.stores.sqlite.known import find_known
from keepstone.stores.sqlite.places import Place, Places, begin
from keepstone.stores.sqlite.reading import revision_text
from keepstone.stores.sqlite.vectors import activate, active
from keepstone.types import Action, Status

SAID_AGAIN = "said again"
_MEMORY_COLUMNS = (
    "key, id, scope, status, revision, unit_revision, recency, expires_at, valid_from, role, name, kind, valid_to"
)


class Writer:
    """Carries out one batch on a connection that is inside a write transaction."""

    def __init__(
        self, db: apsw.Connection, batch: Batch, new_id: NewId, loader: Callable[[Writer, Load], Outcome]
    ) -> None:
        self._works: tuple[tuple[type, Callable[[Any], Outcome]], ...] = (
            (AppendMessage, self._append),
            (AppendEcho, self._append_echo),
            (AddMemory, self._add),
            (Revise, self._revise),
            (Revert, self._revert),
            (Supersede, self._supersede),
            (Retire, self._retire),
            (Forget, self._forget),
            (RetireScope, self._retire_scope),
            (Restore, self._restore),
            (Enqueue, self._enqueue),
            (Load, lambda operation: loader(self, operation)),
        )
        self.db = db
        self._batch = batch
        self._new_id = new_id
        self._at = enc.micros(batch.at) or 0
        self.places = Places(db, batch.tenant)
        self._changes: list[str] = []
        self._written: dict[str, int] = {}
        self._appended: dict[str, str | None] = {}
        # Rows that no operation of a batch reads are written together at its end.
        self._late: dict[str, list[tuple[Any, ...]]] = {}
        self._batch_raw = enc.own_id(batch.id)

    def apply(self) -> Applied:
        """Do every operation, in order, and return what each did."""
        batch = self._batch
        if batch.embedder is not None:
            self._check_space()
        replayed = idempotency.replayed(db=self.db, places=self.places, batch=batch)
        if replayed is not None:
            return replayed
        outcomes = tuple(self._do(o) for o in batch.operations)
        for sql, rows in self._late.items():
            self.db.executemany(sql, rows)
        self.places.save()
        idempotency.remember(self.db, self.places, batch, outcomes)
        return Applied(batch_id=batch.id, outcomes=outcomes, changes=tuple(self._changes))

    def _do(self, operation: object) -> Outcome:
        for kind, work in self._works:
            if isinstance(operation, kind):
                return work(operation)
        raise InvalidRequestError(f"Unknown operation {type(operation).__name__}.")

    def _check_space(self) -> None:
        given = self._batch.embedder
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
        self._appended[op.id] = op.memory.id if joined is None else joined
        if joined is not None:
            return Outcome(kind="refreshed", memory_id=joined, message_id=op.id, external_id=op.external_id)
        memory = op.memory
        if all(source.message_id != op.id for source in memory.sources):
            memory = replace(memory, sources=(SourceSpan(message_id=op.id), *memory.sources))
        self._written[op.id] = message_key
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
        repeated = [(i, row) for i in op.memory_ids if (row := self._ours("memories", "key, status", i)) is not None]
        repeated = [(i, row) for i, row in repeated if row[2] != enc.ERASED]
        known = self._known(message, place)
        stale = op.refresh and bool(repeated) and repeated[0][1][2] != enc.CURRENT
        if known is not None or not repeated or stale:
            return known or self._append(message)
        message_key = self._write(message, place)
        joined = self._join(message, place, message_key) if op.refresh else None
        self._appended[message.id] = joined
        if joined is not None:
            return Outcome(kind="refreshed", memory_id=joined, message_id=message.id, external_id=message.external_id)
        for _, row in repeated:
            self.db.execute("INSERT OR IGNORE INTO sources VALUES(?,?,?,?)", (row[1], message_key, enc.ECHO, enc.ECHO))
        first = repeated[0][0]
        if op.refresh:
            row = self.memory_row(first)
            self._say_again(self.places.at(row[2]), row[0], row[4])
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
        sql = f"SELECT {_MEMORY_COLUMNS} FROM memories WHERE scope = ? AND statement_key = ?"
        row = max(self.db.execute(sql, (place.scope_key, op.join_key)), key=lambda r: r[6], default=None)
        if row is None or row[3] != enc.CURRENT or (row[7] is not None and row[7] <= self._at):
            return None
        key, memory_id, revision = row[0], enc.text_id(row[1]), row[4]
        self.db.execute("INSERT INTO sources VALUES(?,?,-1,-1)", (key, message_key))
        self._say_again(place, key, revision)
        return memory_id

    def _say_again(self, place: Place, key: int, revision: int) -> None:
        change = self.write_change(
            place, Action.UPDATE, key, revision, revision, reason=self._batch.reason or SAID_AGAIN
        )
        self.db.execute(
            "UPDATE memories SET recency = ?, changed = ?, updated_at = ? WHERE key = ?",
            (change, change, self._at, key),
        )

    def write_message(
        self,
        place: Place,
        id: str,
        role: str,
        name: str | None,
        content: str,
        metadata: Mapping[str, Any],
        occurred_at: datetime | None,
        external_id: str | None,
        replay_key: bytes | None,
        recorded_at: int | None = None,
    ) -> int:
        """Put a message at the end of its conversation and return its key."""
        if self.message_key(id) is not None:
            raise ConflictError(f"There is a message {id} already.", blocking=(id,))
        key, position = place.next_message()
        self.db.execute(
            "INSERT INTO messages VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                key, enc.own_id(id), place.scope_key, position, role, name, content, enc.dump_json(metadata),
                enc.micros(occurred_at), enc.offset(occurred_at), self._at if recorded_at is None else recorded_at,
                external_id, replay_key,
            ),
        )  # fmt: skip
        return key

    def _add(self, op: AddMemory) -> Outcome:
        memory = op.memory
        place = self.places.of(memory.scope)
        key = self.write_memory(memory, place, copies_source=False)
        return Outcome(kind="stored", memory_id=memory.id, sequence=key & enc.SEQUENCE_MASK)

    def write_memory(self, memory: NewMemory, place: Place, *, copies_source: bool) -> int:
        """Write a memory with its first revision, sources and units, and its ADD change; return its key."""
        if self.memory_key(memory.id) is not None:
            raise ConflictError(f"There is a memory {memory.id} already.", blocking=(memory.id,))
        key = place.next_memory()
        change = self.write_change(place, Action.ADD, key, None, 1)
        self.db.execute(
            """INSERT INTO memories(key, id, scope, kind, status, revision, unit_revision, role, name, categories,
                   occurred_at, occurred_offset, valid_from, valid_to, created_at, updated_at, expires_at, importance,
                   trust, recency, changed, statement_key)
               VALUES(?,?,?,?,0,1,1,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)""",
            (
                key, enc.own_id(memory.id), place.scope_key, enc.KIND_NUMBERS[memory.kind], memory.role, memory.name,
                "\n".join(memory.categories) or None, enc.micros(memory.occurred_at), enc.offset(memory.occurred_at),
                enc.micros(memory.valid_from), enc.micros(memory.valid_to), self._at, self._at,
                enc.micros(memory.expires_at), memory.importance, memory.trust, change, change, memory.statement_key,
            ),
        )  # fmt: skip
        self.db.execute(
            "INSERT INTO revisions VALUES(?,1,?,?,?,?,?,1,?)",
            (
                key, None if copies_source else memory.text, enc.dump_json(memory.metadata),
                enc.micros(memory.expires_at), memory.language, self._at, memory.statement_key,
            ),
        )  # fmt: skip
        self.write_sources(key, place, memory.sources)
        for parent in memory.derived_from:
            parent_key = self.memory_row(parent)[0]
            self.db.execute("INSERT OR IGNORE INTO derived_from VALUES(?,?)", (key, parent_key))
        self.write_units(place, key, 1, memory.units)
        return key

    def write_sources(self, key: int, place: Place, sources: Sequence[SourceSpan]) -> None:
        """Link a memory to the messages that it came from, named by our ids or the callers'."""
        for source in sources:
            message = self._written.get(source.message_id) or self._message_key(source.message_id, place)
            first, last = enc.source_bounds(source)
            self.db.execute("INSERT OR IGNORE INTO sources VALUES(?,?,?,?)", (key, message, first, last))

    def write_units(self, place: Place, memory_key: int, revision: int, units: Sequence[NewUnit]) -> None:
        """Write the units of a revision, and their vectors where there are any."""
        for number, unit in enumerate(units):
            key = place.next_unit()
            row = (
                key, memory_key, revision, number, unit.span.start, unit.span.end, unit.length,
                unit.traits, enc.pack_terms(unit.terms),
            )  # fmt: skip
            self._late.setdefault("INSERT INTO units VALUES(?,?,?,?,0,?,?,?,?,?)", []).append(row)
            if unit.vector is not None:
                packed = (key, enc.pack_vector(unit.vector))
                self._late.setdefault("INSERT INTO vectors VALUES(?,?)", []).append(packed)

    def write_change(
        self,
        place: Place,
        action: Action,
        memory_key: int,
        old: int | None,
        new: int | None,
        *,
        related: int | None = None,
        inverse_of: str | None = None,
        reason: str | None = None,
    ) -> int:
        """Append one entry to the history and return its sequence."""
        id = self._new_id(self._batch.at, place.bucket)
        sequence = place.next_change()
        row = (
            enc.key(place.partition, sequence), enc.raw_id(id), self._batch_raw, enc.ACTION_NUMBERS[action],
            memory_key, old, new, related, self._batch.actor, reason or self._batch.reason, self._at,
            None if inverse_of is None else enc.own_id(inverse_of),
        )  # fmt: skip
        self._late.setdefault("INSERT INTO changes VALUES(?,?,?,?,?,?,?,?,?,?,?,?)", []).append(row)
        self._changes.append(id)
        return sequence

    def _revise(self, op: Revise) -> Outcome:
        row, place = self._visible(op.memory_id, op.expected_revision)
        key, revision = row[0], row[4]
        latest = self.one("SELECT max(number) FROM revisions WHERE memory = ?", (key,))
        number = 1 + (latest[0] if latest is not None else 0)
        unit_revision = row[5] if op.units is None else number
        text: str | None = op.text
        if op.units is None:
            kept = self.one("SELECT text FROM revisions WHERE memory = ? AND number = ?", (key, revision))
            text = None if kept is None else kept[0]
        self.db.execute(
            "INSERT INTO revisions VALUES(?,?,?,?,?,?,?,?,?)",
            (
                key, number, text, enc.dump_json(op.metadata), enc.micros(op.expires_at), op.language, self._at,
                unit_revision, op.statement_key,
            ),
        )  # fmt: skip
        if op.units is not None:
            self.write_units(place, key, number, op.units)
        change = self.write_change(place, Action.UPDATE, key, revision, number)
        self._set_revision(key, number, change)
        return Outcome(kind="stored", memory_id=op.memory_id)

    def _revert(self, op: Revert) -> Outcome:
        row, place = self._visible(op.memory_id, op.expected_revision)
        key = row[0]
        sql = "SELECT 1 FROM revisions WHERE memory = ? AND number = ?"
        if self.one(sql, (key, op.revision)) is None:
            raise NotFoundError(f"Memory {op.memory_id} has no revision {op.revision}.")
        change = self.write_change(place, Action.UPDATE, key, row[4], op.revision, inverse_of=op.inverse_of)
        self._set_revision(key, op.revision, change)
        return Outcome(kind="stored", memory_id=op.memory_id)

    def _set_revision(self, key: int, number: int, change: int) -> None:
        self.db.execute(
            """UPDATE memories SET revision = ?2, recency = ?3, changed = ?3, updated_at = ?4,
                 (expires_at, unit_revision, statement_key) =
                     (SELECT expires_at, unit_revision, statement_key FROM revisions WHERE memory = ?1 AND number = ?2)
               WHERE key = ?1""",
            (key, number, change, self._at),
        )

    def _supersede(self, op: Supersede) -> Outcome:
        row, place = self._visible(op.memory_id, op.expected_revision)
        if op.by == op.memory_id:
            raise InvalidRequestError("A memory cannot supersede itself.")
        at = self._at if op.at is None else enc.micros(op.at)
        by = None
        if op.by is not None:
            newer = self._visible(op.by, None)[0]
            by = newer[0]
            if newer[8] is None:
                begin(self.db, by, at, row[0])
        change = self.write_change(
            place, Action.SUPERSEDE, row[0], row[4], row[4], related=by, inverse_of=op.inverse_of
        )
        self._set_superseded(row[0], change, at, by)
        return Outcome(kind="stored", memory_id=op.memory_id)

    def _set_superseded(self, key: int, change: int, at: int | None, by: int | None) -> None:
        sql = "UPDATE memories SET status=1, valid_to = ?, superseded_by = ?, changed = ?, updated_at = ? WHERE key = ?"
        self.db.execute(sql, (at, by, change, self._at, key))

    def _retire(self, op: Retire) -> Outcome:
        row, place = self._visible(op.memory_id, op.expected_revision)
        change = self.write_change(place, Action.DELETE, row[0], row[4], None, inverse_of=op.inverse_of)
        self._set_retired(row[0], change)
        return Outcome(kind="stored", memory_id=op.memory_id, retired=1)

    def _set_retired(self, key: int, change: int) -> None:
        sql = "UPDATE memories SET status = 2, changed = ?, updated_at = ? WHERE key = ?"
        self.db.execute(sql, (change, self._at, key))

    def _forget(self, op: Forget) -> Outcome:
        id = op.memory_id if op.message_id is None else self._appended.get(op.message_id)
        found = None if id is None else self._ours("memories", "key, status, revision", id)
        last = enc.CURRENT if op.lower else enc.LAST_VISIBLE
        if op.request not in self._appended or found is None or found[2] > last:
            return Outcome(kind="replay", memory_id=id)
        place, key, _, revision = self.places.at(found[0]), *found[1:]
        # What was asked for has its own reason; else it is that of the batch.
        if op.lower:
            change = self.write_change(place, Action.SUPERSEDE, key, revision, revision, reason=op.reason)
            self._set_superseded(key, change, self._at, None)
        else:
            self._set_retired(key, self.write_change(place, Action.DELETE, key, revision, None, reason=op.reason))
        return Outcome(kind="stored", memory_id=id, retired=int(not op.lower), change_id=self._changes[-1])

    def _retire_scope(self, op: RetireScope) -> Outcome:
        sql = "SELECT key, revision FROM memories WHERE scope = ? AND status <= 1"
        found = [
            (key, revision, place)
            for place, scope_key in self.places.seen_by(op.scope)
            for key, revision in self.db.execute(sql, (scope_key,))
        ]
        for key, revision, place in sorted(found, key=lambda f: f[0]):
            self._set_retired(key, self.write_change(place, Action.DELETE, key, revision, None))
        return Outcome(kind="stored", retired=len(found))

    def _restore(self, op: Restore) -> Outcome:
        row = self.memory_row(op.memory_id)
        if row[3] == enc.ERASED:
            raise NotFoundError(f"Memory {op.memory_id} was erased.")
        self._expect(row, op.memory_id, op.expected_revision)
        if op.status not in (Status.CURRENT, Status.SUPERSEDED):
            raise InvalidRequestError(f"A memory cannot be restored to {op.status.value}.")
        if row[3] == enc.CURRENT:
            raise ConflictError(f"Memory {op.memory_id} is current.", blocking=(op.memory_id,))
        if revision_text(self.db, row[0], row[4]) is None:
            raise ConflictError(f"The text of memory {op.memory_id} is not here: its archive left it out.")
        place = self.places.at(row[2])
        change = self.write_change(place, Action.RESTORE, row[0], None, row[4], inverse_of=op.inverse_of)
        current = op.status is Status.CURRENT
        self.db.execute(
            "UPDATE memories SET status = ?, valid_to = ?, changed = ?, updated_at = ?,"
            " superseded_by = CASE WHEN ? THEN NULL ELSE superseded_by END WHERE key = ?",
            (
                enc.STATUS_NUMBERS[op.status], enc.micros(op.valid_to) if current else row[12], change, self._at,
                current, row[0],
            ),
        )  # fmt: skip
        return Outcome(kind="stored", memory_id=op.memory_id)

    def _enqueue(self, op: Enqueue) -> Outcome:
        place = self.places.of(op.scope)
        self.db.execute(
            "INSERT INTO jobs(id, tenant, partition, bucket, scope, kind, lane, payload, due_at, created_at)"
            " VALUES(?,?,?,?,?,?,?,?,?,?)",
            (
                enc.raw_id(op.id), self._batch.tenant, place.partition, place.bucket, place.scope_key, op.kind, op.lane,
                json.dumps(dict(op.payload), ensure_ascii=False), self._at, self._at,
            ),
        )  # fmt: skip
        return Outcome(kind="stored")

    def one(self, sql: str, values: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Return the first row of a query, None if there is none."""
        return next(iter(self.db.execute(sql, values)), None)

    def memory_key(self, id: str) -> int | None:
        """Return the key of a memory of the batch's tenant, None if it has no such memory."""
        row = self._ours("memories", "key", id)
        return None if row is None else row[1]

    def memory_row(self, id: str) -> tuple[Any, ...]:
        """Return the row of a memory of the batch's tenant, in any status.

        Raises:
            NotFoundError: there is none.
        """
        row = self._ours("memories", _MEMORY_COLUMNS, id)
        if row is None:
            raise NotFoundError(f"No memory {id}.")
        return row[1:]

    def _visible(self, id: str, expected_revision: int | None) -> tuple[tuple[Any, ...], Place]:
        row = self.memory_row(id)
        if row[3] > enc.LAST_VISIBLE:
            raise NotFoundError(f"No memory {id}.")
        self._expect(row, id, expected_revision)
        return row, self.places.at(row[2])

    def _expect(self, row: tuple[Any, ...], id: str, expected_revision: int | None) -> None:
        if expected_revision is not None and row[4] != expected_revision:
            raise ConflictError(
                f"Memory {id} is at revision {row[4]} by now, not {expected_revision}: read it again.", blocking=(id,)
            )

    def _message_key(self, id: str, place: Place) -> int:
        found = self.message_key(id)
        if found is None:
            sql = "SELECT key FROM messages WHERE scope = ? AND external_id = ?"
            row = self.one(sql, (place.scope_key, id))
            if row is None:
                raise NotFoundError(f"No message {id}.")
            found = row[0]
        return found

    def message_key(self, id: str) -> int | None:
        """Return the key of a message of the batch's tenant by our id."""
        row = self._ours("messages", "key", id)
        return None if row is None else row[1]

    def _ours(self, table: str, columns: str, id: str) -> tuple[Any, ...] | None:
        """The scope and *columns* of the row with this id; another tenant may have loaded the same id."""
        rows = self.db.execute(f"SELECT scope, {columns} FROM {table} WHERE id = ?", (enc.raw_id(id),))
        return next((row for row in rows if self.places.is_ours(row[0])), None)
