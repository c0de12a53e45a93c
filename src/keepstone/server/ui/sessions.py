"""Sessions of browsers: a random token in a cookie, whose SHA-256 is all that is stored, and forms that are ours."""

from __future__ import annotations

import secrets
from datetime import timedelta
from urllib.parse import urlsplit

from fastapi import Request, Response

from keepstone.control import ApiKey, BrowserSession
from keepstone.server.keys import digest, is_same
from keepstone.server.middleware import SAFE_METHODS
from keepstone.server.problems import ForbiddenError
from keepstone.server.service import Service
from keepstone.server.settings import Settings
from keepstone.server.ui.forms import form

COOKIE = "keepstone_session"
COOKIE_PATH = "/ui"
TOKEN_BYTES = 32
TOKEN_CHARS_MAX = 100
CSRF_FIELD = "csrf_token"
CSRF_HEADER = "x-csrf-token"


async def begin(service: Service, key: ApiKey, response: Response) -> None:
    """Let the browser that gets *response* be logged in with *key*."""
    token, now = secrets.token_urlsafe(TOKEN_BYTES), service.clock()
    ends = now + timedelta(seconds=service.settings.session_seconds)
    session = BrowserSession(
        key_id=key.id, csrf_token=secrets.token_urlsafe(TOKEN_BYTES), created_at=now, expires_at=ends
    )
    await service.control.put_session(session, digest(token))
    response.set_cookie(
        COOKIE,
        token,
        max_age=service.settings.session_seconds,
        path=COOKIE_PATH,
        secure=is_encrypted(service.settings),
        httponly=True,
        samesite="strict",
    )


async def found(request: Request, service: Service) -> tuple[BrowserSession, ApiKey] | None:
    """Return the session that came along with its key; None if either is not there or not valid any more."""
    token = request.cookies.get(COOKIE)
    if not token or len(token) > TOKEN_CHARS_MAX:
        return None
    stored = await service.control.session(digest(token))
    if stored is None:
        return None
    session, key = stored
    now = service.clock()
    return stored if session.expires_at > now and key.is_valid(now) else None


async def end(request: Request, service: Service, response: Response) -> None:
    """Forget the session of a browser, here and there."""
    token = request.cookies.get(COOKIE)
    if token and len(token) <= TOKEN_CHARS_MAX:
        await service.control.drop_session(digest(token))
    response.delete_cookie(
        COOKIE, path=COOKIE_PATH, secure=is_encrypted(service.settings), httponly=True, samesite="strict"
    )


async def check_token(request: Request, session: BrowserSession) -> None:
    """Let pass what changes nothing, and what came from a page that was made in this session.

    Raises:
        ForbiddenError: the token of the session is missing, or is another one.
    """
    if request.method in SAFE_METHODS:
        return
    check_origin(request)
    given = request.headers.get(CSRF_HEADER)
    if given is None:
        given = (await form(request)).get(CSRF_FIELD, "")
    if not is_same(given, session.csrf_token):
        raise ForbiddenError("This form is too old or not from this dashboard; load the page again.")


def check_origin(request: Request) -> None:
    """Let pass what no page of another site sent.

    Raises:
        ForbiddenError: the browser says that one did.
    """
    told = request.headers.get("sec-fetch-site")
    origin = request.headers.get("origin")
    if told is not None:
        is_ours = told in ("same-origin", "none")
    else:
        is_ours = origin is None or _place(origin) == request.headers.get("host", "")
    if not is_ours:
        raise ForbiddenError("Forms of other sites are refused.")


def _place(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def is_encrypted(settings: Settings) -> bool:
    """Whether browsers reach this server by TLS."""
    return settings.tls_terminated or settings.tls_certificate is not None
