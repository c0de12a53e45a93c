"""Looking through what is kept: messages, conversations, owners, the log of changes, and an overview."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, BaseModel

from keepstone import control
from keepstone.errors import NotFoundError
from keepstone.results import Usage
from keepstone.server.access import Principal, ScopeIds
from keepstone.server.native.asking import Cursor, Held, Ids, Serving, Who, about, answer, items
from keepstone.server.routing import GuardedRoute, does
from keepstone.types import Change, LedgerMessage, Scope, Stats

router = APIRouter(route_class=GuardedRoute, tags=["messages"])

PageLimit = Annotated[int, Query(ge=1, le=1_000)]
Around = Annotated[int, Query(ge=0, le=100)]


class MessagePage(BaseModel):
    """A page of messages as they were said."""

    items: list[LedgerMessage]
    next_cursor: str | None


class Sources(BaseModel):
    """The messages that a memory came from, with those around them, in the order in which they were said."""

    items: list[LedgerMessage]
    sources: list[str]


class Conversations(BaseModel):
    """A page of conversations, those of the newest scopes first."""

    items: list[control.Conversation]
    next_cursor: str | None


class Owners(BaseModel):
    """A page of owners of memories by kind and id."""

    items: list[control.Owner]
    next_cursor: str | None


class ChangePage(BaseModel):
    """A page of the history, the newest change first."""

    items: list[Change]
    next_cursor: str | None


class Overview(BaseModel):
    """What was written day by day, what the queue holds, what there is, and what models cost over the time."""

    days: list[control.Day]
    queue: control.QueueCounts
    stats: Stats
    usage: Usage


@router.get("/messages", operation_id="messages", openapi_extra=does("messages"), response_model=MessagePage)
async def messages(
    request: Request,
    ids: Ids,
    who: Who,
    service: Serving,
    cursor: Cursor = None,
    limit: PageLimit = 50,
    newest_first: bool = False,
) -> Response:
    """Return the messages of a scope as they were said, owner by owner; without one, all that the key sees."""
    page = await service.catalogue.transcript(
        _scope(request, who, ids), cursor=cursor, limit=limit, newest_first=newest_first
    )
    return answer(page)


@router.get("/messages/{id}", operation_id="message", openapi_extra=does("messages"), response_model=LedgerMessage)
async def message(request: Request, id: str, ids: Ids, who: Who, service: Serving) -> Response:
    """Return one message by our id."""
    found = await service.store.messages([id], _scope(request, who, ids))
    if not found:
        raise NotFoundError(f"No message {id[:100]} in this scope.")
    return answer(found[0])


@router.get(
    "/memories/{id}/messages", operation_id="memory_messages", openapi_extra=does("messages"), response_model=Sources
)
async def memory_messages(
    request: Request,
    id: str,
    ids: Ids,
    who: Who,
    memory: Held,
    service: Serving,
    before: Around = 0,
    after: Around = 0,
) -> Response:
    """Return the messages that a memory came from, with so many before and after each."""
    scope = _scope(request, who, ids)
    record = await memory.get(id, **who.ids(**ids))
    found = await service.store.neighbours([record.id], scope, before, after)
    return items(found, sources=list(record.sources))


@router.get(
    "/conversations",
    operation_id="conversations",
    openapi_extra=does("conversations"),
    response_model=Conversations,
)
async def conversations(
    request: Request, ids: Ids, who: Who, service: Serving, cursor: Cursor = None, limit: PageLimit = 50
) -> Response:
    """Return the conversations that a scope sees, those of the newest scopes first."""
    return answer(await service.catalogue.conversations(_scope(request, who, ids), cursor=cursor, limit=limit))


@router.get("/owners", operation_id="owners", openapi_extra=does("owners"), response_model=Owners)
async def owners(
    who: Who,
    service: Serving,
    kind: Literal["user", "agent", "app", "run"] | None = None,
    prefix: Annotated[str, Query(max_length=256)] = "",
    cursor: Cursor = None,
    limit: PageLimit = 50,
) -> Response:
    """Return whose memories there are: users, agents, applications, sessions, and how much each has."""
    page = await service.catalogue.owners(who.tenant, kind=kind, prefix=prefix, cursor=cursor, limit=limit)
    return answer(page)


@router.get("/changes", operation_id="changes", openapi_extra=does("changes"), response_model=ChangePage)
async def changes(
    request: Request, ids: Ids, who: Who, service: Serving, cursor: Cursor = None, limit: PageLimit = 50
) -> Response:
    """Return the changes that a scope sees, the newest first."""
    return answer(await service.catalogue.log(_scope(request, who, ids), cursor=cursor, limit=limit))


@router.get("/overview", operation_id="overview", openapi_extra=does("overview"), response_model=Overview)
async def overview(
    request: Request,
    ids: Ids,
    who: Who,
    memory: Held,
    service: Serving,
    days: Annotated[int, Query(ge=1, le=366, description="How many days back.")] = 30,
    until: AwareDatetime | None = None,
) -> Response:
    """Return what was written by day, what the queue holds, what there is, and what models cost over these days."""
    scope, now = _scope(request, who, ids), service.clock()
    end = until or now
    begin = end - min(timedelta(days=days), end - end.min.replace(tzinfo=end.tzinfo))
    whose = who.ids(**ids)
    stats = await memory.stats(**whose)
    told = {
        "days": [d.to_dict() for d in await service.catalogue.days(scope, begin, end)],
        "queue": (await service.catalogue.queue_counts(scope, now)).to_dict(),
        # Where the file lies is the operator's business.
        "stats": {**stats.to_dict(), "path": None},
        "usage": (await memory.usage(**whose, since=begin, until=end)).to_dict(),
    }
    return answer(told)


def _scope(request: Request, who: Principal, ids: ScopeIds) -> Scope:
    """Enter the scope into the audit, and return it."""
    return who.scope(**about(request, who, ids))
