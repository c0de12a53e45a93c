"""Tenants: projects apart from all others on the same server."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from keepstone import control
from keepstone.errors import ConflictError, InvalidRequestError, NotFoundError
from keepstone.server.access import ROOT_TENANT
from keepstone.server.native.asking import Cursor, Serving, answer
from keepstone.server.native.keys import PageLimit
from keepstone.server.routing import GuardedRoute, does
from keepstone.server.schemas import Body
from keepstone.types import Scope

router = APIRouter(route_class=GuardedRoute, tags=["tenants"])

ID = re.compile(r"[\w][\w.-]{0,99}")


class TenantBody(Body):
    """A new tenant: its id, and what people call it, by default its id."""

    id: str = Field(max_length=100, examples=["acme"])
    name: str | None = Field(default=None, min_length=1, max_length=200)


class Tenants(BaseModel):
    """A page of tenants by id."""

    items: list[control.Tenant]
    next_cursor: str | None


@router.get("/tenants", operation_id="tenants", openapi_extra=does("tenants"), response_model=Tenants)
async def tenants(service: Serving, cursor: Cursor = None, limit: PageLimit = 50) -> Response:
    """Return the tenants by id; the one that runs the server has the id ""."""
    return answer(await service.control.tenants(cursor=cursor, limit=limit))


@router.post(
    "/tenants",
    operation_id="create_tenant",
    openapi_extra=does("create_tenant"),
    response_model=control.Tenant,
    status_code=201,
)
async def create_tenant(request: Request, body: TenantBody, service: Serving) -> Response:
    """Make a tenant; its first key is made with `POST /keys` and its id."""
    if ID.fullmatch(body.id) is None:
        raise InvalidRequestError("The id of a tenant has letters, digits, and _ . - after the first.")
    made = control.Tenant(id=body.id, name=body.name or body.id, created_at=service.clock())
    await service.control.put_tenant(made)
    request.state.scope = Scope(tenant=made.id)
    return answer(made, 201)


@router.delete("/tenants/{id}", operation_id="drop_tenant", openapi_extra=does("drop_tenant"), status_code=204)
async def drop_tenant(
    request: Request,
    id: str,
    service: Serving,
    confirm: Annotated[Literal["true"], Query(description="Said on purpose.")],
) -> Response:
    """Remove a tenant with its keys and webhooks, and erase all its memory; it cannot be undone."""
    if id == ROOT_TENANT:
        raise ConflictError("The tenant that runs the server cannot be removed; `reset` empties it.")
    if ID.fullmatch(id) is None:
        raise NotFoundError(f"No tenant {id[:100]!r}.")
    request.state.scope = Scope(tenant=id)
    # Keys first, so that nobody writes any more; the memory goes even if an earlier attempt stopped here.
    there = await service.control.drop_tenant(id)
    service.keys.forget()
    await service.forget_memory(id)
    if not there:
        raise NotFoundError(f"No tenant {id!r}.")
    return Response(status_code=204)
