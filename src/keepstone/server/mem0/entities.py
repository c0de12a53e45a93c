"""Mem0's entities: the users, agents, applications and runs that have memories."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import Request, Response

from keepstone.compat.mem0.filtering import Asked
from keepstone.compat.mem0.shapes import Row
from keepstone.control import Owner
from keepstone.errors import InvalidRequestError, NotFoundError
from keepstone.memory import AsyncMemory
from keepstone.server.access import Principal
from keepstone.server.mem0 import asking, routes
from keepstone.server.native.asking import Held, Who
from keepstone.server.routing import service_of
from keepstone.types import OWNER_KINDS, Listing

surface = routes.hosted()

ENTITIES_MAX = 10_000


@surface.route("GET", "/v1/entities", "owners", "entities")
async def entities(request: Request, who: Who) -> Response:
    """Return a page of those who have memories, by type and name."""
    notes: list[str] = []
    routes.ignored(list(request.query_params), notes)
    page = await asking.numbered(asking.every(_owners(request, who)), asking.page_of(request))
    return routes.reply(page.shown(request, [entity_row(o) for o in page.items]), notes)


def _owners(request: Request, who: Principal) -> Callable[[str | None], Awaitable[Listing[Owner]]]:
    catalogue = service_of(request).catalogue

    async def fetch(cursor: str | None) -> Listing[Owner]:
        found = await catalogue.owners(who.tenant, cursor=cursor, limit=asking.AT_ONCE)
        # One whose memories were all deleted is no longer there, as in Mem0.
        return Listing(items=tuple(o for o in found.items if o.memories), next_cursor=found.next_cursor)

    return fetch


async def all_entities(request: Request, who: Principal) -> list[Row]:
    """Return those who have memories, the first ENTITIES_MAX of them."""
    rows = []
    async for owner in asking.every(_owners(request, who)):
        rows.append(entity_row(owner))
        if len(rows) == ENTITIES_MAX:
            break
    return rows


def entity_row(owner: Owner) -> Row:
    """Return an owner as Mem0 shows an entity."""
    at = None if owner.last_at is None else owner.last_at.isoformat()
    return {
        "id": owner.id,
        "name": owner.id,
        "type": owner.kind,
        "total_memories": owner.memories,
        "total_messages": owner.messages,
        "created_at": at,
        "updated_at": at,
        "metadata": None,
    }


@surface.route("DELETE", "/v2/entities/{kind}/{id:path}", "delete_all", "delete_entity")
async def delete_entity(request: Request, kind: str, id: str, who: Who, memory: Held) -> Response:
    """Take back every memory of a user, an agent, an application or a run."""
    return routes.reply(await removed(request, kind, id, who, memory))


@surface.route("DELETE", "/v1/entities/{kind}/{id:path}", "delete_all", "delete_entity_v1")
async def delete_entity_v1(request: Request, kind: str, id: str, who: Who, memory: Held) -> Response:
    """Take back every memory of a user, an agent, an application or a run."""
    return routes.reply(await removed(request, kind, id, who, memory))


async def removed(request: Request, kind: str, id: str, who: Principal, memory: AsyncMemory) -> Row:
    """Take back every memory with an id, and return what to answer.

    Raises:
        NotFoundError: there is none.
    """
    routes.strict(request, ())
    # The name may hold slashes of its own; the last one is the path's.
    name = id.removesuffix("/")
    if kind not in OWNER_KINDS:
        raise InvalidRequestError(f"An entity is a {', '.join(OWNER_KINDS)}.")
    if name in ("", "*"):
        raise InvalidRequestError("An entity has a name; there is no wildcard.")
    asked = Asked(ids={f"{kind}_id": name}, where=None, anybody=False)
    count = await memory.delete_all(**asking.named_scope(request, who, asked))
    if not count:
        raise NotFoundError(f"No {kind} with this name has memories.")
    return {"message": "Entity deleted successfully!", "deleted": count}
