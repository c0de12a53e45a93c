"""Logging in and out, language and colours, static files, the first page, and what is on no other page."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter, Request, Response

from keepstone.control import AuditEntry
from keepstone.errors import NotFoundError
from keepstone.server.problems import ForbiddenError, request_id
from keepstone.server.routing import does, principal_of, service_of
from keepstone.server.ui import sessions
from keepstone.server.ui.assets import LONG, asset
from keepstone.server.ui.forms import form, place_within
from keepstone.server.ui.navigation import visible_to
from keepstone.server.ui.pages import LANGUAGE_COOKIE, THEME_COOKIE, THEMES, render
from keepstone.server.ui.routing import LOGIN, OpenRoute, UiRoute, redirect
from keepstone.server.ui.wording import LANGUAGES
from keepstone.types import Scope

PREFERENCE_SECONDS = int(timedelta(days=365).total_seconds())

router = APIRouter()
opened = APIRouter(route_class=OpenRoute)
guarded = APIRouter(route_class=UiRoute)


@opened.get("/ui/login")
async def login_page(request: Request) -> Response:
    """Ask for a key."""
    return render(request, "login.html", wrong=False, wanted=request.query_params.get("next", ""))


@opened.post("/ui/login")
async def login(request: Request) -> Response:
    """Begin a session for a valid key, and go to the page that was wanted."""
    sessions.check_origin(request)
    fields, service = await form(request), service_of(request)
    key = await service.keys.find(fields.get("key", "").strip())
    tenant = key.tenant if key is not None else ""
    service.auditor.enter(
        AuditEntry(
            at=service.clock(),
            tenant=tenant,
            key_id=key.id if key is not None else None,
            operation="login",
            surface=UiRoute.surface,
            status=401 if key is None else 303,
            scope=Scope(tenant=tenant),
            request_id=request_id(request),
        )
    )
    if key is None:
        return render(request, "login.html", status=401, wrong=True, wanted=fields.get("next", ""))
    response = redirect(place_within(fields.get("next")))
    await sessions.begin(service, key, response)
    return response


@opened.post("/ui/logout")
async def logout(request: Request) -> Response:
    """End the session."""
    service = service_of(request)
    known = await sessions.found(request, service)
    if known is not None:
        await sessions.check_token(request, known[0])
    response = redirect(LOGIN)
    await sessions.end(request, service, response)
    return response


@opened.post("/ui/preferences")
async def preferences(request: Request) -> Response:
    """Keep the language or the colours that were chosen, in the browser."""
    sessions.check_origin(request)
    fields = await form(request)
    response = redirect(place_within(fields.get("next")))
    allowed = ((LANGUAGE_COOKIE, "language", [w.tag for w in LANGUAGES]), (THEME_COOKIE, "theme", ["", *THEMES]))
    for cookie, name, values in allowed:
        if fields.get(name) in values:
            response.set_cookie(
                cookie,
                fields[name],
                max_age=PREFERENCE_SECONDS,
                path=sessions.COOKIE_PATH,
                secure=sessions.is_encrypted(service_of(request).settings),
                httponly=True,
                samesite="strict",
            )
    return response


@opened.get("/ui/static/{digest}/{name:path}")
async def static(request: Request, digest: str, name: str) -> Response:
    """Send a static file, to be kept for good."""
    found = asset(name)
    if digest != found.digest:
        raise NotFoundError("No such file.")
    headers = {"Cache-Control": LONG, "Vary": "Accept-Encoding"}
    if found.compressed is not None and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(found.compressed, headers={**headers, "Content-Encoding": "gzip"}, media_type=found.media_type)
    return Response(found.content, headers=headers, media_type=found.media_type)


@guarded.get("/ui", openapi_extra=does("whoami"))
@guarded.get("/ui/", openapi_extra=does("whoami"))
async def first(request: Request) -> Response:
    """Go to the first page that the key may see."""
    sections = visible_to(principal_of(request))
    if not sections:
        raise ForbiddenError("There is no page that this key may see.")
    return redirect(sections[0].path)


@guarded.get("/ui/{rest:path}", openapi_extra=does("whoami"))
async def nothing(rest: str) -> Response:
    """Say that there is no such page."""
    raise NotFoundError("There is no such page.")


# In this order: the last one takes every path.
router.include_router(opened)
router.include_router(guarded)
