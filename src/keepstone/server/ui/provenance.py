"""The page of a memory's sources: the messages that it came from, what it rests on, and what rests on it."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from keepstone.server.routing import does, principal_of, service_of
from keepstone.server.ui.asked import asked, within
from keepstone.server.ui.conversations import with_memories
from keepstone.server.ui.pages import render
from keepstone.server.ui.routing import UiRoute

# How many messages before and after each source are shown, and how many more the link to more shows.
AROUND, AROUND_MAX, AROUND_FACTOR = 2, 100, 5
MESSAGES_SHOWN = 200
MEMORIES_SHOWN = 50

router = APIRouter(route_class=UiRoute)


@router.get("/ui/memories/{id}/sources", openapi_extra=does("messages"))
async def page(request: Request, id: str) -> Response:
    """Show where a memory came from, with what was said around it, and what was made from it."""
    service, who, wanted = service_of(request), principal_of(request), asked(request)
    record = await service.memory(who).get(id, **wanted.ids)
    scope = within(wanted.scope, record.scope)
    around = wanted.number("around", AROUND, 0, AROUND_MAX)
    messages = await service.store.neighbours([record.id], scope, around, around)
    shown = messages[:MESSAGES_SHOWN]
    said = await with_memories(service.store, shown, scope)
    sources = frozenset(record.sources)
    beside = {m.id: m for s in said if s.message.public_id in sources for m in s.memories if m.id != record.id}
    ground = await service.store.get(record.derived_from, scope)
    resting = await service.store.dependants([record.id], scope)
    return render(
        request,
        "sources.html",
        record=record,
        said=said,
        sources=sources,
        missing=len(sources - {m.public_id for m in messages}),
        cut=len(messages) - len(shown),
        around=around,
        more=min(AROUND_MAX, max(1, around) * AROUND_FACTOR),
        most=AROUND_MAX,
        beside=list(beside.values())[:MEMORIES_SHOWN],
        ground=ground[:MEMORIES_SHOWN],
        ground_missing=len(record.derived_from) - len(ground),
        resting=resting[:MEMORIES_SHOWN],
        ids=wanted.ids,
        now=service.clock(),
    )
