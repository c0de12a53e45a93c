"""`/metrics`, for Prometheus; it needs a key of the tenant that runs the server."""

from __future__ import annotations

from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse

from keepstone.server.metrics import MEDIA_TYPE
from keepstone.server.native.asking import Serving
from keepstone.server.routing import GuardedRoute, does
from keepstone.server.service import Service
from keepstone.types import Scope

router = APIRouter(route_class=GuardedRoute, tags=["server"])

# Queues of more tenants are not counted: a scrape must stay cheap.
TENANTS_MAX = 1_000


@router.get("/metrics", operation_id="metrics", openapi_extra=does("metrics"), response_class=PlainTextResponse)
async def metrics(service: Serving) -> Response:
    """Return what this process counts, in the format of Prometheus."""
    await measure(service)
    return Response(service.metrics.text(), media_type=MEDIA_TYPE)


async def measure(service: Service) -> None:
    """Enter how things stand now."""
    metrics, now = service.metrics, service.clock()
    tenants = (await service.control.tenants(limit=TENANTS_MAX)).items
    queues = [await service.catalogue.queue_counts(Scope(tenant=t.id), now) for t in tenants]
    oldest = min((q.oldest_at for q in queues if q.oldest_at is not None), default=now)
    metrics.set("jobs_waiting", sum(q.waiting for q in queues))
    metrics.set("jobs_running", sum(q.running for q in queues))
    metrics.set("jobs_dead", sum(q.dead for q in queues))
    metrics.set("oldest_job_seconds", max(0.0, (now - oldest).total_seconds()))
    metrics.set("jobs_here", service.pool.running)
    metrics.set("audit_waiting", service.auditor.waiting)
    metrics.set("event_streams", service.streams.count)
    metrics.set("last_event", await service.control.last_event())
