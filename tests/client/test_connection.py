"""What stands between a client and its server: retries once is enough for, errors of our tree, keys, deadlines."""

from collections.abc import Callable
from typing import Any

import pytest

from keepstone import (
    AuthenticationError,
    BadReplyError,
    ConfigError,
    ConflictError,
    KeepstoneError,
    LimitError,
    NotFoundError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    ScopeError,
    StoreBusyError,
    TimedOutError,
)
from keepstone.client import AsyncClient, Client
from tests.client.flaky import Answer, flaky, problem
from tests.server.serving import Serving

KEY = "ks_test"
NOTHING = Answer(body={"items": []})
DONE = Answer(body={"count": 0})
NOW = {"Retry_After": "0"}


def client(url: str, **options: Any) -> Client:
    return Client(url, KEY, **options)


@pytest.mark.parametrize(
    "first",
    [
        problem(503, "store_busy", **NOW),
        problem(429, "refused", **NOW),
        problem(409, "refused", **NOW),
        Answer(502, b"<html>a proxy</html>", {"Content-Type": "text/html", "Retry-After": "0"}),
        Answer(0),
    ],
    ids=["busy", "rate", "still in work", "a proxy between", "hangs up"],
)  # fmt: skip
def test_what_can_be_tried_again_is(first: Answer) -> None:
    with flaky([first, NOTHING, first, NOTHING]) as server, client(server.url) as memory:
        assert memory.search("tea", user_id="alice") == []
        assert memory.undo("c1") == []
    keys = [headers["idempotency-key"] for _, _, headers in server.requests]
    assert keys[0] == keys[1] != keys[2] == keys[3], "the same try again has the same key"


def test_what_may_have_been_done_is_not_done_again() -> None:
    with flaky([Answer(0), problem(503, "store_busy", **NOW), DONE]) as server, client(server.url) as memory:
        with pytest.raises(ProviderError):
            memory.delete_all(user_id="alice")
        assert memory.delete_all(user_id="alice") == 0, "a server that is busy has done nothing"
    assert len(server.requests) == 3


def test_without_retries_nothing_is_kept_for_them() -> None:
    with flaky([NOTHING]) as server, client(server.url, attempts=1) as memory:
        assert memory.undo("c1") == []
    assert "idempotency-key" not in server.requests[0][2]


def test_reads_need_no_key() -> None:
    with flaky([Answer(0), Answer(body={"items": [], "next_cursor": None})]) as server, client(server.url) as memory:
        assert memory.get_all(user_id="alice").items == ()
    assert not any("idempotency-key" in headers for _, _, headers in server.requests)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (problem(401, "unauthenticated"), AuthenticationError),
        (problem(403, "forbidden"), PermissionDeniedError),
        (problem(404, "not_found"), NotFoundError),
        (problem(400, "scope"), ScopeError),
        (problem(413, "refused"), LimitError),
        (problem(422, "refused"), KeepstoneError),
        (problem(409, "conflict"), ConflictError),
        (problem(409, "embedder_mismatch"), ConfigError),
        (problem(500, "internal"), ProviderError),
        (Answer(404, b"nothing here", {"Content-Type": "text/plain"}), ProviderError),
        (Answer(302, b"", {"Location": "http://127.0.0.1:1/"}), ProviderError),
        (Answer(200, b"<html>"), BadReplyError),
        (Answer(200, {"hits": []}), BadReplyError),
        (Answer(200, {"items": [{"id": "1"}]}), BadReplyError),
        (Answer(200, [1]), BadReplyError),
    ],
)  # fmt: skip
def test_errors_are_those_of_the_library(answer: Answer, kind: type[KeepstoneError]) -> None:
    with flaky([answer]) as server, client(server.url) as memory:
        with pytest.raises(kind) as caught:
            memory.search("tea", user_id="alice")
        assert len(server.requests) == 1, "what another try cannot mend is not tried again"
        assert KEY not in str(caught.value)


def test_a_conflict_names_what_is_in_the_way() -> None:
    blocked = problem(409, "conflict")
    blocked.body["blocking"] = ["c1", "c2"]
    with flaky([blocked]) as server, client(server.url) as memory, pytest.raises(ConflictError) as caught:
        memory.undo("c0")
    assert caught.value.blocking == ("c1", "c2")


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (problem(503, "store_busy", **NOW), StoreBusyError),
        (problem(429, "refused", "Slow down.", **NOW), RateLimitError),
        (problem(503, "rate_limit", "openai: slow down", **NOW), RateLimitError),
    ],
)
def test_what_stays_so_is_raised_in_the_end(answer: Answer, kind: type[KeepstoneError]) -> None:
    with flaky([answer] * 3) as server, client(server.url, attempts=3) as memory:
        with pytest.raises(kind):
            memory.stats()
        assert len(server.requests) == 3


def test_deadlines_hold_over_all_tries() -> None:
    with flaky([Answer(-1)] * 5) as server:
        with client(server.url, timeout=0.2, attempts=2) as memory, pytest.raises(TimedOutError):
            memory.stats()
        assert len(server.requests) <= 2
        with client(server.url, deadline=0.2) as memory, pytest.raises(TimedOutError):
            memory.stats()
        assert len(server.requests) <= 3


def test_a_server_that_asks_for_too_long_a_wait_is_not_waited_for() -> None:
    busy = problem(503, "store_busy", Retry_After="50")
    with flaky([busy]) as server, client(server.url, deadline=5) as memory, pytest.raises(StoreBusyError):
        memory.stats()


def test_no_server_is_one_error() -> None:
    with client("http://127.0.0.1:9", attempts=1) as memory, pytest.raises(ProviderError, match="reached"):
        memory.stats()


@pytest.mark.parametrize("make", [Client, AsyncClient])
def test_settings(make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="KEEPSTONE_API_KEY"):
        make()
    monkeypatch.setenv("KEEPSTONE_API_KEY", "ks_secret")
    assert make().url == "http://127.0.0.1:8765"
    monkeypatch.setenv("KEEPSTONE_URL", "https://memory.example/")
    assert make().url == "https://memory.example"
    assert "ks_secret" not in repr(make())
    for wrong in ("localhost:8765", "file:///tmp", ""):
        if wrong:
            with pytest.raises(ConfigError):
                make(wrong)
    with pytest.raises(ConfigError):
        make(api_key="two words")


def test_keys_are_held_to_what_they_may(shared: Serving) -> None:
    with Client(shared.url, shared.key("read", user_id="alice")) as reader:
        assert reader.search("anything") == []
        with pytest.raises(PermissionDeniedError):
            reader.search("anything", user_id="bob")
        with pytest.raises(PermissionDeniedError):
            reader.add("I like tea", user_id="alice")
    with Client(shared.url, "ks_" + "x" * 43) as stranger, pytest.raises(AuthenticationError):
        stranger.stats()
