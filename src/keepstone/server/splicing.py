"""Putting one message into the body of a chat request, of which every other byte stays as it came."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_DECODER = json.JSONDecoder()
_SPACE = " \t\r\n"
_LEADING = ("system", "developer")
MESSAGES = "messages"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatBody:
    """The body of a chat request: its text, its fields, and where in the text each of its messages begins."""

    text: str
    fields: Mapping[str, Any]
    messages: Sequence[Any]
    starts: Sequence[int]

    def with_system(self, content: str) -> bytes:
        """Return the body with one more system message, after those that it begins with."""
        leading = next((i for i, m in enumerate(self.messages) if _role(m) not in _LEADING), len(self.messages))
        message = json.dumps({"role": "system", "content": content}, ensure_ascii=False)
        if leading < len(self.starts):
            at = self.starts[leading]
            return (self.text[:at] + message + ", " + self.text[at:]).encode()
        _, at = _DECODER.raw_decode(self.text, self.starts[-1])
        return (self.text[:at] + ", " + message + self.text[at:]).encode()


def read(raw: bytes) -> ChatBody | None:
    """Return the body of a chat request with at least one message; None if it is none, or says anything twice."""
    try:
        text = raw.decode()
        return _read(text)
    except (ValueError, IndexError, StopIteration, RecursionError):
        return None


def _read(text: str) -> ChatBody | None:
    fields: dict[str, Any] = {}
    messages: list[Any] = []
    starts: list[int] = []
    at = _expect(text, 0, "{")
    while text[at] != "}":
        name, at = _DECODER.raw_decode(text, at)
        at = _expect(text, at, ":")
        if not isinstance(name, str) or name in fields:
            return None
        if name == MESSAGES and text[at] == "[":
            at = _items(text, at, messages, starts)
            fields[name] = messages
        else:
            fields[name], at = _DECODER.raw_decode(text, at)
        at = _next(text, at, "}")
    is_whole = not text[at + 1 :].strip(_SPACE)
    return ChatBody(text=text, fields=fields, messages=messages, starts=starts) if messages and is_whole else None


def _items(text: str, at: int, messages: list[Any], starts: list[int]) -> int:
    at = _expect(text, at, "[")
    while text[at] != "]":
        starts.append(at)
        message, at = _DECODER.raw_decode(text, at)
        messages.append(message)
        at = _next(text, at, "]")
    return at + 1


def _next(text: str, at: int, closing: str) -> int:
    """Skip a comma, after which something must come; stay at *closing*."""
    at = _skip(text, at)
    if text[at] == closing:
        return at
    at = _expect(text, at, ",")
    if text[at] == closing:
        raise ValueError("a comma before the end")
    return at


def _expect(text: str, at: int, wanted: str) -> int:
    at = _skip(text, at)
    if text[at] != wanted:
        raise ValueError(f"no {wanted} where there must be one")
    return _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    while text[at] in _SPACE:
        at += 1
    return at


def _role(message: Any) -> Any:
    return message.get("role") if isinstance(message, dict) else None
