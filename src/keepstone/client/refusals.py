"""Problems (RFC 9457) that a server answers with, as the errors that the library would raise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from keepstone import errors
from keepstone.client.rebuilding import PROVIDER
from keepstone.errors import KeepstoneError

PROBLEM = "application/problem+json"
# What is said here may be as long as a sentence of ours; more is not ours.
DETAIL_CHARS_MAX = 1_000

RETRYABLE = (408, 429, 502, 503, 504)


def _below(kind: type[KeepstoneError]) -> Iterator[type[KeepstoneError]]:
    yield kind
    for narrower in kind.__subclasses__():
        if narrower.__module__ == errors.__name__:
            yield from _below(narrower)


def _code(kind: type[KeepstoneError]) -> str:
    name = kind.__name__.removesuffix("Error")
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))


# The two that say what was in the way by values that no problem has stand as what they are kinds of.
_PLAIN = {"missing_extra": errors.ConfigError, "embedder_mismatch": errors.ConfigError}
KINDS: dict[str, type[KeepstoneError]] = {**{_code(k): k for k in _below(KeepstoneError)}, **_PLAIN}

_BY_STATUS: dict[int, type[KeepstoneError]] = {
    400: errors.InvalidRequestError,
    403: errors.PermissionDeniedError,
    404: errors.NotFoundError,
    409: errors.ConflictError,
    413: errors.LimitError,
    422: errors.InvalidRequestError,
}


def error_of(status: int, media_type: str, body: bytes, retry_after: float | None) -> KeepstoneError:
    """Return the error that an answer with a status from 300 on stands for."""
    problem = _problem(media_type, body)
    if problem is None:
        message = f"answered {status}, and not as a Keepstone server does; is this its URL?"
        return errors.ProviderError(PROVIDER, message, retryable=status in RETRYABLE, retry_after=retry_after)
    detail, code = str(problem.get("detail"))[:DETAIL_CHARS_MAX], str(problem.get("code"))
    if status == 401:
        return errors.AuthenticationError(PROVIDER, detail, retryable=False)
    if status == 429:
        return errors.RateLimitError(PROVIDER, detail, retryable=True, retry_after=retry_after)
    kind = KINDS.get(code) or _BY_STATUS.get(status, errors.ProviderError)
    if issubclass(kind, errors.ProviderError):
        name, colon, message = detail.partition(": ")
        said = (name, message) if colon and code in KINDS else (PROVIDER, detail)
        return kind(*said, retryable=status in RETRYABLE, retry_after=retry_after)
    if issubclass(kind, errors.ConflictError):
        return kind(detail, blocking=[str(i) for i in problem.get("blocking") or ()])
    return kind(detail)


def is_in_work(error: KeepstoneError, status: int, retry_after: float | None) -> bool:
    """Whether a conflict only means that the same request is still being worked on."""
    return status == 409 and isinstance(error, errors.ConflictError) and retry_after is not None


def _problem(media_type: str, body: bytes) -> dict[str, Any] | None:
    if media_type.partition(";")[0].strip() != PROBLEM:
        return None
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
