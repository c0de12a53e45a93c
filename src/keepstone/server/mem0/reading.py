"""Searching, listing, one memory and its history, counts."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response

from keepstone.compat.mem0 import filtering, shapes
from keepstone.compat.mem0.filtering import Asked
from keepstone.compat.mem0.shapes import Row, warn
from keepstone.errors import InvalidRequestError, NotFoundError
from keepstone.filters import Condition
from keepstone.memory import AsyncMemory
from keepstone.server.access import Principal
from keepstone.server.mem0 import asking, routes
from keepstone.server.mem0.asking import Asking, Numbered
from keepstone.server.mem0.bodies import ListBody, SearchBody
from keepstone.server.native.asking import Held, Who, about
from keepstone.server.routing import service_of
from keepstone.types import MemoryRecord, Page

surface = routes.hosted()

TOP_K = 10


@surface.route("POST", "/v3/memories/search", "search", "search")
async def search(request: Request, body: SearchBody, who: Who, memory: Held) -> Response:
    """Return the memories that best match a query, best first."""
    notes: list[str] = []
    rows = await found(request, body, who, memory, notes, wildcard=True)
    return routes.reply({"results": rows}, notes)


async def found(
    request: Request, body: SearchBody, who: Principal, memory: AsyncMemory, notes: list[str], *, wildcard: bool
) -> list[Row]:
    """Return the hits that *body* asks for as rows.

    Raises:
        InvalidRequestError: it cannot be understood.
    """
    if not body.query.strip():
        raise InvalidRequestError("The query is empty.")
    asked = asking.read(body.filters, body.whose, wildcard=wildcard)
    routes.unsupported("rerank", body.rerank, "there is no reranker; ranking is hybrid always.", notes)
    routes.ignored(body.strange, notes)
    day = body.reference_date
    hits = await memory.search(
        body.query,
        **asking.scoped(request, who, asked),
        limit=body.top_k or body.limit or TOP_K,
        min_score=body.threshold or 0.0,
        filters=filtering.both(asked.where, *_metadata(body.metadata), filtering.in_categories(body.categories or ())),
        include_expired=body.show_expired is True,
        include_superseded=body.latest_only is not True,
        as_of=None if day is None else filtering.moment(day, "reference_date"),
        explain=body.explain is True,
    )
    return [shapes.narrowed(shapes.hit_row(h), body.fields) for h in hits]


def _metadata(wanted: dict[str, Any] | None) -> list[Condition]:
    return [Condition((key,), "eq", value) for key, value in (wanted or {}).items()]


@surface.route("POST", "/v3/memories", "get_all", "list")
async def list_(request: Request, body: ListBody, who: Who, memory: Held) -> Response:
    """Return a page of memories, the oldest first."""
    notes: list[str] = []
    page = await listed(request, body, who, memory, notes)
    return routes.reply(shown(request, body, page), notes)


def shown(request: Request, body: ListBody, page: Numbered[MemoryRecord]) -> dict[str, Any]:
    """Return a page of memories as Mem0 shows one."""
    return page.shown(request, [shapes.narrowed(shapes.row(r), body.fields) for r in page.items])


async def listed(
    request: Request,
    body: ListBody,
    who: Principal,
    memory: AsyncMemory,
    notes: list[str],
    *,
    page: Asking | None = None,
    wildcard: bool = True,
) -> Numbered[MemoryRecord]:
    """Return the page of memories that *body* and the request, or *page*, ask for.

    Raises:
        InvalidRequestError: it cannot be understood.
    """
    asked = asking.read(body.filters, body.whose, wildcard=wildcard)
    scope = asking.scoped(request, who, asked)
    wanted = page or asking.page_of(request)
    where = _narrowing(body, asked)
    routes.ignored(body.strange, notes)
    is_whole = where is None and body.latest_only is not True

    async def fetch(cursor: str | None) -> Page:
        return await memory.get_all(
            **scope,
            cursor=cursor,
            limit=wanted.limit if is_whole else asking.AT_ONCE,
            filters=where,
            include_expired=body.show_expired is True,
            include_superseded=body.latest_only is not True,
        )

    async def total() -> int:
        return await asking.counted(memory, scope)

    items = asking.every(fetch)
    result: Numbered[MemoryRecord] = await asking.numbered(items, wanted, total if is_whole else None)
    if result.count is None:
        warn(notes, f"count is unknown: more than {asking.COUNT_MAX} memories match.")
    return result


def _narrowing(body: ListBody, asked: Asked) -> Any:
    return filtering.both(
        asked.where,
        *_metadata(body.metadata),
        None if body.start_date is None else filtering.since_or_until("gte", body.start_date),
        None if body.end_date is None else filtering.since_or_until("lte", body.end_date),
        filtering.in_categories(body.categories or ()),
    )


@surface.route("GET", "/v1/memories/{id}", "get", "get")
async def get(request: Request, id: str, who: Who) -> Response:
    """Return one memory, by its id or by the one that it had before it was imported."""
    record = await asking.found(request, who, id)
    if record is None:
        raise NotFoundError(f"No memory {id}.")
    notes: list[str] = []
    routes.ignored(list(request.query_params), notes)
    return routes.reply(shapes.row(record), notes)


@surface.route("GET", "/v1/memories/{id}/history", "history", "history")
async def history(request: Request, id: str, who: Who, memory: Held) -> Response:
    """Return every change of a memory, the oldest first, deleted ones included."""
    return routes.reply(await changes_of(request, id, who, memory))


async def changes_of(request: Request, id: str, who: Principal, memory: AsyncMemory) -> list[Row]:
    """Return the history of a memory as rows.

    Raises:
        NotFoundError: the key never saw such a memory.
    """
    record = await asking.found(request, who, id)
    return shapes.history_rows(await memory.history(id if record is None else record.id), record)


@surface.route("GET", "/v1/stats", "stats", "stats")
async def stats(request: Request, who: Who, memory: Held) -> Response:
    """Return how much there is of a scope; without one, of all that the key sees."""
    given = {name: request.query_params.get(name) for name in filtering.IDS}
    ids = about(request, who, asking.whose(asking.read(None, given)))
    counts = await memory.stats(**ids)
    return routes.reply(
        {
            "total_memories": counts.memories,
            "total_messages": counts.messages,
            "total_superseded": counts.superseded,
            "total_deleted": counts.retired,
            "has_chat_model": service_of(request).chat_model is not None,
        }
    )
