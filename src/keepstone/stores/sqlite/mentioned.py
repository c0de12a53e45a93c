"""What the memories of one partition mention, in memory: a part of its index, empty where nothing is mentioned."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import groupby

import apsw
import numpy as np

from keepstone.logic.entities import known_names, name_id
from keepstone.stores.sqlite import encoding as enc
from keepstone.stores.sqlite.columns import Array, Column

# The names of one mention, by their ids: many memories have the same.
Shape = frozenset[bytes]

_ROWS = "SELECT memory, revision, number, folded, kind FROM mentions WHERE memory {} ORDER BY memory, revision, number"
_BYTES_EACH = 400


class Mentioned:
    """Which memories, by their slots, mention what."""

    def __init__(self, db: apsw.Connection, partition: int, slot_of: Mapping[int, int], unit_revision: Column) -> None:
        self._partition, self._slot_of, self._unit_revision = partition, slot_of, unit_revision
        self._name: str | None = None
        self._slots: defaultdict[Shape, set[int]] = defaultdict(set)
        self._shapes: dict[int, set[Shape]] = {}
        self._holding: defaultdict[bytes, set[Shape]] = defaultdict(set)
        self._ids: defaultdict[str, set[bytes]] = defaultdict(set)
        self._put(db, db.execute(_ROWS.format("BETWEEN ? AND ?"), enc.bounds(partition)))

    def __bool__(self) -> bool:
        return bool(self._shapes)

    @property
    def nbytes(self) -> int:
        """Bytes taken, about."""
        return _BYTES_EACH * (len(self._shapes) + len(self._slots))

    def catch_up(self, db: apsw.Connection, changed: Iterable[int]) -> None:
        """Read again what the memories with these keys mention."""
        any_there = "SELECT 1 FROM mentions WHERE memory BETWEEN ? AND ? LIMIT 1"
        if not self and next(iter(db.execute(any_there, enc.bounds(self._partition))), None) is None:
            return
        for key in changed:
            slot = self._slot_of.get(key)
            for shape in self._shapes.pop(slot, ()) if slot is not None else ():
                self._slots[shape].discard(slot)
            self._put(db, db.execute(_ROWS.format("= ?"), (key,)))

    def linked(self, db: apsw.Connection, question: str, seen: Array, known_at: datetime | None) -> Array | None:
        """Return, by slot, the share of the entities that *question* names and the memory mentions.

        None if it names nothing that the memories *seen* mention. Aliases are those that these memories tell; merges
        are those of the partition, as of *known_at*.
        """
        asked = known_names(question, lambda name: any(self._is_seen(id, seen) for id in self._ids.get(name, ())))
        if not asked:
            return None
        merged = self._merged(db, known_at)
        reached = {frozenset(self._reached(self._ids[name], seen, merged)) for name in asked}
        shares = np.zeros(len(seen))
        for ids in reached:
            shapes = {shape for id in ids for shape in self._holding.get(id, ())}
            slots = [slot for shape in shapes for slot in self._slots[shape]]
            mentioning = np.zeros(len(seen), dtype=np.bool_)
            mentioning[slots] = True
            shares += mentioning & seen
        shares /= len(reached)
        return shares

    def _reached(self, ids: Iterable[bytes], seen: Array, merged: Mapping[bytes, set[bytes]]) -> set[bytes]:
        """The ids of all names of the entities that have the names *ids*."""
        waiting = [id for id in ids if self._is_seen(id, seen)]
        found = set(waiting)
        while waiting:
            id = waiting.pop()
            beside = [i for s in self._holding.get(id, ()) if self._is_of_seen(s, seen) for i in s]
            for other in (*beside, *merged.get(id, ())):
                if other not in found:
                    found.add(other)
                    waiting.append(other)
        return found

    def _merged(self, db: apsw.Connection, known_at: datetime | None) -> Mapping[bytes, set[bytes]]:
        sql = "SELECT one, target FROM merges WHERE partition = ? AND at <= ?"
        until = enc.micros(known_at)
        beside: defaultdict[bytes, set[bytes]] = defaultdict(set)
        for one, target in db.execute(sql, (self._partition, 1 << 62 if until is None else until)):
            beside[one].add(target)
            beside[target].add(one)
        return beside

    def _is_seen(self, id: bytes, seen: Array) -> bool:
        return any(self._is_of_seen(shape, seen) for shape in self._holding.get(id, ()))

    def _is_of_seen(self, shape: Shape, seen: Array) -> bool:
        return any(seen[slot] for slot in self._slots[shape])

    def _put(self, db: apsw.Connection, rows: Iterable[tuple[int, int, int, str, str]]) -> None:
        for (key, revision, _), names in groupby(list(rows), key=lambda r: r[:3]):
            slot = self._slot_of.get(key)
            if slot is None or self._unit_revision.rows[slot] != revision:
                continue
            shape = frozenset(self._id(db, folded, kind == "person") for *_, folded, kind in names if folded)
            for id in shape:
                self._holding[id].add(shape)
            self._slots[shape].add(slot)
            self._shapes.setdefault(slot, set()).add(shape)

    def _id(self, db: apsw.Connection, folded: str, is_person: bool) -> bytes:
        if self._name is None:
            sql = "SELECT owner_kind || ':' || owner FROM partitions WHERE id = ?"
            self._name = str(next(iter(db.execute(sql, (self._partition,))))[0])
        id = enc.raw_id(name_id(self._name, (folded, is_person)))
        self._ids[folded].add(id)
        return id
