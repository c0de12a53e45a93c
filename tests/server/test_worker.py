"""`keepstone worker` beside a server: it does what the server leaves, and gives back what it cannot finish."""

import time
from collections.abc import Callable

import pytest

from keepstone import config
from keepstone.errors import TimedOutError
from keepstone.stores.sqlite import SqliteStore
from tests.cli import chat
from tests.cli.running import answer
from tests.server.process import started
from tests.server.serving import serving

SAID = "I am allergic to peanuts."


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def test_a_worker_does_the_jobs_and_gives_back_what_it_cannot_finish(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = TimedOutError("openai", "no answer", retryable=True)
    fact = chat.changes(chat.change("add", "Is allergic to peanuts."))
    with chat.serving(monkeypatch, silent, fact) as model:
        store = SqliteStore(config.default_path())
        with serving(store=store, chat_model=model, workers=0) as server, server.client() as client:
            client.post("/api/v1/memories", json={"messages": SAID, "user_id": "alice"})
        assert [j["state"] for j in answer("jobs", "--user", "alice")] == ["waiting"]
        with started("worker", "--set", "drain_seconds=0.2", "--log-format", "json", until="Working on") as worker:
            until(lambda: len(model.calls) == 1)
            assert worker.stop() == 0
        assert [j["state"] for j in answer("jobs", "--user", "alice")] == ["waiting"]
        with started("worker", "--concurrency", "2", until="2 jobs at once") as worker:
            until(lambda: answer("jobs", "--user", "alice") == [])
            assert worker.stop() == 0
        assert not [line for line in worker.errors if "Traceback" in line]
    facts = answer("list", "--user", "alice", "--kind", "fact")["items"]
    assert [f["text"] for f in facts] == ["Is allergic to peanuts."]
