"""Probes asked of the application in this process, and what is answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from fastapi import FastAPI

from benchmarks.probing.drawing import Probe
from benchmarks.probing.world import STRANGERS, World
from keepstone.server.mcp.calling import Caller, call
from keepstone.server.ui.sessions import COOKIE, CSRF_HEADER

HOST = "127.0.0.1:8765"
# What differs from answer to answer whoever asks.
PASSING = frozenset({"x-request-id", "ratelimit", "ratelimit-policy", "retry-after", "content-length", "date"})
RPC = {"Accept": "application/json, text/event-stream"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Status, headers and body of an answer; of a tool, what it returned."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: str
    request_id: str = ""

    @property
    def all(self) -> str:
        """Everything in it that somebody could read."""
        return self.body + "\n" + "\n".join(f"{k}: {v}" for k, v in self.headers)

    def without(self, id: str | None) -> tuple[object, ...]:
        """What must be alike for an id that is foreign and one that is nobody's."""
        kept = tuple((k, v) for k, v in self.headers if k not in PASSING)
        body, headers = self.body, str(kept)
        if id:
            body, headers = body.replace(id, "ID"), headers.replace(id, "ID")
        if self.request_id:
            body = body.replace(self.request_id, "REQUEST")
        return self.status, headers, body


async def ask(world: World, probe: Probe, number: int) -> Answer:
    """Ask, and return the answer."""
    if probe.door.tool is not None:
        return await _call(world, probe)
    headers = dict(_headers(probe))
    body = b""
    if probe.body is not None:
        given: Mapping[str, Any] = probe.body
        if probe.door.surface == "mcp":
            given = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {}}
            headers |= RPC
        headers["content-type"] = "application/json"
        body = json.dumps(given).encode()
    # An address of its own for each, so that the limit of failures does not hide anything.
    address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    return await request(world.app, probe.door.method, probe.path, probe.query, headers, body, address)


async def request(
    app: FastAPI,
    method: str,
    path: str,
    query: str,
    headers: Mapping[str, str],
    body: bytes,
    address: str = "127.0.0.1",
) -> Answer:
    """Send one request to an application as a server does, with the path as it stands, and return the answer."""
    from urllib.parse import unquote

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquote(path, errors="replace"),
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(k.lower().encode(), v.encode()) for k, v in {"host": HOST, **headers}.items()],
        "client": (address, 1),
        "server": ("127.0.0.1", 8765),
        "state": {},
    }
    given = [{"type": "http.request", "body": body, "more_body": False}]
    status, out, parts = 0, list[tuple[str, str]](), list[bytes]()

    async def receive() -> dict[str, Any]:
        return given.pop() if given else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        nonlocal status, out
        if message["type"] == "http.response.start":
            status = message["status"]
            out = [(k.decode("latin-1").lower(), v.decode("latin-1")) for k, v in message["headers"]]
        else:
            parts.append(message.get("body", b""))

    # It is answered with 500 before it is raised, and told by that.
    with suppress(Exception):
        await app(scope, receive, send)
    found = dict(out)
    text = b"".join(parts).decode(errors="replace")
    return Answer(status=status, headers=tuple(out), body=text, request_id=found.get("x-request-id", ""))


def _headers(probe: Probe) -> dict[str, str]:
    asker = probe.asker
    if probe.door.surface == "ui":
        return {"cookie": f"{COOKIE}={asker.cookie}", CSRF_HEADER: asker.token} if asker.cookie else {}
    if not asker.secret:
        return {}
    if probe.door.surface == "mem0":
        return {"authorization": f"Token {asker.secret}"}
    if probe.door.surface == "mem0-oss":
        return {"x-api-key": asker.secret}
    return {"authorization": f"Bearer {asker.secret}"}


async def _call(world: World, probe: Probe) -> Answer:
    """Call a tool as somebody; its address holds OpenMemory's and ChatGPT's callers to nobody."""
    assert probe.asker.principal is not None
    assert probe.door.tool is not None
    caller = Caller(service=world.service, principal=replace(probe.asker.principal, surface="mcp"))
    found = await call(caller, probe.door.tool, probe.body or {})
    code = str((found.meta or {}).get("keepstone/code", ""))
    status = {"": 200, "internal": 500}.get(code, 400)
    return Answer(status=status, headers=(("code", code),), body=found.model_dump_json())


def is_stranger(probe: Probe) -> bool:
    """Whether nobody known asks."""
    return probe.asker.name in STRANGERS
