"""A server that answers as scripted: what stands between a client and a good server."""

import json
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PROBLEM = "application/problem+json"


@dataclass(frozen=True)
class Answer:
    """What one request gets; status 0 hangs up, -1 waits until the server ends."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


def problem(status: int, code: str, detail: str = "Something is wrong.", **headers: str) -> Answer:
    said = {"type": "about:blank", "title": "x", "status": status, "detail": detail, "code": code}
    return Answer(status, said, {"Content-Type": PROBLEM, **{k.replace("_", "-"): v for k, v in headers.items()}})


@dataclass
class Flaky:
    """Where it is, and the requests that came: method, path, headers in lower case."""

    url: str
    requests: list[tuple[str, str, dict[str, str]]]


@contextmanager
def flaky(answers: Iterable[Answer]) -> Iterator[Flaky]:
    """Serve *answers*, one for each request, until the block ends."""
    script, requests, ending = iter(answers), [], threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            requests.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
            answer = next(script)
            if answer.status <= 0:
                if answer.status < 0:
                    ending.wait(20)
                self.close_connection = True
                return
            raw = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815 - the names that the base class calls

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield Flaky(f"http://127.0.0.1:{server.server_port}", requests)
    finally:
        ending.set()
        server.shutdown()
        server.server_close()
        thread.join()
