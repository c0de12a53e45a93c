"""What Mem0's routes share: a path with and without its last slash, and warnings of what was not done."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine
from typing import Any, TypeVar

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from keepstone.compat.mem0.shapes import named, warn
from keepstone.errors import InvalidRequestError
from keepstone.server.openapi import DESCRIPTIONS
from keepstone.server.problems import MEDIA_TYPE, Problem
from keepstone.server.routing import GuardedRoute, does

HOSTED, OSS = "/mem0", "/mem0-oss"

Handler = TypeVar("Handler", bound=Callable[..., Coroutine[Any, Any, Response]])

# What clients say of themselves, or of the account that the key tells already.
QUIET = frozenset(
    """source version api_version output_format org_id project_id org_name project_name async_mode page page_size
    user_id agent_id app_id run_id""".split()
)


# Described once, by our own interface: a model for each of them in each route would take long to start.
_PROBLEM = {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}
_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": description, "content": {MEDIA_TYPE: _PROBLEM}}
    for status, description in DESCRIPTIONS.items()
}


class HostedRoute(GuardedRoute):
    """A route of Mem0's hosted interface."""

    surface = "mem0"


class OssRoute(GuardedRoute):
    """A route of the interface of Mem0's open-source server."""

    surface = "mem0-oss"


class Surface:
    """Routes of one interface."""

    def __init__(self, prefix: str, route: type[GuardedRoute], tag: str) -> None:
        self._name = route.surface.replace("-", "_")
        self.router = APIRouter(prefix=prefix, route_class=route, tags=[tag], responses=_PROBLEMS)

    def route(
        self, method: str, path: str, operation: str, name: str, status: int = 200
    ) -> Callable[[Handler], Handler]:
        """Return a decorator that serves *path*, with and without a slash at its end, as *operation*."""

        def register(handler: Handler) -> Handler:
            forms = (path,) if path.endswith(":path}") else (path + "/", path)
            for form in forms:
                self.router.add_api_route(
                    form,
                    handler,
                    methods=[method],
                    operation_id=f"{self._name}_{name}",
                    openapi_extra=does(operation),
                    include_in_schema=form == forms[0],
                    response_model=None,
                    status_code=status,
                )
            return handler

        return register


def hosted() -> Surface:
    """Return a part of the hosted interface."""
    return Surface(HOSTED, HostedRoute, "mem0")


def open_source() -> Surface:
    """Return a part of the open-source server's interface."""
    return Surface(OSS, OssRoute, "mem0-oss")


def reply(body: dict[str, Any] | list[Any], notes: Collection[str] = (), status: int = 200) -> JSONResponse:
    """Return *body* with what is to be warned of: as `warnings` in an object, and in `Warning` headers (RFC 7234)."""
    found = {**body, "warnings": list(notes)} if notes and isinstance(body, dict) else body
    headers = {"Warning": ", ".join('299 keepstone "' + n.replace('"', "'") + '"' for n in notes)} if notes else None
    return JSONResponse(found, status, headers)


def ignored(names: Collection[str], notes: list[str]) -> None:
    """Warn of the parameters *names*, which are not known, but for what clients say of themselves."""
    for name in sorted(n for n in names if n not in QUIET)[:20]:
        warn(notes, f"{named(name)} is not supported and was ignored.")


def unsupported(name: str, given: object, why: str, notes: list[str]) -> None:
    """Warn that the parameter *name* has no effect, if it was given."""
    if given:
        warn(notes, f"{name} was ignored: {why}")


def strict(request: Request, known: Collection[str]) -> None:
    """Refuse parameters that are not known where to ignore one could destroy more than was meant.

    Raises:
        InvalidRequestError: there is one.
    """
    strange = next((n for n in request.query_params if n not in known and n not in QUIET), None)
    if strange is not None:
        raise InvalidRequestError(f"{named(strange)} is not supported here; nothing was deleted.")
