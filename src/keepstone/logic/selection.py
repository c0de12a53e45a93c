"""Which evidence is worth its tokens, and in which order it is taken: nothing twice, answers beside their questions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from keepstone.logic.evidence import Evidence, Position
from keepstone.logic.text import estimate_tokens, tokens, words
from keepstone.types import LeftOut, LeftOutReason

# From here on, a statement says most of what the message says that it came from.
COVERED_SHARE = 0.6

# What a line loses that has the words of one taken before, as a share of the distance from the best hit to the last.
# Carbonell & Goldstein, "The use of MMR, diversity-based reranking", 1998, with the Jaccard index of the words.
REPETITION_PENALTY = 0.1
# So many of the best hits are weighed against each other; the cost grows with the square.
COMPARED_MAX = 60

# So many of the best lines bring the turn before or after them along, if it is no longer than this.
LEADERS = 10
NEIGHBOUR_TOKENS_MAX = 100


Lookup = Callable[[Position], Evidence | None]


def without_covered(
    found: Sequence[Evidence], standing: Sequence[Evidence], query: str
) -> tuple[list[Evidence], list[LeftOut]]:
    """Return *found* without what *standing* shows, and without episodes that a statement says, and those episodes.

    A statement says an episode if it came from the same message (where only callers' ids tell that, they share words
    too), and it has every word of the query that the episode has, or most of the episode's words. It takes the place
    of the episode if that is better.
    """
    there = {e.record.id for e in standing}
    rest = [e for e in found if e.record.id not in there]
    statements = [*standing, *(e for e in rest if e.is_statement)]
    asked = frozenset(tokens(query))
    kept: dict[str, Evidence] = {}
    covered: list[LeftOut] = []
    for entry in rest:
        by = None if entry.is_statement else next((s for s in statements if _says(s, entry, asked)), None)
        if by is None:
            kept.setdefault(entry.record.id, entry)
        else:
            covered.append(_left_out(entry, by, "covered"))
            if by.record.id not in there:
                kept.setdefault(by.record.id, replace(by, value=entry.value))
    return list(kept.values()), covered


def _says(statement: Evidence, episode: Evidence, asked: frozenset[str]) -> bool:
    # What is no longer true says nothing of what the episode says besides.
    if statement.is_superseded and not episode.is_superseded:
        return False
    common = statement.terms & episode.terms
    if episode.record.id not in statement.episodes:
        if not set(statement.record.sources) & set(episode.record.sources):
            return False
        # Callers' ids are unique in one conversation only: without a common word it may be another message.
        if not common or not statement.record.scope.sees(episode.record.scope):
            return False
    return episode.terms & asked <= statement.terms or len(common) >= COVERED_SHARE * len(episode.terms)


def without_duplicates(found: Sequence[Evidence]) -> tuple[list[Evidence], list[LeftOut]]:
    """Return *found*, best first, without those in which the same speaker says the same words again, and those."""
    kept: dict[tuple[object, ...], Evidence] = {}
    repeated: list[LeftOut] = []
    for entry in found:
        record = entry.record
        said = words(entry.shown) or (entry.shown,)
        first = kept.setdefault((record.kind, record.role, record.name, entry.is_superseded, said), entry)
        if first is not entry:
            repeated.append(_left_out(entry, first, "duplicate"))
    return list(kept.values()), repeated


def _left_out(entry: Evidence, other: Evidence, reason: LeftOutReason) -> LeftOut:
    return LeftOut(memory_id=entry.record.id, reason=reason, score=entry.score, other_id=other.record.id)


def diverse(found: Sequence[Evidence]) -> list[Evidence]:
    """Return *found*, best first, in the order in which each adds the most to those before it."""
    left: list[Evidence] = list(found[:COMPARED_MAX])
    order: list[Evidence] = []
    lowest = min((e.value for e in left), default=0.0)
    span = max((e.value for e in left), default=0.0) - lowest or 1.0
    worth = [(e.value - lowest) / span for e in left]
    closest = [0.0] * len(left)
    while left:
        best = max(range(len(left)), key=lambda i: worth[i] - REPETITION_PENALTY * closest[i])
        taken = left.pop(best)
        del worth[best], closest[best]
        order.append(taken)
        closest = [max(c, _likeness(taken, e)) for c, e in zip(closest, left, strict=True)]
    return [*order, *found[COMPARED_MAX:]]


def _likeness(one: Evidence, other: Evidence) -> float:
    common = len(one.terms & other.terms)
    return common / (len(one.terms) + len(other.terms) - common) if common else 0.0


def with_neighbours(order: Sequence[Evidence], at: Lookup) -> list[Evidence]:
    """Return *order* with the turns that the first ones need beside them, each once.

    A question brings the turn after it, its answer; a turn of the assistant brings the user's turn before it, which
    it answers. *at* gives the turn at a position, None where there is none to be shown.
    """
    taken: dict[str, Evidence] = {}
    for number, entry in enumerate(order):
        taken.setdefault(entry.record.id, entry)
        if number < LEADERS:
            for other in _needed(entry, at):
                taken.setdefault(other.record.id, other)
    return list(taken.values())


def _needed(entry: Evidence, at: Lookup) -> Iterator[Evidence]:
    if entry.position is None:
        return
    scope, place = entry.position
    if entry.record.text.rstrip().endswith(("?", "？")):
        answer = at((scope, place + 1))
        if answer is not None and _is_short(answer):
            yield answer
    if entry.record.role == "assistant":
        asked = at((scope, place - 1))
        if asked is not None and asked.record.role == "user" and _is_short(asked):
            yield asked


def _is_short(entry: Evidence) -> bool:
    return estimate_tokens(entry.record.text) <= NEIGHBOUR_TOKENS_MAX
