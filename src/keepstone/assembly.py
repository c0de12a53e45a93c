"""Context: query -> hits -> the most evidence that a token budget holds, ready for a prompt.

One search, one page of standing memories, one look at the places of messages in their conversations, whatever the
store's size. What is chosen and how it is written is decided in `logic.budget`, `logic.evidence` and `logic.layout`.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from datetime import datetime

from keepstone import recall
from keepstone.contract import ListQuery
from keepstone.filters import And, Condition, Filter, Or
from keepstone.logic import budget, evidence, layout, selection
from keepstone.logic.evidence import Evidence
from keepstone.logic.text import language
from keepstone.protocols import Embedder, Store
from keepstone.recall import SearchRequest
from keepstone.types import Citation, Context, ContextFormat, Hit, Kind, LeftOut, MemoryRecord, Span

# Hits asked for, and of these, so many at least may fill the budget; the others only come along as neighbours.
HITS = 200
CONSIDERED_MIN = 60
STANDING_MAX = 100
STANDING_IMPORTANCE = 0.7
STANDING_KINDS = (Kind.PROFILE, Kind.FACT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextRequest:
    """What one call of `context` asks for, checked."""

    search: SearchRequest
    format: ContextFormat
    budget: budget.Budget


async def assemble(
    store: Store, embedder: Embedder | None, request: ContextRequest, *, now: datetime
) -> tuple[Context, tuple[MemoryRecord, ...]]:
    """Return the context of *request*, and the memories that it shows.

    Raises:
        ProviderError: the embedder failed.
        LimitError: the scope reaches more partitions than one search may.
    """
    search = request.search
    always = [evidence.of_record(r) for r in await _standing(store, search, now)]
    # Whether a statement says all of its episode that the question needs is seen here, line by line.
    hits = await recall.search(store, embedder, replace(search, merge=False), now=now)
    leading = hits[: considered(request.budget.tokens)]
    said = [h.id for h in leading if h.memory.kind is Kind.EPISODE]
    around = await store.neighbours(said, search.scope, 1, 1) if said else []
    return _fitted(request, always, hits, len(leading), evidence.by_id(around))


def considered(max_tokens: int) -> int:
    """How many hits may fill a budget: lines of twenty tokens or more, mostly."""
    return max(CONSIDERED_MIN, min(HITS, max_tokens // 20))


def _fitted(
    request: ContextRequest,
    always: Sequence[Evidence],
    hits: Sequence[Hit],
    leading: int,
    messages: evidence.Messages,
) -> tuple[Context, tuple[MemoryRecord, ...]]:
    query = request.search.query
    words = layout.labels(language(query))
    fitting = budget.Fitting(layout.layout_of(request.format), words, request.budget)
    standing, no_place = fitting.standing(always)
    found = [evidence.of_hit(h, messages) for h in hits[:leading]]
    found, covered = selection.without_covered(found, standing, query)
    found, repeated = selection.without_duplicates(found)
    hidden = {r.memory_id for r in (*covered, *repeated)} | {e.record.id for e in standing}
    # Only what the search itself returned may come along: the ledger does not know what expired or was filtered out.
    turns = {
        (m.scope, m.position): h
        for h in hits
        if h.id not in hidden and (m := evidence.message_of(h, messages)) is not None
    }

    def turn(position: evidence.Position) -> Evidence | None:
        return evidence.of_hit(turns[position], messages) if position in turns else None

    order = selection.with_neighbours(selection.diverse(found), turn)
    chosen, no_room = fitting.found(standing, order)
    page = fitting.page(standing, chosen)
    context = Context(
        text=page.text,
        tokens=fitting.size(standing, chosen),
        max_tokens=request.budget.tokens,
        prefix_end=page.prefix_end,
        citations=tuple(_citation(e, place) for e, place in page.places),
        left_out=_left_out((*no_place, *covered, *repeated, *no_room), {e.record.id for e, _ in page.places}),
        messages=_messages(page) if request.format == "messages" else (),
    )
    return context, tuple(e.record for e, _ in page.places)


def _left_out(refused: Sequence[LeftOut], there: Set[str]) -> tuple[LeftOut, ...]:
    """What is not *there*, best first; what was left out for something that had no room itself, had no room."""
    reasons: dict[str, LeftOut] = {}
    for entry in refused:
        if entry.memory_id not in there:
            if entry.other_id is not None and entry.other_id not in there:
                entry = replace(entry, reason="budget", other_id=None)
            reasons[entry.memory_id] = entry
    return tuple(sorted(reasons.values(), key=lambda r: -(r.score or 0.0)))


async def _standing(store: Store, search: SearchRequest, now: datetime) -> Sequence[MemoryRecord]:
    kinds = tuple(k for k in STANDING_KINDS if not search.kinds or k in search.kinds)
    if not kinds:
        return ()
    important: Filter = Or(
        (
            Condition(("kind",), "eq", Kind.PROFILE.value, is_field=True),
            Condition(("importance",), "gte", STANDING_IMPORTANCE, is_field=True),
        )
    )
    page = await store.get_all(
        ListQuery(
            scope=search.scope,
            at=search.known_at or now,
            limit=STANDING_MAX,
            where=important if search.where is None else And((search.where, important)),
            kinds=kinds,
            include_superseded=False,
            as_of=search.as_of,
            known_at=search.known_at,
        )
    )
    # Profiles first, then what matters most, then what was learned last: the order in which room is given.
    return sorted(page.items, key=lambda r: (r.kind is not Kind.PROFILE, -r.importance, -r.sequence, r.id))


def _citation(entry: Evidence, place: Span) -> Citation:
    return Citation(
        memory_id=entry.record.id,
        kind=entry.record.kind,
        status=entry.record.status,
        sources=entry.record.sources,
        spans=entry.spans,
        place=place,
        score=entry.score,
    )


def _messages(page: layout.Page) -> tuple[dict[str, str], ...]:
    parts = (page.text[: page.prefix_end], page.text[page.prefix_end :].strip("\n"))
    return tuple({"role": "user", "content": part} for part in parts if part)
