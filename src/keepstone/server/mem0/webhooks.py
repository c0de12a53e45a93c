"""Webhooks of a project, which are those of the tenant. Their bodies are Keepstone's own events, without content."""

from __future__ import annotations

from fastapi import Request, Response

from keepstone.compat.mem0.shapes import Row
from keepstone.control import Webhook
from keepstone.errors import NotFoundError
from keepstone.server.mem0 import routes
from keepstone.server.mem0.adding import project_of
from keepstone.server.native.asking import Who
from keepstone.server.routing import service_of

surface = routes.hosted()

EVENT_TYPES = ("memory_add", "memory_update", "memory_delete")


@surface.route("GET", "/api/v1/webhooks/projects/{project}", "webhooks", "webhooks")
async def webhooks(request: Request, project: str, who: Who) -> Response:
    """Return the webhooks of the key's project, without their secrets."""
    if project != project_of(who):
        raise NotFoundError("No such project.")
    return routes.reply([webhook_row(w) for w in await service_of(request).control.webhooks(who.tenant)])


@surface.route("DELETE", "/api/v1/webhooks/{id}", "drop_webhook", "drop_webhook")
async def drop(request: Request, id: str, who: Who) -> Response:
    """Remove a webhook."""
    if not await service_of(request).control.drop_webhook(who.tenant, id):
        raise NotFoundError(f"No webhook {id}.")
    return routes.reply({"message": "Webhook deleted successfully"})


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
