"""The work of a chat model: jobs and dead letters, and going over what was distilled."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from keepstone.results import JobStatus
from keepstone.server.native.asking import Held, Ids, Who, about, answer, items
from keepstone.server.native.reading import Changes
from keepstone.server.routing import GuardedRoute, does
from keepstone.server.schemas import CountAnswer, FlushBody, RetryBody, Scoped

router = APIRouter(route_class=GuardedRoute, tags=["jobs"])


class Jobs(BaseModel):
    """Jobs that wait, run, or are dead letters."""

    items: list[JobStatus]


@router.get("/jobs", operation_id="jobs", openapi_extra=does("jobs"), response_model=Jobs)
async def jobs(request: Request, ids: Ids, who: Who, memory: Held) -> Response:
    """Return the jobs of a scope that wait, run, or are dead letters, oldest first."""
    return items(await memory.jobs(**about(request, who, ids)))


@router.post("/flush", operation_id="flush", openapi_extra=does("flush"), response_model=Jobs)
async def flush(request: Request, body: FlushBody, who: Who, memory: Held) -> Response:
    """Wait for what is due in the queue of a scope, and return what is still there."""
    return items(await memory.flush(body.timeout, **about(request, who, body.whose)))


@router.post("/jobs/retry", operation_id="retry", openapi_extra=does("retry"), response_model=CountAnswer)
async def retry(request: Request, body: RetryBody, who: Who, memory: Held) -> Response:
    """Let a dead letter, or all of a scope, be tried anew, and return how many."""
    return answer({"count": await memory.retry(body.job_id, **about(request, who, body.whose))})


@router.post("/jobs/discard", operation_id="discard", openapi_extra=does("discard"), response_model=CountAnswer)
async def discard(request: Request, body: RetryBody, who: Who, memory: Held) -> Response:
    """Give a dead letter, or all of a scope, up for good, and return how many."""
    return answer({"count": await memory.discard(body.job_id, **about(request, who, body.whose))})


@router.post("/consolidate", operation_id="consolidate", openapi_extra=does("consolidate"), response_model=Changes)
async def consolidate(request: Request, body: Scoped, who: Who, memory: Held) -> Response:
    """Merge distilled memories of a scope that say the same, in one batch, and return its changes."""
    return items(await memory.consolidate(**about(request, who, body.whose)))
