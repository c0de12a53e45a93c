"""A statement and the episodes that say it: one hit; and an episode that says only what is no longer true.

A memory that was distilled (a statement) belongs to the episodes with which it shares a message. Found together, they
are one hit, the statement's, with the episodes as its evidence. An episode is outdated if it has statements, none of
them is current, and one is superseded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from keepstone.contract import Candidates
from keepstone.types import Evidence, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """What stands together, by place in `Candidates.items`.

    `evidence` are the episodes of each statement that has some, best first; `values` the statements' new values;
    `hidden` the episodes that stand with a statement.
    """

    evidence: Mapping[int, tuple[Evidence, ...]] = field(default_factory=dict)
    values: Mapping[int, float] = field(default_factory=dict)
    hidden: frozenset[int] = frozenset()


NOTHING_JOINED = Joined()


def outdated(found: Candidates) -> frozenset[str]:
    """Return the ids of the episodes among *found* that say only what is no longer true."""
    return frozenset(
        episode
        for episode, statements in found.statements.items()
        if any(status is Status.SUPERSEDED for _, status in statements)
        and not any(status is Status.CURRENT for _, status in statements)
    )


def marked(found: Candidates, ids: frozenset[str]) -> Candidates:
    """Return *found* with the memories *ids* in the status of what was superseded."""
    if not ids:
        return found
    items = tuple(replace(c, status=Status.SUPERSEDED) if c.memory_id in ids else c for c in found.items)
    return replace(found, items=items)


def join(found: Candidates, values: Mapping[int, float]) -> Joined:
    """Return which episodes stand with which statement, and where; *values* has one place a memory.

    An episode goes to that of its statements which the question fits best, current or not; the hit stands at the
    better place of the two. An episode without a statement among *values* stands alone.
    """
    if not found.statements:
        return NOTHING_JOINED
    items = found.items
    place_of = {items[place].memory_id: place for place in values}

    def fit(place: int) -> tuple[float, int, str]:
        candidate = items[place]
        return values[place], candidate.recency, candidate.memory_id

    raised: dict[int, float] = {}
    members: defaultdict[int, list[tuple[float, str, Evidence]]] = defaultdict(list)
    for episode, statements in found.statements.items():
        places = [place_of[id] for id, _ in statements if id in place_of]
        own = place_of.get(episode)
        if own is None or not places:
            continue
        host = max(places, key=fit)
        raised[host] = max(raised.get(host, values[host]), values[own])
        members[host].append((-values[own], episode, Evidence(memory_id=episode, span=items[own].span)))
    return Joined(
        evidence={host: tuple(e for _, _, e in sorted(each, key=lambda m: m[:2])) for host, each in members.items()},
        values=raised,
        hidden=frozenset(place_of[e.memory_id] for each in members.values() for _, _, e in each),
    )
