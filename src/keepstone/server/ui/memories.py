"""The page `memories`: what is known of somebody, with filters, and a search as one types."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response

from keepstone.memory import AsyncMemory
from keepstone.server.routing import does, principal_of, service_of
from keepstone.server.ui.asked import LANGUAGES_OFFERED, PAGE_ITEMS, Asked, asked
from keepstone.server.ui.pages import is_partial, render
from keepstone.server.ui.routing import UiRoute
from keepstone.types import Kind, MemoryRecord

STANDS = ("", "current", "all")

router = APIRouter(route_class=UiRoute)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A memory in the list; `score` is None where nothing was searched for."""

    record: MemoryRecord
    score: float | None = None
    outdated: bool = False


@router.get("/ui/memories", openapi_extra=does("get_all"))
async def page(request: Request) -> Response:
    """Show the memories of a scope, and the profile of whoever they are about."""
    service, who, wanted = service_of(request), principal_of(request), asked(request)
    memory = service.memory(who)
    common: dict[str, Any] = {
        "ids": wanted.ids,
        "query": wanted.fields,
        "kinds": list(Kind),
        "tags": LANGUAGES_OFFERED,
        "stands": STANDS,
        "now": service.clock(),
    }
    if wanted.scope.is_empty:
        owners = None
        if who.may("owners"):
            owners = await service.catalogue.owners(who.tenant, cursor=wanted.cursor, limit=PAGE_ITEMS)
        return render(request, "memories_choose.html", owners=owners, **common)
    rows, next_cursor = await _rows(memory, wanted)
    if is_partial(request):
        return render(request, "memories_list.html", rows=rows, next_cursor=next_cursor, **common)
    return render(
        request,
        "memories.html",
        rows=rows,
        next_cursor=next_cursor,
        profile=None if wanted.cursor else await memory.profile(**wanted.ids),
        usage=await memory.usage(**wanted.ids),
        **common,
    )


async def _rows(memory: AsyncMemory, wanted: Asked) -> tuple[Sequence[Row], str | None]:
    query = wanted.text("q")
    if query:
        hits = await memory.search(
            query, limit=PAGE_ITEMS, kinds=wanted.kinds, filters=wanted.where, **wanted.standing, **wanted.ids
        )
        return [Row(record=h.memory, score=h.score, outdated=h.outdated) for h in hits], None
    found = await memory.get_all(
        limit=PAGE_ITEMS,
        cursor=wanted.cursor,
        kinds=wanted.kinds,
        filters=wanted.where,
        **wanted.standing,
        **wanted.ids,
    )
    return [Row(record=record) for record in found.items], found.next_cursor
