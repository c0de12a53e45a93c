"""The routes of older clients (v1 and v2), in the shapes of their time."""

from __future__ import annotations

from fastapi import Request, Response

from keepstone.compat.mem0 import shapes
from keepstone.compat.mem0.shapes import Row, warn
from keepstone.memory import AsyncMemory
from keepstone.server.access import Principal
from keepstone.server.mem0 import adding, asking, reading, routes
from keepstone.server.mem0.asking import Asking
from keepstone.server.mem0.bodies import AddBody, ListBody, SearchBody
from keepstone.server.native.asking import Held, Ids, Who

surface = routes.hosted()

WAIT_SECONDS = 30.0
_IN_OBJECT = "v1.1"


@surface.route("POST", "/v1/memories", "add", "add_v1")
async def add(request: Request, body: AddBody, who: Who, memory: Held) -> Response:
    """Keep what was said, and return what was done; with `async_mode`, the id of an event."""
    if body.async_mode:
        told, notes = await adding.pending(request, body, who, memory)
        return _shaped([told], body.output_format, notes)
    notes = []
    kept = await adding.keep(request, body, who, memory, notes, WAIT_SECONDS)
    late(kept.result.distilled is not None and kept.result.distilled.status == "pending", notes)
    rows = [{**r, "data": {"memory": r["memory"]}} for r in shapes.added(kept.result)]
    return _shaped(rows, body.output_format, notes)


def late(is_pending: bool, notes: list[str]) -> None:
    """Warn that a chat model was not done in time."""
    if is_pending:
        warn(notes, "The words are kept; the chat model is not done with them and goes on in the background.")


@surface.route("POST", "/v1/memories/search", "search", "search_v1")
async def search_v1(request: Request, body: SearchBody, who: Who, memory: Held) -> Response:
    """Return the memories that best match a query, best first."""
    return await _search(request, body, who, memory)


@surface.route("POST", "/v2/memories/search", "search", "search_v2")
async def search_v2(request: Request, body: SearchBody, who: Who, memory: Held) -> Response:
    """Return the memories that best match a query, best first."""
    return await _search(request, body, who, memory)


async def _search(request: Request, body: SearchBody, who: Principal, memory: AsyncMemory) -> Response:
    notes: list[str] = []
    rows = await reading.found(request, body, who, memory, notes, wildcard=True)
    return _shaped(rows, body.output_format, notes)


@surface.route("GET", "/v1/memories", "get_all", "list_v1")
async def list_v1(
    request: Request, ids: Ids, who: Who, memory: Held, start_date: str | None = None, end_date: str | None = None
) -> Response:
    """Return the memories of a scope: a page with `page` or `page_size`, else a list."""
    notes: list[str] = []
    routes.ignored([k for k in request.query_params if k not in ("start_date", "end_date")], notes)
    return await _list(request, ListBody(**ids, start_date=start_date, end_date=end_date), who, memory, notes)


@surface.route("POST", "/v2/memories", "get_all", "list_v2")
async def list_v2(request: Request, body: ListBody, who: Who, memory: Held) -> Response:
    """Return the memories of a scope: a page with `page` or `page_size`, else a list."""
    return await _list(request, body, who, memory, [])


async def _list(request: Request, body: ListBody, who: Principal, memory: AsyncMemory, notes: list[str]) -> Response:
    if "page" in request.query_params or "page_size" in request.query_params:
        page = await reading.listed(request, body, who, memory, notes)
        return routes.reply(reading.shown(request, body, page), notes)
    whole = await reading.listed(request, body, who, memory, notes, page=Asking(1, asking.AT_ONCE))
    if whole.has_more:
        warn(notes, f"These are the first {asking.AT_ONCE} memories; page and page_size give the others.")
    return routes.reply([shapes.narrowed(shapes.row(r), body.fields) for r in whole.items], notes)


def _shaped(rows: list[Row], output_format: str | None, notes: list[str]) -> Response:
    return routes.reply({"results": rows} if output_format == _IN_OBJECT else list(rows), notes)
