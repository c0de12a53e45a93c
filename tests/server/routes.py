"""The routes of an application, whatever routers they came by."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI

from keepstone.server.routing import GuardedRoute


def guarded_routes(app: FastAPI) -> list[GuardedRoute]:
    """Every route that a key opens as on the native interface; a surface with its own way in tests that itself."""
    return [r for r in _walk(app.routes) if r.authenticate.__func__ is GuardedRoute.authenticate]  # type: ignore[attr-defined]


def _walk(routes: list[Any]) -> Iterator[GuardedRoute]:
    for route in routes:
        if isinstance(route, GuardedRoute):
            yield route
        elif hasattr(route, "routes"):
            yield from _walk(route.routes)
