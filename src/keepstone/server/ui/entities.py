"""The page `entities`: who and what memories mention, as a graph and as a table, and names that are of one."""

from __future__ import annotations

import json
from collections.abc import Sequence

from fastapi import APIRouter, Request, Response

from keepstone.errors import NotFoundError
from keepstone.limits import DEFAULT_LIMITS
from keepstone.logic.entities import Registry, fold
from keepstone.naming import Entity
from keepstone.server.routing import does, principal_of, service_of
from keepstone.server.ui.asked import PAGE_ITEMS, Asked, asked, told
from keepstone.server.ui.forms import with_query
from keepstone.server.ui.graphs import NODES_MAX, beside, graph
from keepstone.server.ui.pages import render
from keepstone.server.ui.routing import UiRoute, redirect

PLACE_MAX = 1_000_000
TIES_SHOWN = 20
MERGE_CHOICES = 500

router = APIRouter(route_class=UiRoute)


@router.get("/ui/entities", openapi_extra=does("entities"))
async def page(request: Request) -> Response:
    """Show the entities of a scope: the graph of those that most memories mention, and all of them in a table."""
    wanted = asked(request)
    if wanted.scope.is_empty:
        return render(request, "entities.html", ids=wanted.ids, query=wanted.fields, shown=None, drawing=None)
    registry = await _registry(request, wanted)
    every = sorted(registry.entities(), key=lambda e: -e.memories)
    found = _called(every, wanted.text("name"))
    start = wanted.number("cursor", 0, 0, PLACE_MAX)
    # Drawn once: pages of the table, and of what was looked for, are about the table.
    drawn = graph(every, registry.mentioned()) if not start and len(found) == len(every) else None
    return render(
        request,
        "entities.html",
        shown=found[start : start + PAGE_ITEMS],
        next_cursor=str(start + PAGE_ITEMS) if len(found) > start + PAGE_ITEMS else None,
        total=len(every),
        has_model=service_of(request).chat_model is not None,
        drawing=None if drawn is None else json.dumps(drawn.drawing(), ensure_ascii=False, separators=(",", ":")),
        graph=drawn,
        most=NODES_MAX,
        ids=wanted.ids,
        query=wanted.fields,
    )


@router.get("/ui/entities/{id}", openapi_extra=does("entities"))
async def one(request: Request, id: str) -> Response:
    """Show an entity: its names, what was merged into it and why, its memories, and what they mention beside it."""
    service, wanted = service_of(request), asked(request)
    if wanted.scope.is_empty:
        raise NotFoundError("Say whose entity it is: give the ids of its scope.")
    registry = await _registry(request, wanted)
    entity = registry.entity(id)
    if entity is None:
        raise NotFoundError(f"No entity {id[:100]} in this scope.")
    every = {e.id: e for e in registry.entities()}
    mentioned = registry.mentioned()
    mentioning = [memory for memory, ids in mentioned.items() if entity.id in ids]
    others = [e for e in every.values() if e.scope == entity.scope and e.id != entity.id]
    ties = beside(entity.id, mentioned).most_common(TIES_SHOWN)
    return render(
        request,
        "entity.html",
        entity=entity,
        records=await service.store.get(mentioning[-PAGE_ITEMS:][::-1], wanted.scope),
        ties=[(every[i], n) for i, n in ties],
        others=sorted(others, key=lambda e: -e.memories)[:MERGE_CHOICES],
        left_out=max(0, len(others) - MERGE_CHOICES),
        done=wanted.text("done"),
        ids=wanted.ids,
        now=service.clock(),
    )


@router.post("/ui/entities/{id}/merge", openapi_extra=does("merge_entities"))
async def merge(request: Request, id: str) -> Response:
    """Take an entity to be another, and show what both are now."""
    wanted = await told(request)
    into, reason = wanted.text("into"), wanted.text("reason") or None
    made = await service_of(request).memory(principal_of(request)).merge_entities(id, into, reason=reason, **wanted.ids)
    return redirect(with_query(f"/ui/entities/{made.id}", {**wanted.ids, "done": "merged"}))


@router.post("/ui/entities/{id}/split", openapi_extra=does("split_entity"))
async def split(request: Request, id: str) -> Response:
    """Take an entity out of what it was merged into, and show it."""
    wanted = await told(request)
    made = await service_of(request).memory(principal_of(request)).split_entity(id, **wanted.ids)
    return redirect(with_query(f"/ui/entities/{made.id}", {**wanted.ids, "done": "split"}))


async def _registry(request: Request, wanted: Asked) -> Registry:
    service = service_of(request)
    most = DEFAULT_LIMITS.fan_out_partitions_max
    return Registry(await service.store.naming(wanted.scope, service.clock(), partitions_max=most))


def _called(entities: Sequence[Entity], name: str) -> Sequence[Entity]:
    """Return those with a name that has *name* in it."""
    wanted = fold(name)
    if not wanted:
        return entities
    return [e for e in entities if any(wanted in fold(n) for n in (e.name, *e.aliases))]
