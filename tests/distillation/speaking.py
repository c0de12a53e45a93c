"""What people say in these tests, what a good model makes of it, and memories of scripted models."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from keepstone import AsyncMemory, Kind, MemoryRecord, Status
from keepstone.chat import ChatReply, ChatRequest, ToolCall
from keepstone.embedders.hashing import HashingEmbedder
from keepstone.protocols import ChatModel, Store
from keepstone.stores.inmemory import InMemoryStore
from keepstone.stores.sqlite import SqliteStore
from keepstone.testing import FakeClock, ScriptedChatModel

OPS = ("add", "update", "supersede", "delete", "none")
Reply = Mapping[str, Any]
Answer = ChatReply | Reply | BaseException


def change(op: str, text: str, **rest: Any) -> dict[str, Any]:
    """Return one change as a model writes it."""
    plain = {
        "op": op,
        "target": None,
        "text": text,
        "kind": "fact",
        "section": "other",
        "sources": ["m1"],
        "when": None,
        "valid_from": None,
        "valid_to": None,
        "confidence": 0.9,
        "entities": [],
        "rests_on": [],
    }
    return {**plain, **rest}


def reply(*changes: Reply) -> dict[str, Any]:
    """Return a reply of these changes."""
    return {"changes": list(changes)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One thing that is said about what is known, what a good model makes of it, and what is then current."""

    op: str
    said: str
    text: str
    facts: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """In one language: what is said first, the fact made of it, and a turn for each operation."""

    first: str
    fact: str
    query: str
    turns: Mapping[str, Turn]


def _story(first: str, fact: str, query: str, **said: tuple[str, str]) -> Story:
    turns = {}
    for op, (words, text) in said.items():
        left = {"add": (fact, text), "delete": (), "none": (fact,)}.get(op, (text,))
        turns[op] = Turn(op=op, said=words, text=text, facts=left)
    return Story(first=first, fact=fact, query=query, turns=turns)


STORIES = {
    "en": _story(
        "I keep a red canoe in the boathouse.",
        "User keeps a red canoe in the boathouse.",
        "canoe",
        add=("My sister plays the cello near the canoe club.", "User's sister plays the cello near the canoe club."),
        update=(
            "My red canoe in the boathouse has a wooden paddle.",
            "User keeps a red canoe with a wooden paddle in the boathouse.",
        ),
        supersede=(
            "I moved my red canoe out of the boathouse into the garage.",
            "User keeps a red canoe in the garage.",
        ),
        delete=("That was wrong, the red canoe in the boathouse is my neighbour's.", ""),
        none=("My canoe in the boathouse is red, as everybody sees.", "User keeps a red canoe in the boathouse."),
    ),
    "zh": _story(
        "我把红色的独木舟放在船库里。",
        "用户把红色的独木舟放在船库里。",
        "独木舟",
        add=("我姐姐在独木舟俱乐部旁边拉大提琴。", "用户的姐姐在独木舟俱乐部旁边拉大提琴。"),
        update=("放在船库里的红色独木舟配了木桨。", "用户把配了木桨的红色独木舟放在船库里。"),
        supersede=("我把红色的独木舟从船库搬到了车库里。", "用户把红色的独木舟放在车库里。"),
        delete=("刚才说错了，船库里红色的独木舟是邻居的。", ""),
        none=("大家都看见我的独木舟在船库里，是红色的。", "用户把红色的独木舟放在船库里。"),
    ),
}

_KNOWN = re.compile(r"^\[(k\d+)\] \([^)]*\) (.*)$", re.MULTILINE)


def known_in(request: ChatRequest) -> dict[str, str]:
    """Return the known memories that a prompt shows: handles by text."""
    return {text: handle for m in request.messages for handle, text in _KNOWN.findall(m.content)}


def good(request: ChatRequest, story: Story, turn: Turn | None) -> dict[str, Any]:
    """Return what a good model replies to *request*: nothing where what it would change is not known any more."""
    if turn is None:
        return reply(change("add", story.fact))
    handle = known_in(request).get(story.fact)
    if turn.op != "add" and handle is None:
        return reply()
    return reply(change(turn.op, turn.text or story.fact, target=None if turn.op == "add" else handle))


_NEW = re.compile(r"^\[m1\] [^ ]+ [^:]+: (.*)\Z", re.MULTILINE | re.DOTALL)


def heard(request: ChatRequest) -> str:
    """Return the one new message that a prompt of the single pass shows."""
    found = _NEW.search(request.messages[1].content)
    assert found is not None
    return found[1]


def repeated(request: ChatRequest) -> dict[str, Any]:
    """Reply with a fact that says what the message says."""
    return reply(change("add", heard(request)))


_EACH = re.compile(r"^\[(m\d+)\] [^ ]+ [^:]+: (.*)$", re.MULTILINE)


def heard_all(request: ChatRequest) -> dict[str, str]:
    """Return the new messages, of one line each, that a prompt of the single pass shows, by handle."""
    return dict(_EACH.findall(request.messages[1].content))


def repeated_all(request: ChatRequest) -> dict[str, Any]:
    """Reply with a fact for each message, that says what it says."""
    return reply(*(change("add", text, sources=[handle]) for handle, text in heard_all(request).items()))


def as_bullets(good: Reply) -> str:
    """Return a reply as the first step of the two-step method gives it."""
    texts = [f"- {c['text']}" for c in good["changes"] if c["op"] != "none"]
    return "\n".join(texts) or "- "


def as_calls(good: Reply) -> ChatReply:
    """Return a reply as the second step of the two-step method gives it."""
    calls = []
    for c in good["changes"]:
        if c["op"] == "add":
            calls.append(ToolCall(name="add_memory", arguments=json.dumps({"memory": c["text"]})))
        elif c["op"] in ("update", "supersede"):
            arguments = json.dumps({"target": c["target"], "memory": c["text"]})
            calls.append(ToolCall(name="update_memory", arguments=arguments))
        elif c["op"] == "delete":
            calls.append(ToolCall(name="delete_memory", arguments=json.dumps({"target": c["target"]})))
    return ChatReply(text="", model="scripted", tool_calls=tuple(calls))


def still() -> FakeClock:
    """Return a clock that stands until it is advanced."""
    return FakeClock(step=timedelta(0))


STORES: dict[str, Callable[[Path], Store]] = {"inmemory": lambda _: InMemoryStore(), "sqlite": SqliteStore}


def opened(store: Store, model: ChatModel | Callable[[ChatRequest], Any], **settings: Any) -> AsyncMemory:
    """Return a memory of *store* with this model, or one that answers as this function does."""
    settings.setdefault("embedder", HashingEmbedder(64))
    chat = model if isinstance(model, ChatModel) else ScriptedChatModel(model)
    return AsyncMemory(store=store, chat_model=chat, **settings)


async def records(memory: AsyncMemory, **scope: Any) -> list[MemoryRecord]:
    """Return all that a scope shows."""
    return list((await memory.get_all(limit=10_000, **scope)).items)


async def facts(memory: AsyncMemory, *, superseded: bool = False, **scope: Any) -> list[str]:
    """Return the texts of the current facts of a scope, sorted; with *superseded*, those instead."""
    status = Status.SUPERSEDED if superseded else Status.CURRENT
    return sorted(r.text for r in await records(memory, **scope) if r.kind is not Kind.EPISODE and r.status is status)


async def episodes(memory: AsyncMemory, **scope: Any) -> list[str]:
    """Return the texts of the episodes of a scope, in order."""
    return [r.text for r in await records(memory, **scope) if r.kind is Kind.EPISODE]
