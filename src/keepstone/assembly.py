"""Context: query -> hits -> the most evidence that a token budget holds, ready for a prompt.

One search, one page of standing memories, one look at the places of messages in their conversations, whatever the
store's size. What is chosen and how it is written is decided in `logic.budget`, `logic.evidence` and `logic.layout`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from keepstone import recall
from keepstone.contract import ListQuery
from keepstone.filters import And, Condition, Filter, Or
from keepstone.logic import budget, evidence, layout
from keepstone.logic.text import language
from keepstone.protocols import Embedder, Store
from keepstone.recall import SearchRequest
from keepstone.types import Citation, Context, Kind, MemoryRecord, Span

HITS = 60
STANDING_MAX = 100
STANDING_IMPORTANCE = 0.7
STANDING_KINDS = (Kind.PROFILE, Kind.FACT)


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextRequest:
    """What one call of `context` asks for, checked."""

    search: SearchRequest
    format: layout.Format
    budget: budget.Budget


async def assemble(store: Store, embedder: Embedder | None, request: ContextRequest, *, now: datetime) -> Context:
    """Return the context of *request*.

    Raises:
        ProviderError: the embedder failed.
        LimitError: the scope reaches more partitions than one search may.
    """
    search = request.search
    always = [evidence.of_record(r) for r in await _standing(store, search, now)]
    hits = await recall.search(store, embedder, search, now=now)
    said = [h.id for h in hits if h.memory.kind is Kind.EPISODE]
    where = evidence.positions(await store.neighbours(said, search.scope, 0, 0) if said else [])
    found = [evidence.of_hit(h, where) for h in hits]

    words = layout.labels(language(search.query))
    fitting = budget.Fitting(layout.layout_of(request.format), words, request.budget)
    standing, no_place = fitting.standing(always)
    found, covered = evidence.without_covered(found, standing, search.query)
    found, repeated = budget.without_duplicates(found)
    chosen, no_room = fitting.found(standing, found)
    page = fitting.page(standing, chosen)
    there = {e.record.id for e, _ in page.places}
    refused = {r.memory_id: r for r in (*no_place, *covered, *repeated, *no_room) if r.memory_id not in there}
    return Context(
        text=page.text,
        tokens=fitting.size(standing, chosen),
        max_tokens=request.budget.tokens,
        prefix_end=page.prefix_end,
        citations=tuple(_citation(e, place) for e, place in page.places),
        left_out=tuple(sorted(refused.values(), key=lambda r: -(r.score or 0.0))),
        messages=_messages(page) if request.format == "messages" else (),
    )


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
            at=now,
            limit=STANDING_MAX,
            where=important if search.where is None else And((search.where, important)),
            kinds=kinds,
            include_superseded=False,
        )
    )
    # Profiles first, then what matters most, then what was learned last: the order in which room is given.
    return sorted(page.items, key=lambda r: (r.kind is not Kind.PROFILE, -r.importance, -r.sequence, r.id))


def _citation(entry: evidence.Evidence, place: Span) -> Citation:
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
