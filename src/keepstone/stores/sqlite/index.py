"""The in-memory index of one partition: its vectors and postings, kept right by the partition's version.

Built from the file when a partition is first searched, then caught up through the history: whatever changed a memory,
in any process, left a change there. Used under the lock of the partition only.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import apsw
import numpy as np

from keepstone.stores.sqlite import encoding as enc
from keepstone.stores.sqlite.columns import Array, Column, Names, Postings
from keepstone.stores.sqlite.earlier import indexed
from keepstone.stores.sqlite.mentioned import Mentioned

_MEMORIES = """
SELECT key, id, scope, kind, status, unit_revision, expires_at, recency, role, name, coalesce(occurred_at, created_at),
  valid_from, valid_to, created_at, strength
FROM memories
"""
_UNITS = """
SELECT u.key, u.memory, u.revision, u.number, u.first, u.last, u.length, u.traits, u.terms, v.vector
FROM units u LEFT JOIN vectors v ON v.key = u.key
"""
# What superseded another may have got a time from it; it may also be of another partition, which is not looked at here.
_CHANGED = """
SELECT memory FROM changes WHERE key > :low AND key <= :high
UNION SELECT related FROM changes WHERE key > :low AND key <= :high AND related BETWEEN :first AND :high
"""
NEVER = np.iinfo(np.int64).max
_FILTERS_KEPT = 4
_LOCKS = 256


class PartitionIndex:
    """Arrays over the memories and the units of one partition; a slot is a place in them.

    Only units of a memory's current revision are `live`; whether the memory is visible stands in `status`. With
    *known_at*, everything is as it was then, and it is not caught up: what changes the partition makes it void.
    """

    def __init__(self, db: apsw.Connection, partition: int, dimensions: int, known_at: datetime | None = None) -> None:
        self.partition, self.known_at = partition, known_at
        self.dimensions = dimensions
        self.version, self.epoch = _stamp(db, partition)
        self.slot_of: dict[int, int] = {}
        self._verdicts: OrderedDict[str, dict[int, bool]] = OrderedDict()
        self._order: tuple[tuple[int, int], Array] | None = None
        self.key, self.id = Column(np.int64), Column("V16")
        self.scope, self.kind, self.status = Column(np.int64), Column(np.uint8), Column(np.uint8)
        self.unit_revision, self.expires, self.recency = Column(np.int64), Column(np.int64), Column(np.int64)
        self.role, self.speaker = Column(np.int32), Column(np.int32)
        self.at, self.valid_from, self.valid_to = Column(np.int64), Column(np.int64), Column(np.int64)
        self.strength = Column(np.float64)
        # Roles and names by number: a partition has few of either.
        self.roles, self.speakers = Names(), Names()
        self.memory, self.number, self.traits = Column(np.int32), Column(np.int32), Column(np.uint8)
        self.first, self.last, self.length = Column(np.int32), Column(np.int32), Column(np.int32)
        self.live, self.embedded = Column(np.bool_), Column(np.bool_)
        self.vectors = Column(np.float16, dimensions)
        self.postings = Postings()
        low, high = enc.bounds(partition)
        where = f" WHERE key BETWEEN ? AND ? AND status <= {enc.LAST_VISIBLE}"
        rows = list(db.execute(_MEMORIES + where, (low, high)))
        self._add_memories(rows if known_at is None else indexed(db, partition, rows, known_at))
        self._add_units(list(db.execute(_UNITS + " WHERE u.key BETWEEN ? AND ?", (low, high))))
        self.mentioned = Mentioned(db, partition, self.slot_of, self.unit_revision)

    @property
    def nbytes(self) -> int:
        """Bytes taken, about."""
        columns = [v for v in vars(self).values() if isinstance(v, Column)]
        size = sum(c.nbytes for c in columns) + self.postings.nbytes
        verdicts = sum(map(len, self._verdicts.values()))
        order = 0 if self._order is None else self._order[1].nbytes
        return size + order + 100 * (len(self.slot_of) + verdicts) + self.mentioned.nbytes

    def verdicts(self, where: str) -> dict[int, bool]:
        """Return what is known of which memories satisfy a filter; the last few filters are remembered."""
        known = self._verdicts.setdefault(where, {})
        self._verdicts.move_to_end(where)
        if len(self._verdicts) > _FILTERS_KEPT:
            self._verdicts.popitem(last=False)
        return known

    def in_order(self) -> Array:
        """Return all unit slots by scope, memory and place in it: the order of conversations."""
        state = (self.version, len(self.live.rows))
        if self._order is None or self._order[0] != state:
            memories = self.memory.rows
            keys = (self.number.rows, self.key.rows[memories], self.scope.rows[memories])
            self._order = (state, np.lexsort(keys))
        return self._order[1]

    def catch_up(self, db: apsw.Connection) -> bool:
        """Bring the index to the version of the snapshot; False if building it anew is better."""
        version, epoch = _stamp(db, self.partition)
        if epoch != self.epoch:
            return False
        if version == self.version or self.known_at is not None:
            return version == self.version
        first, high = enc.bounds(self.partition)
        low = enc.key(self.partition, self.version)
        if version - self.version > max(1000, len(self.slot_of) // 4):
            return False
        changed = [r[0] for r in db.execute(_CHANGED, {"low": low, "first": first, "high": high})]
        for key in changed:
            self._refresh(db, key)
        self.mentioned.catch_up(db, changed)
        self.version = version
        live = self.live.rows
        return len(live) < 64 or int(live.sum()) * 2 >= len(live)

    def _refresh(self, db: apsw.Connection, key: int) -> None:
        row = next(iter(db.execute(_MEMORIES + " WHERE key = ?", (key,))), None)
        slot = self.slot_of.get(key)
        if slot is None:
            if row is not None and row[4] <= enc.LAST_VISIBLE:
                self._add_memories([row])
                self._add_units(self._units_of(db, key))
            return
        for known in self._verdicts.values():
            known.pop(slot, None)
        if row is None:
            self.status.rows[slot] = enc.ERASED
            return
        self.kind.rows[slot], self.status.rows[slot] = row[3], row[4]
        self.expires.rows[slot] = NEVER if row[6] is None else row[6]
        self.recency.rows[slot] = row[7]
        self.valid_from.rows[slot] = NEVER if row[11] is None else row[11]
        self.valid_to.rows[slot] = NEVER if row[12] is None else row[12]
        self.strength.rows[slot] = row[14]
        if self.unit_revision.rows[slot] != row[5]:
            self.unit_revision.rows[slot] = row[5]
            self.live.rows[self.memory.rows == slot] = False
            self._add_units(self._units_of(db, key))

    def _units_of(self, db: apsw.Connection, key: int) -> list[tuple[Any, ...]]:
        return list(db.execute(_UNITS + " WHERE u.memory = ? ORDER BY u.key", (key,)))

    def _add_memories(self, rows: Sequence[tuple[Any, ...]]) -> None:
        first = len(self.slot_of)
        self.slot_of.update((r[0], first + i) for i, r in enumerate(rows))
        self.key.extend([r[0] for r in rows])
        self.id.extend(np.frombuffer(b"".join(r[1] for r in rows), dtype="V16"))
        self.scope.extend([r[2] for r in rows])
        self.kind.extend([r[3] for r in rows])
        self.status.extend([r[4] for r in rows])
        self.unit_revision.extend([r[5] for r in rows])
        self.expires.extend([NEVER if r[6] is None else r[6] for r in rows])
        self.recency.extend([r[7] for r in rows])
        self.role.extend([self.roles.number(r[8]) for r in rows])
        self.speaker.extend([self.speakers.number(r[9] or r[8]) for r in rows])
        self.at.extend([r[10] for r in rows])
        self.valid_from.extend([NEVER if r[11] is None else r[11] for r in rows])
        self.valid_to.extend([NEVER if r[12] is None else r[12] for r in rows])
        self.strength.extend([r[14] for r in rows])

    def _add_units(self, rows: Sequence[tuple[Any, ...]]) -> None:
        slots, revisions = self.slot_of, self.unit_revision.rows
        kept = [r for r in rows if (s := slots.get(r[1])) is not None and revisions[s] == r[2]]
        if not kept:
            return
        first = len(self.live.rows)
        self.memory.extend([slots[r[1]] for r in kept])
        self.number.extend([r[3] for r in kept])
        self.first.extend([r[4] for r in kept])
        self.last.extend([r[5] for r in kept])
        self.length.extend([r[6] for r in kept])
        self.traits.extend([r[7] for r in kept])
        self.live.extend(np.ones(len(kept), dtype=np.bool_))
        terms, counts, sizes = enc.unpack_terms([r[8] for r in kept])
        self.postings.extend(terms, counts, sizes, first)
        size = 2 * self.dimensions
        self.embedded.extend([r[9] is not None and len(r[9]) == size for r in kept])
        nothing = bytes(size)
        packed = b"".join([r[9] if r[9] is not None and len(r[9]) == size else nothing for r in kept])
        self.vectors.extend(np.frombuffer(packed, dtype="<f2").reshape(len(kept), self.dimensions))


class IndexCache:
    """The indexes of the partitions searched last, within a budget of bytes; the one in use always stays.

    Besides that of now, each partition has at most one of an earlier moment.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._lock = threading.Lock()
        # Partitions share a fixed number of locks: one each would grow with the store.
        self._locks = [threading.Lock() for _ in range(_LOCKS)]
        self._indexes: OrderedDict[tuple[int, bool], tuple[PartitionIndex, int]] = OrderedDict()
        self._bytes = 0

    def lock(self, partition: int) -> threading.Lock:
        """Return the lock under which the index of *partition* is used."""
        return self._locks[partition % _LOCKS]

    def current(
        self, db: apsw.Connection, partition: int, dimensions: int, known_at: datetime | None = None
    ) -> PartitionIndex:
        """Return the index of *partition* as of the snapshot of *db*; call with the partition's lock held.

        With *known_at*, of the partition as it was then.
        """
        place = (partition, known_at is not None)
        with self._lock:
            known = self._indexes.get(place)
        index = known[0] if known is not None else None
        if index is None or (index.dimensions, index.known_at) != (dimensions, known_at) or not index.catch_up(db):
            index = PartitionIndex(db, partition, dimensions, known_at)
        self._keep(place, index)
        return index

    def drop(self) -> None:
        """Forget every index."""
        with self._lock:
            self._indexes.clear()
            self._bytes = 0

    def _keep(self, place: tuple[int, bool], index: PartitionIndex) -> None:
        size = index.nbytes
        with self._lock:
            old = self._indexes.pop(place, None)
            self._bytes += size - (old[1] if old is not None else 0)
            self._indexes[place] = (index, size)
            while self._bytes > self._bytes_max and len(self._indexes) > 1:
                _, (_, freed) = self._indexes.popitem(last=False)
                self._bytes -= freed


def live_text(index: PartitionIndex) -> Array:
    """Return which units are of a visible memory's current revision."""
    visible: Array = index.live.rows & (index.status.rows <= enc.LAST_VISIBLE)[index.memory.rows]
    return visible


def _stamp(db: apsw.Connection, partition: int) -> tuple[int, int]:
    row = next(iter(db.execute("SELECT version, epoch FROM partitions WHERE id = ?", (partition,))))
    return row[0], row[1]
