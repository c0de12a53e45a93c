"""The page `time`: what changed when, what held at a moment, how a memory read before, and taking changes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request, Response

from keepstone.errors import ConflictError, NotFoundError
from keepstone.memory import AsyncMemory
from keepstone.server.routing import does, principal_of, service_of
from keepstone.server.ui.asked import PAGE_ITEMS, Asked, asked
from keepstone.server.ui.differences import Difference, difference
from keepstone.server.ui.forms import form
from keepstone.server.ui.pages import is_partial, render
from keepstone.server.ui.routing import UiRoute, redirect
from keepstone.types import Change, MemoryRecord

# Of so many of the first memories, the earliest time is where the slider begins.
FIRST_READ = 100
BLOCKING_SHOWN = 20

router = APIRouter(route_class=UiRoute)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A change as a line of the timeline; `difference` is None unless it put one text in the place of another."""

    change: Change
    difference: Difference | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """How a memory read from `at` on, and which change made it so."""

    revision: int
    text: str
    at: datetime
    change: Change


@router.get("/ui/time", openapi_extra=does("changes"))
async def page(request: Request) -> Response:
    """Show what held at a moment, and the changes of a scope, the newest first."""
    service, who, wanted = service_of(request), principal_of(request), asked(request)
    memory, now = service.memory(who), service.clock()
    held = await _held(memory, wanted, now)
    common: dict[str, Any] = {"ids": wanted.ids, "query": wanted.fields, "now": now, "held": held}
    if is_partial(request):
        return render(request, "time_held.html", **common)
    log = await service.catalogue.log(wanted.scope, cursor=wanted.cursor, limit=PAGE_ITEMS)
    return render(
        request,
        "time.html",
        entries=[_entry(change) for change in log.items],
        next_cursor=log.next_cursor,
        first_day=await _first_day(memory, wanted, now),
        today=now.astimezone(UTC).date().isoformat(),
        **common,
    )


@router.get("/ui/time/memories/{id}", openapi_extra=does("history"))
async def versions(request: Request, id: str) -> Response:
    """Show how a memory read in each of its revisions, two of them side by side, and its history."""
    service, who, wanted = service_of(request), principal_of(request), asked(request)
    memory = service.memory(who)
    history = await memory.history(id, **wanted.ids)
    found = _versions(history)
    left, right = _chosen(wanted, found)
    return render(
        request,
        "versions.html",
        id=id,
        record=await _record(memory, id, wanted),
        entries=[_entry(change) for change in reversed(history)],
        undone={c.inverse_of for c in history if c.inverse_of},
        versions=found,
        left=left,
        right=right,
        difference=difference(left.text, right.text) if left is not None and right is not None else None,
        was_undone=wanted.text("undone") == "1",
        now=service.clock(),
        ids=wanted.ids,
    )


@router.get("/ui/time/undo/{id}", openapi_extra=does("undo"))
async def ask(request: Request, id: str) -> Response:
    """Show what would be taken back, and ask."""
    return await _asking(request, id, None)


@router.post("/ui/time/undo/{id}", openapi_extra=does("undo"))
async def undo(request: Request, id: str) -> Response:
    """Take a change or a batch back; if something stands against it, show that and ask again."""
    fields = await form(request)
    memory = service_of(request).memory(principal_of(request))
    try:
        made = await memory.undo(id, cascade=fields.get("cascade") == "1")
    except ConflictError as error:
        return await _asking(request, id, error)
    return redirect(f"/ui/time/memories/{made[0].memory_id}?undone=1" if made else "/ui/time")


async def _asking(request: Request, id: str, error: ConflictError | None) -> Response:
    store, scope = service_of(request).store, principal_of(request).scope()
    targets = await store.changes(id, scope)
    if not targets:
        raise NotFoundError(f"No change or batch {id} in this scope.")
    batch = await store.changes(targets[0].batch_id, scope)
    blocking = [] if error is None else error.blocking[:BLOCKING_SHOWN]
    against = [change for each in blocking for change in await store.changes(each, scope)]
    return render(
        request,
        "undo.html",
        status=200 if error is None else 409,
        id=id,
        entries=[_entry(change) for change in targets],
        batch_id=targets[0].batch_id,
        batch_size=len(batch),
        conflict=None if error is None else str(error),
        against=[_entry(change) for change in against],
        undone=frozenset[str](),
    )


async def _held(memory: AsyncMemory, wanted: Asked, now: datetime) -> Sequence[MemoryRecord] | None:
    """Return what held at the moment asked for, None if none was."""
    as_of, known_at = wanted.end_of_day("as_of", now), wanted.end_of_day("known_at", now)
    if wanted.scope.is_empty or (as_of is None and known_at is None):
        return None
    found = await memory.get_all(as_of=as_of, known_at=known_at, limit=PAGE_ITEMS, **wanted.ids)
    return found.items


async def _first_day(memory: AsyncMemory, wanted: Asked, now: datetime) -> str:
    """Return the day where the slider begins."""
    times = [now]
    if not wanted.scope.is_empty:
        found = await memory.get_all(limit=FIRST_READ, include_expired=True, **wanted.ids)
        times += [t for r in found.items for t in (r.created_at, r.occurred_at, r.valid_from) if t is not None]
    return min(times).astimezone(UTC).date().isoformat()


async def _record(memory: AsyncMemory, id: str, wanted: Asked) -> MemoryRecord | None:
    try:
        return await memory.get(id, **wanted.ids)
    except NotFoundError:
        # It was taken back or erased: only its history is left.
        return None


def _entry(change: Change) -> Entry:
    if change.old_text is None or change.new_text is None or change.old_text == change.new_text:
        return Entry(change=change, difference=None)
    return Entry(change=change, difference=difference(change.old_text, change.new_text))


def _versions(history: Sequence[Change]) -> list[Version]:
    """Return the revisions that still have a text, each from the change that first made it."""
    found: dict[int, Version] = {}
    for change in history:
        if change.new_revision is not None and change.new_text is not None:
            version = Version(revision=change.new_revision, text=change.new_text, at=change.at, change=change)
            found.setdefault(change.new_revision, version)
    return [found[revision] for revision in sorted(found)]


def _chosen(wanted: Asked, found: Sequence[Version]) -> tuple[Version | None, Version | None]:
    """Return the two versions asked for, by default the last two."""
    if len(found) < 2:
        return None, None
    by_revision = {v.revision: v for v in found}
    last = found[-1].revision
    right = by_revision.get(wanted.number("right", last, 0, last), found[-1])
    before = [v for v in found if v.revision < right.revision] or [found[0]]
    left = by_revision.get(wanted.number("left", before[-1].revision, 0, last), before[-1])
    return left, right
