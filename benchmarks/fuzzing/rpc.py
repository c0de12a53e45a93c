"""Messages at `/mcp` that are not what the protocol says: malformed, huge, deep, of wrong types and versions."""

from __future__ import annotations

import json
import random
from collections import Counter
from typing import Any

import httpx2

ANSWER_SECONDS_MAX = 30.0
INTERNAL = -32603
METHODS = (
    "initialize", "tools/list", "tools/call", "resources/list", "resources/read", "prompts/list", "prompts/get",
    "ping", "logging/setLevel", "completion/complete", "notifications/initialized", "notifications/cancelled",
    "server/discover", "tasks/get", "roots/list", "sampling/createMessage", "", "x", "../x", "\0",
)  # fmt: skip
VERSIONS = ("2026-07-28", "2025-06-18", "2024-11-05", "1999-01-01", "", "x", "9" * 500, "2025-11-25")
TOOLS = ("add_memory", "search_memories", "get_memories", "get_memory", "delete_all_memories", "get_context", "nothing")
NAMES = ("user_id", "query", "limit", "filters", "memory_id", "cursor", "kinds", "text", "messages", "x", "")


def run(url: str, secret: str, count: int, seed: int) -> tuple[Counter[str], list[str]]:
    """Send *count* messages, and return how they were answered and what is wrong."""
    chance, answers, wrong = random.Random(seed), Counter[str](), list[str]()
    headers = {"Authorization": f"Bearer {secret}"}
    with httpx2.Client(base_url=url, headers=headers, timeout=ANSWER_SECONDS_MAX) as http:
        for _ in range(count):
            body, sent = message(chance), head(chance)
            try:
                answer = http.post("/mcp", content=body, headers=sent)
            except httpx2.TimeoutException:
                wrong.append(f"no answer in {ANSWER_SECONDS_MAX} s: {sent} {body[:300]!r}")
                continue
            told = _code(answer)
            answers[f"{answer.status_code}" + (f" {told}" if told is not None else "")] += 1
            if answer.status_code >= 500 or told == INTERNAL:
                wrong.append(f"{answer.status_code} {answer.text[:200]}: {sent} {body[:300]!r}")
        if http.get("/healthz").status_code != 200:
            wrong.append("the server does not answer after it")
    return answers, wrong


def head(chance: random.Random) -> dict[str, str]:
    """Return headers, mostly those that the protocol wants."""
    accept = "application/json, text/event-stream" if chance.random() < 0.9 else chance.choice(("", "*/*", "text/html"))
    kind = "application/json" if chance.random() < 0.95 else chance.choice(("text/plain", "application/json; x=y", ""))
    sent = {"Accept": accept, "Content-Type": kind}
    if chance.random() < 0.4:
        sent["MCP-Protocol-Version"] = chance.choice(VERSIONS)
    if chance.random() < 0.2:
        sent["Mcp-Session-Id"] = chance.choice(("x", "0" * 500, "../x"))
    if chance.random() < 0.2:
        sent |= {"Mcp-Method": chance.choice(METHODS[:8]), "Mcp-Name": chance.choice(TOOLS)}
    return sent


def message(chance: random.Random) -> bytes:
    """Return the bytes of one message."""
    drawn = chance.random()
    if drawn < 0.08:
        return chance.choice(
            (b"", b"{", b"[", b"\xff\xfe", b"null", b"1", b'"x"', b"[]", b"[[]]", b"{}" * 3, b"[1,2,3]", b"\0",
             b"[" * 63 + b"]" * 63, b"[" * 100_000, b'{"jsonrpc":"2.0","id":1,"method":"tools/list","id":2}',
             b'{"jsonrpc":"2.0","id":1e999,"method":"ping"}', b'"' + b"x" * 1_000_000 + b'"')
        )  # fmt: skip
    made: Any = {
        "jsonrpc": "2.0" if drawn < 0.9 else value(chance, 2),
        "id": chance.choice((1, "1", 0, -1, 2**70, 1.5, None, True, [], {})) if drawn < 0.5 else 1,
        "method": chance.choice(METHODS) if drawn < 0.9 else value(chance, 2),
        "params": params(chance),
    }
    for name in list(made):
        if chance.random() < 0.05:
            del made[name]
    if chance.random() < 0.03:
        made = [made] * chance.choice((1, 3))
    return json.dumps(made).encode()


def params(chance: random.Random) -> Any:
    """Return parameters as a method may want them, or not."""
    if chance.random() < 0.2:
        return value(chance, 4)
    arguments = {chance.choice(NAMES): value(chance, 4) for _ in range(chance.randint(0, 4))}
    made: dict[str, Any] = {
        "name": chance.choice((*TOOLS, "recall", "", "\0")),
        "arguments": arguments if chance.random() < 0.9 else value(chance, 2),
        "uri": chance.choice(("keepstone://users/alice/profile", "keepstone://users/%00/changes", "file:///etc", "x")),
        "protocolVersion": chance.choice(VERSIONS),
        "capabilities": {} if chance.random() < 0.8 else value(chance, 2),
        "clientInfo": {"name": "x", "version": "1"} if chance.random() < 0.8 else value(chance, 2),
        "cursor": chance.choice(("x", None, 1)),
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": chance.choice(VERSIONS),
            "progressToken": value(chance, 1),
        },
    }
    return {name: made[name] for name in chance.sample(list(made), chance.randint(0, len(made)))}


def value(chance: random.Random, depth: int) -> Any:
    """Return a JSON value of any kind."""
    if depth and chance.random() < 0.3:
        return {chance.choice(NAMES): value(chance, depth - 1) for _ in range(3)}
    if depth and chance.random() < 0.2:
        return [value(chance, depth - 1) for _ in range(chance.choice((0, 1, 30)))]
    return chance.choice(
        (None, True, 0, -1, 2**63, 2**200, 1e308, 0.1, "", "*", "alice", "null", "\0", "\ud800", "x" * 70_000,
         "上海", "%")
    )  # fmt: skip


def _code(answer: httpx2.Response) -> int | None:
    """The code of the protocol's error in an answer, None if there is none."""
    try:
        told = answer.json()
    except ValueError:
        return None
    error = told.get("error") if isinstance(told, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, int) else None
