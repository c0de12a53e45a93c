"""Requests with an Idempotency-Key: done once, whoever repeats them and however."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from keepstone.chat import ChatReply, ChatRequest
from keepstone.server.replaying import WORKING_MAX
from keepstone.stores.sqlite import SqliteStore
from keepstone.testing import InMemoryStore
from tests.server.serving import Serving, serving

MEMORIES = "/api/v1/memories"


@pytest.fixture(scope="module")
def shared() -> Iterator[Serving]:
    with serving() as found:
        yield found


def add(text: str, user: str = "alice") -> dict[str, str]:
    return {"messages": text, "user_id": user}


def test_the_same_request_is_done_once_and_answered_alike(shared: Serving) -> None:
    with shared.client() as client:
        headers = {"Idempotency-Key": '"one"'}
        first = client.post(MEMORIES, json=add("I play the cello."), headers=headers)
        again = client.post(MEMORIES, json=add("I play the cello."), headers={"Idempotency-Key": "one"})
        assert (again.status_code, again.content) == (first.status_code, first.content) == (201, first.content)
        assert again.headers["content-type"] == "application/json"
        assert again.headers["Idempotency-Replayed"] == "true"
        assert "Idempotency-Replayed" not in first.headers
        assert client.get("/api/v1/messages", params={"user_id": "alice"}).json()["items"][1:] == []


def test_another_request_may_not_take_the_key(shared: Serving) -> None:
    with shared.client() as client:
        headers = {"Idempotency-Key": "two"}
        client.post(MEMORIES, json=add("I sail.", "bob"), headers=headers)
        refused = client.post(MEMORIES, json=add("I fly.", "bob"), headers=headers)
        assert refused.status_code == 422
        assert "sail" not in refused.text
        # The same words to another route are another request, too.
        assert client.post("/api/v1/undo", json=add("I sail.", "bob"), headers=headers).status_code == 422


def test_keys_of_others_are_other_keys(shared: Serving) -> None:
    with shared.client() as one, shared.client(shared.key("write")) as other:
        headers = {"Idempotency-Key": "three"}
        first = one.post(MEMORIES, json=add("I ski.", "carol"), headers=headers)
        found = other.post(MEMORIES, json=add("I swim.", "dave"), headers=headers)
        assert found.status_code == 201
        assert found.content != first.content


def test_an_error_changed_nothing_and_is_not_kept(shared: Serving) -> None:
    with shared.client() as client:
        headers = {"Idempotency-Key": "four"}
        body = {"id": "nothing", "user_id": "erin"}
        assert client.post("/api/v1/undo", json=body, headers=headers).status_code == 404
        assert client.post(MEMORIES, json=add("I run.", "erin"), headers=headers).status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 257, "tab\there", '" "'])
def test_a_key_that_cannot_be_one_is_refused(shared: Serving, key: str) -> None:
    with shared.client() as client:
        refused = client.post(MEMORIES, json=add("I hike."), headers={"Idempotency-Key": key})
        assert refused.status_code == 400


def test_a_secret_is_not_kept_in_an_answer(shared: Serving) -> None:
    with shared.client() as client:
        refused = client.post("/api/v1/keys", json={"name": "x"}, headers={"Idempotency-Key": "five"})
        assert refused.status_code == 400
        assert "secret" in refused.json()["detail"]


class Slow:
    """A chat model that answers when it is let."""

    name = "test:slow"

    def __init__(self) -> None:
        self.asked, self.go_on = threading.Event(), threading.Event()

    async def reply(self, request: ChatRequest) -> ChatReply:
        import asyncio

        self.asked.set()
        await asyncio.to_thread(self.go_on.wait, 20)
        return ChatReply(text='{"changes": []}', model=self.name)


def test_while_the_first_is_worked_on_the_second_waits_its_turn() -> None:
    model = Slow()
    with serving(chat_model=model) as server, server.client() as client:
        headers = {"Idempotency-Key": "six"}
        body = {**add("I moved to Lyon last week and I work as a baker there."), "wait": 20}
        answers = []
        thread = threading.Thread(target=lambda: answers.append(client.post(MEMORIES, json=body, headers=headers)))
        thread.start()
        assert model.asked.wait(20)
        with server.client() as second:
            refused = second.post(MEMORIES, json=body, headers=headers)
            assert refused.status_code == 409
            assert refused.headers["Retry-After"] == "1"
        model.go_on.set()
        thread.join(20)
        assert answers[0].status_code == 201
        assert client.post(MEMORIES, json=body, headers=headers).content == answers[0].content


def test_a_request_that_a_crash_cut_off_is_taken_up_and_stores_nothing_twice() -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)

    class Dying(InMemoryStore):
        """Keeps what it is told to, and dies before the answer is kept."""

        is_dying = True

        async def keep_reply(self, tenant, key, reply):  # type: ignore[no-untyped-def]
            if not self.is_dying:
                await super().keep_reply(tenant, key, reply)

    store, later = Dying(), [timedelta(0)]
    with serving(store=store, clock=lambda: now + later[0]) as server, server.client() as client:
        headers = {"Idempotency-Key": "seven"}
        first = client.post(MEMORIES, json=add("I paint."), headers=headers).json()
        assert client.post(MEMORIES, json=add("I paint."), headers=headers).status_code == 409
        store.is_dying, later[0] = False, WORKING_MAX + timedelta(seconds=1)
        again = client.post(MEMORIES, json=add("I paint."), headers=headers)
        assert again.status_code == 201
        assert again.json()["batch_id"] == first["batch_id"]
        assert len(client.get("/api/v1/messages", params={"user_id": "alice"}).json()["items"]) == 1


def test_erasing_forgets_answers_that_said_it(tmp_path: Path) -> None:
    with serving(store=SqliteStore(tmp_path / "memory.db")) as server, server.client() as client:
        headers = {"Idempotency-Key": "eight"}
        client.post(MEMORIES, json=add("My code is heliotrope."), headers=headers)
        assert client.post("/api/v1/erase", json={"user_id": "alice"}).json()["verified"]
        after = client.post(MEMORIES, json=add("My code is heliotrope."), headers=headers)
        assert "Idempotency-Replayed" not in after.headers


def test_it_is_kept_for_a_day() -> None:
    later = [timedelta(0)]
    start = datetime(2026, 3, 1, tzinfo=UTC)
    with serving(clock=lambda: start + later[0]) as server, server.client() as client:
        headers = {"Idempotency-Key": "nine"}
        client.post("/api/v1/consolidate", json={"user_id": "alice"}, headers=headers)
        later[0] = timedelta(hours=23)
        assert (
            "Idempotency-Replayed"
            in client.post("/api/v1/consolidate", json={"user_id": "alice"}, headers=headers).headers
        )
        later[0] = timedelta(hours=25)
        assert (
            "Idempotency-Replayed"
            not in client.post("/api/v1/consolidate", json={"user_id": "alice"}, headers=headers).headers
        )
