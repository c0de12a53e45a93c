"""Errors as answers: RFC 9457 problem details, whose `detail` is a sentence.

Nothing of what was sent is repeated in an answer, and nothing of it is logged.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from keepstone import errors

log = logging.getLogger("keepstone.server")

MEDIA_TYPE = "application/problem+json"

# The most special first: the first that fits counts.
STATUS: tuple[tuple[type[errors.KeepstoneError], int], ...] = (
    (errors.LimitError, 413),
    (errors.InvalidRequestError, 400),
    (errors.NotFoundError, 404),
    (errors.ConflictError, 409),
    (errors.MissingExtraError, 501),
    (errors.ConfigError, 409),
    (errors.StoreBusyError, 503),
    (errors.StoreFullError, 507),
    (errors.StoreReadOnlyError, 503),
    (errors.StoreClosedError, 503),
    (errors.StoreError, 500),
    (errors.RateLimitError, 503),
    (errors.TimedOutError, 504),
    (errors.ProviderError, 502),
)
BUSY_RETRY_SECONDS = 1
OF_STORES: tuple[tuple[type[errors.StoreError], str], ...] = (
    (errors.StoreBusyError, "The store is held by another writer; nothing was stored. Try again."),
    (errors.StoreFullError, "The server has no room left; nothing was stored. Try again once there is some."),
    (errors.StoreReadOnlyError, "The server cannot write its store; nothing was stored."),
    (errors.StoreClosedError, "The server is stopping; nothing was stored. Try again."),
)
STORE_FAILED = "The store could not do this; nothing was half written. The server's log tells more."


class RefusedError(errors.KeepstoneError):
    """A request that the server itself refuses, with the HTTP status and headers of the answer."""

    def __init__(self, status: int, detail: str, *, headers: Mapping[str, str] | None = None) -> None:
        self.status, self.headers = status, dict(headers or {})
        super().__init__(detail)


class UnauthenticatedError(RefusedError):
    """There is no valid key."""

    def __init__(self, detail: str = "A valid key is needed: send it as `Authorization: Bearer ks_…`.") -> None:
        super().__init__(401, detail, headers={"WWW-Authenticate": 'Bearer realm="keepstone"'})


class ForbiddenError(RefusedError):
    """The key is valid, and may not do this."""

    def __init__(self, detail: str) -> None:
        super().__init__(403, detail)


class Problem(BaseModel):
    """What went wrong (RFC 9457). `code` names the kind of error, `detail` says what to do next."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    code: str
    request_id: str | None = None
    blocking: list[str] | None = None


def status_of(error: errors.KeepstoneError) -> int:
    """Return the HTTP status of an error."""
    if isinstance(error, RefusedError):
        return error.status
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def code_of(error: errors.KeepstoneError) -> str:
    """Return the name of an error's kind in lower case with underscores, as in `not_found`."""
    name = type(error).__name__.removesuffix("Error")
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))


def response(
    status: int,
    detail: str,
    code: str,
    *,
    request_id: str | None = None,
    headers: Mapping[str, str] | None = None,
    blocking: Sequence[str] = (),
) -> JSONResponse:
    """Return a problem as an answer."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    if request_id is not None:
        body["request_id"] = request_id
    if blocking:
        body["blocking"] = list(blocking)
    return JSONResponse(body, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


def of_error(error: errors.KeepstoneError, request_id: str | None) -> JSONResponse:
    """Return the answer for an error that was raised on purpose."""
    headers = dict(error.headers) if isinstance(error, RefusedError) else {}
    if isinstance(error, errors.StoreBusyError):
        headers["Retry-After"] = str(BUSY_RETRY_SECONDS)
    if isinstance(error, errors.ProviderError) and error.retry_after is not None:
        headers["Retry-After"] = str(max(1, round(error.retry_after)))
    blocking = error.blocking if isinstance(error, errors.ConflictError) else ()
    return response(
        status_of(error),
        detail_of(error),
        code_of(error),
        request_id=request_id,
        headers=headers,
        blocking=blocking,
    )


def detail_of(error: errors.KeepstoneError) -> str:
    """Return the sentence that clients are told of an error."""
    if not isinstance(error, errors.StoreError):
        return str(error)
    # Its own sentence names the file: paths of the machine are the operator's business.
    if status_of(error) == 500:
        log.error("The store failed: %s", type(error).__name__)
    return next((told for kind, told in OF_STORES if isinstance(error, kind)), STORE_FAILED)


def install(app: FastAPI) -> None:
    """Let every error of *app* be answered with a problem."""

    async def ours(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, errors.KeepstoneError)
        return of_error(error, request_id(request))

    async def invalid(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        return response(422, _sentence(error), "invalid_request", request_id=request_id(request))

    async def plain(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        code = HTTPStatus(error.status_code).phrase.lower().replace(" ", "_")
        return response(
            error.status_code, str(error.detail), code, request_id=request_id(request), headers=error.headers
        )

    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        detail = "Something unexpected went wrong; the server's log has it under the request's id."
        return response(500, detail, "internal", request_id=request_id(request))

    app.add_exception_handler(errors.KeepstoneError, ours)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, plain)
    app.add_exception_handler(Exception, unexpected)


def request_id(request: Request) -> str | None:
    """Return the id of a request, which its answer and its log lines have."""
    found: str | None = getattr(request.state, "request_id", None)
    return found


def _sentence(error: RequestValidationError) -> str:
    """Say what is wrong, and where, without the values."""
    parts = []
    for one in error.errors()[:5]:
        where = ".".join(str(p) for p in one["loc"] if p != "body")
        parts.append(f"{where}: {one['msg']}" if where else str(one["msg"]))
    return "; ".join(parts) + "."
