"""The page `running`: jobs that wait or run, and dead letters, to be looked at, tried anew or given up."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from keepstone.errors import ConfigError, NotFoundError
from keepstone.protocols import JobQueue
from keepstone.results import JobStatus
from keepstone.server.routing import does, principal_of, service_of
from keepstone.server.service import Service
from keepstone.server.ui.asked import PAGE_ITEMS, asked, told
from keepstone.server.ui.forms import with_query
from keepstone.server.ui.routing import UiRoute, redirect
from keepstone.server.ui.tabs import render_tab

MESSAGES_SHOWN = 20
STATES = ("dead", "running", "waiting")

router = APIRouter(route_class=UiRoute)


@router.get("/ui/running", openapi_extra=does("jobs"))
async def page(request: Request) -> Response:
    """Show how many jobs there are, and the first of them, dead letters before the others."""
    service, who, wanted = service_of(request), principal_of(request), asked(request)
    found = await service.memory(who).jobs(**wanted.ids)
    state = wanted.text("state")
    chosen = [job for job in found if state not in STATES or job.state == state]
    chosen.sort(key=lambda job: STATES.index(job.state))
    return render_tab(
        request,
        "jobs",
        "jobs.html",
        jobs=chosen[:PAGE_ITEMS],
        left_out=max(0, len(chosen) - PAGE_ITEMS),
        counts={each: sum(job.state == each for job in found) for each in STATES},
        states=STATES,
        has_model=service.chat_model is not None,
        done=wanted.text("done"),
        ids=wanted.ids,
        query=wanted.fields,
    )


@router.get("/ui/running/jobs/{id}", openapi_extra=does("jobs"))
async def one(request: Request, id: str) -> Response:
    """Show a job: what it reads, how often it was tried, what went wrong, and what the model replied."""
    service, wanted = service_of(request), asked(request)
    found = await _queue(service).jobs(wanted.scope, [id], at=service.clock())
    if not found:
        raise NotFoundError(f"No job {id[:100]} in this scope; those that are done are gone.")
    job = found[0]
    messages = _message_ids(job)
    return render_tab(
        request,
        "jobs",
        "job.html",
        job=job,
        messages=await service.store.messages(messages[:MESSAGES_SHOWN], wanted.scope),
        left_out=max(0, len(messages) - MESSAGES_SHOWN),
        ids=wanted.ids,
    )


@router.post("/ui/running/jobs/{id}/retry", openapi_extra=does("retry"))
async def retry(request: Request, id: str) -> Response:
    """Let a dead letter be tried anew."""
    wanted = await told(request)
    await service_of(request).memory(principal_of(request)).retry(id, **wanted.ids)
    return redirect(with_query("/ui/running", {**wanted.ids, "done": "retried"}))


@router.post("/ui/running/jobs/{id}/discard", openapi_extra=does("discard"))
async def discard(request: Request, id: str) -> Response:
    """Give a dead letter up."""
    wanted = await told(request)
    await service_of(request).memory(principal_of(request)).discard(id, **wanted.ids)
    return redirect(with_query("/ui/running", {**wanted.ids, "done": "discarded"}))


@router.post("/ui/running/retry", openapi_extra=does("retry"))
async def retry_all(request: Request) -> Response:
    """Let every dead letter of a scope be tried anew."""
    wanted = await told(request)
    await service_of(request).memory(principal_of(request)).retry(**wanted.ids)
    return redirect(with_query("/ui/running", {**wanted.ids, "done": "retried"}))


@router.post("/ui/running/discard", openapi_extra=does("discard"))
async def discard_all(request: Request) -> Response:
    """Give every dead letter of a scope up."""
    wanted = await told(request)
    await service_of(request).memory(principal_of(request)).discard(**wanted.ids)
    return redirect(with_query("/ui/running", {**wanted.ids, "done": "discarded"}))


def _queue(service: Service) -> JobQueue:
    if not isinstance(service.store, JobQueue):
        raise ConfigError("The store keeps no jobs.")
    return service.store


def _message_ids(job: JobStatus) -> list[str]:
    """Return the ids of the messages that a job reads."""
    found = (job.payload or {}).get("messages", ())
    return [id for id in found if isinstance(id, str)] if isinstance(found, list | tuple) else []
