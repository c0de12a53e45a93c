"""What became of an `add`, and what happened lately: read from jobs, changes and events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from fastapi import Request, Response

from keepstone.compat.mem0.shapes import Row
from keepstone.control import Event
from keepstone.errors import NotFoundError
from keepstone.protocols import JobQueue
from keepstone.results import JobStatus
from keepstone.server.access import Principal
from keepstone.server.mem0 import asking, routes
from keepstone.server.mem0.adding import JOBS_NAMED_MAX
from keepstone.server.native.asking import Who
from keepstone.server.routing import service_of
from keepstone.server.service import Service
from keepstone.types import Action, Change, Listing

surface = routes.hosted()

_JOB_STATES = {"waiting": "PENDING", "running": "RUNNING", "dead": "FAILED"}
# What an event of several jobs is: as its least advanced part, a failure first.
_ORDER = ("FAILED", "RUNNING", "PENDING", "SUCCEEDED")
_AT_ONCE = 200


@surface.route("GET", "/v1/event/{id}", "events", "event")
async def event(request: Request, id: str, who: Who) -> Response:
    """Return what became of an `add`: PENDING, RUNNING, FAILED or SUCCEEDED, with what it changed."""
    service = service_of(request)
    parts = [await _part(service, who, part) for part in id.split(".")[:JOBS_NAMED_MAX]]
    if any(part is None for part in parts):
        raise NotFoundError(f"No event {id}.")
    found = [part for part in parts if part is not None]
    status = next(s for s in _ORDER if any(p["status"] == s for p in found))
    first = next(p for p in found if p["status"] == status)
    results = [r for p in found for r in p["results"]]
    return routes.reply({**first, "id": id, "status": status, "results": results})


async def _part(service: Service, who: Principal, id: str) -> Row | None:
    """What became of one job or batch; None if the key sees none."""
    scope = who.scope()
    jobs: list[JobStatus] = []
    if isinstance(service.store, JobQueue):
        jobs = await service.store.jobs(scope, [id], at=service.clock())
    changes = await service.store.changes(id, scope)
    if jobs:
        return _of_job(jobs[0], changes)
    if changes and changes[0].batch_id == id:
        return _row(id, "SUCCEEDED", changes, changes[0].at)
    ended = await service.control.event_of(scope, id)
    if not ended:
        return None
    return _row(id, "FAILED" if ended[-1].kind == "job.dead" else "SUCCEEDED", (), ended[-1].at)


def _of_job(job: JobStatus, changes: Sequence[Change]) -> Row:
    found = _row(job.id, _JOB_STATES[job.state], changes, job.created_at)
    return {**found, "error": job.error, "completed_at": None} if job.error else {**found, "completed_at": None}


def _row(id: str, status: str, changes: Sequence[Change], at: datetime) -> Row:
    kinds = {c.action for c in changes} or {Action.ADD}
    name = next((a for a in (Action.ADD, Action.UPDATE, Action.DELETE) if a in kinds), next(iter(kinds)))
    return {
        "id": id,
        "event_type": name.value,
        "status": status,
        "results": [_result(c) for c in changes if c.action is not Action.FEEDBACK],
        "created_at": at.isoformat(),
        "updated_at": at.isoformat(),
        "completed_at": at.isoformat(),
        "latency": None,
    }


def _result(change: Change) -> Row:
    text = change.new_text if change.new_text is not None else change.old_text
    return {"id": change.memory_id, "event": change.action.value, "data": {"memory": text}}


@surface.route("GET", "/v1/events", "events", "events")
async def events(request: Request, who: Who) -> Response:
    """Return a page of what happened, the newest first: batches of changes, and jobs that ended."""
    service, scope = service_of(request), who.scope()

    async def fetch(cursor: str | None) -> Listing[Event]:
        after = int(cursor or 0)
        found = await service.control.events(scope, after=after, limit=_AT_ONCE, newest_first=True)
        more = str(found[-1].sequence) if len(found) == _AT_ONCE else None
        return Listing(items=tuple(found), next_cursor=more)

    async def uncounted() -> None:
        # A store may have very many, and nobody needs to know.
        return None

    page = await asking.numbered(asking.every(fetch), asking.page_of(request, 50), uncounted)
    return routes.reply(page.shown(request, [await _shown(service, who, e) for e in page.items]))


async def _shown(service: Service, who: Principal, event: Event) -> Row:
    id = event.batch_id or event.job_id or str(event.sequence)
    changes = [] if event.batch_id is None else await service.store.changes(event.batch_id, who.scope())
    mine = [c for c in changes if event.kind == "changes"]
    status = "FAILED" if event.kind == "job.dead" else "SUCCEEDED"
    found = _row(id, status, mine, event.at)
    names = {"erased": "ERASE", "reset": "RESET", "job.done": "ADD", "job.dead": "ADD"}
    return {**found, "event_type": names.get(event.kind, found["event_type"])}
