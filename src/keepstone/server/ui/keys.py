"""The tab `keys`: made, rotated, revoked. A secret is on the page that made it, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta

from fastapi import APIRouter, Request, Response

from keepstone.control import ApiKey, Role, Tenant
from keepstone.errors import InvalidRequestError
from keepstone.server.access import Principal
from keepstone.server.native import keys as native
from keepstone.server.routing import does, principal_of, service_of
from keepstone.server.service import Service
from keepstone.server.ui.asked import CURSOR_CHARS_MAX, PAGE_ITEMS
from keepstone.server.ui.forms import body_of, form, number, scope_ids, with_query
from keepstone.server.ui.routing import UiRoute, redirect
from keepstone.server.ui.tabs import render_tab

PATH = "/ui/running/keys"
# How long a rotated key may go on beside the new one, in seconds: not at all, an hour, a day, a week.
OVERLAPS = (0, 3_600, 86_400, 604_800)
TENANTS_SHOWN = 200

router = APIRouter(route_class=UiRoute)


@router.get(PATH, openapi_extra=does("keys"))
async def page(request: Request) -> Response:
    """Show the keys of a tenant, ended ones too, and a form for a new one."""
    return await _page(request, request.query_params)


@router.post(PATH, openapi_extra=does("create_key"))
async def create(request: Request) -> Response:
    """Make a key that may do no more than the one that asks, and show its secret this once."""
    fields = await form(request)
    try:
        made = await native.made(request, _body(fields), principal_of(request), service_of(request))
    except InvalidRequestError as error:
        return await _page(request, fields, problem=str(error))
    return await _page(request, {"tenant": made[0].tenant}, made=made)


@router.post(f"{PATH}/{{id}}/rotate", openapi_extra=does("rotate_key"))
async def rotate(request: Request, id: str) -> Response:
    """Make a key in the place of another, and show its secret this once."""
    fields = await form(request)
    overlap = timedelta(seconds=number(fields, "overlap_seconds", 0, 0, native.OVERLAP_SECONDS_MAX))
    made = await service_of(request).keys.rotate(principal_of(request).reach, id, overlap=overlap)
    return await _page(request, {"tenant": made[0].tenant}, made=made)


@router.post(f"{PATH}/{{id}}/revoke", openapi_extra=does("revoke_key"))
async def revoke(request: Request, id: str) -> Response:
    """Let a key end now; whoever revokes the own one is logged out by it."""
    ended = await service_of(request).keys.revoke(principal_of(request).reach, id)
    return redirect(with_query(PATH, {"tenant": ended.tenant, "done": "revoked"}))


async def tenants_of(service: Service, who: Principal) -> tuple[Tenant, ...]:
    """Return the tenants whose keys and audit *who* may look at, if there are several."""
    if not who.may("tenants"):
        return ()
    found = (await service.control.tenants(limit=TENANTS_SHOWN)).items
    return found if len(found) > 1 else ()


async def _page(
    request: Request, fields: Mapping[str, str], *, made: tuple[ApiKey, str] | None = None, problem: str | None = None
) -> Response:
    service, who = service_of(request), principal_of(request)
    tenant = who.tenant_of(fields.get("tenant"))
    cursor = request.query_params.get("cursor", "")[:CURSOR_CHARS_MAX] or None
    return render_tab(
        request,
        "keys",
        "keys.html",
        status=200 if problem is None else 400,
        keys=await service.control.keys(tenant, cursor=cursor, limit=PAGE_ITEMS),
        tenant=tenant,
        tenants=await tenants_of(service, who),
        made=made,
        problem=problem,
        given=fields,
        ids=scope_ids(fields),
        roles=[role for role in Role if who.key.role.covers(role)],
        overlaps=OVERLAPS,
        now=service.clock(),
        done=fields.get("done"),
        query={"tenant": tenant, "cursor": cursor},
    )


def _body(fields: Mapping[str, str]) -> native.NewKeyBody:
    return body_of(
        native.NewKeyBody,
        name=fields.get("name", "").strip(),
        role=fields.get("role", Role.READ),
        tenant=fields.get("tenant"),
        expires_at=_end_of_day(fields.get("expires", "").strip()),
        **scope_ids(fields),
    )


def _end_of_day(given: str) -> datetime | None:
    try:
        return datetime.combine(date.fromisoformat(given), time.max, UTC) if given else None
    except ValueError as error:
        raise InvalidRequestError("expires is not a day as in 2026-06-18.") from error
