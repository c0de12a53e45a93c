"""Memory as a file over REST: the archive goes out and comes back, other applications' messages come in."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from keepstone.control import Tenant
from tests.server.serving import Serving, serving

API = "/api/v1"
NDJSON = "application/x-ndjson"


@pytest.fixture(scope="module")
def shared() -> Iterator[Serving]:
    with serving() as server:
        for name in ("one", "two", "three"):
            server.run(server.service.control.put_tenant(Tenant(id=name, name=name, created_at=datetime.now(UTC))))
        yield server


def lines(messages: list[dict[str, str]]) -> bytes:
    return b"".join(json.dumps(m, ensure_ascii=False).encode() + b"\n" for m in messages)


SAID = [
    {"role": "user", "content": "我对花生过敏。", "user_id": "林", "timestamp": "2026-01-05T09:00:00+08:00"},
    {"role": "user", "content": "I live in Lyon.", "user_id": "alice", "timestamp": "2026-01-06T09:00:00Z"},
    {"role": "assistant", "content": "Noted.", "user_id": "alice", "timestamp": "2026-01-06T09:01:00Z"},
]


def test_an_archive_comes_back_as_it_was_in_another_tenant(shared: Serving) -> None:
    with (
        shared.client(shared.key("admin", tenant="one")) as one,
        shared.client(shared.key("admin", tenant="two")) as two,
    ):
        assert one.post(f"{API}/import", content=lines(SAID)).json()["messages"] == 3
        gone = one.get(f"{API}/memories", params={"user_id": "alice"}).json()["items"][0]
        one.delete(f"{API}/memories/{gone['id']}")
        exported = one.post(f"{API}/export", json={"all_scopes": True})
        assert exported.headers["content-type"].startswith(NDJSON)
        rows = [json.loads(line) for line in exported.text.splitlines()]
        assert rows[0]["keepstone_archive"] == 1
        assert rows[-1]["type"] == "end"
        assert gone["text"] not in exported.text
        first = two.post(f"{API}/import", content=exported.content).json()
        assert first["format"] == "keepstone"
        again = two.post(f"{API}/import", content=exported.content).json()
        assert (again["messages"], again["memories"], again["changes"]) == (0, 0, 0)
        assert again["known"] == first["messages"] + first["memories"] + first["changes"] == len(rows) - 2
        of_both = [c.get(f"{API}/memories", params={"user_id": "林"}).json()["items"] for c in (one, two)]
        assert [m["id"] for m in of_both[0]] == [m["id"] for m in of_both[1]]
        found = two.post(f"{API}/search", json={"query": "花生", "user_id": "林"}).json()["items"]
        assert found[0]["text"] == "我对花生过敏。"


def test_a_scope_is_exported_alone(shared: Serving) -> None:
    with shared.client(shared.key("admin", tenant="three")) as client:
        client.post(f"{API}/import", content=lines(SAID))
        text = client.post(f"{API}/export", json={"user_id": "alice"}).text
        assert "Lyon" in text
        assert "花生" not in text
        assert client.post(f"{API}/export", json={}).status_code == 400
        assert client.post(f"{API}/export", json={"user_id": "alice", "all_scopes": True}).status_code == 400


def test_importing_twice_adds_nothing_and_ids_given_replace_those_of_the_file(shared: Serving) -> None:
    with shared.client() as client:
        for added in (3, 0):
            found = client.post(f"{API}/import", params={"user_id": "carol"}, content=lines(SAID)).json()
            assert (found["format"], found["messages"], found["messages"] + found["known"]) == ("messages", added, 3)
        assert client.get(f"{API}/stats", params={"user_id": "carol"}).json()["messages"] == 3


def test_progress_is_told_line_by_line(shared: Serving) -> None:
    with shared.client() as client:
        many = [{"content": f"Note number {n}.", "user_id": "dave"} for n in range(200)]
        found = client.post(f"{API}/import", content=lines(many), headers={"Accept": NDJSON})
        told = [json.loads(line) for line in found.text.splitlines()]
        assert told[-1]["report"]["messages"] == 200
        assert told[-2] == {"done": 200, "total": 200}
        history = client.get(f"{API}/changes", params={"user_id": "dave", "limit": 1}).json()["items"]
        assert history[0]["actor"] == "key:test admin"
        broken = client.post(f"{API}/import", content=lines(many[:1]) + b"{", headers={"Accept": NDJSON})
        assert json.loads(broken.text.splitlines()[-1])["error"]["status"] == 400


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 200),
        (b"not json", 400),
        (b'{"content": "x"', 400),
        (b"[" * 100_000, 400),
        (b"\xff\xfe\x00", 400),
        (b'{"content": "' + b"x" * 2_000_000 + b'", "user_id": "a"}', 413),
        (b'{"keepstone_archive": 99}', 400),
        (b'{"keepstone_archive": 1}\n{"type": "message"}', 400),
        (b'{"keepstone_archive": 1}\n', 400),
        (b'{"content": "no scope"}\n', 400),
    ],
)
def test_what_is_no_file_is_refused(shared: Serving, body: bytes, status: int) -> None:
    with shared.client() as client:
        assert client.post(f"{API}/import", content=body).status_code == status


def test_who_may_bring_what(shared: Serving) -> None:
    with shared.client() as admin:
        archive = admin.post(f"{API}/export", json={"all_scopes": True}).content
    with shared.client(shared.key("write")) as writer:
        assert writer.post(f"{API}/import", content=archive).status_code == 403
        assert writer.post(f"{API}/import", params={"format": "keepstone"}, content=archive).status_code == 403
        assert writer.post(f"{API}/import", content=lines(SAID)).status_code == 200
    with shared.client(shared.key("admin", user_id="erin")) as pinned:
        assert pinned.post(f"{API}/import", content=archive).status_code == 403
        # What a pinned key brings is of its scope, whatever the file says.
        assert pinned.post(f"{API}/import", content=lines(SAID)).json()["messages"] == 3
        assert pinned.post(f"{API}/import", params={"user_id": "alice"}, content=lines(SAID)).status_code == 403
        assert pinned.get(f"{API}/stats").json()["messages"] == 3
    with shared.client() as admin:
        assert admin.get(f"{API}/stats", params={"user_id": "erin"}).json()["messages"] == 3


def test_an_import_larger_than_allowed_is_cut_off() -> None:
    with serving(import_bytes_max=10_000) as server, server.client() as client:
        pieces = (lines(SAID) for _ in range(100))
        assert client.post(f"{API}/import", content=pieces).status_code == 413
        assert client.get(f"{API}/messages").json()["items"] == []
