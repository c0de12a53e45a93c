"""What other applications write -> messages with their scope: one function a format, one item at a time.

    messages   one message an item: role, content, and optionally name, id, timestamp, metadata and scope ids
    openai     conversations with a `mapping` tree of nodes (the data export of ChatGPT)
    claude     conversations with `chat_messages` (the data export of Claude)
    sessions   records with `sessions` of `turns` (dialogue collections)
    keepstone  Keepstone's own archive, which `archive.py` reads

Nothing of a conversation is dropped in silence: what is not a message is counted, by reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from keepstone.errors import InvalidRequestError, ScopeError
from keepstone.transfer.dates import session_time
from keepstone.transfer.reading import Item

ARCHIVE = "keepstone"
FORMATS = ("messages", "openai", "claude", "sessions", ARCHIVE)
SCOPE_IDS = ("user_id", "agent_id", "app_id", "run_id")

ScopeIds = Mapping[str, str | None]

_MARKS = {
    "keepstone_archive": ARCHIVE,
    "mapping": "openai",
    "chat_messages": "claude",
    "sessions": "sessions",
    "content": "messages",
}
_USERS = ("user", "human", "用户", "我")
_ASSISTANTS = ("assistant", "ai", "bot", "助手", "助理")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One message to import: as `add` takes it, with the ids of its scope; `place` is for errors."""

    message: Mapping[str, Any]
    ids: ScopeIds
    place: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that is not a message, and why it is left out."""

    reason: str


Found = Iterator[Entry | Skipped]


def detect(item: Item) -> str:
    """Return the format of the file whose first item this is.

    Raises:
        InvalidRequestError: it is none of the known formats.
    """
    found = next((name for mark, name in _MARKS.items() if mark in item.value), None)
    if found is None:
        keys = ", ".join(map(str, list(item.value)[:8])) or "no keys"
        raise InvalidRequestError(f"{item.place} is in no known format ({keys}); known: {', '.join(FORMATS)}.")
    return found


def reader(name: str) -> Callable[[Item, ScopeIds], Found]:
    """Return the function that reads items of the format *name*; ids given by the caller replace those found.

    Raises:
        InvalidRequestError: there is no such format.
    """
    readers = {"messages": _message, "openai": _openai, "claude": _claude, "sessions": _sessions}
    if name not in readers:
        raise InvalidRequestError(f"Unknown format {name!r}; known: {', '.join(FORMATS)}.")
    return readers[name]


def _message(item: Item, given: ScopeIds) -> Found:
    message = {k: v for k, v in item.value.items() if k not in SCOPE_IDS}
    ids = _merged(given, {k: item.value.get(k) for k in SCOPE_IDS})
    if not any(ids.values()):
        raise ScopeError(f"{item.place} does not say whose message it is: give a user, agent, app or run.")
    if isinstance(message.get("content"), str) and not message["content"].strip():
        yield Skipped("empty message")
        return
    yield Entry(message=message, ids=ids, place=item.place)


def _sessions(item: Item, given: ScopeIds) -> Found:
    record = _identity(item, "id")
    for session in _objects(item, item.value.get("sessions"), "sessions"):
        name = session.get("session_id")
        place = f"{item.place}, session {name}"
        if name is None:
            raise InvalidRequestError(f"{item.place} has a session without session_id.")
        written = session.get("date")
        moment = None if written is None else session_time(str(written))
        if written is not None and moment is None:
            raise InvalidRequestError(f"{place} has the date {str(written)[:60]!r}, which is in no known form.")
        # Where the record cannot be the user, it keeps equal sessions of different records apart.
        run = f"{record}/{name}" if given.get("user_id") else str(name)
        ids = _merged(given, {"user_id": record, "run_id": run})
        for turn in _objects(item, session.get("turns"), "turns"):
            text = turn.get("text")
            if not isinstance(text, str) or not text.strip():
                yield Skipped("empty turn")
                continue
            role, speaker = _role_and_name(str(turn.get("speaker") or "user"))
            message = {"role": role, "name": speaker, "content": text, "timestamp": moment, "id": _text(turn.get("id"))}
            yield Entry(message=message, ids=ids, place=f"{place}, turn {turn.get('id')}")


def _claude(item: Item, given: ScopeIds) -> Found:
    ids = _conversation_ids(item, given, "uuid")
    about = _title(item.value.get("name"))
    for turn in _objects(item, item.value.get("chat_messages"), "chat_messages"):
        yield from _unread_parts(turn)
        text = _claude_text(turn)
        if not text.strip():
            yield Skipped("empty message")
            continue
        written = turn.get("created_at")
        moment = None if written is None else session_time(str(written))
        message = {
            "role": "user" if turn.get("sender") == "human" else "assistant",
            "content": text,
            "timestamp": moment,
            "id": _text(turn.get("uuid")),
            "metadata": about,
        }
        yield Entry(message=message, ids=ids, place=item.place)


def _claude_text(turn: Mapping[str, Any]) -> str:
    parts = [p.get("text") for p in _list(turn.get("content")) if isinstance(p, Mapping) and p.get("type") == "text"]
    # `text` also holds placeholders for parts that are not text, so the parts come first.
    return "\n".join(p for p in parts if isinstance(p, str)) or str(turn.get("text") or "")


def _unread_parts(turn: Mapping[str, Any]) -> Iterator[Skipped]:
    for part in _list(turn.get("content")):
        if isinstance(part, Mapping) and part.get("type") != "text":
            yield Skipped(f"{part.get('type', 'unknown')} part")
    for kind in ("attachments", "files"):
        for _ in _list(turn.get(kind)):
            yield Skipped("attachment")


def _openai(item: Item, given: ScopeIds) -> Found:
    ids = _conversation_ids(item, given, "conversation_id", "id")
    mapping = item.value.get("mapping")
    if not isinstance(mapping, dict) or not all(isinstance(n, dict) for n in mapping.values()):
        raise InvalidRequestError(f"{item.place} has a mapping that is not a tree of nodes.")
    live = _ancestors(mapping, item.value.get("current_node"))
    about = _title(item.value.get("title"))
    for id, moment in _in_time(mapping, item.value.get("create_time")):
        message = mapping[id].get("message")
        reason = _openai_unwanted(message)
        if reason is not None:
            yield Skipped(reason)
            continue
        text, others = _openai_text(message["content"])
        yield from [Skipped("image or file part")] * others
        if not text.strip():
            yield Skipped("empty message")
            continue
        entry = {
            "role": message["author"].get("role"),
            "name": message["author"].get("name"),
            "content": text,
            "timestamp": moment,
            "id": id,
            "metadata": about if id in live or not live else {**about, "live": False},
        }
        yield Entry(message=entry, ids=ids, place=item.place)


def _openai_unwanted(message: object) -> str | None:
    """Why a node's message is not part of what was said; None if it is."""
    if not isinstance(message, Mapping):
        return "node without message"
    author, content = message.get("author"), message.get("content")
    if not isinstance(author, Mapping) or not isinstance(content, Mapping):
        return "node without content"
    role = author.get("role")
    if role not in ("user", "assistant"):
        return f"{role} message"
    about = message.get("metadata")
    if isinstance(about, Mapping) and about.get("is_visually_hidden_from_conversation"):
        return "hidden message"
    if message.get("recipient", "all") not in ("all", None):
        return "tool call"
    if content.get("content_type") not in ("text", "multimodal_text"):
        return f"{content.get('content_type')} content"
    return None


def _openai_text(content: Mapping[str, Any]) -> tuple[str, int]:
    """The text parts joined, and how many other parts there are."""
    parts = _list(content.get("parts"))
    # Spoken turns come as transcriptions beside the sound.
    texts = [p.get("text") if isinstance(p, Mapping) else p for p in parts]
    said = [t for t in texts if isinstance(t, str)]
    return "\n".join(t for t in said if t), len(parts) - len(said)


def _ancestors(mapping: Mapping[str, Any], node: object) -> set[str]:
    """The ids from *node* up to the root: the branch that the conversation ended on."""
    found: set[str] = set()
    while isinstance(node, str) and node in mapping and node not in found:
        found.add(node)
        node = mapping[node].get("parent")
    return found


def _in_time(mapping: Mapping[str, Any], started: object) -> list[tuple[str, datetime | None]]:
    """All nodes with their times in order of time; one without a time has its parent's, and comes after it."""
    roots = [i for i, n in mapping.items() if n.get("parent") not in mapping]
    found: dict[str, float | None] = {}
    # A damaged tree can be a ring without a root: its nodes are walked last, not left out.
    stack = [(i, _number(started)) for i in (*reversed(list(mapping)), *reversed(roots))]
    while stack:
        id, inherited = stack.pop()
        if id in found:
            continue
        message = mapping[id].get("message")
        moment = _number(message.get("create_time")) if isinstance(message, Mapping) else None
        found[id] = moment = inherited if moment is None else moment
        children = [c for c in _list(mapping[id].get("children")) if isinstance(c, str) and c in mapping]
        stack.extend((c, moment) for c in reversed(children))
    ordered = sorted(found.items(), key=lambda entry: entry[1] or 0.0)
    return [(id, None if moment is None else datetime.fromtimestamp(moment, UTC)) for id, moment in ordered]


def _conversation_ids(item: Item, given: ScopeIds, *keys: str) -> ScopeIds:
    if not any(given.values()):
        raise ScopeError("This export does not say whose conversations they are: give a user, agent or app.")
    return _merged(given, {"run_id": _identity(item, *keys)})


def _identity(item: Item, *keys: str) -> str:
    found = next((item.value[k] for k in keys if item.value.get(k)), None)
    if found is None:
        raise InvalidRequestError(f"{item.place} has no {keys[0]}.")
    return str(found)


def _merged(given: ScopeIds, found: ScopeIds) -> ScopeIds:
    return {k: given.get(k) or found.get(k) for k in SCOPE_IDS}


def _role_and_name(speaker: str) -> tuple[str, str | None]:
    word = speaker.strip().lower()
    if word in _USERS:
        return "user", None
    return ("assistant", None) if word in _ASSISTANTS else ("user", speaker)


def _objects(item: Item, given: object, what: str) -> list[dict[str, Any]]:
    if not isinstance(given, list) or not all(isinstance(v, dict) for v in given):
        raise InvalidRequestError(f"{item.place} has {what} that are not a list of objects.")
    return given


def _list(given: object) -> list[Any]:
    return given if isinstance(given, list) else []


def _number(given: object) -> float | None:
    # 253402300799 is the last second that a datetime can hold.
    usable = isinstance(given, int | float) and not isinstance(given, bool) and 0 <= given <= 253402300799
    return float(given) if usable and isinstance(given, int | float) else None


def _text(given: object) -> str | None:
    return None if given is None else str(given)


def _title(given: object) -> dict[str, Any]:
    return {"title": given} if isinstance(given, str) and given else {}
