"""What goes around every request: its id, where it may come from, how large it may be, and its line in the log."""

from __future__ import annotations

import logging
import re
import time
import uuid
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from keepstone.server import problems
from keepstone.server.problems import RefusedError
from keepstone.server.settings import LOOPBACK, Settings

log = logging.getLogger("keepstone.server.access")

REQUEST_ID = re.compile(r"[\w.:-]{1,64}")
IMPORT_PATH = "/api/v1/import"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Surroundings:
    """Refuses what comes from where it must not or is too large, names the request, and logs it without content."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings
        self._hosts = frozenset(
            {*LOOPBACK, "[::1]", settings.host, *settings.allowed_hosts} if settings.is_loopback else ()
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request_id = given if REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = request_id
        started, status = time.perf_counter(), 500
        # Every line that is logged in this request's task has it, to the last.
        structlog.contextvars.bind_contextvars(request_id=request_id)

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                out = MutableHeaders(scope=message)
                out["X-Request-ID"] = request_id
                out.setdefault("X-Content-Type-Options", "nosniff")
                out.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            self._check_origin(scope, headers)
            limit = self._limit(scope)
            self._check_length(headers, limit)
            await self._app(scope, _bounded(receive, limit), answer)
        except RefusedError as error:
            await problems.of_error(error, request_id)(scope, receive, answer)
        finally:
            milliseconds = (time.perf_counter() - started) * 1000
            log.info(
                "%s %s %d %.1f ms",
                scope["method"],
                pattern(scope),
                status,
                milliseconds,
                extra={"request_id": request_id, "status": status, "milliseconds": round(milliseconds, 1)},
            )

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        """Refuse pages of other sites that a browser on this machine was made to send here (DNS rebinding)."""
        if not self._hosts:
            return
        host = _name(headers.get("host", ""))
        if host not in self._hosts:
            raise RefusedError(421, "This server is not known by that name; state it in allowed_hosts.")
        origin = headers.get("origin")
        if origin is not None and scope["method"] not in SAFE_METHODS and _origin(origin) not in self._hosts:
            raise RefusedError(403, "Requests from pages of another origin are refused.")

    def _limit(self, scope: Scope) -> int:
        settings = self._settings
        return settings.import_bytes_max if scope["path"] == IMPORT_PATH else settings.body_bytes_max

    @staticmethod
    def _check_length(headers: Headers, limit: int) -> None:
        given = headers.get("content-length", "0")
        if not given.isascii() or not given.isdigit():
            raise RefusedError(400, "Content-Length is not a number.")
        if int(given) > limit:
            raise _too_large(limit)


def _bounded(receive: Receive, limit: int) -> Receive:
    """Count what comes in, for a length need not be told, or be true."""
    left = limit

    async def bounded() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise _too_large(limit)
        return message

    return bounded


def _too_large(limit: int) -> RefusedError:
    return RefusedError(413, f"The body is larger than {limit} bytes.")


def _origin(origin: str) -> str | None:
    """The name in an Origin header, None if it is not one."""
    try:
        return urlsplit(origin).hostname
    except ValueError:
        return None


def _name(host: str) -> str:
    """The name in a Host header, without its port."""
    return host if host.endswith("]") else host.rpartition(":")[0] or host


def pattern(scope: Scope) -> str:
    """Return the pattern of a request's route with its prefix: ids in a path are nobody's business in a log."""
    route, path = scope.get("route"), str(scope["path"])
    own = getattr(route, "path_format", None) or getattr(route, "path", None)
    if own is None:
        return "(no route)"
    # A route knows its own part of the path, and what stands for its parameters.
    filled = str(own).format_map({name: str(value) for name, value in scope.get("path_params", {}).items()})
    return path.removesuffix(filled) + str(own) if path.endswith(filled) else str(own)
