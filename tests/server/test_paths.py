"""Every surface has its own paths: nothing that one serves is served by another."""

from fastapi.routing import APIRoute

from keepstone.server.app import create_app
from keepstone.server.service import Service
from keepstone.server.settings import Settings
from keepstone.testing import HashingEmbedder, InMemoryStore


def routes() -> list[tuple[str, APIRoute]]:
    service = Service(Settings(), store=InMemoryStore(), embedder=HashingEmbedder())
    found = []
    waiting: list[tuple[str, object]] = [("", r) for r in create_app(service).routes]
    while waiting:
        prefix, route = waiting.pop()
        if isinstance(route, APIRoute):
            found.append((prefix + route.path, route))
        inner = getattr(route, "original_router", None)
        if inner is not None:
            waiting += [(prefix + route.include_context.prefix, r) for r in inner.routes]
    return found
