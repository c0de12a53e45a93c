"""The tab `audit`: who asked for what through which surface, and what came of it; nothing of what was said."""

from __future__ import annotations

from datetime import time

from fastapi import APIRouter, Request, Response

from keepstone.control import AuditFilter
from keepstone.server.access import OPERATIONS
from keepstone.server.routing import does, principal_of, service_of
from keepstone.server.ui.asked import PAGE_ITEMS, Asked, asked
from keepstone.server.ui.keys import tenants_of
from keepstone.server.ui.routing import UiRoute
from keepstone.server.ui.tabs import render_tab

KEYS_NAMED = 500
ID_CHARS_MAX = 256
# Entered without a place in the table: nobody is known yet.
LOGIN = "login"

router = APIRouter(route_class=UiRoute)


@router.get("/ui/running/audit", openapi_extra=does("audit"))
async def page(request: Request) -> Response:
    """Show the audit of a tenant, the newest entry first, by key, operation and days."""
    service, who, wanted = service_of(request), principal_of(request), asked(request)
    tenant = who.tenant_of(wanted.fields.get("tenant"))
    # What was asked just now is in it.
    await service.auditor.write()
    found = await service.control.audit(tenant, _filter(wanted, request), cursor=wanted.cursor, limit=PAGE_ITEMS)
    keys = await service.control.keys(tenant, limit=KEYS_NAMED)
    return render_tab(
        request,
        "audit",
        "audit.html",
        entries=found.items,
        next_cursor=found.next_cursor,
        names={key.id: key.name or key.prefix for key in keys.items},
        operations=sorted((*OPERATIONS, LOGIN)),
        with_reads=service.settings.audit_reads,
        days=service.settings.audit_days,
        tenant=tenant,
        tenants=await tenants_of(service, who),
        query=wanted.fields,
    )


def _filter(wanted: Asked, request: Request) -> AuditFilter:
    now = service_of(request).clock()
    since, until = wanted.end_of_day("since", now), wanted.end_of_day("until", now)
    return AuditFilter(
        key_id=wanted.text("key_id")[:ID_CHARS_MAX] or None,
        operation=wanted.text("operation")[:ID_CHARS_MAX] or None,
        since=None if since is None else since.combine(since.date(), time.min, since.tzinfo),
        until=until,
    )
