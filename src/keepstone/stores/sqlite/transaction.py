"""One write transaction: its places, its rows, its history, and what every operation needs to write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import apsw

from keepstone.contract import NewId
from keepstone.errors import ConflictError, NotFoundError
from keepstone.logic.entities import fold
from keepstone.naming import Mention
from keepstone.operations import Batch, NewMemory, NewUnit, SourceSpan
from keepstone.stores.sqlite import encoding as enc
from keepstone.stores.sqlite.events import Record
from keepstone.stores.sqlite.places import Place, Places
from keepstone.types import Action, Metadata


class MemoryRow(NamedTuple):
    """What operations read of a memory."""

    key: int
    id: bytes
    scope: int
    status: int
    revision: int
    unit_revision: int
    recency: int
    expires_at: int | None
    valid_from: int | None
    valid_to: int | None
    kind: int
    strength: float


MEMORY_COLUMNS = ", ".join(MemoryRow._fields)


class Transaction:
    """One batch at work on a connection that is inside a write transaction.

    `written` holds the keys of messages, `appended` the memory that each message of this batch became, or joined.
    """

    def __init__(self, db: apsw.Connection, batch: Batch, new_id: NewId) -> None:
        self.db = db
        self.batch = batch
        self.at = enc.micros(batch.at) or 0
        self.places = Places(db, batch.tenant)
        self.record = Record(batch.tenant, self.at)
        self.logged: list[str] = []
        self.written: dict[str, int] = {}
        self.appended: dict[str, str | None] = {}
        self._new_id = new_id
        self._batch_raw = enc.own_id(batch.id)
        self._details = enc.dump_json(batch.details)
        # Rows that no operation of a batch reads are written together at its end.
        self._late: dict[str, list[tuple[Any, ...]]] = {}

    def save(self) -> None:
        """Write what was put off, and the counters."""
        for sql, rows in self._late.items():
            self.db.executemany(sql, rows)
        self.places.save()
        self.record.save(self.db, "changes", self._batch_raw)

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
        self.record.message(place.partition)
        self.db.execute(
            "INSERT INTO messages VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                key, enc.own_id(id), place.scope_key, position, role, name, content, enc.dump_json(metadata),
                enc.micros(occurred_at), enc.offset(occurred_at), self.at if recorded_at is None else recorded_at,
                external_id, replay_key,
            ),
        )  # fmt: skip
        return key

    def write_memory(self, memory: NewMemory, place: Place, *, copies_source: bool) -> int:
        """Write a memory with its first revision, sources and units, and its ADD change; return its key."""
        if self.memory_key(memory.id) is not None:
            raise ConflictError(f"There is a memory {memory.id} already.", blocking=(memory.id,))
        key = place.next_memory()
        place.show(1)
        change = self.write_change(place, Action.ADD, key, None, 1)
        self.db.execute(
            """INSERT INTO memories(key, id, scope, kind, status, revision, unit_revision, role, name, categories,
                   occurred_at, occurred_offset, valid_from, valid_to, created_at, updated_at, expires_at, importance,
                   trust, recency, changed, statement_key)
               VALUES(?,?,?,?,0,1,1,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)""",
            (
                key, enc.own_id(memory.id), place.scope_key, enc.KIND_NUMBERS[memory.kind], memory.role, memory.name,
                "\n".join(memory.categories) or None, enc.micros(memory.occurred_at), enc.offset(memory.occurred_at),
                enc.micros(memory.valid_from), enc.micros(memory.valid_to), self.at, self.at,
                enc.micros(memory.expires_at), memory.importance, memory.trust, change, change, memory.statement_key,
            ),
        )  # fmt: skip
        self.db.execute(
            "INSERT INTO revisions VALUES(?,1,?,?,?,?,?,1,?)",
            (
                key, None if copies_source else memory.text, enc.dump_json(memory.metadata),
                enc.micros(memory.expires_at), memory.language, self.at, memory.statement_key,
            ),
        )  # fmt: skip
        self.write_sources(key, place, memory.sources)
        for parent in memory.derived_from:
            ground = self.memory_row(parent)
            if ground.status > enc.LAST_VISIBLE or ground.key >> enc.SEQUENCE_BITS != place.partition:
                raise NotFoundError(f"No memory {parent}.")
            self.db.execute("INSERT OR IGNORE INTO derived_from VALUES(?,?)", (key, ground.key))
        self.write_units(place, key, 1, memory.units)
        self.write_mentions(key, 1, memory.entities)
        return key

    def write_mentions(self, key: int, revision: int, mentions: Sequence[Mention]) -> None:
        """Write what a revision mentions."""
        rows = [
            (key, revision, number, place, name, fold(name), mention.kind)
            for number, mention in enumerate(mentions)
            for place, name in enumerate((mention.name, *mention.aliases))
        ]
        if rows:
            self.db.executemany("INSERT INTO mentions VALUES(?,?,?,?,?,?,?)", rows)

    def write_sources(self, key: int, place: Place, sources: Sequence[SourceSpan]) -> None:
        """Link a memory to the messages that it came from, named by our ids or the callers'."""
        for source in sources:
            message = self.written.get(source.message_id) or self.named_message(source.message_id, place)
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
        details: Metadata | None = None,
    ) -> int:
        """Append one entry to the history, with the details of the batch and its own, and return its sequence."""
        id = self._new_id(self.batch.at, place.bucket)
        sequence = place.next_change()
        self.record.change(place, action)
        said = self._details if details is None else enc.dump_json({**self.batch.details, **details})
        row = (
            enc.key(place.partition, sequence), enc.raw_id(id), self._batch_raw, enc.ACTION_NUMBERS[action],
            memory_key, old, new, related, self.batch.actor, reason or self.batch.reason, self.at,
            None if inverse_of is None else enc.own_id(inverse_of), said,
        )  # fmt: skip
        self._late.setdefault("INSERT INTO changes VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)", []).append(row)
        self.logged.append(id)
        return sequence

    def say_again(self, place: Place, row: MemoryRow, **change: Any) -> None:
        """Make a memory the newest, with a change to the same revision that says so."""
        sequence = self.write_change(place, Action.UPDATE, row.key, row.revision, row.revision, **change)
        self.db.execute(
            "UPDATE memories SET recency = ?, changed = ?, updated_at = ? WHERE key = ?",
            (sequence, sequence, self.at, row.key),
        )

    def one(self, sql: str, values: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Return the first row of a query, None if there is none."""
        return next(iter(self.db.execute(sql, values)), None)

    def memory_key(self, id: str) -> int | None:
        """Return the key of a memory of the batch's tenant, None if it has no such memory."""
        row = self.ours("memories", "key", id)
        return None if row is None else row[1]

    def memory_row(self, id: str) -> MemoryRow:
        """Return the row of a memory of the batch's tenant, in any status.

        Raises:
            NotFoundError: there is none.
        """
        row = self.ours("memories", MEMORY_COLUMNS, id)
        if row is None:
            raise NotFoundError(f"No memory {id}.")
        return MemoryRow._make(row[1:])

    def visible(self, id: str, expected_revision: int | None) -> tuple[MemoryRow, Place]:
        """Return the row and the place of a memory that verbs may show.

        Raises:
            NotFoundError: there is none.
            ConflictError: it is not at the expected revision.
        """
        row = self.memory_row(id)
        if row.status > enc.LAST_VISIBLE:
            raise NotFoundError(f"No memory {id}.")
        self.expect(row, id, expected_revision)
        return row, self.places.at(row.scope)

    def expect(self, row: MemoryRow, id: str, revision: int | None) -> None:
        """Raise ConflictError unless the memory is at *revision*; None expects nothing."""
        if revision is not None and row.revision != revision:
            raise ConflictError(
                f"Memory {id} is at revision {row.revision} by now, not {revision}: read it again.", blocking=(id,)
            )

    def named_message(self, id: str, place: Place) -> int:
        """Return the key of a message by our id, or by the caller's in the scope of *place*.

        Raises:
            NotFoundError: there is none.
        """
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
        row = self.ours("messages", "key", id)
        return None if row is None else row[1]

    def ours(self, table: str, columns: str, id: str) -> tuple[Any, ...] | None:
        """The scope and *columns* of the row with this id; another tenant may have loaded the same id."""
        rows = self.db.execute(f"SELECT scope, {columns} FROM {table} WHERE id = ?", (enc.raw_id(id),))
        return next((row for row in rows if self.places.is_ours(row[0])), None)
