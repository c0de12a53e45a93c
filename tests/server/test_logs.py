"""The log of a server: lines that help, and nothing of what was said in any of them."""

import io
import json
import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import pytest

from keepstone.chat import ChatReply, ChatRequest
from keepstone.contract import EmbedderKey, Vector
from keepstone.control import AuditFilter
from keepstone.errors import BadReplyError
from keepstone.server import logs
from keepstone.testing import HashingEmbedder
from tests.server.serving import Serving, serving

CANARY = "zq7canary"


class Quoting(HashingEmbedder):
    """An embedder that fails for some words, and quotes them."""

    @property
    def key(self) -> EmbedderKey:
        return super().key

    async def embed(self, texts: Sequence[str], kind: Literal["query", "document"]) -> list[Vector]:
        for text in texts:
            if "break" in text:
                raise RuntimeError(f"cannot embed {text!r}") from ValueError(text)
            if "refuse" in text:
                raise BadReplyError("embedder", f"no vector for {text!r}", retryable=False)
        return await super().embed(texts, kind)


class QuotingModel:
    """A chat model that fails, and quotes its prompt."""

    name = "scripted:quoting"

    async def reply(self, request: ChatRequest) -> ChatReply:
        raise BadReplyError("model", f"cannot read {request.messages[-1].content}", retryable=False)


@contextmanager
def logged(format: str) -> Iterator[io.StringIO]:
    """Everything that is logged, at every level, as a server writes it."""
    root, names = logging.getLogger(), ("", *logs.OURS, "uvicorn.access")
    before = [(logging.getLogger(n), logging.getLogger(n).level, logging.getLogger(n).handlers[:]) for n in names]
    stream = io.StringIO()
    logs.configure(format, "debug", stream)
    root.setLevel(logging.DEBUG)
    try:
        yield stream
    finally:
        logging.captureWarnings(False)
        for logger, level, handlers in before:
            logger.setLevel(level)
            logger.handlers[:] = handlers


def say_everything(server: Serving) -> None:
    """Bring the canary in by every way that words come in, well formed and not."""
    say_elsewhere(server)
    with server.client() as client:
        memories = "/api/v1/memories"
        said = {"messages": f"I keep a {CANARY}.", "user_id": "alice", "metadata": {"kind": CANARY}}
        assert client.post(memories, json={**said, "wait": 5}).status_code == 201
        for more in ({CANARY: 1}, {"wait": CANARY}, {"expires_at": CANARY}, {"metadata": CANARY}):
            assert client.post(memories, json={**said, **more}).status_code in (400, 422)
        for body in (b'{"messages": "' + CANARY.encode(), CANARY.encode(), b"\xff" + CANARY.encode()):
            client.post(memories, content=body, headers={"Content-Type": "application/json"})
        for word, status in (("break", 500), ("refuse", 502), ("find", 200)):
            asked = {"query": f"{word} the {CANARY}", "user_id": "alice", "filters": {"kind": CANARY}}
            # A connection of its own: an unexpected error closes it.
            with server.client() as other:
                assert other.post("/api/v1/search", json=asked).status_code == status
        client.post("/api/v1/search", json={"query": "x", "user_id": "alice", "filters": {CANARY: {CANARY: 1}}})
        client.get(memories, params={"user_id": "alice", "filters": f'{{"{CANARY}'})
        client.get(f"/nowhere/{CANARY}", params={"q": CANARY}, headers={"X-Request-ID": f"{CANARY} {CANARY}"})
        client.post("/api/v1/search", json={"query": CANARY}, headers={"Authorization": f"Bearer {CANARY}"})
        client.request("PROPFIND", "/api/v1/search", content=CANARY.encode())


def say_elsewhere(server: Serving) -> None:
    """Bring it in through the other surfaces."""
    told = {"messages": [{"role": "user", "content": CANARY}], "user_id": "alice"}
    for path, sent in (
        ("/mem0/v1/memories/", told),
        ("/mem0/v2/memories/search/", {"query": CANARY, "filters": {"user_id": "alice"}}),
        ("/mem0-oss/memories", told),
        ("/mem0-oss/search", {"query": CANARY, "user_id": "alice"}),
        (
            "/mcp",
            {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": CANARY, "arguments": told}},
        ),
        ("/ui/login", {"key": CANARY}),
    ):
        with server.client() as other:
            other.post(path, json=sent, headers={"Accept": "application/json, text/event-stream"})


@pytest.mark.parametrize("format", ["text", "json"])
def test_nothing_of_what_was_said_is_logged_audited_or_measured(format: str) -> None:
    with logged(format) as stream, serving(embedder=Quoting(), chat_model=QuotingModel(), audit_reads=True) as server:
        # The client of this test is no part of the server.
        for name in ("httpx2", "httpcore2"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        say_everything(server)
        with server.client() as client:
            measured = client.get("/metrics").raise_for_status().text
        server.run(server.service.auditor.write())
        audit = server.run(server.service.control.audit(None, AuditFilter(), limit=100)).items
    said = stream.getvalue()
    assert "RuntimeError" in said
    assert "is a dead letter now: BadReplyError" in said
    assert len(audit) > 10
    for where in (said, json.dumps([e.to_dict() for e in audit]), measured):
        assert CANARY not in where


def test_every_line_of_a_request_has_its_id() -> None:
    with logged("json") as stream, serving(embedder=Quoting()) as server, server.client() as client:
        asked = {"query": "break it", "user_id": "alice"}
        client.post("/api/v1/search", json=asked, headers={"X-Request-ID": "mine-1"})
        end = time.monotonic() + 10
        while "ASGI" not in stream.getvalue() and time.monotonic() < end:
            time.sleep(0.01)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    ours = [line for line in lines if line.get("request_id") == "mine-1"]
    assert {line["logger"] for line in ours} == {"keepstone.server.access", "uvicorn.error"}
    (broken,) = [line for line in ours if "exception" in line]
    assert "test_logs.py" in broken["exception"]
    assert "ValueError" in broken["exception"]
    (access,) = [line for line in ours if line["logger"] == "keepstone.server.access"]
    assert (access["status"], access["level"]) == (500, "info")
    assert access["event"].startswith("POST /api/v1/search 500 ")


def test_of_what_libraries_say_only_the_place_is_told() -> None:
    with logged("json") as stream, warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.getLogger("mcp.server").warning("got %s", CANARY)
        warnings.warn(CANARY, stacklevel=1)
        logging.getLogger("uvicorn.error").info("Started")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["logger"] for line in lines] == ["mcp.server", "py.warnings", "uvicorn.error"]
    assert "test_logs:" in lines[0]["event"]
    assert lines[2]["event"] == "Started"
    assert CANARY not in stream.getvalue()


def test_the_level_holds() -> None:
    stream = io.StringIO()
    with logged("text"):
        logs.configure("text", "warning", stream)
        logging.getLogger("keepstone.server").info("not wanted")
        logging.getLogger("keepstone.server").warning("wanted")
    assert "not wanted" not in stream.getvalue()
    assert "wanted" in stream.getvalue()


def test_a_path_is_told_by_its_pattern() -> None:
    with logged("json") as stream, serving() as server, server.client() as client:
        client.get("/api/v1/memories/0123abc/history")
        client.get("/elsewhere/0123abc")
    told = [json.loads(line)["event"].rpartition(" 404 ")[0] for line in stream.getvalue().splitlines()]
    assert "GET /api/v1/memories/{id}/history" in told
    assert "GET (no route)" in told
    assert "0123abc" not in stream.getvalue()
