"""Webhooks of a project, which are those of the tenant. Their bodies are Keepstone's own events, without content."""

from __future__ import annotations

import json

from fastapi import Request, Response

from keepstone.compat.mem0.filtering import IDS
from keepstone.compat.mem0.shapes import Row, warn
from keepstone.control import EventKind, Webhook
from keepstone.errors import InvalidRequestError, NotFoundError
from keepstone.server.access import Principal
from keepstone.server.mem0 import routes
from keepstone.server.mem0.adding import project_of
from keepstone.server.mem0.bodies import WebhookBody
from keepstone.server.native import webhooks as native
from keepstone.server.native.asking import Serving, Who
from keepstone.server.service import Service

surface = routes.hosted()

EVENT_TYPES = ("memory_add", "memory_update", "memory_delete")
CHANGES: list[EventKind] = ["changes"]


@surface.route("GET", "/api/v1/webhooks/projects/{project}", "webhooks", "webhooks")
async def webhooks(project: str, who: Who, service: Serving) -> Response:
    """Return the webhooks of the key's project, without their secrets."""
    _check(project, who)
    return routes.reply([webhook_row(w) for w in await service.control.webhooks(who.tenant)])


@surface.route("POST", "/api/v1/webhooks/projects/{project}", "put_webhook", "create_webhook")
async def create(request: Request, project: str, body: WebhookBody, who: Who, service: Serving) -> Response:
    """Send events to a URL from now on; the reply has the secret that signs them, once."""
    _check(project, who)
    notes = _notes(body)
    wanted = _wanted(body, None)
    made = json.loads(bytes((await native.create_webhook(request, wanted, who, service)).body))
    row = webhook_row(await _found(service, who, made["id"]))
    return routes.reply({**row, "secret": made["secret"]}, notes)


@surface.route("PUT", "/api/v1/webhooks/{id}", "put_webhook", "put_webhook")
async def put(request: Request, id: str, body: WebhookBody, who: Who, service: Serving) -> Response:
    """Give a webhook another URL, name or events; what is not given stays."""
    notes = _notes(body)
    await native.put_webhook(request, id, _wanted(body, await _found(service, who, id)), who, service)
    return routes.reply(webhook_row(await _found(service, who, id)), notes)


@surface.route("DELETE", "/api/v1/webhooks/{id}", "drop_webhook", "drop_webhook")
async def drop(id: str, who: Who, service: Serving) -> Response:
    """Remove a webhook with its deliveries."""
    if not await service.control.drop_webhook(who.tenant, id):
        raise NotFoundError("No such webhook.")
    return routes.reply({"message": "Webhook deleted successfully"})


def _check(project: str, who: Principal) -> None:
    if project != project_of(who):
        raise NotFoundError("No such project.")


async def _found(service: Service, who: Principal, id: str) -> Webhook:
    found = next((w for w in await service.control.webhooks(who.tenant) if w.id == id), None)
    if found is None:
        raise NotFoundError("No such webhook.")
    return found


def _wanted(body: WebhookBody, old: Webhook | None) -> native.WebhookBody:
    """The webhook as our own interface takes it: with a change of any kind comes one event, `changes`."""
    url = body.url if body.url is not None or old is None else old.url
    if url is None:
        raise InvalidRequestError("A webhook needs a url.")
    kinds = CHANGES if old is None or body.event_types is not None else list(old.kinds)
    if body.event_types is not None and not set(body.event_types) & set(EVENT_TYPES):
        raise InvalidRequestError(f"event_types are some of {', '.join(EVENT_TYPES)}.")
    active = body.is_active if body.is_active is not None else old is None or old.is_active
    name = body.name if body.name is not None else ("" if old is None else old.name)
    pin = (None,) * 4 if old is None else old.pin.ids
    ids = dict(zip(IDS, pin, strict=True))
    return native.WebhookBody(url=url, name=name[:100], kinds=kinds, is_active=active, **ids)


def _notes(body: WebhookBody) -> list[str]:
    notes: list[str] = []
    routes.ignored(body.strange, notes)
    if body.event_types is not None and set(body.event_types) != set(EVENT_TYPES):
        warn(notes, "event_types are not told apart: every change of memories sends one event, without content.")
    return notes


def webhook_row(webhook: Webhook) -> Row:
    """Return a webhook as Mem0 shows one; `kinds` are our own names of events."""
    return {
        "webhook_id": webhook.id,
        "id": webhook.id,
        "name": webhook.name,
        "url": webhook.url,
        "project": webhook.tenant or "default",
        "is_active": webhook.is_active,
        "event_types": list(EVENT_TYPES) if "changes" in webhook.kinds else [],
        "kinds": list(webhook.kinds),
        "created_at": webhook.created_at.isoformat(),
        "updated_at": webhook.created_at.isoformat(),
    }
