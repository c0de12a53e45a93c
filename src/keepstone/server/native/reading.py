"""Reading: search, context, trace, get, get_all, history, profile, entities, stats, usage."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from keepstone.naming import Entity
from keepstone.profiles import Profile
from keepstone.results import Usage
from keepstone.server.native.asking import Cursor, Filters, Held, Ids, Who, about, answer, conditions, items
from keepstone.server.routing import GuardedRoute, does
from keepstone.server.schemas import ContextBody, SearchBody, TraceBody
from keepstone.traces import Trace
from keepstone.types import Change, Context, Hit, Kind, MemoryRecord, Page, Stats

router = APIRouter(route_class=GuardedRoute, tags=["memories"])

Limit = Annotated[int, Query(ge=1, le=1_000)]


class Hits(BaseModel):
    """What a search found, best first."""

    items: list[Hit]


class Changes(BaseModel):
    """Entries of the history, oldest first."""

    items: list[Change]


class Entities(BaseModel):
    """What memories mention."""

    items: list[Entity]


@router.post("/search", operation_id="search", openapi_extra=does("search"), response_model=Hits)
async def search(request: Request, body: SearchBody, who: Who, memory: Held) -> Response:
    """Return the memories of a scope that best match a query, best first."""
    options = body.model_dump(exclude={"query", "user_id", "agent_id", "app_id", "run_id"})
    return items(await memory.search(body.query, **about(request, who, body.whose), **options))


@router.post("/context", operation_id="context", openapi_extra=does("context"), response_model=Context)
async def context(request: Request, body: ContextBody, who: Who, memory: Held) -> Response:
    """Return the most evidence for a query that fits into a token budget, as text for a prompt, with citations."""
    options = body.model_dump(exclude={"query", "user_id", "agent_id", "app_id", "run_id"})
    return answer(await memory.context(body.query, **about(request, who, body.whose), **options))


@router.post("/trace", operation_id="trace", openapi_extra=does("trace"), response_model=Trace)
async def trace(request: Request, body: TraceBody, who: Who, memory: Held) -> Response:
    """Return how a question is answered, and where each expected memory was lost on the way."""
    options = body.model_dump(exclude={"question", "user_id", "agent_id", "app_id", "run_id"})
    return answer(await memory.trace(body.question, **about(request, who, body.whose), **options))


@router.get("/memories", operation_id="get_all", openapi_extra=does("get_all"), response_model=Page)
async def get_all(
    request: Request,
    ids: Ids,
    who: Who,
    memory: Held,
    limit: Limit = 100,
    cursor: Cursor = None,
    filters: Filters = None,
    kinds: Annotated[list[Kind] | None, Query()] = None,
    include_expired: bool = False,
    include_superseded: bool = True,
    all_scopes: bool = False,
    as_of: str | None = None,
    known_at: str | None = None,
) -> Response:
    """Return a page of the memories of a scope in the order of their sequence."""
    page = await memory.get_all(
        **about(request, who, ids),
        limit=limit,
        cursor=cursor,
        filters=conditions(filters),
        kinds=kinds,
        include_expired=include_expired,
        include_superseded=include_superseded,
        all_scopes=all_scopes,
        as_of=as_of,
        known_at=known_at,
    )
    return answer(page)


@router.get("/memories/{id}", operation_id="get", openapi_extra=does("get"), response_model=MemoryRecord)
async def get(request: Request, id: str, ids: Ids, who: Who, memory: Held) -> Response:
    """Return one memory; with a scope, only if that scope sees it."""
    return answer(await memory.get(id, **about(request, who, ids)))


@router.get("/memories/{id}/history", operation_id="history", openapi_extra=does("history"), response_model=Changes)
async def history(request: Request, id: str, ids: Ids, who: Who, memory: Held) -> Response:
    """Return every change of a memory, oldest first, deleted ones included."""
    return items(await memory.history(id, **about(request, who, ids)))


@router.get("/profile", operation_id="profile", openapi_extra=does("profile"), response_model=Profile)
async def profile(
    request: Request,
    ids: Ids,
    who: Who,
    memory: Held,
    max_tokens: Annotated[int | None, Query(ge=1, le=1_000_000)] = None,
    as_of: str | None = None,
    known_at: str | None = None,
) -> Response:
    """Return what is true of a user now, in sections, dated, each line with its sources."""
    found = await memory.profile(**about(request, who, ids), max_tokens=max_tokens, as_of=as_of, known_at=known_at)
    return answer(found)


@router.get("/entities", operation_id="entities", openapi_extra=does("entities"), response_model=Entities)
async def entities(request: Request, ids: Ids, who: Who, memory: Held) -> Response:
    """Return the people, places, organisations and things that the memories of a scope mention."""
    return items(await memory.entities(**about(request, who, ids)))


@router.get("/stats", operation_id="stats", openapi_extra=does("stats"), response_model=Stats)
async def stats(request: Request, ids: Ids, who: Who, memory: Held) -> Response:
    """Return counts of what a scope holds; without one, of all that the key sees."""
    found = await memory.stats(**about(request, who, ids))
    # Where the file lies is the operator's business.
    return answer({**found.to_dict(), "path": None})


@router.get("/usage", operation_id="usage", openapi_extra=does("usage"), response_model=Usage)
async def usage(
    request: Request, ids: Ids, who: Who, memory: Held, since: str | None = None, until: str | None = None
) -> Response:
    """Return what the calls of chat models cost for a scope; without one, for all that the key sees."""
    return answer(await memory.usage(**about(request, who, ids), since=since, until=until))
