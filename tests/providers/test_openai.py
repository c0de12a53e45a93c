"""OpenAI-compatible endpoints over real HTTP on this machine: retries, faults, and what a memory makes of them."""

import asyncio
import email.utils
import logging
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from keepstone import (
    AuthenticationError,
    BadReplyError,
    ConfigError,
    EmbedderMismatchError,
    Memory,
    ProviderError,
    RateLimitError,
    TimedOutError,
)
from keepstone.contract import Vector
from keepstone.embedders.hashing import HashingEmbedder
from keepstone.embedders.openai import OpenAIEmbedder
from keepstone.transport import OpenAITransport
from tests.providers.server import DIMENSIONS, Answer, Responder, Server, spoilt

TEXTS = ["I live in Lyon", "我喜欢喝茶", "Marta plays the piano", "It rains", "A cat called Mog"]
AGAIN = {"Retry-After": "0"}


@pytest.fixture
def server() -> Iterator[Server]:
    """Return a running server that answers as it should."""
    with Server() as running:
        yield running


def embed(server: Server, texts: list[str] = TEXTS, **settings: Any) -> list[Vector]:
    """Embed *texts* once, and close what was opened."""

    async def run() -> list[Vector]:
        embedder = OpenAIEmbedder("tiny", api_key="sk-test", base_url=server.url, **settings)
        try:
            return await embedder.embed(texts, "document")
        finally:
            await embedder.close()

    return asyncio.run(run())


def expected(texts: list[str] = TEXTS, dimensions: int = DIMENSIONS) -> list[Any]:
    vectors = asyncio.run(HashingEmbedder(dimensions).embed(texts, "document"))
    return [pytest.approx(v) for v in vectors]


def test_vectors_of_unit_length(server: Server) -> None:
    assert embed(server) == expected()
    (request,) = server.requests
    assert request.path == "/v1/embeddings"
    assert request.headers["Authorization"] == "Bearer sk-test"
    assert request.body == {"model": "tiny", "input": TEXTS, "encoding_format": "float"}


def test_order_is_that_of_the_index(server: Server) -> None:
    server.script = [spoilt(lambda rows: rows[::-1])]
    assert embed(server) == expected()


def test_batches(server: Server) -> None:
    assert embed(server, batch=2) == expected()
    assert sorted(len(r.body["input"]) for r in server.requests) == [1, 2, 2]
    assert embed(server, texts=[]) == []
    assert len(server.requests) == 3


def test_dimensions_are_asked_for(server: Server) -> None:
    assert embed(server, dimensions=8) == expected(dimensions=8)
    assert server.requests[0].body["dimensions"] == 8


def test_no_key_sends_no_header(server: Server) -> None:
    async def run() -> None:
        embedder = OpenAIEmbedder("tiny", api_key=None, base_url=server.url + "/")
        await embedder.embed(TEXTS, "query")
        await embedder.close()

    asyncio.run(run())
    assert "Authorization" not in server.requests[0].headers
    assert server.requests[0].path == "/v1/embeddings"


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504])
def test_tries_again(server: Server, status: int) -> None:
    server.script = [Answer("busy", status, AGAIN), Answer("busy", status, AGAIN)]
    assert embed(server) == expected()
    assert len(server.requests) == 3


def test_tries_again_without_being_told_when(server: Server) -> None:
    server.script = [Answer("oops", 500)]
    assert embed(server) == expected()
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (400, ProviderError, False),
        (401, AuthenticationError, False),
        (403, AuthenticationError, False),
        (404, ProviderError, False),
        (422, ProviderError, False),
        (429, RateLimitError, True),
        (500, ProviderError, True),
    ],
)
def test_gives_up(server: Server, status: int, kind: type[ProviderError], retryable: bool) -> None:
    server.script = [Answer({"error": "no"}, status, AGAIN)] * 9
    with pytest.raises(ProviderError) as caught:
        embed(server, attempts=3)
    assert type(caught.value) is kind
    assert caught.value.retryable is retryable
    assert len(server.requests) == (3 if retryable else 1)
    assert "sk-test" not in str(caught.value)


def soon(seconds: int) -> str:
    return email.utils.format_datetime(datetime.now(UTC) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("7", 7, 7),
        ("0.5", 0.5, 0.5),
        ("-3", 0, 0),
        (soon(3_600), 3_000, 3_600),
        (soon(-60), 0, 0),
        ("Sun, 06 Nov 1994 08:49:37 -0000", 0, 0),
        ("Sun Nov  6 08:49:37 1994", 0, 0),
    ],
    # The times differ from process to process, and so would the names made of them.
    ids=["seconds", "part of a second", "negative", "in an hour", "a minute ago", "long ago", "asctime"],
)
def test_retry_after(server: Server, header: str, least: float, most: float) -> None:
    server.script = [Answer("slow down", 429, {"Retry-After": header})]
    with pytest.raises(RateLimitError) as caught:
        embed(server, attempts=1)
    assert caught.value.retry_after is not None
    assert least <= caught.value.retry_after <= most


@pytest.mark.parametrize("header", ["", "soon", "Sun, 99 Foo 1994", "\u00bd"])
def test_retry_after_that_says_nothing(server: Server, header: str) -> None:
    server.script = [Answer("slow down", 429, {"Retry-After": header})]
    with pytest.raises(RateLimitError) as caught:
        embed(server, attempts=1)
    assert caught.value.retry_after is None


def test_no_answer_in_time(server: Server) -> None:
    server.script = [Answer("", hangs=True), Answer("", hangs=True)]
    with pytest.raises(TimedOutError) as caught:
        embed(server, attempts=2, timeout_seconds=0.1)
    assert caught.value.retryable
    assert len(server.requests) == 2


def test_answer_after_one_that_did_not_come(server: Server) -> None:
    server.script = [Answer("", hangs=True)]
    assert embed(server, timeout_seconds=0.5) == expected()


NOT_VECTORS: dict[str, Answer | Responder] = {
    "too few": spoilt(lambda rows: rows[1:]),
    "too many": spoilt(lambda rows: [*rows, {**rows[0], "index": len(rows)}]),
    "the same index twice": spoilt(lambda rows: [rows[0], {**rows[1], "index": 0}, *rows[2:]]),
    "one short": spoilt(lambda rows: [*rows[:-1], {**rows[-1], "embedding": rows[-1]["embedding"][1:]}]),
    "one empty": spoilt(lambda rows: [{**rows[0], "embedding": []}, *rows[1:]]),
    "NaN": spoilt(lambda rows: [{**rows[0], "embedding": [float("nan")] * DIMENSIONS}, *rows[1:]]),
    "infinity": spoilt(lambda rows: [{**rows[0], "embedding": [float("inf")] * DIMENSIONS}, *rows[1:]]),
    "zeros": spoilt(lambda rows: [{**rows[0], "embedding": [0] * DIMENSIONS}, *rows[1:]]),
    "words": spoilt(lambda rows: [{**rows[0], "embedding": ["x"] * DIMENSIONS}, *rows[1:]]),
    "null": spoilt(lambda rows: [{**rows[0], "embedding": None}, *rows[1:]]),
    "base64": spoilt(lambda rows: [{**rows[0], "embedding": "AAAA"}, *rows[1:]]),
    "no index": spoilt(lambda rows: [{"embedding": r["embedding"]} for r in rows]),
    "no rows": Answer({"data": []}),
    "a list": Answer([1, 2]),
    "null alone": Answer("null"),
    "nothing": Answer(""),
    "a page": Answer("<html>Welcome to the hotel Wi-Fi</html>"),
    "half": Answer('{"data": [{"index": 0, "embed'),
    "not text": Answer("\x00\x01"),
}


@pytest.mark.parametrize("answer", NOT_VECTORS.values(), ids=NOT_VECTORS)
def test_replies_that_are_no_vectors(server: Server, answer: Answer | Responder) -> None:
    server.script = [answer]
    with pytest.raises(BadReplyError):
        embed(server, attempts=1)


def test_a_known_model_has_its_dimension(server: Server) -> None:
    async def run() -> None:
        embedder = OpenAIEmbedder("text-embedding-3-small", api_key="k", base_url=server.url)
        assert embedder.key.dimensions == 1536
        try:
            await embedder.embed(TEXTS, "document")
        finally:
            await embedder.close()

    with pytest.raises(BadReplyError, match="1536"):
        asyncio.run(run())


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]

    async def run() -> None:
        await OpenAITransport(api_key=None, base_url=f"http://127.0.0.1:{port}", attempts=1).post("/embeddings", {})

    with pytest.raises(ProviderError, match="cannot be reached") as caught:
        asyncio.run(run())
    assert caught.value.retryable


@pytest.mark.parametrize("url", ["nonsense", "http://", "http://[::1", "ftp://127.0.0.1/"])
def test_a_base_url_that_is_none(url: str) -> None:
    async def run() -> None:
        await OpenAITransport(api_key=None, base_url=url, attempts=1).post("/embeddings", {})

    with pytest.raises(ProviderError):
        asyncio.run(run())


@pytest.fixture
def environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Return a server that the environment names."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-outside")
    monkeypatch.setenv("OPENAI_BASE_URL", server.url)
    return server


def test_memory_by_name_and_environment(environment: Server, tmp_path: Path) -> None:
    with Memory(tmp_path / "memory.db", embedder="openai:tiny") as memory:
        memory.add([{"content": t} for t in TEXTS], user_id="alice")
        (hit, *_) = memory.search("piano", user_id="alice", explain=True)
        assert hit.text == "Marta plays the piano"
        assert hit.explanation is not None
        assert {s.name for s in hit.explanation.signals} >= {"cosine", "bm25"}
        assert memory.stats().embedder == f"openai/tiny ({DIMENSIONS} dimensions, version 1)"
    assert {r.headers["Authorization"] for r in environment.requests} == {"Bearer sk-from-outside"}
    assert [len(r.body["input"]) for r in environment.requests] == [len(TEXTS), 1]
    with Memory(tmp_path / "memory.db", embedder="openai:tiny") as again:
        assert again.search("piano", user_id="alice")[0].text == "Marta plays the piano"


def test_memory_from_the_environment_alone(
    environment: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEEPSTONE_EMBEDDER", "openai:tiny")
    monkeypatch.delenv("OPENAI_API_KEY")
    with Memory(tmp_path / "memory.db") as memory:
        memory.add("An endpoint without keys", user_id="alice")
    assert "Authorization" not in environment.requests[0].headers


def test_without_a_key_and_an_endpoint() -> None:
    for settings in ({"embedder": "openai:tiny"}, {"chat_model": "openai:tiny", "embedder": "none"}):
        with pytest.raises(ConfigError, match="OPENAI_API_KEY"):
            Memory("unused.db", **settings)  # type: ignore[arg-type]


def test_failing_provider_stores_nothing(environment: Server, tmp_path: Path) -> None:
    with Memory(tmp_path / "memory.db", embedder="openai:tiny") as memory:
        memory.add("Something first", user_id="alice")
        for answer, kind in (
            (Answer("no", 401), AuthenticationError),
            (spoilt(lambda rows: rows[1:]), BadReplyError),
            (spoilt(lambda rows: [{**r, "embedding": [1.0] * 5} for r in rows]), BadReplyError),
        ):
            environment.script = [answer]
            with pytest.raises(kind):
                memory.add([{"content": "Something new"}, {"content": "Something newer"}], user_id="alice")
            environment.script = [answer]
            with pytest.raises(kind):
                memory.search("something", user_id="alice")
        assert [r.text for r in memory.get_all(user_id="alice").items] == ["Something first"]
        environment.script = [Answer("wait", 429, AGAIN)]
        assert len(memory.add("Something new", user_id="alice").memories) == 1


def test_another_dimension_than_the_store(environment: Server, tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with Memory(path, embedder="openai:tiny") as memory:
        memory.add("Something first", user_id="alice")
    environment.script = [spoilt(lambda rows: [{**r, "embedding": [1.0] * 5} for r in rows])]
    memory = Memory(path, embedder="openai:tiny")
    with pytest.raises(EmbedderMismatchError, match="keepstone reembed"):
        memory.add("Something new", user_id="alice")
    memory.close()
    for other in ("hashing", HashingEmbedder(DIMENSIONS)):
        memory = Memory(path, embedder=other)
        with pytest.raises(EmbedderMismatchError, match="keepstone reembed"):
            memory.search("something", user_id="alice")
        memory.close()


def test_reembed_to_an_endpoint(environment: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Memory(tmp_path / "memory.db", embedder="none") as memory:
        memory.add([{"content": t} for t in TEXTS], user_id="alice")
    with Memory(tmp_path / "memory.db", embedder="openai:tiny") as memory, caplog.at_level(logging.WARNING):
        assert memory.search("piano", user_id="alice")[0].text == "Marta plays the piano"
        assert "reembed" in caplog.text
        assert environment.requests == [], "words alone until then"
        assert memory.reembed() == len(TEXTS)
        assert memory.stats().unembedded == 0


def test_two_loops_use_one_embedder(server: Server) -> None:
    """Each loop has connections of its own."""
    embedder = OpenAIEmbedder("tiny", api_key=None, base_url=server.url)

    async def once() -> list[Vector]:
        found = await embedder.embed(TEXTS, "query")
        await embedder.close()
        return found

    assert asyncio.run(once()) == asyncio.run(once()) == expected()
