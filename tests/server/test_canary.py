"""What is told without content stays so, whatever fails: events, streams, webhooks, listings, answers to others."""

import json
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

import httpx2
import pytest

from keepstone.chat import ChatReply, ChatRequest
from keepstone.contract import Vector
from keepstone.errors import BadReplyError
from keepstone.stores.sqlite.store import SqliteStore
from keepstone.testing import HashingEmbedder
from tests.server.serving import Serving, serving

CANARY = "zq8canary"
MEMORIES = "/api/v1/memories"
STREAM = {"Accept": "text/event-stream"}


class Failing(HashingEmbedder):
    """An embedder that fails for some words, and quotes them."""

    async def embed(self, texts: Sequence[str], kind: Literal["query", "document"]) -> list[Vector]:
        for text in texts:
            if "break" in text:
                raise RuntimeError(f"cannot embed {text!r}")
            if "refuse" in text:
                raise BadReplyError("embedder", f"no vector for {text!r}", retryable=False)
        return await super().embed(texts, kind)


class FailingModel:
    """A chat model that fails, and quotes its prompt."""

    name = "scripted:failing"

    async def reply(self, request: ChatRequest) -> ChatReply:
        raise BadReplyError("model", f"cannot read {request.messages[-1].content}", retryable=False)


@pytest.fixture
def bodies() -> Iterator[tuple[str, list[str]]]:
    """An address that webhooks are sent to, and what came there, head and body."""
    came: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            came.append(f"{self.headers}{self.rfile.read(int(self.headers['Content-Length'])).decode()}")
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/hook", came
        server.shutdown()
        thread.join(20)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Serving]:
    store = SqliteStore(tmp_path / "memory.db")
    models: dict[str, Any] = {"embedder": Failing(), "chat_model": FailingModel()}
    logging.getLogger("keepstone").setLevel(logging.CRITICAL)
    with serving(store=store, audit_reads=True, webhooks_to_private_hosts=True, **models) as found:
        yield found
    logging.getLogger("keepstone").setLevel(logging.NOTSET)


def said(server: Serving) -> tuple[str, str]:
    """Say the canary in every way that succeeds and that fails; return the ids of a memory and of its batch."""
    told: dict[str, Any] = {"messages": f"I keep a {CANARY}.", "user_id": "alice", "metadata": {"kind": CANARY}}
    with server.client() as client:
        added = client.post(MEMORIES, json={**told, "wait": 10}).json()
        id = added["memories"][0]["id"]
        assert client.patch(f"{MEMORIES}/{id}", json={"text": f"Now {CANARY}.", "reason": "x"}).status_code == 200
        assert client.post(f"{MEMORIES}/{id}/feedback", json={"value": "positive"}).status_code == 200
        gone = client.post(MEMORIES, json={**told, "messages": f"Another {CANARY}.", "infer": False}).json()
        assert client.delete(f"{MEMORIES}/{gone['memories'][0]['id']}").status_code == 200
        erased = client.post(MEMORIES, json={**told, "messages": f"A third {CANARY}.", "infer": False}).json()
        assert client.post("/api/v1/erase", json={"ids": [erased["memories"][0]["id"]]}).status_code == 200
    for word, status in (("refuse", 502), ("break", 500)):
        # A connection of its own: an unexpected error closes it.
        with server.client() as client:
            failed = client.post(MEMORIES, json={**told, "messages": f"{word} {CANARY}", "infer": False})
            assert failed.status_code == status
    return id, added["batch_id"]


def test_what_goes_out_without_content_has_none(server: Serving, bodies: tuple[str, list[str]]) -> None:
    address, came = bodies
    streamed: list[str] = []
    with server.client() as client:
        hook = client.post("/api/v1/webhooks", json={"url": address}).raise_for_status().json()["id"]

    def listen() -> None:
        with server.client() as http, http.stream("GET", "/api/v1/events?after=0", headers=STREAM) as stream:
            # The server ends it when it stops.
            streamed.extend(stream.iter_lines())

    listening = threading.Thread(target=listen, daemon=True)
    listening.start()
    said(server)
    wait_for(lambda: all(any(kind in body for body in came) for kind in ("changes", "erased", "job.dead")))
    with server.client() as client:
        for path in TOLD_WITHOUT:
            answer = client.get(path.format(hook=hook)).raise_for_status()
            assert CANARY not in answer.text, path
        assert CANARY in client.get("/api/v1/events?texts=true").text
    server.service.ending()
    listening.join(20)
    text = "\n".join(streamed)
    assert text.count("data:") >= len(came)
    assert CANARY not in text
    assert not [body for body in came if CANARY in body]


TOLD_WITHOUT = (
    "/api/v1/events",
    "/api/v1/webhooks/{hook}/deliveries",
    "/api/v1/audit",
    "/api/v1/settings",
    "/api/v1/overview",
    "/api/v1/usage",
    "/api/v1/stats",
    "/api/v1/owners",
    "/api/v1/keys",
    "/api/v1/tenants",
    "/api/v1/conversations",
    "/mem0-oss/requests",
    "/metrics",
    "/readyz",
)


@pytest.mark.parametrize("who", ["pinned", "other"])
def test_nobody_else_is_told_by_what_fails(server: Serving, who: str) -> None:
    id, batch = said(server)
    secret = server.key("admin", user_id="bob") if who == "pinned" else server.key("admin", tenant="other")
    with server.client(secret) as client:
        for method, path, body in (
            ("GET", f"{MEMORIES}/{id}", None),
            ("GET", f"{MEMORIES}/{id}/history", None),
            ("PATCH", f"{MEMORIES}/{id}", {"text": "x"}),
            ("POST", f"{MEMORIES}/{id}/feedback", {"value": "positive"}),
            ("POST", "/api/v1/undo", {"id": batch}),
            ("POST", "/api/v1/erase", {"ids": [id]}),
            ("POST", "/api/v1/search", {"query": CANARY[:3], "all_scopes": True}),
            ("POST", "/api/v1/trace", {"question": "what?", "expect": [id], "all_scopes": True}),
            ("GET", "/api/v1/jobs", None),
            ("POST", "/api/v1/jobs/retry", {}),
            ("POST", "/api/v1/flush", {"timeout": 0}),
            ("GET", "/api/v1/events?texts=true", None),
            ("GET", "/api/v1/changes", None),
            ("GET", "/mem0/v1/events/", None),
            ("GET", f"/mem0/v1/event/{batch}/", None),
            ("POST", "/api/v1/export", {"user_id": "bob"}),
            ("POST", "/api/v1/reextract", {"user_id": "bob"}),
        ):
            answer = client.request(method, path, json=body) if body is not None else client.request(method, path)
            assert answer.status_code < 500, (path, answer.text)
            assert CANARY not in told_in(answer), path
    with server.client() as client:
        assert CANARY in client.get(f"{MEMORIES}/{id}").text


def test_a_kept_answer_goes_with_what_is_erased(server: Serving, tmp_path: Path) -> None:
    sent = {"messages": f"I keep a {CANARY}.", "user_id": "alice", "infer": False}
    again = {"Idempotency-Key": "once"}
    with server.client() as client:
        added = client.post(MEMORIES, json=sent, headers=again).json()
        assert client.post(MEMORIES, json=sent, headers=again).headers["Idempotency-Replayed"] == "true"
        receipt = client.post("/api/v1/erase", json={"ids": [added["memories"][0]["id"]]}).json()
    assert receipt["residue"] == 0
    assert not [p for p in tmp_path.glob("memory.db*") if CANARY.encode() in p.read_bytes()]


def told_in(answer: httpx2.Response) -> str:
    return answer.text + json.dumps(dict(answer.headers))


def wait_for(is_so: Any) -> None:
    end = time.monotonic() + 20
    while not is_so() and time.monotonic() < end:
        time.sleep(0.02)
    assert is_so()
