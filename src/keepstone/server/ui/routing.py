"""Routes of the dashboard: who asks is told by the session, and what is refused is a page that people can read."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from http import HTTPStatus

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from keepstone.errors import ConflictError, KeepstoneError, StoreError
from keepstone.server.access import Principal
from keepstone.server.problems import UnauthenticatedError, detail_of, status_of
from keepstone.server.routing import GuardedRoute, Handler
from keepstone.server.service import Service
from keepstone.server.ui import sessions
from keepstone.server.ui.forms import with_query
from keepstone.server.ui.pages import is_partial, render

LOGIN = "/ui/login"
NO_STORE = "no-store"

# Nothing inline, nothing from elsewhere, in nobody's frame.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Frame-Options": "DENY",
    # With `no-referrer` browsers would send forms without their origin.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


class UiRoute(GuardedRoute):
    """A page, or what a form of a page does: for a browser that is logged in."""

    surface = "ui"

    def get_route_handler(self) -> Handler:
        """Return the handler, whose answers are pages whatever comes of it."""
        return _secured(super().get_route_handler(), self.refusal)

    async def authenticate(self, request: Request, service: Service) -> Principal:
        """Return who is logged in.

        Raises:
            UnauthenticatedError: nobody, or not any more.
            ForbiddenError: a form came without the token of its session.
        """
        known = await sessions.found(request, service)
        if known is None:
            raise UnauthenticatedError("Log in with a key.")
        session, key = known
        principal = Principal(key=key, surface=self.surface)
        request.state.session, request.state.principal = session, principal
        await sessions.check_token(request, session)
        return principal

    def refusal(self, request: Request, error: KeepstoneError) -> Response:
        """Return the page for an error; who is not logged in is sent to log in."""
        if isinstance(error, UnauthenticatedError):
            return _to_login(request)
        return refused(request, error)


class OpenRoute(APIRoute):
    """A page that needs no key: logging in and out, preferences, static files."""

    def get_route_handler(self) -> Handler:
        """Return the handler, whose answers are pages whatever comes of it."""
        return _secured(super().get_route_handler(), refused)


def refused(request: Request, error: KeepstoneError) -> Response:
    """Return a page, or for htmx a part of one, that says what was refused and why."""
    status = status_of(error)
    # Paths of the machine are the operator's business.
    detail = "" if isinstance(error, StoreError) and status == HTTPStatus.INTERNAL_SERVER_ERROR else detail_of(error)
    blocking = error.blocking if isinstance(error, ConflictError) else ()
    name = "refused_part.html" if is_partial(request) else "refused.html"
    return render(request, name, status=status, detail=detail, blocking=blocking)


def redirect(address: str) -> Response:
    """Send a browser to another page, which it then asks for."""
    return RedirectResponse(address, HTTPStatus.SEE_OTHER)


def _to_login(request: Request) -> Response:
    if is_partial(request):
        return Response(status_code=HTTPStatus.UNAUTHORIZED, headers={"HX-Redirect": LOGIN})
    wanted = str(request.url.path)
    if request.url.query:
        wanted += f"?{request.url.query}"
    return redirect(with_query(LOGIN, {"next": wanted if request.method == "GET" else None}))


def _secured(handler: Handler, refuse: Callable[[Request, KeepstoneError], Response]) -> Handler:
    async def handle(request: Request) -> Response:
        response = await _told(handler(request), request, refuse)
        for name, value in HEADERS.items():
            response.headers[name] = value
        response.headers.setdefault("Cache-Control", NO_STORE)
        return response

    return handle


async def _told(
    answer: Awaitable[Response], request: Request, refuse: Callable[[Request, KeepstoneError], Response]
) -> Response:
    try:
        return await answer
    except KeepstoneError as error:
        return refuse(request, error)
    except (RequestValidationError, HTTPException) as error:
        status = error.status_code if isinstance(error, HTTPException) else HTTPStatus.UNPROCESSABLE_ENTITY
        return render(request, "refused.html", status=status, detail="", blocking=())
