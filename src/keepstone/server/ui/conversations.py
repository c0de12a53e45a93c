"""The page `conversations`: who said what in which order, and the memories that were made from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from keepstone.protocols import Store
from keepstone.server.routing import does, service_of
from keepstone.server.ui.asked import PAGE_ITEMS, asked, within
from keepstone.server.ui.pages import render
from keepstone.server.ui.routing import UiRoute
from keepstone.types import LedgerMessage, MemoryRecord, Scope

router = APIRouter(route_class=UiRoute)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A message, the memories with it among their sources, and whether a conversation begins with it on the page."""

    message: LedgerMessage
    memories: tuple[MemoryRecord, ...]
    begins: bool


@router.get("/ui/conversations", openapi_extra=does("conversations"))
async def page(request: Request) -> Response:
    """Show the conversations that a scope sees, those begun last first."""
    service, wanted = service_of(request), asked(request)
    found = await service.catalogue.conversations(wanted.scope, cursor=wanted.cursor, limit=PAGE_ITEMS)
    return render(
        request,
        "conversations.html",
        conversations=found.items,
        next_cursor=found.next_cursor,
        ids=wanted.ids,
        query=wanted.fields,
    )


@router.get("/ui/conversations/said", openapi_extra=does("messages"))
async def transcript(request: Request) -> Response:
    """Show what was said in a scope, as it was said, a page at a time."""
    service, wanted = service_of(request), asked(request)
    newest_first = wanted.text("order") == "newest"
    found = await service.catalogue.transcript(
        wanted.scope, cursor=wanted.cursor, limit=PAGE_ITEMS, newest_first=newest_first
    )
    return render(
        request,
        "transcript.html",
        said=await with_memories(service.store, found.items, wanted.scope),
        next_cursor=found.next_cursor,
        newest_first=newest_first,
        ids=wanted.ids,
        query=wanted.fields,
        scope=wanted.scope,
    )


async def with_memories(store: Store, messages: Sequence[LedgerMessage], scope: Scope) -> list[Said]:
    """Return *messages*, which *scope* sees, with the visible memories that were made from each."""
    made = await _made_from(store, messages, scope)
    said, before = [], None
    for message in messages:
        memories = made.get((message.scope.of_owner, message.public_id), ())
        said.append(Said(message=message, memories=tuple(memories), begins=message.scope != before))
        before = message.scope
    return said


async def _made_from(
    store: Store, messages: Sequence[LedgerMessage], scope: Scope
) -> Mapping[tuple[Scope, str], Sequence[MemoryRecord]]:
    """Return the memories by owner and source, owner by owner: callers' ids need be unique only there."""
    by_owner: dict[Scope, list[str]] = {}
    for message in messages:
        by_owner.setdefault(message.scope.of_owner, []).append(message.id)
    found: dict[tuple[Scope, str], list[MemoryRecord]] = {}
    for owner, ids in by_owner.items():
        for record in await store.said_in(ids, within(scope, owner)):
            for source in record.sources:
                found.setdefault((owner, source), []).append(record)
    return found
