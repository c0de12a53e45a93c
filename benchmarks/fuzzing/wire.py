"""Bytes that no client sends: what a server must refuse, or hang up on, and survive."""

from __future__ import annotations

import random
import re
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

ANSWER_SECONDS_MAX = 10.0
PATIENCE_SECONDS = 0.5
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
READ_BYTES = 1 << 16
BODY = b'{"query": "Lyon", "user_id": "alice"}'
PATHS = ("/api/v1/search", "/api/v1/memories", "/mem0/v1/memories/", "/mem0-oss/memories", "/mcp", "/ui/", "/healthz")
ODD_IDS = (
    "%00", "a%00b", "%2F", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "%ff%fe", "%u0041", "%", "%zz", "..", "../..", "a;b=c",
    "%ED%A0%80", "%C0%AF", "%0d%0aSet-Cookie:x=1", "\u4e0a".encode().decode("latin-1"), "a" * 9_000, "%41" * 3_000,
)  # fmt: skip
METHODS = ("HEAD", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "get", "PUT", "DELETE", "PATCH", "G\0T", "A" * 300)
LENGTHS = ("abc", "-1", "+5", "1e3", "0x10", "", " ", "5 5", "99999999999999999999", "4294967296", "١٢")


@dataclass(frozen=True, slots=True)
class Case:
    """What is sent; `is_cut` if it ends in the middle, so that no answer has to come."""

    name: str
    sent: bytes
    is_cut: bool = False


def run(url: str, secret: str, count: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Send *count* cases, and return how they were answered and what is wrong."""
    where = urlsplit(url)
    assert where.hostname is not None
    assert where.port is not None
    address = (where.hostname, where.port)
    cases, answers, wrong = drawn(secret, seed), Counter[str](), list[str]()
    for number in range(count):
        case = next(cases)
        try:
            got = exchanged(address, case)
        except TimeoutError:
            wrong.append(f"{case.name}: no answer in {ANSWER_SECONDS_MAX} s: {case.sent[:200]!r}")
            continue
        statuses = [int(s) for s in STATUS.findall(got)]
        answers.update([str(s) for s in statuses] or ["closed"])
        if any(s >= 500 for s in statuses):
            wrong.append(f"{case.name}: {statuses}: {case.sent[:300]!r}")
        if number % 50 == 49 and b" 200 " not in exchanged(address, Case("alive", _head("GET", "/healthz") + b"\r\n")):
            wrong.append(f"after {case.name} the server does not answer")
    return answers, wrong


def exchanged(address: tuple[str, int], case: Case) -> bytes:
    """Send a case and half-close, and return what comes back until the other side closes, or is silent after it.

    Raises:
        TimeoutError: nothing came, and nothing was closed.
    """
    with socket.create_connection(address, timeout=ANSWER_SECONDS_MAX) as one:
        got = b""
        try:
            one.sendall(case.sent)
            if case.is_cut:
                one.settimeout(PATIENCE_SECONDS)
            while part := one.recv(READ_BYTES):
                got += part
                one.settimeout(PATIENCE_SECONDS)
        except TimeoutError:
            if not got and not case.is_cut:
                raise
        except ConnectionError:
            # It was closed before all was sent, which is an answer, too.
            return got
        return got


def drawn(secret: str, seed: int) -> Iterator[Case]:
    """Yield cases without end."""
    chance = random.Random(seed)
    kinds: tuple[Callable[[random.Random, str], Case], ...] = (
        _length, _chunked, _headers, _method, _path, _encoding, _version, _noise, _pipeline, _host,
    )  # fmt: skip
    while True:
        yield chance.choice(kinds)(chance, secret)


def _head(method: str, path: str, *lines: str, secret: str = "", version: str = "HTTP/1.1") -> bytes:
    given = [f"{method} {path} {version}", "Host: 127.0.0.1", "Connection: close", *lines]
    if secret:
        given.append(f"Authorization: Bearer {secret}")
    return "".join(line + "\r\n" for line in given).encode("latin-1", "replace")


def _posted(path: str, body: bytes, secret: str, *lines: str) -> bytes:
    told = f"Content-Length: {len(body)}"
    kind = () if any(line.startswith("Content-Type") for line in lines) else ("Content-Type: application/json",)
    return _head("POST", path, told, *kind, *lines, secret=secret) + b"\r\n" + body


def _length(chance: random.Random, secret: str) -> Case:
    told = chance.choice((*LENGTHS, str(len(BODY) + 5), str(len(BODY) - 5)))
    lines = [f"Content-Length: {told}", "Content-Type: application/json"]
    if chance.random() < 0.3:
        lines.append(f"Content-Length: {len(BODY)}")
    sent = _head("POST", chance.choice(PATHS), *lines, secret=secret) + b"\r\n" + BODY
    return Case("length", sent, is_cut=True)


def _chunked(chance: random.Random, secret: str) -> Case:
    lines = ["Transfer-Encoding: " + chance.choice(("chunked", "chunked, chunked", "gzip, chunked", "x", "Chunked"))]
    if chance.random() < 0.3:
        lines.append("Content-Length: 5")
    chunks = chance.choice(
        (b"5\r\nhello\r\n", b"zz\r\nhello\r\n", b"ffffffffffffffff\r\nx", b"-1\r\n\r\n", b"5\r\nhel", b"0\r\n\r\n",
         b"25\r\n" + BODY + b"\r\n0\r\n\r\n", b"5;" + b"a" * 20_000 + b"\r\nhello\r\n0\r\n\r\n", b"")
    )  # fmt: skip
    path = chance.choice((*PATHS, "/api/v1/import"))
    return Case("chunked", _head("POST", path, *lines, secret=secret) + b"\r\n" + chunks, is_cut=True)


def _headers(chance: random.Random, secret: str) -> Case:
    lines = chance.choice(
        (
            [f"X-{n}: y" for n in range(chance.choice((200, 5_000)))],
            ["X-Long: " + "y" * chance.choice((10_000, 1_000_000))],
            ["no colon"],
            ["X: \0"],
            [" folded: yes"],
            ["X-Request-ID: " + "\xe4\xb8\x8a" * 20],
            ["Idempotency-Key: " + "\xff\xfe"],
            ["Cookie: keepstone_session=" + "x" * 5_000],
            ["Cookie: =;;;=\xff; keepstone_session=\xff"],
            ["Accept: " + "text/html," * 5_000],
            ["Last-Event-ID: " + "9" * 19],
            ["Range: bytes=0-,0-,0-"],
            ["Content-Type: \xff/\xff; charset=\xff"],
        )
    )
    return Case("headers", _head("GET", chance.choice(PATHS), *lines, secret=secret) + b"\r\n", is_cut=True)


def _method(chance: random.Random, secret: str) -> Case:
    path = chance.choice((*PATHS, "*", "127.0.0.1:1"))
    return Case("method", _head(chance.choice(METHODS), path, secret=secret) + b"\r\n", is_cut=True)


def _path(chance: random.Random, secret: str) -> Case:
    start = chance.choice(
        ("/api/v1/memories/", "/api/v1/messages/", "/mem0/v1/memories/", "/mem0/v2/entities/user/",
         "/mem0-oss/memories/",
         "/ui/time/memories/", "/ui/static/", "/ui/", "/mcp/x/http/", "/api/v1/keys/", "//", "/", "http://evil/", "")
    )  # fmt: skip
    query = chance.choice(("", "?user_id=%00", "?filters=%7B", "?user_id=%ff", "?limit=1e9", "?" + "a=b&" * 3_000))
    id = chance.choice(ODD_IDS)
    more = chance.choice(("", "/history", "/messages", "/profile/", "/"))
    sent = _head(chance.choice(("GET", "GET", "DELETE")), start + id + more + query, secret=secret) + b"\r\n"
    return Case("path", sent, is_cut=True)


def _encoding(chance: random.Random, secret: str) -> Case:
    text = BODY.decode()
    body = chance.choice(
        (text.encode("utf-16"), text.encode("utf-32"), b"\xef\xbb\xbf" + BODY, b"\xff\xfe\xfd",
         b'{"query": "\xed\xa0\x80"}',
         b'{"query": "\\ud800", "user_id": "alice"}', b'{"query": NaN}', b"[" * 100_000, b'{"a":' * 50_000,
         b"1" * 100_000, b'{"query": 1e999999, "limit": 1e400}', b'"' + b"a" * 1_000_000, b"", b"null", b"[]", b"{}",
         b'{"user_id": "alice", "user_id": "bob", "query": "x"}', b'{"query": "x", "user_id": "\\u0000"}')
    )  # fmt: skip
    kind = chance.choice(
        ("application/json", "application/json; charset=utf-16", "text/plain", "multipart/form-data; boundary=x",
         "application/x-www-form-urlencoded", "application/vnd.x+json", "", "x" * 5_000)
    )  # fmt: skip
    more = chance.choice(((), ("Content-Encoding: gzip",), ("Expect: 100-continue",), ("Content-Encoding: br",)))
    path = chance.choice((*PATHS, "/api/v1/import", "/ui/login", "/v1/chat/completions", "/mem0/v3/memories/search/"))
    if path.startswith("/v1/"):
        # What is right would be passed on to somebody else.
        secret = ""
    return Case("encoding", _posted(path, body, secret, f"Content-Type: {kind}", *more), is_cut=True)


def _version(chance: random.Random, secret: str) -> Case:
    version = chance.choice(("HTTP/1.0", "HTTP/0.9", "HTTP/2.0", "HTTP/9.9", "", "HTTP/1.1 x", "ICY/1.0"))
    return Case("version", _head("GET", "/healthz", secret=secret, version=version) + b"\r\n", is_cut=True)


def _noise(chance: random.Random, secret: str) -> Case:
    sent = chance.choice(
        (chance.randbytes(500), b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
         b"\r\n" * 500,
         b"", b"\0" * 1_000, b"GET", b"GET / HTTP/1.1\r\nHost:", b"\n\n\n")
    )  # fmt: skip
    return Case("noise", sent, is_cut=True)


def _pipeline(chance: random.Random, secret: str) -> Case:
    # The last one of them closes.
    one = _posted("/api/v1/search", BODY, secret).replace(b"Connection: close\r\n", b"")
    return Case("pipeline", one * chance.choice((2, 30)) + chance.choice((b"", b"GARBAGE\r\n\r\n")))


def _host(chance: random.Random, secret: str) -> Case:
    host = chance.choice(("", "evil.example", "127.0.0.1:99999999", "[::1", "127.0.0.1\0", "a" * 5_000, "localhost:x"))
    lines = [f"Host: {host}"] if chance.random() < 0.8 else [f"Host: {host}", "Host: 127.0.0.1"]
    lines.append("Origin: " + chance.choice(("null", "http://[", "http://evil.example", "\xff")))
    sent = "".join([f"POST {chance.choice(PATHS)} HTTP/1.1\r\n", *[f"{line}\r\n" for line in lines]])
    told = f"Authorization: Bearer {secret}\r\nContent-Length: {len(BODY)}\r\n\r\n"
    return Case("host", (sent + told).encode("latin-1", "replace") + BODY, is_cut=True)
