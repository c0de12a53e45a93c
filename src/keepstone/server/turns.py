"""What of a chat is asked and told: the text of messages, what is new in a request, and replies, streamed or whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

SPEAKERS = ("user", "assistant")
TEXT_PARTS = ("text", "input_text", "output_text")
# A reply beyond this is passed on, and not learned.
REPLY_BYTES_MAX = 8_000_000


def text_of(message: Any) -> str:
    """Return the text of a message, of its text parts alone; "" if it has none."""
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, str):
        return content.strip()
    parts = content if isinstance(content, list) else []
    texts = [p.get("text") for p in parts if isinstance(p, dict) and p.get("type") in TEXT_PARTS]
    return "\n".join(t for t in texts if isinstance(t, str)).strip()


def question(messages: Sequence[Any]) -> str:
    """Return what the user said last."""
    return next((text_of(m) for m in reversed(messages) if _role(m) == "user"), "")


def learned(messages: Sequence[Any], reply: str) -> list[dict[str, Any]]:
    """Return what a request and its reply add to what was said: what users said after the last turn of the assistant.

    Each message's id tells it and all that was said before it, so that the same conversation, sent again, makes the
    same ids: what is there already is not stored twice.
    """
    chain, told = b"", []
    last = max((i for i, m in enumerate(messages) if _role(m) == "assistant"), default=-1)
    for index, message in enumerate(messages):
        role, text = _role(message), text_of(message)
        if role not in SPEAKERS:
            continue
        chain = _linked(chain, str(role), text)
        if role == "user" and index > last and text:
            told.append({"role": role, "content": text, "id": _id(chain), **_name(message)})
    if reply.strip():
        told.append({"role": "assistant", "content": reply, "id": _id(_linked(chain, "assistant", reply.strip()))})
    return told


def reply_text(raw: bytes, media_type: str) -> str:
    """Return the text of the first choice of a reply, streamed or whole; "" if it did not end, or is none."""
    if media_type.partition(";")[0].strip() == "text/event-stream":
        return _streamed(raw)
    try:
        choice = json.loads(raw)["choices"][0]
        return text_of(choice["message"])
    except (ValueError, KeyError, IndexError, TypeError, RecursionError):
        return ""


def _streamed(raw: bytes) -> str:
    parts, has_ended = [], False
    # Not `splitlines`, to which characters that a text may hold are ends of lines, too.
    for line in raw.decode("utf-8", "replace").split("\n"):
        if not line.startswith("data:"):
            continue
        told = line.removeprefix("data:").strip()
        if told == "[DONE]":
            has_ended = True
            continue
        text, finished = _delta(told)
        parts.append(text)
        has_ended = has_ended or finished
    return "".join(parts) if has_ended else ""


def _delta(told: str) -> tuple[str, bool]:
    """The text of one event, and whether it ends the first choice."""
    try:
        choices = json.loads(told).get("choices") or ()
        first = next((c for c in choices if c.get("index", 0) == 0), None)
        if first is None:
            return "", False
        content = (first.get("delta") or {}).get("content")
        return (content if isinstance(content, str) else ""), first.get("finish_reason") is not None
    except (ValueError, AttributeError, TypeError, RecursionError):
        return "", False


def _linked(chain: bytes, role: str, text: str) -> bytes:
    parts = json.dumps([role, text]).encode()
    return hashlib.blake2b(chain + parts, digest_size=16).digest()


def _id(chain: bytes) -> str:
    return f"proxy:{chain.hex()}"


def _name(message: dict[str, Any]) -> dict[str, str]:
    name = message.get("name")
    return {"name": name} if isinstance(name, str) and name.strip() else {}


def _role(message: Any) -> Any:
    return message.get("role") if isinstance(message, dict) else None
