"""Partitions and exact scopes as rows: found or made once a batch, their counters written back at its end."""

from __future__ import annotations

from collections.abc import Iterator

import apsw

from keepstone.logic.ids import bucket
from keepstone.stores.sqlite import encoding as enc
from keepstone.stores.sqlite.reading import partitions, scope_keys
from keepstone.types import Scope


class _Counters:
    """The counters of one partition, as of now in this transaction."""

    def __init__(self, row: tuple[int, int, int, int, int, int, int, int]) -> None:
        self.partition, self.version, self.scopes, self.messages, self.memories, self.units, *held = row
        self.visible, self.kept = held


class Place:
    """An exact scope inside its partition: gives out the next keys of both."""

    def __init__(self, counters: _Counters, scope_key: int, bucket: int, positions: int, kept: int) -> None:
        self._counters = counters
        self.scope_key = scope_key
        self.bucket = bucket
        self.positions = positions
        self.kept = kept

    @property
    def partition(self) -> int:
        """The partition's number."""
        return self._counters.partition

    def next_message(self) -> tuple[int, int]:
        """Return the key of the next message, and its position in the conversation of this scope."""
        self._counters.messages += 1
        self.positions += 1
        self.keep(1)
        return enc.key(self.partition, self._counters.messages), self.positions - 1

    def next_memory(self) -> int:
        """Return the key of the next memory."""
        self._counters.memories += 1
        return enc.key(self.partition, self._counters.memories)

    def next_unit(self) -> int:
        """Return the key of the next unit."""
        self._counters.units += 1
        return enc.key(self.partition, self._counters.units)

    def next_change(self) -> int:
        """Return the sequence of the next change, which is the partition's new version."""
        self._counters.version += 1
        return self._counters.version

    def show(self, more: int) -> None:
        """Count *more* visible memories; fewer, if it is negative."""
        self._counters.visible += more

    def keep(self, more: int) -> None:
        """Count *more* messages of this scope in the ledger; fewer, if it is negative."""
        self._counters.kept += more
        self.kept += more


class Places:
    """The places of one tenant that a transaction touches."""

    def __init__(self, db: apsw.Connection, tenant: str) -> None:
        self._db = db
        self._tenant = tenant
        self._counters: dict[int, _Counters] = {}
        self._places: dict[int, Place] = {}
        self._by_scope: dict[Scope, Place] = {}

    def of(self, scope: Scope) -> Place:
        """Return the place of an exact scope, made now if it is new."""
        place = self._by_scope.get(scope)
        if place is None:
            counters = self._partition(scope)
            ids = tuple(i or "" for i in scope.ids)
            sql = """SELECT key FROM scopes
                     WHERE partition = ? AND user_id = ? AND agent_id = ? AND app_id = ? AND run_id = ?"""
            found = next(iter(self._db.execute(sql, (counters.partition, *ids))), None)
            if found is None:
                counters.scopes += 1
                key = enc.key(counters.partition, counters.scopes)
                self._db.execute("INSERT INTO scopes VALUES(?,?,?,?,?,?,0,0)", (key, counters.partition, *ids))
            else:
                key = found[0]
            place = self._by_scope[scope] = self.at(key)
        return place

    def at(self, scope_key: int) -> Place:
        """Return the place of an exact scope by its key."""
        place = self._places.get(scope_key)
        if place is None:
            sql = """SELECT p.id, p.version, p.scopes, p.messages, p.memories, p.units, p.visible, p.kept,
                            p.bucket, s.messages, s.kept
                     FROM scopes s JOIN partitions p ON p.id = s.partition WHERE s.key = ?"""
            row = next(iter(self._db.execute(sql, (scope_key,))))
            counters = self._counters.setdefault(row[0], _Counters(row[:8]))
            place = self._places[scope_key] = Place(counters, scope_key, *row[8:])
        return place

    def is_ours(self, scope_key: int) -> bool:
        """Return whether an exact scope belongs to the tenant."""
        sql = "SELECT p.tenant FROM scopes s JOIN partitions p ON p.id = s.partition WHERE s.key = ?"
        return bool(next(iter(self._db.execute(sql, (scope_key,))))[0] == self._tenant)

    def seen_by(self, scope: Scope) -> Iterator[tuple[Place, int]]:
        """Yield place and key of every exact scope that *scope* sees."""
        for partition in partitions(self._db, scope):
            for key in scope_keys(self._db, partition, scope):
                yield self.at(key), key

    def save(self) -> None:
        """Write the counters back."""
        for c in self._counters.values():
            self._db.execute(
                """UPDATE partitions SET version = ?, scopes = ?, messages = ?, memories = ?, units = ?, visible = ?,
                     kept = ? WHERE id = ?""",
                (c.version, c.scopes, c.messages, c.memories, c.units, c.visible, c.kept, c.partition),
            )
        for key, place in self._places.items():
            self._db.execute(
                "UPDATE scopes SET messages = ?, kept = ? WHERE key = ?", (place.positions, place.kept, key)
            )

    def _partition(self, scope: Scope) -> _Counters:
        kind, owner = scope.owner or ("", "")
        sql = """SELECT id, version, scopes, messages, memories, units, visible, kept FROM partitions
                 WHERE tenant = ? AND owner_kind = ? AND owner = ?"""
        found = next(iter(self._db.execute(sql, (self._tenant, kind, owner))), None)
        if found is None:
            self._db.execute(
                "INSERT INTO partitions(tenant, owner_kind, owner, bucket) VALUES(?,?,?,?)",
                (self._tenant, kind, owner, bucket(scope)),
            )
            found = (self._db.last_insert_rowid(), 0, 0, 0, 0, 0, 0, 0)
        return self._counters.setdefault(found[0], _Counters(found))


def begin(db: apsw.Connection, memory: int, at: int | None, superseded: int) -> None:
    """Set when *memory* began to hold: when *superseded* ceased to; None takes that back."""
    db.execute("UPDATE memories SET valid_from = ? WHERE key = ?", (at, memory))
    place = memory >> enc.SEQUENCE_BITS
    if place != superseded >> enc.SEQUENCE_BITS:
        # Its partition has no change that would bring an index there up to date.
        db.execute("UPDATE partitions SET epoch = epoch + 1 WHERE id = ?", (place,))
