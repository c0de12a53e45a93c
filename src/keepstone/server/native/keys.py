"""Keys: listed, made, rotated, revoked. A secret is in the answer to the request that made it, and nowhere else."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, Field

from keepstone import door
from keepstone.control import ApiKey, Role
from keepstone.errors import InvalidRequestError
from keepstone.limits import DEFAULT_LIMITS
from keepstone.server.access import Principal
from keepstone.server.native.asking import Cursor, Serving, Who, answer
from keepstone.server.routing import GuardedRoute, does
from keepstone.server.schemas import Body, KeyAnswer, Scoped
from keepstone.server.service import Service

router = APIRouter(route_class=GuardedRoute, tags=["keys"])

OVERLAP_SECONDS_MAX = 30 * 86_400

Tenant = Annotated[str | None, Query(max_length=256, description="Another tenant; for keys of the root tenant.")]
PageLimit = Annotated[int, Query(ge=1, le=1_000)]


class NewKeyBody(Scoped):
    """What a new key may do, and what it is pinned to."""

    name: str = Field(min_length=1, max_length=100, examples=["billing service"])
    role: Role = Role.READ
    tenant: str | None = Field(default=None, max_length=256)
    expires_at: AwareDatetime | None = None


class RotateBody(Body):
    """For how many seconds the old key works beside the new one."""

    overlap_seconds: int = Field(default=0, ge=0, le=OVERLAP_SECONDS_MAX)


class NewKeyAnswer(KeyAnswer):
    """A key with its secret, which is shown only here."""

    secret: str


class Keys(BaseModel):
    """A page of keys, the oldest first."""

    items: list[KeyAnswer]
    next_cursor: str | None


@router.get("/keys", operation_id="keys", openapi_extra=does("keys"), response_model=Keys)
async def keys(
    who: Who, service: Serving, cursor: Cursor = None, limit: PageLimit = 50, tenant: Tenant = None
) -> Response:
    """Return the keys of the tenant, the oldest first, ended ones too."""
    page = await service.control.keys(who.tenant_of(tenant), cursor=cursor, limit=limit)
    told = Keys(items=[KeyAnswer.of(k) for k in page.items], next_cursor=page.next_cursor)
    return answer(told.model_dump(mode="json"))


@router.post(
    "/keys", operation_id="create_key", openapi_extra=does("create_key"), response_model=NewKeyAnswer, status_code=201
)
async def create_key(request: Request, body: NewKeyBody, who: Who, service: Serving) -> Response:
    """Make a key, and return it with its secret; it may do no more than the key that asks."""
    return _with_secret(*await made(request, body, who, service), 201)


@router.post(
    "/keys/{id}/rotate", operation_id="rotate_key", openapi_extra=does("rotate_key"), response_model=NewKeyAnswer
)
async def rotate_key(id: str, body: RotateBody, who: Who, service: Serving) -> Response:
    """Make a key in the place of another, which ends after the overlap, and return the new one with its secret."""
    made, secret = await service.keys.rotate(who.reach, id, overlap=timedelta(seconds=body.overlap_seconds))
    return _with_secret(made, secret)


@router.delete("/keys/{id}", operation_id="revoke_key", openapi_extra=does("revoke_key"), response_model=KeyAnswer)
async def revoke_key(id: str, who: Who, service: Serving) -> Response:
    """Let a key end now, and return it."""
    return answer(KeyAnswer.of(await service.keys.revoke(who.reach, id)).model_dump(mode="json"))


async def made(request: Request, body: NewKeyBody, who: Principal, service: Service) -> tuple[ApiKey, str]:
    """Make a key that may do no more than that of *who*, and return it with its secret.

    Raises:
        ForbiddenError: it would do more.
        InvalidRequestError: it would have ended already.
        NotFoundError: there is no such tenant.
    """
    pin = door.scope(
        who.tenant_of(body.tenant), (body.user_id, body.agent_id, body.app_id, body.run_id), DEFAULT_LIMITS
    )
    who.check_grant(body.role, pin)
    if body.expires_at is not None and body.expires_at <= service.clock():
        raise InvalidRequestError("expires_at is in the past.")
    request.state.scope = pin
    return await service.keys.create(pin.tenant, body.name, body.role, pin=pin, expires_at=body.expires_at)


def _with_secret(key: ApiKey, secret: str, status: int = 200) -> Response:
    told = NewKeyAnswer(**KeyAnswer.of(key).model_dump(), secret=secret)
    return answer(told.model_dump(mode="json"), status)
