"""Which memories were distilled from the messages of the episodes that a search found, in one look a partition."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import apsw
import numpy as np

from keepstone.contract import Candidate
from keepstone.stores.sqlite import encoding as enc
from keepstone.stores.sqlite.columns import Array
from keepstone.stores.sqlite.holding import began, held
from keepstone.stores.sqlite.index import PartitionIndex
from keepstone.types import Kind, Status

Statements = dict[str, tuple[tuple[str, Status], ...]]

_EPISODE = enc.KIND_NUMBERS[Kind.EPISODE]
_AT_ONCE = 500
# An echo is no source of what it repeats.
_SHARED = """
SELECT DISTINCT e.memory, f.memory FROM sources e
CROSS JOIN sources f ON f.message = e.message AND f.first > -2 AND f.memory <> e.memory
WHERE e.memory IN ({places}) AND e.first > -2 ORDER BY e.memory, f.memory
"""


def said_in(
    db: apsw.Connection, index: PartitionIndex, seen: Array | None, found: Array, as_of: datetime | None
) -> Statements:
    """Return, for each episode at the slots *found*, the visible memories distilled from the same messages.

    *seen* says which memories the scope sees, None stands for all. With *as_of*, those that had begun to hold then,
    with the status that they had in the world. Without a distilled memory in the partition, the file is not asked.
    """
    distilled = (index.kind.rows != _EPISODE) & (index.status.rows <= enc.LAST_VISIBLE)
    if seen is not None:
        distilled &= seen
    if not distilled.any():
        return {}
    is_current = index.status.rows == enc.CURRENT
    if as_of is not None:
        distilled &= began(index, as_of)
        is_current = held(index, as_of)

    def told(slot: int) -> tuple[str, Status]:
        return _id(index, slot), Status.CURRENT if is_current[slot] else Status.SUPERSEDED

    episodes = index.key.rows[found[index.kind.rows[found] == _EPISODE]].tolist()
    made: dict[int, list[int]] = {}
    for start in range(0, len(episodes), _AT_ONCE):
        some = episodes[start : start + _AT_ONCE]
        for episode, other in db.execute(_SHARED.format(places=enc.places(some)), some):
            slot = index.slot_of.get(other)
            if slot is not None and distilled[slot]:
                made.setdefault(index.slot_of[episode], []).append(slot)
    return {_id(index, episode): tuple(map(told, slots)) for episode, slots in made.items()}


def successors(db: apsw.Connection, items: Sequence[Candidate], statements: Statements) -> dict[str, str]:
    """Return what superseded those of *items* and *statements* that something did, by id."""
    old = {c.memory_id for c in items if c.status is Status.SUPERSEDED}
    old |= {id for each in statements.values() for id, status in each if status is Status.SUPERSEDED}
    ids = sorted(old)
    found: dict[str, str] = {}
    for start in range(0, len(ids), _AT_ONCE):
        some = [enc.raw_id(i) for i in ids[start : start + _AT_ONCE]]
        sql = f"""SELECT m.id, q.id FROM memories m JOIN memories q ON q.key = m.superseded_by
                  WHERE m.id IN ({enc.places(some)}) AND m.status = {enc.SUPERSEDED}"""
        found.update((enc.text_id(a), enc.text_id(b)) for a, b in db.execute(sql, some))
    return found


def _id(index: PartitionIndex, slot: int) -> str:
    return enc.text_id(np.asarray(index.id.rows[slot]).tobytes())
