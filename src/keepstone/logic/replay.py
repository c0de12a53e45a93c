"""Keys by which a store tells what was there already (design §5, Writing)."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime

from keepstone.logic.text import is_back_channel
from keepstone.types import Message, Scope

_SPACE = re.compile(r"\s+")


def content_key(message: Message) -> bytes:
    """Return the key of what a message says: role, name, text and time, but not its metadata."""
    return _digest("content", message.role, message.name or "", message.content, _time(message.timestamp))


def replay_keys(messages: Sequence[Message], scope: Scope) -> list[bytes | None]:
    """Return a key for each message with a stated time and no caller's id, None for the others.

    A message that stands twice in one call with the same time was said twice: the second gets its own key.
    """
    seen: dict[bytes, int] = {}
    keys: list[bytes | None] = []
    for message in messages:
        if message.id is not None or message.timestamp is None:
            keys.append(None)
            continue
        base = _digest("replay", *_scope(scope), message.role, message.content, _time(message.timestamp))
        seen[base] = seen.get(base, 0) + 1
        keys.append(base if seen[base] == 1 else _digest("again", base.hex(), str(seen[base])))
    return keys


def join_key(message: Message, statement: bytes | None) -> bytes | None:
    """Return the statement key of a message without a stated time; None if it never joins an earlier one."""
    return statement if message.timestamp is None else None


def statement_key(text: str, role: str | None, name: str | None, scope: Scope) -> bytes | None:
    """Return the key of who says what in which scope, whenever it was said; None for a back-channel turn.

    Only white space is folded: "I moved." and "I moved?" are different statements.
    """
    if is_back_channel(text):
        return None
    folded = _SPACE.sub(" ", text).strip()
    return _digest("statement", *_scope(scope), role or "", name or "", folded)


def fingerprint(parts: Sequence[str]) -> bytes:
    """Return the key of a whole request, given its parts as text."""
    return _digest("request", *parts)


def _scope(scope: Scope) -> tuple[str, ...]:
    return tuple("\x00" if i is None else i for i in (scope.tenant, *scope.ids))


def _time(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(UTC).isoformat()


def _digest(*parts: str) -> bytes:
    # JSON in ASCII tells every two tuples apart, and is the same for every version of Python.
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).digest()
