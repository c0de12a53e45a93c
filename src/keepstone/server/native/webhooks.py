"""Webhooks: where events are sent, and what came of each delivery."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from keepstone import door
from keepstone.control import EVENT_KINDS, Delivery, EventKind, Webhook
from keepstone.errors import ConflictError, NotFoundError
from keepstone.limits import DEFAULT_LIMITS
from keepstone.logic.ids import bucket
from keepstone.server.access import Principal
from keepstone.server.addresses import check_url
from keepstone.server.native.asking import Cursor, Serving, Who, answer
from keepstone.server.native.keys import PageLimit
from keepstone.server.routing import GuardedRoute, does
from keepstone.server.schemas import Scoped
from keepstone.server.service import Service
from keepstone.server.webhooks import check_secret, new_secret
from keepstone.types import OWNER_KINDS, Scope

router = APIRouter(route_class=GuardedRoute, tags=["webhooks"])

WEBHOOKS_MAX = 100


class WebhookBody(Scoped):
    """Where events go, which ones, and (by the ids) whose. Without *secret*, one is made."""

    url: str = Field(max_length=2_000, examples=["https://example.com/hooks/memory"])
    name: str = Field(default="", max_length=100)
    kinds: list[EventKind] = Field(default=list(EVENT_KINDS), min_length=1)
    is_active: bool = True
    secret: str | None = Field(default=None, max_length=200)


class WebhookAnswer(BaseModel):
    """A webhook; its secret only in the answer that made or changed it."""

    id: str
    name: str
    url: str
    kinds: list[EventKind]
    user_id: str | None
    agent_id: str | None
    app_id: str | None
    run_id: str | None
    is_active: bool
    created_at: str
    secret: str | None


class Webhooks(BaseModel):
    """The webhooks of a tenant, the oldest first."""

    items: list[WebhookAnswer]


class Deliveries(BaseModel):
    """A page of deliveries, the newest first."""

    items: list[Delivery]
    next_cursor: str | None


class Tried(BaseModel):
    """What came of a test: the HTTP status, or what went wrong before there was one."""

    is_success: bool
    status: int | None
    error: str | None


@router.get("/webhooks", operation_id="webhooks", openapi_extra=does("webhooks"), response_model=Webhooks)
async def webhooks(who: Who, service: Serving) -> Response:
    """Return the webhooks of the tenant, the oldest first."""
    every = await service.control.webhooks(who.tenant)
    return answer({"items": [_told(w, with_secret=False) for w in every]})


@router.post(
    "/webhooks",
    operation_id="create_webhook",
    openapi_extra=does("put_webhook"),
    response_model=WebhookAnswer,
    status_code=201,
)
async def create_webhook(request: Request, body: WebhookBody, who: Who, service: Serving) -> Response:
    """Send events to a URL from now on, and return the webhook with the secret that signs them."""
    return answer(_told(await made(request, body, service, who), with_secret=True), 201)


@router.put(
    "/webhooks/{id}", operation_id="put_webhook", openapi_extra=does("put_webhook"), response_model=WebhookAnswer
)
async def put_webhook(request: Request, id: str, body: WebhookBody, who: Who, service: Serving) -> Response:
    """Give a webhook another URL, other events or a new secret; without one, it keeps the one that it has."""
    changed = await kept(request, body, service, who, await found(service, who, id))
    return answer(_told(changed, with_secret=body.secret is not None))


@router.delete("/webhooks/{id}", operation_id="drop_webhook", openapi_extra=does("drop_webhook"), status_code=204)
async def drop_webhook(id: str, who: Who, service: Serving) -> Response:
    """Remove a webhook with its deliveries."""
    if not await service.control.drop_webhook(who.tenant, id):
        raise _missing(id)
    return Response(status_code=204)


@router.get(
    "/webhooks/{id}/deliveries",
    operation_id="deliveries",
    openapi_extra=does("deliveries"),
    response_model=Deliveries,
)
async def deliveries(id: str, who: Who, service: Serving, cursor: Cursor = None, limit: PageLimit = 50) -> Response:
    """Return what was sent to a webhook, or waits, or is dead after its last attempt; the newest first."""
    await found(service, who, id)
    return answer(await service.control.deliveries(who.tenant, id, cursor=cursor, limit=limit))


@router.post(
    "/webhooks/{id}/deliveries/{delivery_id}/redeliver",
    operation_id="redeliver",
    openapi_extra=does("redeliver"),
    status_code=202,
)
async def redeliver(id: str, delivery_id: str, who: Who, service: Serving) -> Response:
    """Let a delivery that is sent or dead be tried anew."""
    await found(service, who, id)
    if not await service.control.redeliver(who.tenant, delivery_id, service.clock()):
        raise NotFoundError("There is no such delivery that is sent or dead.")
    service.dispatcher.grown()
    return Response(status_code=202)


@router.post("/webhooks/{id}/test", operation_id="test_webhook", openapi_extra=does("redeliver"), response_model=Tried)
async def test_webhook(id: str, who: Who, service: Serving) -> Response:
    """Send an event of the type `test` to a webhook, once, and return what came of it."""
    outcome = await service.dispatcher.test(await found(service, who, id))
    return answer({"is_success": outcome.is_success, "status": outcome.status, "error": outcome.error})


async def made(request: Request, body: WebhookBody, service: Service, who: Principal) -> Webhook:
    """Keep a new webhook of the tenant of *who*, and return it.

    Raises:
        ConflictError: the tenant has as many as it may have.
        InvalidRequestError: events cannot be sent there, or the secret is none.
    """
    if len(await service.control.webhooks(who.tenant)) >= WEBHOOKS_MAX:
        raise ConflictError(f"A tenant has at most {WEBHOOKS_MAX} webhooks; delete one.")
    now, scope = service.clock(), Scope(tenant=who.tenant)
    id = service.new_id(now, bucket(scope))
    new = Webhook(id=id, tenant=who.tenant, url="", secret=new_secret(), kinds=(), pin=scope, created_at=now)
    return await kept(request, body, service, who, new)


async def kept(request: Request, body: WebhookBody, service: Service, who: Principal, old: Webhook) -> Webhook:
    """Keep *old* as *body* wants it, and return it.

    Raises:
        InvalidRequestError: events cannot be sent there, or the secret is none.
    """
    check_url(body.url, to_private_hosts=service.settings.webhooks_to_private_hosts)
    pin = door.scope(who.tenant, (body.user_id, body.agent_id, body.app_id, body.run_id), DEFAULT_LIMITS)
    request.state.scope = pin
    changed = Webhook(
        id=old.id,
        tenant=old.tenant,
        url=body.url,
        secret=old.secret if body.secret is None else check_secret(body.secret),
        kinds=tuple(k for k in EVENT_KINDS if k in body.kinds),
        pin=pin,
        created_at=old.created_at,
        name=body.name,
        is_active=body.is_active,
    )
    await service.control.put_webhook(changed)
    return changed


async def found(service: Service, who: Principal, id: str) -> Webhook:
    """Return a webhook of the tenant of *who*.

    Raises:
        NotFoundError: there is none with this id.
    """
    webhook = next((w for w in await service.control.webhooks(who.tenant) if w.id == id), None)
    if webhook is None:
        raise _missing(id)
    return webhook


def _missing(id: str) -> NotFoundError:
    return NotFoundError(f"No webhook {id[:100]}.")


def _told(webhook: Webhook, *, with_secret: bool) -> dict[str, object]:
    told = {k: v for k, v in webhook.to_dict().items() if k not in ("tenant", "pin")}
    pinned = {f"{kind}_id": id for kind, id in zip(OWNER_KINDS, webhook.pin.ids, strict=True)}
    return {**told, **pinned, "secret": webhook.secret if with_secret else None}
