"""The interface of Mem0's open-source server: memories. Adding waits for the chat model, up to 30 seconds."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request, Response

from keepstone.compat.mem0 import shapes
from keepstone.errors import InvalidRequestError, NotFoundError
from keepstone.server.mem0 import adding, asking, changing, legacy, reading, routes
from keepstone.server.mem0.asking import Asking
from keepstone.server.mem0.bodies import AddBody, ListBody, SearchBody, UpdateBody
from keepstone.server.native.asking import Held, Ids, Who

surface = routes.open_source()

TOP_K = 20

TopK = Annotated[int, Query(ge=1, le=asking.AT_ONCE)]


@surface.route("POST", "/memories", "add", "add")
async def add(request: Request, body: AddBody, who: Who, memory: Held) -> Response:
    """Keep what was said, and return what was done."""
    notes: list[str] = []
    kept = await adding.keep(request, body, who, memory, notes, legacy.WAIT_SECONDS)
    legacy.late(kept.result.distilled is not None and kept.result.distilled.status == "pending", notes)
    return routes.reply({"results": shapes.added(kept.result)}, notes)


@surface.route("GET", "/memories", "get_all", "list")
async def list_(
    request: Request, ids: Ids, who: Who, memory: Held, top_k: TopK = TOP_K, show_expired: bool = False
) -> Response:
    """Return the memories of a scope, the oldest first."""
    notes: list[str] = []
    routes.ignored([k for k in request.query_params if k not in ("top_k", "show_expired")], notes)
    body = ListBody(**ids, show_expired=show_expired)
    page = await reading.listed(request, body, who, memory, notes, page=Asking(1, top_k), wildcard=False)
    return routes.reply({"results": [shapes.row(r) for r in page.items]}, notes)


@surface.route("DELETE", "/memories", "delete_all", "delete_all")
async def delete_all(request: Request, who: Who, memory: Held) -> Response:
    """Take back every memory of a scope."""
    routes.strict(request, ())
    return routes.reply(await changing.emptied(request, who, memory))


@surface.route("GET", "/memories/{id}", "get", "get")
async def get(request: Request, id: str, who: Who) -> Response:
    """Return one memory."""
    record = await asking.found(request, who, id)
    if record is None:
        raise NotFoundError(f"No memory {id}.")
    return routes.reply(shapes.row(record))


@surface.route("PUT", "/memories/{id}", "update", "update")
async def update(request: Request, id: str, body: UpdateBody, who: Who, memory: Held) -> Response:
    """Give a memory a new text, further metadata or another day to expire."""
    notes: list[str] = []
    await changing.changed(request, id, body, who, memory, notes)
    return routes.reply({"message": "Memory updated successfully!"}, notes)


@surface.route("DELETE", "/memories/{id}", "delete", "delete")
async def delete(request: Request, id: str, who: Who, memory: Held) -> Response:
    """Take a memory back."""
    routes.strict(request, ())
    await memory.delete(await asking.known(request, who, id))
    return routes.reply({"message": "Memory deleted successfully!"})


@surface.route("GET", "/memories/{id}/history", "history", "history")
async def history(request: Request, id: str, who: Who, memory: Held) -> Response:
    """Return every change of a memory, the oldest first, deleted ones included."""
    return routes.reply(await reading.changes_of(request, id, who, memory))


@surface.route("POST", "/search", "search", "search")
async def search(request: Request, body: SearchBody, who: Who, memory: Held) -> Response:
    """Return the memories that best match a query, best first."""
    notes: list[str] = []
    wanted = body.model_copy(update={"top_k": body.top_k or body.limit or TOP_K})
    return routes.reply({"results": await reading.found(request, wanted, who, memory, notes, wildcard=False)}, notes)


@surface.route("POST", "/reset", "reset", "reset")
async def reset(request: Request, memory: Held) -> Response:
    """Empty the tenant of the key."""
    if request.query_params:
        raise InvalidRequestError("reset takes no parameters: it empties everything; nothing was deleted.")
    await memory.reset(confirm=True)
    return routes.reply({"message": "All memories reset"})
