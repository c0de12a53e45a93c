"""Who may do what: every kind of key against every route that knows its operation, as the one table says."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache

import httpx2
import pytest
from fastapi import FastAPI

from keepstone.control import Role, Tenant
from keepstone.server.access import OPERATIONS
from keepstone.server.app import create_app
from keepstone.server.keys import digest
from keepstone.server.mcp.profiles import TOOLS
from keepstone.server.openapi import PREFIX
from keepstone.server.routing import OPERATION
from keepstone.server.service import Service
from keepstone.server.settings import Settings
from keepstone.server.ui.sessions import COOKIE, CSRF_HEADER
from keepstone.testing import HashingEmbedder, InMemoryStore
from tests.server.routes import Guarded, guarded_routes, open_routes
from tests.server.serving import Serving, serving

NOBODYS_ID = "01a2068f-74e5-7001-afd2-b8f43738f36f"
PINNED = "bob"
# Everybody that a server may meet: role, whether pinned, whether of the tenant that runs the server.
KNOWN = {
    "read": (Role.READ, False, True),
    "write": (Role.WRITE, False, True),
    "admin": (Role.ADMIN, False, True),
    "pinned read": (Role.READ, True, True),
    "pinned write": (Role.WRITE, True, True),
    "pinned admin": (Role.ADMIN, True, True),
    "other read": (Role.READ, False, False),
    "other admin": (Role.ADMIN, False, False),
}
STRANGERS = ("none", "wrong", "expired", "revoked")


@pytest.fixture(scope="module")
def served() -> Iterator[Serving]:
    # Where nothing listens: what the proxy lets through ends there.
    with serving(requests_a_minute=0, proxy_upstream="http://127.0.0.1:9/v1") as found:
        found.run(found.service.control.put_tenant(Tenant(id="other", name="other", created_at=datetime.now(UTC))))
        yield found


@pytest.fixture(scope="module")
def secrets(served: Serving) -> dict[str, str]:
    made = {"none": "", "wrong": served.secret[:-2] + "zz"}
    for who, (role, is_pinned, is_root) in KNOWN.items():
        pin = {"user_id": PINNED} if is_pinned else {}
        made[who] = served.key(role, tenant="" if is_root else "other", name=who, **pin)
    key, made["revoked"] = served.made_key(Role.ADMIN)
    served.run(served.service.keys.revoke("", key.id))
    soon = datetime.now(UTC) - timedelta(seconds=1)
    _, made["expired"] = served.run(served.service.keys.create("", "old", Role.ADMIN, expires_at=soon))
    return made


@cache
def app() -> FastAPI:
    return create_app(Service(Settings(), store=InMemoryStore(), embedder=HashingEmbedder()))


def expected(who: str, operation: str) -> int | None:
    """The refusal that the table says, None if there is none."""
    if who in STRANGERS:
        return 401
    role, is_pinned, is_root = KNOWN[who]
    rule = OPERATIONS[operation]
    order = [Role.READ, Role.WRITE, Role.ADMIN]
    may = order.index(role) >= order.index(rule.role) and (rule.pinned or not is_pinned) and (not rule.root or is_root)
    return None if may else 403


def asked(client: httpx2.Client, route: Guarded) -> httpx2.Response:
    """Ask with an id that nobody has and a body that is not one, so that nothing is done."""
    # A path that names a user names the pinned one: another would be refused, whatever the operation.
    path = re.sub(r"\{user(_id)?\}|(?<=/user/)\{id\}", PINNED, route.path)
    path = re.sub(r"\{[^}]+\}", NOBODYS_ID, path)
    if route.method in ("POST", "PUT", "PATCH"):
        return client.request(route.method, path, content=b"[1", headers={"Content-Type": "application/json"})
    return client.request(route.method, path)


@pytest.mark.parametrize("who", [*STRANGERS, *KNOWN])
def test_every_route_lets_in_whom_the_table_says(served: Serving, secrets: dict[str, str], who: str) -> None:
    wrong, walked = [], 0
    with served.client(secrets[who]) as client:
        for route in guarded_routes(app()):
            if not route.opens_with_key:
                continue
            walked += 1
            refusal, status = expected(who, route.operation), asked(client, route).status_code
            if not (status == refusal if refusal is not None else status not in (401, 403) and status < 500):
                wrong.append(f"{route.method} {route.path} ({route.operation}): {status}, not {refusal or 'let in'}")
    assert not wrong
    assert walked > len(OPERATIONS)


def session_of(served: Serving, secret: str) -> tuple[dict[str, str], dict[str, str]]:
    """Log into the dashboard with a key, and return the cookie and the header that forms have."""
    with served.client("") as client:
        cookie = client.post("/ui/login", data={"key": secret}).cookies.get(COOKIE)
    if cookie is None:
        return {}, {}
    stored = served.run(served.service.control.session(digest(cookie)))
    return {COOKIE: cookie}, {CSRF_HEADER: stored[0].csrf_token}


@pytest.mark.parametrize("who", [*STRANGERS, *KNOWN])
def test_every_page_lets_in_whom_the_table_says(served: Serving, secrets: dict[str, str], who: str) -> None:
    cookies, headers = session_of(served, secrets[who])
    assert bool(cookies) == (who in KNOWN)
    wrong, pages = [], [r for r in guarded_routes(app()) if r.surface == "ui"]
    with served.client("", cookies=cookies) as client:
        client.headers.update(headers)
        for page in pages:
            # Who is not logged in is sent to log in.
            refusal = 303 if who in STRANGERS else expected(who, page.operation)
            answer = asked(client, page)
            status, goes_to = answer.status_code, answer.headers.get("location", "")
            is_login = goes_to.startswith("/ui/login")
            is_refused = status == refusal and is_login == (refusal == 303)
            is_let_in = status not in (401, 403) and status < 500 and not is_login
            if not (is_refused if refusal is not None else is_let_in):
                wrong.append(f"{page.method} {page.path} ({page.operation}): {status}, not {refusal or 'let in'}")
    assert not wrong
    assert len(pages) > 10


@pytest.mark.parametrize("who", [w for w in KNOWN if w.endswith("admin")])
def test_no_form_is_done_without_its_token(served: Serving, secrets: dict[str, str], who: str) -> None:
    cookies, headers = session_of(served, secrets[who])
    forms = [r for r in guarded_routes(app()) if r.surface == "ui" and r.method != "GET"]
    assert forms
    for given in ({}, {CSRF_HEADER: "x"}, {**headers, "Sec-Fetch-Site": "cross-site"}):
        with served.client("", cookies=cookies) as client:
            client.headers.update(given)
            assert {asked(client, form).status_code for form in forms} == {403}


@pytest.mark.parametrize("who", [*STRANGERS, *KNOWN])
def test_the_proxy_lets_in_whom_the_table_says(served: Serving, secrets: dict[str, str], who: str) -> None:
    routes = [r for r in guarded_routes(app()) if r.surface == "proxy"]
    assert {r.path for r in routes} >= {"/v1/chat/completions"}
    with served.client(secrets[who]) as client:
        for route in routes:
            wanted = expected(who, route.operation) or 502
            assert asked(client, route).status_code == wanted, route.path


@pytest.mark.parametrize("who", [*STRANGERS, *KNOWN])
def test_every_tool_is_shown_to_and_done_for_whom_the_table_says(
    served: Serving, secrets: dict[str, str], who: str
) -> None:
    accepted = {"Accept": "application/json, text/event-stream"}

    def rpc(profile: str, method: str, **params: object) -> httpx2.Response:
        asking = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return client.post(f"/mcp?profile={profile}", json=asking, headers=accepted)

    with served.client(secrets[who]) as client:
        for profile, tools in TOOLS.items():
            if who in STRANGERS:
                assert rpc(profile, "tools/list").status_code == 401
                continue
            shown = {tool["name"] for tool in rpc(profile, "tools/list").json()["result"]["tools"]}
            assert shown == {t.name for t in tools if expected(who, t.operation) is None}
            for tool in tools:
                # With an argument that no tool has, so that nothing is done.
                told = rpc(profile, "tools/call", name=tool.name, arguments={"nothing": 1}).json()["result"]
                wanted = "forbidden" if expected(who, tool.operation) else "invalid_request"
                assert told["_meta"]["keepstone/code"] == wanted, (profile, tool.name)


def test_every_guarded_route_is_walked_by_one_of_these_tests() -> None:
    assert {r.surface for r in guarded_routes(app()) if not r.opens_with_key} == {"ui", "proxy"}


def test_what_is_open_to_everybody_is_known() -> None:
    assert open_routes(app()) == {
        "/",
        "/healthz",
        "/readyz",
        f"{PREFIX}/openapi.json",
        f"{PREFIX}/docs",
        "/ui/login",
        "/ui/logout",
        "/ui/preferences",
        "/ui/static/{digest}/{name:path}",
    }


def test_an_open_route_does_not_go_unseen() -> None:
    one = create_app(Service(Settings(), store=InMemoryStore(), embedder=HashingEmbedder()))
    one.mount("/mounted", FastAPI())
    one.add_api_route("/open", lambda: None)
    assert {"/mounted", "/open"} <= {path.rstrip("/") for path in open_routes(one)}


def test_every_route_of_the_interface_names_its_operation_and_every_operation_has_a_route(served: Serving) -> None:
    with served.client("") as client:
        document = client.get(f"{PREFIX}/openapi.json").json()
    told = {
        operation[OPERATION]: path
        for path, methods in document["paths"].items()
        for operation in methods.values()
        if OPERATION in operation
    }
    open_paths = [p for p, methods in document["paths"].items() if any(OPERATION not in o for o in methods.values())]
    assert sorted(open_paths) == ["/healthz", "/readyz"]
    assert set(OPERATIONS) - set(told) <= {"mcp", "proxy"}


@pytest.mark.parametrize("who", ["other admin", "other read", "pinned read", "pinned write", "pinned admin"])
def test_what_is_not_of_a_keys_scope_is_not_found(served: Serving, secrets: dict[str, str], who: str) -> None:
    with served.client() as client:
        added = client.post(f"{PREFIX}/memories", json={"messages": f"I keep {who} bees.", "user_id": "alice"}).json()
        hook = client.post(f"{PREFIX}/webhooks", json={"url": "https://example.com/", "is_active": False}).json()["id"]
        key = client.post(f"{PREFIX}/keys", json={"name": "mine"}).json()["id"]
    memory, message = added["memories"][0]["id"], added["messages"][0]
    change = added["batch_id"]
    asking = [
        ("GET", f"/memories/{memory}", "get", None),
        ("GET", f"/memories/{memory}/history", "history", None),
        ("GET", f"/memories/{memory}/messages", "messages", None),
        ("GET", f"/messages/{message}", "messages", None),
        ("PATCH", f"/memories/{memory}", "update", {"text": "No bees."}),
        ("DELETE", f"/memories/{memory}", "delete", None),
        ("POST", f"/memories/{memory}/feedback", "feedback", {"value": "positive"}),
        ("POST", "/undo", "undo", {"id": change}),
        ("POST", "/erase", "erase", {"ids": [memory]}),
        ("GET", f"/webhooks/{hook}/deliveries", "deliveries", None),
        ("DELETE", f"/webhooks/{hook}", "drop_webhook", None),
        ("DELETE", f"/keys/{key}", "revoke_key", None),
        ("POST", f"/keys/{key}/rotate", "rotate_key", {}),
    ]
    with served.client(secrets[who]) as client:
        for method, path, operation, body in asking:
            found = (
                client.request(method, PREFIX + path, json=body)
                if body is not None
                else client.request(method, PREFIX + path)
            )
            assert found.status_code == (expected(who, operation) or 404), (method, path, found.text)
    with served.client() as client:
        assert client.get(f"{PREFIX}/memories/{memory}").json()["text"] == f"I keep {who} bees."
        assert client.get(f"{PREFIX}/webhooks/{hook}/deliveries").status_code == 200


def test_a_pin_holds_for_every_listing(served: Serving, secrets: dict[str, str]) -> None:
    with served.client() as client:
        for user in ("alice", "bob"):
            client.post(
                f"{PREFIX}/memories", json={"messages": f"This is {user}, with a canary-{user}.", "user_id": user}
            )
    with served.client(secrets["pinned admin"]) as client:
        for path in ("/memories?user_id=bob", "/messages", "/conversations", "/changes", "/events?texts=true"):
            text = client.get(PREFIX + path).text
            assert "bob" in text, path
            assert "alice" not in text, path
            separator = "&" if "?" in path else "?"
            assert (
                client.get(f"{PREFIX}{path.split('?')[0]}{separator}user_id=alice".replace("&", "?")).status_code == 403
            )
        exported = client.post(f"{PREFIX}/export", json={}).text
        assert "canary-bob" in exported
        assert "canary-alice" not in exported
