"""The routes of an application, whatever routers they came by."""

from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from keepstone.server.routing import GuardedRoute


@dataclass(frozen=True)
class Guarded:
    """One guarded route under its whole path."""

    method: str
    path: str
    operation: str
    surface: str
    opens_with_key: bool


def guarded_routes(app: FastAPI) -> list[Guarded]:
    """Every guarded route; `opens_with_key` unless its surface has a way in of its own."""
    found = []
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if isinstance(route, GuardedRoute):
            own_way_in = type(route).authenticate is not GuardedRoute.authenticate
            for method in sorted(context.methods or ()):
                found.append(Guarded(method, context.path or "", route.operation, route.surface, not own_way_in))
    return found


def open_routes(app: FastAPI) -> set[str]:
    """The paths of all routes that are not guarded."""
    return {
        str(context.path)
        for context in iter_route_contexts(app.routes)
        if not isinstance(context.original_route, GuardedRoute)
    }
