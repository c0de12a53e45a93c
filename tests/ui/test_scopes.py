"""What a page shows is its key's: routes are guarded, tenants apart, lists complete, nonsense is refused."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from html import unescape

import httpx2
import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from keepstone.control import Role, Tenant
from keepstone.server import ui
from keepstone.server.ui.navigation import SECTIONS
from keepstone.server.ui.routing import OpenRoute, UiRoute
from tests.server.serving import Serving

OPEN = {"/ui/login", "/ui/logout", "/ui/preferences", "/ui/static/{digest}/{name:path}"}


@contextmanager
def logged_in(server: Serving, secret: str | None = None) -> Iterator[httpx2.Client]:
    with server.client("") as client:
        entered = client.post("/ui/login", data={"key": server.secret if secret is None else secret})
        assert entered.status_code == 303
        yield client


def test_every_page_but_the_open_ones_is_guarded() -> None:
    contexts = iter_route_contexts(ui.router().routes)
    routes = [c.original_route for c in contexts if isinstance(c.original_route, APIRoute)]
    assert len(routes) > 15
    assert {r.path for r in routes if not isinstance(r, UiRoute)} == OPEN
    assert all(isinstance(r, UiRoute | OpenRoute) for r in routes)
    assert {s.path for s in SECTIONS} <= {r.path for r in routes}
    for section in SECTIONS:
        assert section.operation in {r.operation for r in routes if isinstance(r, UiRoute) and r.path == section.path}


def test_tenants_do_not_see_each_other(server: Serving) -> None:
    made = Tenant(id="acme", name="Acme", created_at=datetime(2026, 1, 1, tzinfo=UTC))
    server.run(server.service.control.put_tenant(made))
    for tenant, user in (("", "root-user"), ("acme", "acme-user")):
        server.run(server.service.memory_of(tenant).add(f"I am the {user}.", user_id=user, infer=False))
    foreign = server.run(server.service.memory_of("").get_all(user_id="root-user")).items[0]
    change = server.run(server.service.memory_of("").history(foreign.id))[0]
    with logged_in(server, server.key(Role.ADMIN, tenant="acme")) as client:
        for path in ("/ui/overview", "/ui/memories", "/ui/time", "/ui/search?query=user&all_scopes=1"):
            page = client.get(path)
            assert page.status_code == 200
            assert "root-user" not in page.text
            assert "acme-user" in page.text
        assert "I am the" not in client.get("/ui/memories?user_id=root-user").text
        for path in (f"/ui/time/memories/{foreign.id}", f"/ui/time/undo/{change.id}"):
            assert client.get(path).status_code == 404
    with logged_in(server) as client:
        shown = client.get("/ui/overview").text
        assert "Acme" in shown
        assert "acme-user" not in shown


def test_pages_of_a_list_are_complete_and_disjoint(server: Serving) -> None:
    said = [{"role": "user", "content": f"Line number {n:03} of a long list."} for n in range(120)]
    server.run(server.service.memory_of("").add(said, user_id="lister", infer=False))
    with logged_in(server) as client:
        for path, at_once in (("/ui/memories?user_id=lister", 50), ("/ui/time?user_id=lister", 50)):
            seen: list[str] = []
            address: str | None = path
            while address is not None:
                page = client.get(address).text
                found = re.findall(r"Line number (\d{3})", page)
                assert len(found) <= at_once
                seen += found
                more = re.search(r'rel="next" href="([^"]+)"', page)
                address = unescape(more[1]) if more else None
            assert sorted(seen) == [f"{n:03}" for n in range(120)]


@pytest.mark.parametrize("path", ["/ui/overview", "/ui/memories", "/ui/time", "/ui/search"])
@pytest.mark.parametrize("nonsense", ["x", "-1", "💥", "\x00", "9" * 400, "2026-13-40", "' OR 1=1 --", "a" * 5000])
def test_nonsense_is_refused_or_ignored(server: Serving, path: str, nonsense: str) -> None:
    names = (
        "user_id",
        "cursor",
        "kind",
        "language",
        "stand",
        "q",
        "as_of",
        "known_at",
        "limit",
        "min_score",
        "max_tokens",
    )
    with logged_in(server) as client:
        for name in (*names, "expect", "format", "prefix", "owner_kind", "left", "right"):
            asked = {"user_id": "lister", "query": "list", name: nonsense}
            page = client.get(path, params=asked)
            assert page.status_code in (200, 400, 413, 422), (name, page.status_code)
            assert "text/html" in page.headers["content-type"]
