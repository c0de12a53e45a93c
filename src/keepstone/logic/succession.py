"""New and old among statements about one matter: which of them a question asks for comes first.

A statement is taken to be about the same matter as an earlier one if it is by the same speaker, from a later session,
about the same person as far as that can be told, mentions as much of what the question names, and is near enough in
meaning. Nothing is retired or marked by this:
the order of one answer changes, and the explanation says so.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from keepstone.contract import Candidate, Candidates
from keepstone.logic.questions import Intent, Question
from keepstone.logic.traits import QUESTION, SOMEONE_ELSE
from keepstone.types import Status

# How many of the best are looked at, and among how many their successors or predecessors are looked for.
LEADING = 12
LOOKED_AT = 40
LEADING_BEFORE = 8
# An older statement is more often about another matter: it must be nearer by this.
NEARER_BEFORE = 1.25
# A successor this far behind the best does not answer the question, and sets nothing back.
BEHIND_MAX = 3.0
STEP = 0.02


def leading(signals: Sequence[tuple[float | None, float]]) -> list[int]:
    """Return the places of those with a cosine whose (cosine, BM25) is among the LOOKED_AT best of either."""
    known = [p for p, (cosine, _) in enumerate(signals) if cosine is not None]
    by_cosine = sorted(known, key=lambda p: (-(signals[p][0] or 0.0), p))[:LOOKED_AT]
    by_words = sorted(known, key=lambda p: (-signals[p][1], p))[:LOOKED_AT]
    return sorted({*by_cosine, *by_words})


def succeed(found: Candidates, fused: Mapping[int, float], question: Question, same_matter: float) -> dict[int, float]:
    """Return new values for those places of *fused* that move, by place in `found.items`.

    Where the question asks how things stand, the latest statement of a matter takes the place of the best one, and
    the earlier ones come right behind it. Where it asks how things stood before, an earlier statement comes right
    behind the best later one.
    """
    if not found.alike or question.intent is Intent.ANY:
        return {}
    order = sorted(fused, key=lambda p: (-round(fused[p], 9), -found.items[p].recency, found.items[p].memory_id))
    order = [
        p for p in order[:LOOKED_AT] if not found.items[p].traits & QUESTION and found.items[p].role != "assistant"
    ]
    looked_at = set(order)
    near: defaultdict[int, list[tuple[float, int]]] = defaultdict(list)
    for one, other, cosine in found.alike:
        if one in looked_at and other in looked_at:
            near[one].append((cosine, other))
            near[other].append((cosine, one))
    if question.intent is Intent.NOW:
        return _now(found, fused, order, near, same_matter)
    return _before(found, fused, order, near, same_matter * NEARER_BEFORE)


def _now(
    found: Candidates,
    fused: Mapping[int, float],
    order: list[int],
    near: Mapping[int, list[tuple[float, int]]],
    least: float,
) -> dict[int, float]:
    items, moved = found.items, dict(fused)
    leading = order[:LEADING]
    successor: dict[int, int] = {}
    for place in leading:
        later = [(c, o) for c, o in near.get(place, ()) if c >= least and _follows(items[o], items[place])]
        # What was superseded itself says no longer how things stand.
        later = [(c, o) for c, o in later if items[o].status is not Status.SUPERSEDED]
        if later:
            successor[place] = max(later)[1]
    for place in sorted(successor, key=lambda p: items[p].recency):
        moved[successor[place]] = max(moved[successor[place]], moved[place])
    top = fused[order[0]] if order else 0.0
    for place in sorted(successor, key=lambda p: -items[p].recency):
        if moved[successor[place]] >= top - BEHIND_MAX:
            moved[place] = min(moved[place], moved[successor[place]] - STEP)
    return {p: v for p, v in moved.items() if v != fused[p]}


def _before(
    found: Candidates,
    fused: Mapping[int, float],
    order: list[int],
    near: Mapping[int, list[tuple[float, int]]],
    least: float,
) -> dict[int, float]:
    items, moved = found.items, dict(fused)
    for place in order[:LEADING_BEFORE]:
        earlier = [(c, o) for c, o in near.get(place, ()) if c >= least and _follows(items[place], items[o])]
        if earlier:
            old = max(earlier)[1]
            moved[old] = max(moved[old], fused[place] - STEP / 2)
    return {p: v for p, v in moved.items() if v != fused[p]}


def _follows(later: Candidate, earlier: Candidate) -> bool:
    """Whether *later* may be a newer statement of the matter of *earlier*."""
    return (
        later.partition == earlier.partition
        and later.recency > earlier.recency
        and (later.session != earlier.session or later.session < 0)
        and later.speaker == earlier.speaker
        # What the question names decides whose matter it is.
        and later.linked == earlier.linked
        and not (later.traits ^ earlier.traits) & SOMEONE_ELSE
    )
