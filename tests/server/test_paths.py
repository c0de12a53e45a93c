"""Every surface has paths of its own: nothing that one serves is served by another."""

import re
from itertools import product

from fastapi.routing import iter_route_contexts
from starlette.routing import compile_path

from keepstone.server.app import create_app
from keepstone.server.routing import GuardedRoute
from keepstone.server.service import Service
from keepstone.server.settings import Settings
from keepstone.testing import HashingEmbedder, InMemoryStore


def served() -> list[tuple[str, str, str]]:
    """Surface, method and path of every route; one that needs no key is of the surface that its path begins with."""
    service = Service(Settings(), store=InMemoryStore(), embedder=HashingEmbedder())
    found = []
    for context in iter_route_contexts(create_app(service).routes):
        route = context.original_route
        path = str(context.path)
        surface = route.surface if isinstance(route, GuardedRoute) else path.split("/")[1]
        found += [(surface, method, path) for method in sorted(context.methods or {"GET"})]
    return found


def example(path: str) -> str:
    """A path as a client asks for it."""
    return re.sub(r"{[^}]+}", "x", path)


def test_no_path_is_served_twice() -> None:
    every = served()
    assert {"rest", "mem0", "mem0-oss", "healthz"} <= {surface for surface, _, _ in every}
    assert len({(method, path) for _, method, path in every}) == len(every)
    patterns = [(surface, method, path, compile_path(path)[0]) for surface, method, path in every]
    for (one, method, path), (other, of_other, where, pattern) in product(every, patterns):
        if one != other and method == of_other:
            assert not pattern.fullmatch(example(path)), f"{path} of {one} is also {where} of {other}"


def test_each_route_of_mem0_is_served_with_and_without_its_last_slash() -> None:
    every = {(method, path) for surface, method, path in served() if surface.startswith("mem0")}
    assert len(every) > 90
    for method, path in every:
        # A name in the last place may hold slashes, and so takes both.
        assert path.endswith(":path}") or (method, path.rstrip("/")) in every
        assert path.endswith(":path}") or (method, path.rstrip("/") + "/") in every


def test_a_surface_can_be_left_out() -> None:
    settings = Settings(mem0=False, mem0_oss=False)
    service = Service(settings, store=InMemoryStore(), embedder=HashingEmbedder())
    paths = [str(context.path) for context in iter_route_contexts(create_app(service).routes)]
    assert not any(path.startswith("/mem0") for path in paths)
