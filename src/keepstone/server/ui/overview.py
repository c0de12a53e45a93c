"""The page `overview`: how much there is, what is being done, what it costs, and whose it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request, Response

from keepstone.control import Day, Tenant
from keepstone.results import Usage
from keepstone.server.routing import does, principal_of, service_of
from keepstone.server.service import Service
from keepstone.server.ui.asked import PAGE_ITEMS, Asked, asked
from keepstone.server.ui.pages import is_partial, render, words_of
from keepstone.server.ui.routing import UiRoute
from keepstone.types import OWNER_KINDS, Action, Scope, Stats

DAYS_SHOWN = 30
TENANTS_SHOWN = 20
PREFIX_CHARS_MAX = 256
# What the chart shows of the changes; the others are rare.
CHARTED = (Action.ADD, Action.UPDATE, Action.SUPERSEDE, Action.DELETE)

router = APIRouter(route_class=UiRoute)


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantTotal:
    """A tenant, what it holds, and what it cost in the days shown."""

    tenant: Tenant
    stats: Stats
    usage: Usage


@router.get("/ui/overview", openapi_extra=does("overview"))
async def page(request: Request) -> Response:
    """Show figures, the last days, the queue, costs, and the owners of memories."""
    service, who, wanted = service_of(request), principal_of(request), asked(request)
    if is_partial(request):
        return render(request, "owners.html", **await _owners(service, wanted))
    memory, now, t = service.memory(who), service.clock(), words_of(request)
    since = datetime(now.year, now.month, now.day, tzinfo=UTC) - timedelta(days=DAYS_SHOWN - 1)
    days = _every_day(await service.catalogue.days(who.scope(), since, now), since)
    return render(
        request,
        "overview.html",
        stats=await memory.stats(),
        queue=await service.catalogue.queue_counts(who.scope(), now),
        usage=await memory.usage(since=since),
        has_model=service.chat_model is not None,
        days=days,
        series=json.dumps(_series(days)),
        labels=json.dumps([t("overview.messages"), *(t(f"action.{action}") for action in CHARTED)]),
        charted=CHARTED,
        tenants=await _tenants(service, since) if who.may("tenants") else (),
        **await _owners(service, wanted),
    )


async def _owners(service: Service, wanted: Asked) -> dict[str, Any]:
    kind = wanted.text("owner_kind")
    found = await service.catalogue.owners(
        wanted.scope.tenant,
        kind=kind if kind in OWNER_KINDS else None,
        prefix=wanted.text("prefix")[:PREFIX_CHARS_MAX],
        cursor=wanted.cursor,
        limit=PAGE_ITEMS,
    )
    return {"owners": found, "query": wanted.fields, "owner_kinds": OWNER_KINDS}


async def _tenants(service: Service, since: datetime) -> tuple[TenantTotal, ...]:
    store, found = service.store, await service.control.tenants(limit=TENANTS_SHOWN)
    totals: list[TenantTotal] = []
    if len(found.items) == 1:
        # It is the one whose figures stand on the page already.
        return ()
    for tenant in found.items:
        scope = Scope(tenant=tenant.id)
        stats, usage = await store.stats(scope), await store.usage(scope, since, None)
        totals.append(TenantTotal(tenant=tenant, stats=stats, usage=usage))
    return tuple(totals)


def _every_day(days: Sequence[Day], since: datetime) -> tuple[Day, ...]:
    """Return *days* with those on which nothing was written."""
    found = {d.day: d for d in days}
    names = [(since + timedelta(days=n)).date().isoformat() for n in range(DAYS_SHOWN)]
    return tuple(found.get(name) or Day(day=name, messages=0, changes={}) for name in names)


def _series(days: Sequence[Day]) -> list[list[int]]:
    """Return what the chart draws: times in seconds, messages, and changes by action."""
    times = [int(datetime.fromisoformat(d.day).replace(tzinfo=UTC).timestamp()) for d in days]
    return [times, [d.messages for d in days], *([d.changes.get(action, 0) for d in days] for action in CHARTED)]
