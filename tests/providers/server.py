"""A real HTTP server on this machine that speaks OpenAI's API, and answers with faults when it is told to."""

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from keepstone.embedders.hashing import HashingEmbedder

DIMENSIONS = 16


@dataclass(slots=True)
class Request:
    """What a client sent."""

    path: str
    headers: Mapping[str, str]
    body: Any


@dataclass(slots=True)
class Answer:
    """What the server sends; `delay` holds it back until the server is closed."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    hangs: bool = False


Responder = Callable[[Request], Answer]


class Server:
    """Answers each request with the next of `script`; when that is used up, as it should be."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.script: list[Answer | Responder] = []
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """The base URL, as OPENAI_BASE_URL wants it."""
        return f"http://127.0.0.1:{self._http.server_port}/v1"

    def answer(self, request: Request) -> Answer:
        """Note *request*, and return what to send."""
        with self._lock:
            self.requests.append(request)
            scripted = self.script.pop(0) if self.script else good
        return scripted(request) if callable(scripted) else scripted

    def wait(self) -> None:
        """Wait for the end of the server."""
        self._closing.wait(60)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                size = int(self.headers["Content-Length"])
                body = json.loads(self.rfile.read(size))
                answer = server.answer(Request(self.path, dict(self.headers), body))
                if answer.hangs:
                    server.wait()
                    self.close_connection = True
                    return
                text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler


def rows(request: Request) -> list[dict[str, Any]]:
    """The right embeddings for a request."""
    texts = request.body["input"]
    vectors = asyncio.run(HashingEmbedder(request.body.get("dimensions", DIMENSIONS)).embed(texts, "document"))
    # Not of unit length: providers do not promise it.
    return [{"index": i, "embedding": [3 * x for x in v]} for i, v in enumerate(vectors)]


def good(request: Request) -> Answer:
    """The right answer."""
    return Answer({"object": "list", "data": rows(request)})


def spoilt(change: Callable[[list[dict[str, Any]]], Any]) -> Responder:
    """The right answer with its rows changed."""
    return lambda request: Answer({"data": change(rows(request))})
