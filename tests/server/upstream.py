"""A provider of OpenAI's interface on this machine, that streams, fails and keeps what it was asked, byte for byte."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

STREAM = "text/event-stream"


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)


@dataclass(frozen=True)
class Told:
    """An answer: its parts are sent one by one; `cut` ends it without its end."""

    parts: tuple[bytes, ...]
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})
    cut: bool = False
    hold: threading.Event | None = None


def completion(text: str | None, **message: Any) -> Told:
    said = {"role": "assistant", "content": text, **message}
    finish = "tool_calls" if message.get("tool_calls") else "stop"
    body = {"id": "c", "object": "chat.completion", "created": 0, "model": "scripted"}
    return Told((json.dumps({**body, "choices": [{"index": 0, "message": said, "finish_reason": finish}]}).encode(),))


def streamed(*texts: str, cut: bool = False, hold: threading.Event | None = None) -> Told:
    chunks: list[dict[str, Any]] = [{"delta": {"content": t}, "finish_reason": None} for t in texts]
    ended: list[dict[str, Any]] = [] if cut else [{"delta": {}, "finish_reason": "stop"}]
    events = [
        {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": [{"index": 0, **c}]}
        for c in [*chunks, *ended]
    ]
    lines = [f"data: {json.dumps(e, ensure_ascii=False)}\n\n".encode() for e in events]
    return Told((*lines, *([] if cut else [b"data: [DONE]\n\n"])), headers={"Content-Type": STREAM}, cut=cut, hold=hold)


@dataclass
class Provider:
    url: str
    asked: list[Asked]

    @property
    def last(self) -> Any:
        return self.asked[-1].body


@contextmanager
def provider(answer: Callable[[Asked], Told]) -> Iterator[Provider]:
    """Serve what *answer* tells, until the block ends."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def serve(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked.append(Asked(self.command, self.path, headers, raw))
            told = answer(asked[-1])
            self.send_response(told.status)
            for name, value in told.headers.items():
                self.send_header(name, value)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                for number, part in enumerate(filter(None, told.parts)):
                    if number and told.hold is not None:
                        told.hold.wait(20)
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                    self.wfile.flush()
                if not told.cut:
                    self.wfile.write(b"0\r\n\r\n")
            except ConnectionError:
                pass  # the one who asked has left, which is tested here
            self.close_connection = told.cut

        do_GET = do_POST = serve  # noqa: N815 - the names that the base class calls

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield Provider(f"http://127.0.0.1:{server.server_port}/v1", asked)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
