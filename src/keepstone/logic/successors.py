"""What was superseded stands right behind what superseded it.

A statement that is no longer true answers the same questions as the one that took its place, and mostly fits them as
well. Setting it back by a fixed step would either leave it before its successor or bury it, though it is part of the
answer where a question asks how things were. So the successor takes its place, and it comes right behind.
"""

from __future__ import annotations

from collections.abc import Mapping

from keepstone.contract import Candidates
from keepstone.types import Status

STEP = 0.02
# A chain of successors is followed so far.
CHAIN_MAX = 32


def behind(found: Candidates, values: Mapping[int, float], mark: float, asks_before: bool) -> dict[int, float]:
    """Return new values, by place in `found.items`, for what was superseded among *values* and what replaced it.

    *values* has one place a memory. *mark* is what being superseded adds, less than 0, where no successor is among
    *values*. Where the question *asks_before*, what has a successor there keeps its place.
    """
    items = found.items
    place_of = {items[place].memory_id: place for place in values}
    old = [p for p in values if items[p].status is Status.SUPERSEDED]
    told_in = {id: episode for episode, each in found.statements.items() for id, _ in each}
    moved: dict[int, float] = {}
    for place in sorted(old, key=lambda p: (-items[p].recency, items[p].memory_id)):
        newer = _successor(found, place, place_of, told_in)
        if newer is None:
            moved[place] = values[place] + mark
        if newer is None or asks_before:
            continue
        ahead = moved.get(newer, values[newer])
        if items[newer].status is not Status.SUPERSEDED:
            ahead = moved[newer] = max(ahead, values[place])
        moved[place] = min(values[place], ahead - STEP)
    return moved


def _successor(found: Candidates, place: int, place_of: Mapping[str, int], told_in: Mapping[str, str]) -> int | None:
    """The place of the nearest successor that is among the values, itself or as the episode that says it."""
    candidate = found.items[place]
    starts = [candidate.memory_id, *(id for id, _ in found.statements.get(candidate.memory_id, ()))]
    for start in starts:
        id: str | None = found.successors.get(start)
        for _ in range(CHAIN_MAX):
            if id is None:
                break
            there = place_of.get(id, place_of.get(told_in.get(id, "")))
            if there is not None and there != place:
                return there
            id = found.successors.get(id)
    return None
