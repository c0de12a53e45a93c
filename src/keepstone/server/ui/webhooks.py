"""The tab `webhooks`: where events are sent, what came of each, and sending one again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from keepstone.control import EVENT_KINDS, Webhook
from keepstone.errors import InvalidRequestError, NotFoundError
from keepstone.server.native import webhooks as native
from keepstone.server.routing import does, principal_of, service_of
from keepstone.server.ui.asked import PAGE_ITEMS, asked
from keepstone.server.ui.forms import body_of, form, ids_of, scope_ids
from keepstone.server.ui.routing import UiRoute, redirect
from keepstone.server.ui.tabs import render_tab
from keepstone.server.webhooks import Outcome, new_secret

PATH = "/ui/running/webhooks"
KIND_FIELD = "kind_{kind}"

router = APIRouter(route_class=UiRoute)


@router.get(PATH, openapi_extra=does("webhooks"))
async def page(request: Request) -> Response:
    """Show the webhooks of the tenant, and a form for a new one."""
    every = {KIND_FIELD.format(kind=kind): "1" for kind in EVENT_KINDS}
    return await _every(request, given={**every, "is_active": "1"})


@router.post(PATH, openapi_extra=does("put_webhook"))
async def create(request: Request) -> Response:
    """Keep a new webhook, and show its secret this once."""
    fields = await form(request)
    try:
        made = await native.made(request, _body(fields), service_of(request), principal_of(request))
    except InvalidRequestError as error:
        return await _every(request, given=fields, problem=str(error))
    return await _one(request, made, secret=made.secret)


@router.get(f"{PATH}/{{id}}", openapi_extra=does("deliveries"))
async def one(request: Request, id: str) -> Response:
    """Show a webhook, and what was sent to it."""
    return await _one(request, await native.found(service_of(request), principal_of(request), id))


@router.post(f"{PATH}/{{id}}", openapi_extra=does("put_webhook"))
async def put(request: Request, id: str) -> Response:
    """Keep a webhook as the form says; with a new secret only if one was asked for."""
    service, who, fields = service_of(request), principal_of(request), await form(request)
    old = await native.found(service, who, id)
    secret = new_secret() if fields.get("new_secret") == "1" else None
    try:
        changed = await native.kept(request, _body(fields, secret), service, who, old)
    except InvalidRequestError as error:
        return await _one(request, old, given=fields, problem=str(error))
    return await _one(request, changed, secret=secret, is_kept=True)


@router.post(f"{PATH}/{{id}}/drop", openapi_extra=does("drop_webhook"))
async def drop(request: Request, id: str) -> Response:
    """Remove a webhook with its deliveries."""
    if not await service_of(request).control.drop_webhook(principal_of(request).tenant, id):
        raise NotFoundError("No such webhook.")
    return redirect(PATH)


@router.post(f"{PATH}/{{id}}/test", openapi_extra=does("redeliver"))
async def test(request: Request, id: str) -> Response:
    """Send an event of the type `test`, and show what came of it."""
    service = service_of(request)
    webhook = await native.found(service, principal_of(request), id)
    return await _one(request, webhook, outcome=await service.dispatcher.test(webhook))


@router.post(f"{PATH}/{{id}}/deliveries/{{delivery_id}}/redeliver", openapi_extra=does("redeliver"))
async def redeliver(request: Request, id: str, delivery_id: str) -> Response:
    """Let a delivery that is sent or dead be tried anew."""
    await native.redeliver(id, delivery_id, principal_of(request), service_of(request))
    return redirect(f"{PATH}/{id}")


async def _every(request: Request, *, given: Mapping[str, str], problem: str | None = None) -> Response:
    service, who = service_of(request), principal_of(request)
    return render_tab(
        request,
        "webhooks",
        "webhooks.html",
        status=200 if problem is None else 400,
        webhooks=await service.control.webhooks(who.tenant),
        given=given,
        ids=scope_ids(given),
        kinds=EVENT_KINDS,
        problem=problem,
    )


async def _one(
    request: Request,
    webhook: Webhook,
    *,
    given: Mapping[str, str] | None = None,
    problem: str | None = None,
    secret: str | None = None,
    outcome: Outcome | None = None,
    is_kept: bool = False,
) -> Response:
    service, wanted = service_of(request), asked(request)
    deliveries = await service.control.deliveries(webhook.tenant, webhook.id, cursor=wanted.cursor, limit=PAGE_ITEMS)
    shown = given if given is not None else _fields(webhook)
    return render_tab(
        request,
        "webhooks",
        "webhook.html",
        status=200 if problem is None else 400,
        webhook=webhook,
        deliveries=deliveries,
        given=shown,
        ids=scope_ids(shown),
        kinds=EVENT_KINDS,
        problem=problem,
        secret=secret,
        outcome=outcome,
        is_kept=is_kept,
        query=wanted.fields,
    )


def _fields(webhook: Webhook) -> dict[str, str]:
    """Return a webhook as its form shows it."""
    kinds = {KIND_FIELD.format(kind=kind): "1" for kind in webhook.kinds}
    active = "1" if webhook.is_active else ""
    return {"url": webhook.url, "name": webhook.name, "is_active": active, **kinds, **ids_of(webhook.pin)}


def _body(fields: Mapping[str, str], secret: str | None = None) -> native.WebhookBody:
    values: dict[str, Any] = {
        "url": fields.get("url", "").strip(),
        "name": fields.get("name", "").strip(),
        "kinds": [kind for kind in EVENT_KINDS if fields.get(KIND_FIELD.format(kind=kind)) == "1"],
        "is_active": fields.get("is_active") == "1",
        "secret": secret,
        **scope_ids(fields),
    }
    return body_of(native.WebhookBody, **values)
