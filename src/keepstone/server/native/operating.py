"""Operating a server: its audit, what it runs with, what it counts, and moving its store to another embedder."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime, BaseModel

from keepstone.control import AuditEntry, AuditFilter
from keepstone.server.masking import masked
from keepstone.server.native.asking import Cursor, Serving, Who, answer
from keepstone.server.native.keys import PageLimit, Tenant
from keepstone.server.routing import GuardedRoute, does

router = APIRouter(route_class=GuardedRoute, tags=["server"])


class Audit(BaseModel):
    """A page of the audit, the newest first."""

    items: list[AuditEntry]
    next_cursor: str | None


class Reembedding(BaseModel):
    """How far moving to another embedder is: `idle`, `running`, `done`, or `failed` with its error."""

    state: str
    done: int
    total: int
    error: str | None


@router.get("/audit", operation_id="audit", openapi_extra=does("audit"), response_model=Audit)
async def audit(
    who: Who,
    service: Serving,
    cursor: Cursor = None,
    limit: PageLimit = 50,
    tenant: Tenant = None,
    key_id: Annotated[str | None, Query(max_length=256)] = None,
    operation: Annotated[str | None, Query(max_length=256)] = None,
    since: AwareDatetime | None = None,
    until: AwareDatetime | None = None,
) -> Response:
    """Return who asked for what and what came of it, the newest first; it holds nothing of what was said."""
    # What was asked just now is in it.
    await service.auditor.write()
    where = AuditFilter(key_id=key_id, operation=operation, since=since, until=until)
    return answer(await service.control.audit(who.tenant_of(tenant), where, cursor=cursor, limit=limit))


@router.get("/settings", operation_id="settings", openapi_extra=does("settings"), response_model=dict[str, Any])
async def settings(service: Serving) -> Response:
    """Return what this process runs with; secrets are masked."""
    return answer(masked(service.settings))


@router.post(
    "/reembed", operation_id="reembed", openapi_extra=does("reembed"), response_model=Reembedding, status_code=202
)
async def reembed(service: Serving) -> Response:
    """Begin to give every memory of the store a vector of the server's embedder, in the background."""
    service.reembedder.begin()
    return answer(service.reembedder.progress, 202)


@router.get("/reembed", operation_id="reembedding", openapi_extra=does("reembed"), response_model=Reembedding)
async def reembedding(service: Serving) -> Response:
    """Return how far that is in this process."""
    return answer(service.reembedder.progress)
