"""The page `search`: what a query finds and why, why something was not found, and the context as it would be sent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, get_args

from fastapi import APIRouter, Request, Response

from keepstone.errors import InvalidRequestError
from keepstone.memory import AsyncMemory
from keepstone.server.routing import does, principal_of, service_of
from keepstone.server.ui.asked import LANGUAGES_OFFERED, Asked, asked
from keepstone.server.ui.pages import is_partial, render
from keepstone.server.ui.routing import UiRoute
from keepstone.traces import Trace
from keepstone.types import Context, ContextFormat, Hit, Kind, MemoryRecord, Signal

LIMIT, LIMIT_MAX = 10, 100
TOKENS, TOKENS_MAX = 1_000, 32_000
EXPECTED_MAX = 20
# Left out are often hundreds.
LEFT_OUT_SHOWN = 30
FORMATS: tuple[ContextFormat, ...] = get_args(ContextFormat)

router = APIRouter(route_class=UiRoute)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A signal of a hit; `share` is its contribution against the largest on the page, from -1 to 1."""

    signal: Signal
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A hit with its signals, the weightiest first, and whether the context shows it."""

    hit: Hit
    bars: tuple[Bar, ...]
    in_context: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """What a query came to; `trace` is there only where it was asked for."""

    hits: Sequence[Found]
    context: Context
    trace: Trace | None
    # The memories that the context names, by id; those left out that stand there no more are missing.
    records: Mapping[str, MemoryRecord]


@router.get("/ui/search", openapi_extra=does("search"))
async def page(request: Request) -> Response:
    """Show the form, and with a query what it finds."""
    service, who, wanted = service_of(request), principal_of(request), asked(request)
    everywhere = wanted.scope.is_empty and wanted.text("all_scopes") == "1"
    looked = None
    if wanted.text("query") and (everywhere or not wanted.scope.is_empty):
        looked = await _look(service.memory(who), wanted, everywhere, service.clock())
        ids = [left.memory_id for left in looked.context.left_out[:LEFT_OUT_SHOWN]]
        kept = await service.store.get(ids, wanted.scope)
        looked = replace(looked, records={r.id: r for r in kept})
    return render(
        request,
        "lab_results.html" if is_partial(request) else "lab.html",
        looked=looked,
        ids=wanted.ids,
        query=wanted.fields,
        kinds=list(Kind),
        tags=LANGUAGES_OFFERED,
        formats=FORMATS,
        tokens=_tokens(wanted),
        tokens_most=TOKENS_MAX,
        limit=_limit(wanted),
        limit_most=LIMIT_MAX,
        left_out_shown=LEFT_OUT_SHOWN,
        now=service.clock(),
    )


async def _look(memory: AsyncMemory, wanted: Asked, everywhere: bool, now: datetime) -> Looked:
    options: dict[str, Any] = {
        **wanted.ids,
        "all_scopes": everywhere,
        "kinds": wanted.kinds,
        "filters": wanted.where,
        "min_score": _share(wanted, "min_score"),
        "include_superseded": wanted.standing["include_superseded"],
        "as_of": wanted.end_of_day("as_of", now),
        "known_at": wanted.end_of_day("known_at", now),
    }
    query, limit, tokens = wanted.text("query"), _limit(wanted), _tokens(wanted)
    trace = None
    if wanted.text("expect") or wanted.text("trace") == "1":
        expected = wanted.text("expect").replace(",", " ").split()[:EXPECTED_MAX]
        trace = await memory.trace(query, expect=expected or None, limit=limit, max_tokens=tokens, **options)
    context = await memory.context(query, max_tokens=tokens, format=_format(wanted), **options)
    hits = trace.hits if trace is not None else await memory.search(query, limit=limit, explain=True, **options)
    cited = {c.memory_id for c in context.citations}
    return Looked(hits=_with_bars(hits, cited), context=context, trace=trace, records={})


def _with_bars(hits: Sequence[Hit], cited: set[str]) -> list[Found]:
    signals = {h.id: h.explanation.signals if h.explanation is not None else () for h in hits}
    most = max((abs(s.contribution) for each in signals.values() for s in each), default=0.0) or 1.0
    found = []
    for hit in hits:
        bars = [Bar(signal=s, share=s.contribution / most) for s in signals[hit.id] if s.contribution or s.value]
        bars.sort(key=lambda b: -abs(b.share))
        found.append(Found(hit=hit, bars=tuple(bars), in_context=hit.id in cited))
    return found


def _limit(wanted: Asked) -> int:
    return wanted.number("limit", LIMIT, 1, LIMIT_MAX)


def _tokens(wanted: Asked) -> int:
    return wanted.number("max_tokens", TOKENS, 1, TOKENS_MAX)


def _format(wanted: Asked) -> ContextFormat:
    given = wanted.text("format")
    return next((f for f in FORMATS if f == given), "text")


def _share(wanted: Asked, name: str) -> float:
    given = wanted.text(name)
    try:
        return float(given or 0)
    except ValueError as error:
        raise InvalidRequestError(f"{name} is not a number.") from error
