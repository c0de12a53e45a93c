"""Looking through what is kept over REST: messages, conversations, owners, changes, an overview."""

from collections.abc import Iterator

import pytest

from tests.server.serving import Serving, serving

API = "/api/v1"


@pytest.fixture(scope="module")
def told() -> Iterator[Serving]:
    with serving() as server, server.client() as client:
        for user, run, said in (
            ("alice", "monday", ["I bought a kayak.", "It is red.", "The lake is near."]),
            ("alice", "tuesday", ["今天下雨了。", "我在家看书。"]),
            ("bob", None, ["I cook rice."]),
        ):
            body = {"messages": [{"content": text} for text in said], "user_id": user, "run_id": run}
            assert client.post(f"{API}/memories", json=body).status_code == 201
        yield server


def test_messages_come_as_they_were_said_page_by_page(told: Serving) -> None:
    with told.client() as client:
        seen: list[str] = []
        cursor = None
        while True:
            params = {"user_id": "alice", "limit": "2", **({"cursor": cursor} if cursor else {})}
            page = client.get(f"{API}/messages", params=params).json()
            assert len(page["items"]) <= 2
            seen += [m["content"] for m in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert seen == ["I bought a kayak.", "It is red.", "The lake is near.", "今天下雨了。", "我在家看书。"]
        newest = client.get(f"{API}/messages", params={"user_id": "alice", "newest_first": "true"}).json()["items"]
        assert [m["content"] for m in newest] == seen[::-1]
        one = newest[0]
        assert client.get(f"{API}/messages/{one['id']}").json() == one
        assert client.get(f"{API}/messages/{one['id']}", params={"user_id": "bob"}).status_code == 404


def test_a_memory_shows_the_messages_around_its_sources(told: Serving) -> None:
    with told.client() as client:
        page = client.get(f"{API}/memories", params={"user_id": "alice", "run_id": "monday"}).json()["items"]
        red = next(m for m in page if m["text"] == "It is red.")
        path = f"{API}/memories/{red['id']}/messages"
        assert [m["content"] for m in client.get(path).json()["items"]] == ["It is red."]
        around = client.get(path, params={"before": 1, "after": 1}).json()
        assert [m["content"] for m in around["items"]] == ["I bought a kayak.", "It is red.", "The lake is near."]
        assert around["sources"] == red["sources"]
        assert client.get(path, params={"before": 101}).status_code == 422
        assert client.get(path, params={"user_id": "bob"}).status_code == 404


def test_conversations_and_owners(told: Serving) -> None:
    with told.client() as client:
        found = client.get(f"{API}/conversations", params={"user_id": "alice"}).json()["items"]
        assert {(c["scope"]["run_id"], c["messages"]) for c in found} == {("monday", 3), ("tuesday", 2)}
        owners = client.get(f"{API}/owners").json()["items"]
        assert [(o["kind"], o["id"], o["memories"]) for o in owners] == [("user", "alice", 5), ("user", "bob", 1)]
        assert [o["id"] for o in client.get(f"{API}/owners", params={"prefix": "b"}).json()["items"]] == ["bob"]
        assert client.get(f"{API}/owners", params={"prefix": "%"}).json()["items"] == []
        assert client.get(f"{API}/owners", params={"kind": "agent"}).json()["items"] == []


def test_changes_are_told_newest_first(told: Serving) -> None:
    with told.client() as client:
        found = client.get(f"{API}/changes", params={"user_id": "bob"}).json()["items"]
        assert [c["action"] for c in found] == ["ADD"]
        assert found[0]["actor"] == "key:test admin"
        first = client.get(f"{API}/changes", params={"limit": 4}).json()
        rest = client.get(f"{API}/changes", params={"limit": 4, "cursor": first["next_cursor"]}).json()
        assert len({c["id"] for c in first["items"] + rest["items"]}) == 6


def test_an_overview_counts(told: Serving) -> None:
    with told.client() as client:
        found = client.get(f"{API}/overview", params={"days": 2}).json()
        assert sum(d["messages"] for d in found["days"]) == 6
        assert found["stats"]["memories"] == 6
        assert found["stats"]["path"] is None
        assert found["queue"] == {"waiting": 0, "running": 0, "dead": 0, "oldest_at": None}
        assert found["usage"]["calls"] == 0
        for user, messages in (("alice", 5), ("nobody", 0)):
            of = client.get(f"{API}/overview", params={"user_id": user}).json()
            assert sum(d["messages"] for d in of["days"]) == messages
        early = client.get(f"{API}/overview", params={"until": "0001-01-03T00:00:00Z", "days": 366})
        assert early.status_code < 500


@pytest.mark.parametrize(
    "path", ["messages", "conversations", "owners", "changes", "keys", "tenants", "audit", "memories"]
)
def test_a_cursor_of_nowhere_is_refused(told: Serving, path: str) -> None:
    with told.client() as client:
        wrong = {"cursor": "no-such-place", **({"user_id": "alice"} if path == "memories" else {})}
        assert client.get(f"{API}/{path}", params=wrong).status_code == 400


@pytest.mark.parametrize("ids", [{"user_id": ""}, {"user_id": "*"}, {"run_id": "\x00"}, {"agent_id": "x" * 257}])
def test_ids_that_cannot_be_are_refused_everywhere(told: Serving, ids: dict[str, str]) -> None:
    with told.client() as client:
        for path in ("messages", "conversations", "changes", "events", "overview", "stats", "jobs"):
            assert client.get(f"{API}/{path}", params=ids).status_code in (400, 422), path
