"""A scripted chat model behind real HTTP on this machine, with the faults that providers have on the wire."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from keepstone.chat import ChatRequest
from keepstone.errors import (
    AuthenticationError,
    BadReplyError,
    ProviderError,
    RateLimitError,
    TimedOutError,
)
from keepstone.testing import _wire as wire
from keepstone.testing.chat_faults import CutReplyError, EndlessReplyError
from keepstone.testing.fakes import Answer, Scripted, ScriptedChatModel

CHUNK = b" " * 65_536
WAIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenRequest:
    """What a client sent; names of headers are in lower case."""

    path: str
    headers: Mapping[str, str]
    body: Any


class ChatServer:
    """Serves *replies* (those of a `ScriptedChatModel`, or one) over OpenAI's and Anthropic's interface.

    Each HTTP request takes one reply, those of a client's retries too. `url` is the base URL for OpenAI's clients,
    `root` for Anthropic's. `model` holds the requests as the model saw them, `requests` as they were sent, and
    `most_at_once` how many were in work together.

    An exception in the script becomes what a provider does: `TimedOutError` no answer until the server is closed,
    `RateLimitError` 429 with Retry-After, `AuthenticationError` 401, `EndlessReplyError` a body without end,
    `CutReplyError` a body that stops in the middle, a `BadReplyError` that can be tried again something that is not
    JSON, and another `ProviderError` 503 (529 in Anthropic's interface) or, if it cannot be tried again, 410.

    Fields in *refuses* (`response_format`, `tools`, `tool_choice`, `max_tokens`, …) are answered with 400, those in
    *ignores* are not seen. With *api_key*, requests without it get 401.
    """

    def __init__(
        self,
        replies: ScriptedChatModel | Iterable[Scripted] | Callable[[ChatRequest], Answer] = (),
        *,
        refuses: Collection[str] = (),
        ignores: Collection[str] = (),
        api_key: str | None = None,
    ) -> None:
        self.model = replies if isinstance(replies, ScriptedChatModel) else ScriptedChatModel(replies)
        self.requests: list[SeenRequest] = []
        self.most_at_once = 0
        self._refuses, self._ignores, self._api_key = frozenset(refuses), frozenset(ignores), api_key
        self._in_work = 0
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._http = _Http(self)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def root(self) -> str:
        """The base URL for Anthropic's clients."""
        return f"http://127.0.0.1:{self._http.server_port}"

    @property
    def url(self) -> str:
        """The base URL for OpenAI's clients, as in OPENAI_BASE_URL."""
        return f"{self.root}/v1"

    def start(self) -> Self:
        """Serve, until `close`; a `with` block does both."""
        self._thread.start()
        return self

    def close(self) -> None:
        """Stop serving; requests that wait are dropped. A second call does nothing."""
        if not self._closing.is_set() and self._thread.is_alive():
            self._closing.set()
            self._http.shutdown()
            self._thread.join()
        self._http.server_close()

    def wait(self) -> None:
        """Wait for the end of the server, a minute at most."""
        self._closing.wait(WAIT_SECONDS)

    @property
    def is_closing(self) -> bool:
        """Whether the server is about to end."""
        return self._closing.is_set()

    def answer(self, request: SeenRequest) -> wire.Sent | ProviderError:
        """Return what to send for *request*, or the fault to have."""
        with self._lock:
            self.requests.append(request)
            self._in_work += 1
            self.most_at_once = max(self.most_at_once, self._in_work)
        try:
            return self._answered(request)
        finally:
            with self._lock:
                self._in_work -= 1

    def models(self) -> wire.Sent:
        """Return the list of models, of which there is one."""
        return wire.Sent(200, {"object": "list", "data": [{"id": self.model.name, "object": "model"}]})

    def _answered(self, request: SeenRequest) -> wire.Sent | ProviderError:
        if self._api_key not in (None, request.headers.get("x-api-key"), _bearer(request.headers)):
            return wire.failed(request.path, 401, "wrong key")
        refused = sorted(self._refuses & set(request.body))
        if refused:
            return wire.failed(request.path, 400, f"Unsupported parameter: '{refused[0]}' is not supported.")
        body = {name: value for name, value in request.body.items() if name not in self._ignores}
        spoken = wire.SPOKEN.get(request.path)
        if spoken is None:
            return wire.failed(request.path, 404, f"there is nothing at {request.path}")
        try:
            asked = spoken.request(body)
        except (KeyError, TypeError, AttributeError) as error:
            return wire.failed(request.path, 400, f"cannot be understood: {error!r}")
        try:
            reply = asyncio.run(self.model.reply(asked))
        except ProviderError as error:
            return error
        return wire.Sent(200, spoken.reply(reply, body))


class _Http(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, chat: ChatServer) -> None:
        self.chat = chat
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that go away in the middle: that is tested here."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Http

    def do_GET(self) -> None:
        """Answer what may be read: the list of models."""
        there = self.path == "/v1/models"
        self._send(self.server.chat.models() if there else wire.failed(self.path, 404, "there is nothing here"))

    def do_POST(self) -> None:
        """Answer as the script says."""
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.server.chat.answer(SeenRequest(path=self.path, headers=headers, body=json.loads(raw)))
        if isinstance(answer, wire.Sent):
            self._send(answer)
        elif isinstance(answer, TimedOutError):
            self.server.chat.wait()
            self.close_connection = True
        elif isinstance(answer, EndlessReplyError):
            self._send_without_end()
        elif isinstance(answer, CutReplyError):
            self._send(wire.Sent(200, '{"choices": [{"message": {"conte'), missing=1_000)
            self.close_connection = True
        else:
            self._send(_as_status(self.path, answer))

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _send(self, answer: wire.Sent, missing: int = 0) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer.raw) + missing))
        self.end_headers()
        self.wfile.write(answer.raw)

    def _send_without_end(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        while not self.server.chat.is_closing:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(CHUNK), CHUNK))


def _bearer(headers: Mapping[str, str]) -> str:
    return headers.get("authorization", "").removeprefix("Bearer ")


def _as_status(path: str, error: ProviderError) -> wire.Sent:
    wait = {} if error.retry_after is None else {"Retry-After": f"{error.retry_after:g}"}
    if isinstance(error, RateLimitError):
        return wire.failed(path, 429, str(error), wait)
    if isinstance(error, AuthenticationError):
        return wire.failed(path, 401, str(error))
    if isinstance(error, BadReplyError) and error.retryable:
        return wire.Sent(200, "<html>this is not JSON</html>")
    busy = 529 if path == wire.MESSAGES else 503
    return wire.failed(path, busy if error.retryable else 410, str(error), wait)
