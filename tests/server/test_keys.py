"""Keys, tenants, the audit and the settings over REST: nobody gets more than who gives it, and all of it is entered."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from keepstone.control import Role
from keepstone.server.masking import masked
from keepstone.server.settings import Settings
from tests.server.serving import Serving, serving

API = "/api/v1"


@pytest.fixture(scope="module")
def shared() -> Iterator[Serving]:
    with serving() as found:
        yield found


@pytest.fixture
def tenant(shared: Serving, request: pytest.FixtureRequest) -> str:
    """A tenant of the test's own, by its name."""
    name = str(request.node.name)[:60].split("[")[0]
    with shared.client() as client:
        assert client.post(f"{API}/tenants", json={"id": name}).status_code in (201, 409)
    return name


def test_a_secret_is_shown_once_and_works(shared: Serving) -> None:
    with shared.client() as client:
        made = client.post(f"{API}/keys", json={"name": "reader", "role": "read", "user_id": "alice"}).json()
        listed = client.get(f"{API}/keys", params={"limit": 1_000})
        assert made["secret"].startswith("ks_")
        assert made["secret"] not in listed.text
        assert "secret" not in listed.json()["items"][-1]
        assert listed.json()["items"][-1]["user_id"] == "alice"
    with shared.client(made["secret"]) as reader:
        assert reader.get(f"{API}/whoami").json() == {
            **{k: v for k, v in made.items() if k != "secret"},
            "last_used_at": None,
        }


def test_a_key_is_rotated_with_an_overlap_and_revoked_at_once(shared: Serving) -> None:
    with shared.client() as client:
        made = client.post(f"{API}/keys", json={"name": "service", "role": "write", "agent_id": "bot"}).json()
        turned = client.post(f"{API}/keys/{made['id']}/rotate", json={"overlap_seconds": 3_600}).json()
        assert (turned["role"], turned["agent_id"], turned["replaces"]) == ("write", "bot", made["id"])
        for secret in (made["secret"], turned["secret"]):
            with shared.client(secret) as either:
                assert either.get(f"{API}/whoami").status_code == 200
        assert client.post(f"{API}/keys/{made['id']}/rotate", json={"overlap_seconds": 7_200}).status_code == 409
        assert client.delete(f"{API}/keys/{made['id']}").json()["revoked_at"] is not None
        with shared.client(made["secret"]) as old, shared.client(turned["secret"]) as new:
            assert old.get(f"{API}/whoami").status_code == 401
            assert new.get(f"{API}/whoami").status_code == 200
        assert client.delete(f"{API}/keys/nobody").status_code == 404


def test_a_key_without_overlap_ends_when_it_is_rotated(shared: Serving) -> None:
    with shared.client() as client:
        made = client.post(f"{API}/keys", json={"name": "short"}).json()
        client.post(f"{API}/keys/{made['id']}/rotate", json={})
        with shared.client(made["secret"]) as old:
            assert old.get(f"{API}/whoami").status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x", "expires_at": "2020-01-01T00:00:00Z"},
        {"name": "x", "expires_at": "2030-01-01T00:00:00"},
        {"name": "", "role": "read"},
        {"name": "x", "role": "root"},
        {"name": "x", "user_id": "*"},
        {"name": "x", "user_id": "  "},
        {"name": "x", "tenant": "nowhere"},
        {"name": "x", "pin": {"user_id": "alice"}},
    ],
)
def test_a_key_that_cannot_be_is_refused(shared: Serving, body: dict[str, object]) -> None:
    with shared.client() as client:
        assert client.post(f"{API}/keys", json=body).status_code in (400, 404, 422)


def test_an_expired_key_opens_nothing(shared: Serving) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=2)
    with shared.client() as client:
        made = client.post(f"{API}/keys", json={"name": "soon", "expires_at": soon.isoformat()}).json()
    with shared.client(made["secret"]) as short:
        assert short.get(f"{API}/whoami").status_code == 200
    key, secret = shared.run(
        shared.service.keys.create("", "late", Role.READ, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    )
    assert key.expires_at is not None
    with shared.client(secret) as late:
        assert late.get(f"{API}/whoami").status_code == 401


def test_a_tenant_administers_itself_and_nobody_else(shared: Serving, tenant: str) -> None:
    with shared.client() as root:
        made = root.post(f"{API}/keys", json={"name": "boss", "role": "admin", "tenant": tenant}).json()
        ours = root.post(f"{API}/keys", json={"name": "ours"}).json()
    with shared.client(made["secret"]) as boss:
        assert boss.post(f"{API}/keys", json={"name": "mine", "role": "admin"}).json()["tenant"] == tenant
        assert boss.post(f"{API}/keys", json={"name": "up", "role": "read", "tenant": "other"}).status_code == 403
        assert {k["tenant"] for k in boss.get(f"{API}/keys").json()["items"]} == {tenant}
        assert boss.get(f"{API}/keys", params={"tenant": ""}).status_code == 403
        assert boss.delete(f"{API}/keys/{ours['id']}").status_code == 404
        assert boss.get(f"{API}/audit", params={"tenant": ""}).status_code == 403
        for path in ("/tenants", "/settings", "/reembed"):
            assert boss.get(API + path).status_code == 403


def test_tenants_do_not_see_each_other_and_one_goes_with_all_it_has(shared: Serving, tenant: str) -> None:
    with shared.client() as root:
        made = root.post(f"{API}/keys", json={"name": "boss", "role": "admin", "tenant": tenant}).json()
        with shared.client(made["secret"]) as boss:
            id = boss.post(f"{API}/memories", json={"messages": "我在修船。", "user_id": "林"}).json()["memories"][0][
                "id"
            ]
            assert root.get(f"{API}/memories/{id}").status_code == 404
            assert "修船" not in root.get(f"{API}/messages", params={"limit": 1_000}).text
            assert root.delete(f"{API}/tenants/{tenant}").status_code == 422
            assert boss.get(f"{API}/memories/{id}").status_code == 200
            assert root.delete(f"{API}/tenants/{tenant}", params={"confirm": "true"}).status_code == 204
            assert boss.get(f"{API}/memories/{id}").status_code == 401
        assert root.delete(f"{API}/tenants/{tenant}", params={"confirm": "true"}).status_code == 404
        # Whoever takes the name later finds nothing.
        root.post(f"{API}/tenants", json={"id": tenant})
        again = root.post(f"{API}/keys", json={"name": "boss", "role": "admin", "tenant": tenant}).json()
        with shared.client(again["secret"]) as boss:
            assert boss.get(f"{API}/stats").json()["memories"] == 0
            assert boss.get(f"{API}/messages").json()["items"] == []


@pytest.mark.parametrize("id", ["", "a b", "../x", "x" * 101, "new\nline", "%00"])
def test_a_tenant_has_a_plain_id(shared: Serving, id: str) -> None:
    with shared.client() as client:
        assert client.post(f"{API}/tenants", json={"id": id}).status_code in (400, 422)


def test_the_root_tenant_stays(shared: Serving) -> None:
    with shared.client() as client:
        assert client.get(f"{API}/tenants").json()["items"][0]["id"] == ""
        assert client.post(f"{API}/tenants", json={"id": "twice"}).status_code == 201
        assert client.post(f"{API}/tenants", json={"id": "twice"}).status_code == 409


def test_the_audit_says_who_asked_for_what_and_nothing_of_what_was_said(shared: Serving, tenant: str) -> None:
    with shared.client() as root:
        made = root.post(f"{API}/keys", json={"name": "boss", "role": "admin", "tenant": tenant}).json()
        reader = root.post(f"{API}/keys", json={"name": "eye", "role": "read", "tenant": tenant}).json()
    with shared.client(made["secret"]) as boss, shared.client(reader["secret"]) as eye:
        body = {"messages": "The canary is heliotrope.", "user_id": "alice"}
        added = boss.post(f"{API}/memories", json=body, headers={"X-Request-ID": "my-request"})
        id = added.json()["memories"][0]["id"]
        boss.get(f"{API}/memories/{id}")
        boss.patch(f"{API}/memories/{id}", json={"bad": "heliotrope"})
        eye.delete(f"{API}/memories/{id}", params={"reason": "heliotrope"})
        found = boss.get(f"{API}/audit").json()["items"]
        assert [(e["operation"], e["status"]) for e in found[:3]] == [("delete", 403), ("update", 422), ("add", 201)]
        assert found[2]["scope"]["user_id"] == "alice"
        assert found[2]["request_id"] == "my-request"
        assert (found[0]["key_id"], found[0]["target"]) == (reader["id"], id)
        assert "heliotrope" not in boss.get(f"{API}/audit").text
        mine = boss.get(f"{API}/audit", params={"key_id": reader["id"], "operation": "delete"}).json()["items"]
        assert len(mine) == 1
        first = boss.get(f"{API}/audit", params={"limit": 1}).json()
        second = boss.get(f"{API}/audit", params={"limit": 1, "cursor": first["next_cursor"]}).json()
        assert first["items"][0]["sequence"] > second["items"][0]["sequence"]
        assert boss.get(f"{API}/audit", params={"until": "2020-01-01T00:00:00Z"}).json()["items"] == []
        assert boss.get(f"{API}/audit", params={"since": "yesterday"}).status_code == 422


def test_settings_are_shown_without_their_secrets() -> None:
    counts = "redis://keeper:hunter2@localhost:6379"
    with serving(proxy_key="sk-hunter2") as server, server.client() as client:
        shown = client.get(f"{API}/settings")
        assert "hunter2" not in shown.text
        assert shown.json()["host"] == "127.0.0.1"
    told = masked(Settings(requests_a_minute_store=counts, proxy_key="sk-hunter2"))
    assert "hunter2" not in str(told)
    assert told["requests_a_minute_store"].startswith("redis://keeper:")
    assert masked(Settings())["proxy_key"] is None
