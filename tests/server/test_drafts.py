"""Deriving again over REST: a draft is looked at, then accepted or dropped, and forgotten when anything is erased."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from keepstone.chat import ChatRequest
from keepstone.server import drafts
from keepstone.testing import ScriptedChatModel
from tests.distillation.speaking import change, reply
from tests.server.serving import Serving, serving

API = "/api/v1"


class Moment:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def said(request: ChatRequest) -> dict[str, object]:
    """Nothing at first; a fact of the message once the instructions ask for it."""
    wanted = "Keep pets" in "".join(m.content for m in request.messages)
    return reply(*([change("add", "User keeps a red canoe in the boathouse.")] if wanted else []))


@pytest.fixture(scope="module")
def clock() -> Moment:
    return Moment()


@pytest.fixture(scope="module")
def shared(clock: Moment) -> Iterator[Serving]:
    with serving(chat_model=ScriptedChatModel(said), clock=clock) as server, server.client() as client:
        for user in ("alice", "bob"):
            body = {"messages": f"I, {user}, keep a red canoe in the boathouse.", "user_id": user, "wait": 10}
            assert client.post(f"{API}/memories", json=body).json()["distilled"]["status"] == "done"
        yield server


def draft(server: Serving, user: str = "alice", secret: str | None = None) -> dict[str, object]:
    with server.client(secret) as client:
        found = client.post(f"{API}/reextract", json={"user_id": user, "instructions": "Keep pets and boats."})
        assert found.status_code == 200, found.text
        told: dict[str, object] = found.json()
        return told


def test_a_draft_changes_nothing_until_it_is_accepted(shared: Serving) -> None:
    with shared.client() as client:
        found = draft(shared)
        before = client.get(f"{API}/changes").json()["items"]
        assert found["counts"] == {name: len(found[name]) for name in ("kept", "added", "dropped")}  # type: ignore[arg-type]
        assert found["counts"] == {"kept": 0, "added": 1, "dropped": 0}
        assert found["receipts"]
        assert "rows" not in found
        accepted = client.post(f"{API}/reextract/{found['draft_id']}/accept")
        assert accepted.status_code == 200
        assert [c["action"] for c in accepted.json()["items"]] == ["ADD"]
        after = client.get(f"{API}/changes").json()["items"]
        assert len(after) == len(before) + len(accepted.json()["items"])
        assert client.post(f"{API}/reextract/{found['draft_id']}/accept").status_code == 404


def test_a_draft_is_of_the_key_that_made_it(shared: Serving) -> None:
    found = draft(shared)
    with shared.client(shared.key("admin")) as other:
        assert other.post(f"{API}/reextract/{found['draft_id']}/accept").status_code == 404
        assert other.delete(f"{API}/reextract/{found['draft_id']}").status_code == 404
    with shared.client() as client:
        assert client.delete(f"{API}/reextract/{found['draft_id']}").status_code == 204
        assert client.delete(f"{API}/reextract/{found['draft_id']}").status_code == 404


def test_a_draft_is_kept_for_an_hour(shared: Serving, clock: Moment) -> None:
    found = draft(shared)
    clock.now += drafts.KEPT + timedelta(seconds=1)
    with shared.client() as client:
        assert client.post(f"{API}/reextract/{found['draft_id']}/accept").status_code == 404


def test_only_so_many_drafts_are_kept(shared: Serving) -> None:
    secret = shared.key("write")
    first = draft(shared, "bob", secret)
    for _ in range(drafts.DRAFTS_OF_A_KEY_MAX):
        last = draft(shared, "bob", secret)
    with shared.client(secret) as client:
        assert client.delete(f"{API}/reextract/{first['draft_id']}").status_code == 404
        assert client.delete(f"{API}/reextract/{last['draft_id']}").status_code == 204


def test_erasing_forgets_the_drafts_that_may_say_it(shared: Serving) -> None:
    draft(shared, "bob")
    with shared.client() as client:
        assert shared.service.drafts.tenants == {""}
        client.post(f"{API}/erase", json={"user_id": "bob"})
        for _ in range(100):
            if not shared.service.drafts.tenants:
                break
            client.get("/healthz")
    assert shared.service.drafts.tenants == set()


def test_without_a_model_there_is_nothing_to_derive_with(server: Serving) -> None:
    with server.client() as client:
        refused = client.post(f"{API}/reextract", json={"user_id": "alice"})
        assert refused.status_code == 409
        assert "chat model" in refused.json()["detail"]
