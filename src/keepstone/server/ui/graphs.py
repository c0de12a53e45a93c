"""Entities as a graph: those that most memories mention, joined where one memory mentions both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from keepstone.naming import Entity
from keepstone.server.ui.showing import HIDDEN, short

NODES_MAX = 200
EDGES_MAX = 600
LABEL_CHARS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Tie:
    """How many memories mention two entities, by their ids."""

    one: str
    other: str
    memories: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Entities, those that most memories mention first, and the ties between them, the strongest first.

    `left_out` and `ties_left_out` count what would not fit.
    """

    entities: tuple[Entity, ...]
    ties: tuple[Tie, ...]
    left_out: int
    ties_left_out: int

    def drawing(self) -> list[list[list[str | int]]]:
        """Return what the page draws: nodes as id, label, kind and memories, and ties as two places and memories."""
        place = {e.id: n for n, e in enumerate(self.entities)}
        return [
            [[e.id, HIDDEN.sub("", short(e.name, LABEL_CHARS)), e.kind, e.memories] for e in self.entities],
            [[place[t.one], place[t.other], t.memories] for t in self.ties],
        ]


def graph(entities: Sequence[Entity], mentioned: Mapping[str, Collection[str]], *, most: int = NODES_MAX) -> Graph:
    """Return the graph of the *most* mentioned of *entities*; *mentioned* has the entities of each memory, by ids."""
    chosen = sorted(entities, key=lambda e: -e.memories)[:most]
    # The order of the entities, so that each pair is told one way.
    place = {e.id: n for n, e in enumerate(chosen)}
    counts: Counter[tuple[str, str]] = Counter()
    for ids in mentioned.values():
        here = sorted((i for i in ids if i in place), key=place.__getitem__)
        counts.update(combinations(here, 2))
    ties = [Tie(one=one, other=other, memories=n) for (one, other), n in counts.items()]
    ties.sort(key=lambda t: (-t.memories, place[t.one], place[t.other]))
    return Graph(
        entities=tuple(chosen),
        ties=tuple(ties[:EDGES_MAX]),
        left_out=len(entities) - len(chosen),
        ties_left_out=max(0, len(ties) - EDGES_MAX),
    )


def beside(entity_id: str, mentioned: Mapping[str, Collection[str]]) -> Counter[str]:
    """Return how many memories mention each other entity together with this one, by id."""
    counts: Counter[str] = Counter()
    for ids in mentioned.values():
        if entity_id in ids:
            counts.update(i for i in ids if i != entity_id)
    return counts
