"""Events: what was committed, as pages, or as a stream that goes on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel

from keepstone.control import Event, EventKind
from keepstone.server.native.asking import Ids, Serving, Who, about, answer
from keepstone.server.routing import GuardedRoute, does, secret_of
from keepstone.server.streams import MEDIA_TYPE, Wish

router = APIRouter(route_class=GuardedRoute, tags=["events"])

SEQUENCE_MAX = 2**63 - 1
# How often one page looks into the store for events of the kinds that are wanted.
READS_MAX = 20


class ToldEvent(BaseModel):
    """An event, with the changes of its batch; without their texts, unless these were asked for."""

    sequence: int
    kind: EventKind
    scope: dict[str, str | None]
    at: str
    batch_id: str | None
    job_id: str | None
    changes: list[dict[str, Any]] | None
    changes_left_out: int


class Events(BaseModel):
    """A page of events; `next_after` is where the next one begins, None at the end."""

    items: list[ToldEvent]
    next_after: int | None


@router.get(
    "/events",
    operation_id="events",
    openapi_extra=does("events"),
    response_model=Events,
    responses={200: {"content": {MEDIA_TYPE: {"schema": {"type": "string"}}}}},
)
async def events(
    request: Request,
    ids: Ids,
    who: Who,
    service: Serving,
    after: Annotated[int | None, Query(ge=0, le=SEQUENCE_MAX, description="The last sequence that is known.")] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 50,
    kinds: Annotated[list[EventKind] | None, Query()] = None,
    newest_first: bool = False,
    texts: Annotated[bool, Query(description="Whether changes come with their texts.")] = False,
    last_event_id: Annotated[str | None, Header(max_length=20)] = None,
) -> Response:
    """Return what was committed: a page, or with `Accept: text/event-stream` all that comes.

    A stream begins behind `Last-Event-ID`, else behind `after`, else now.
    """
    scope = who.scope(**about(request, who, ids))
    if MEDIA_TYPE not in request.headers.get("accept", ""):
        read = partial(service.control.events, scope, limit=limit, newest_first=newest_first)
        found, next_after = await _page(read, after or 0, limit, kinds)
        told = [(await service.tail.told(e)).to_dict(texts=texts) for e in found]
        return answer({"items": told, "next_after": next_after})
    resumed = int(last_event_id) if last_event_id is not None and last_event_id.isdecimal() else after
    wish = Wish(scope=scope, after=resumed, kinds=frozenset(kinds or ()), texts=texts)
    secret = secret_of(request) or ""

    async def is_valid() -> bool:
        return await service.keys.find(secret) is not None

    return service.streams.open(who.key.id, wish, is_valid)


async def _page(
    read: Callable[..., Awaitable[list[Event]]], after: int, limit: int, kinds: list[EventKind] | None
) -> tuple[list[Event], int | None]:
    """Return the events of some kinds, and where to go on; among many of other kinds, there may be few on a page."""
    kept: list[Event] = []
    for _ in range(READS_MAX):
        found = await read(after=after)
        for event in found:
            after = event.sequence
            if not kinds or event.kind in kinds:
                kept.append(event)
            if len(kept) == limit:
                return kept, after
        if len(found) < limit:
            return kept, None
    return kept, after
