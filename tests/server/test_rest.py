"""The native interface over real HTTP: verbs have their effect, errors are problems, keys are held to what they may."""

import pytest

from keepstone.errors import StoreBusyError, StoreCorruptError, StoreError, StoreFullError, StoreReadOnlyError
from keepstone.operations import Applied, Batch
from keepstone.testing import InMemoryStore
from tests.server.serving import Serving, serving

PROBLEM = "application/problem+json"


def test_what_is_added_is_found(server: Serving) -> None:
    with server.client() as client:
        added = client.post("/api/v1/memories", json={"messages": "I am allergic to peanuts.", "user_id": "alice"})
        assert added.status_code == 201
        id = added.json()["memories"][0]["id"]
        found = client.post("/api/v1/search", json={"query": "allergic peanuts", "user_id": "alice"}).json()["items"]
        assert found[0]["id"] == id
        assert client.get(f"/api/v1/memories/{id}", params={"user_id": "alice"}).json()["text"] == found[0]["text"]
        assert client.get(f"/api/v1/memories/{id}", params={"user_id": "bob"}).status_code == 404


def test_what_is_deleted_comes_back(server: Serving) -> None:
    with server.client() as client:
        added = client.post("/api/v1/memories", json={"messages": "周末喜欢打板球", "user_id": "alice"}).json()
        id = added["memories"][0]["id"]
        change = client.delete(f"/api/v1/memories/{id}").json()
        assert client.get(f"/api/v1/memories/{id}").status_code == 404
        client.post("/api/v1/undo", json={"id": change["id"]})
        assert client.get(f"/api/v1/memories/{id}").json()["text"] == "周末喜欢打板球"
        history = client.get(f"/api/v1/memories/{id}/history").json()["items"]
        assert [c["action"] for c in history] == ["ADD", "DELETE", "RESTORE"]
        assert history[0]["actor"] == "key:test admin"


def test_without_a_key_nothing_is_read(server: Serving) -> None:
    with server.client("") as client:
        refused = client.post("/api/v1/search", content=b"{not json", headers={"Content-Type": "application/json"})
        assert refused.status_code == 401
        assert refused.headers["content-type"] == PROBLEM
        assert "key" in refused.json()["detail"]
        assert client.get("/healthz").json() == {"status": "ok"}


def test_every_header_that_clients_use_is_read(server: Serving) -> None:
    with server.client("") as client:
        for headers in (
            {"Authorization": f"Bearer {server.secret}"},
            {"Authorization": f"Token {server.secret}"},
            {"X-API-Key": server.secret},
        ):
            assert client.get("/api/v1/whoami", headers=headers).json()["role"] == "admin"
        for wrong in ({"Authorization": f"Basic {server.secret}"}, {"X-API-Key": server.secret[:-1]}):
            assert client.get("/api/v1/whoami", headers=wrong).status_code == 401


def test_a_pinned_key_sees_its_own(server: Serving) -> None:
    with server.client() as client:
        for user in ("alice", "bob"):
            client.post("/api/v1/memories", json={"messages": f"I am {user}, I like cheese.", "user_id": user})
    with server.client(server.key("write", user_id="alice")) as alice:
        found = alice.post("/api/v1/search", json={"query": "cheese", "all_scopes": True}).json()["items"]
        assert {h["memory"]["scope"]["user_id"] for h in found} == {"alice"}
        refused = alice.post("/api/v1/search", json={"query": "cheese", "user_id": "bob"})
        assert refused.status_code == 403
        assert alice.post("/api/v1/erase", json={"user_id": "alice"}).status_code == 403


def test_a_wrong_body_is_a_problem_without_its_values(server: Serving) -> None:
    with server.client() as client:
        refused = client.post("/api/v1/search", json={"query": "x", "user_id": "alice", "limit": "hunter2"})
        assert refused.status_code == 422
        assert refused.headers["content-type"] == PROBLEM
        assert "limit" in refused.json()["detail"]
        assert "hunter2" not in refused.text
        assert client.post("/api/v1/search", json={"query": "x"}).status_code == 400


def test_a_browser_that_asks_for_the_server_gets_to_its_dashboard(server: Serving) -> None:
    with server.client("") as client:
        sent = client.get("/")
        assert (sent.status_code, sent.headers["location"]) == (303, "/ui/")


def test_other_names_are_refused_on_loopback(server: Serving) -> None:
    with server.client() as client:
        assert client.get("/healthz", headers={"Host": "evil.example"}).status_code == 421
        for origin in ("http://evil.example", "null", "http://[", "http://[::1"):
            asked = {"query": "x", "user_id": "a"}
            assert client.post("/api/v1/search", json=asked, headers={"Origin": origin}).status_code == 403
            assert client.post("/ui/login", data={"key": "x"}, headers={"Origin": origin}).status_code == 403
        entered = client.post("/ui/login", data={"key": server.secret, "next": "http://[/ui/"})
        assert entered.headers["location"] == "/ui/"


@pytest.mark.parametrize(
    ("error", "status"),
    [(StoreFullError, 507), (StoreReadOnlyError, 503), (StoreBusyError, 503), (StoreCorruptError, 500)],
)
def test_what_a_store_cannot_do_is_told_without_the_place_of_its_file(error: type[StoreError], status: int) -> None:
    class Failing(InMemoryStore):
        async def apply(self, batch: Batch) -> Applied:
            raise error("/srv/secret/memory.db cannot be written")

    with serving(store=Failing()) as server, server.client() as client:
        refused = client.post("/api/v1/memories", json={"messages": "I keep bees.", "user_id": "alice"})
        assert refused.status_code == status
        assert refused.json()["detail"].endswith(".")
        assert "secret" not in refused.text
