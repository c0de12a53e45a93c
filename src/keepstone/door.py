"""The door: what callers bring is checked and put into one form, or refused with nothing stored."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from math import inf
from typing import Any, TypeVar

from keepstone.errors import InvalidRequestError, LimitError, ScopeError
from keepstone.limits import Limits
from keepstone.logic.text import normalise
from keepstone.types import OWNER_KINDS, Kind, Message, Scope

T = TypeVar("T")
Input = str | Message | Mapping[str, Any] | Sequence[Message | Mapping[str, Any]]

# A day from the ends of the calendar, so that every zone can show what is between.
_FIRST = datetime(1, 1, 2, tzinfo=UTC)
_LAST = datetime(9999, 12, 30, tzinfo=UTC)
_MESSAGE_KEYS = ("role", "content", "name", "id", "timestamp", "metadata")


def scope(tenant: str, ids: Sequence[str | None], limits: Limits) -> Scope:
    """Return the scope of a user, agent, app and run id, in this order, each of which may be None.

    Raises:
        ScopeError: an id is not a string, is blank, too long, a wildcard, or holds control characters.
    """
    user, agent, app, run = (_scope_id(f"{k}_id", i, limits) for k, i in zip(OWNER_KINDS, ids, strict=True))
    return Scope(tenant=tenant, user_id=user, agent_id=agent, app_id=app, run_id=run)


def named_scope(tenant: str, ids: Sequence[str | None], limits: Limits, *, everything: bool = False) -> Scope:
    """Return the scope of *ids*; an empty one only if *everything* says so.

    Raises:
        ScopeError: as `scope`, or no id is given, or ids together with *everything*.
    """
    found = scope(tenant, ids, limits)
    if found.is_empty and not everything:
        names = ", ".join(f"{k}_id" for k in OWNER_KINDS)
        raise ScopeError(f"Say whose memory: give at least one of {names}.")
    if everything and not found.is_empty:
        raise ScopeError("all_scopes=True means every scope; leave the ids out.")
    return found


def messages(given: Input, limits: Limits) -> list[Message]:
    """Return *given* as a list of checked messages in normal form.

    A string is one user message. Times in strings are ISO 8601; every time needs a zone.

    Raises:
        InvalidRequestError: not of the shape above, or a message without text.
        LimitError: too many, too large.
    """
    if isinstance(given, str):
        given = [Message(content=given)]
    elif isinstance(given, Message | Mapping):
        given = [given]
    elif not isinstance(given, list | tuple):
        raise InvalidRequestError(f"messages are a string, a message or a list of them, not {type(given).__name__}.")
    if len(given) > limits.messages_per_add_max:
        raise LimitError(f"{len(given)} messages in one call; the limit is {limits.messages_per_add_max}.")
    checked = [_message(m, i, limits) for i, m in enumerate(given)]
    total = sum(len(m.content.encode()) for m in checked)
    if total > limits.batch_bytes_max:
        raise LimitError(f"{total} bytes in one call; the limit is {limits.batch_bytes_max}.")
    return checked


def text(given: object, what: str, limits: Limits) -> str:
    """Return *given* in normal form.

    Raises:
        InvalidRequestError: not a string, or nothing but white space.
        LimitError: longer than a message may be.
    """
    if not isinstance(given, str):
        raise InvalidRequestError(f"{what} is a string, not {type(given).__name__}.")
    if len(given) > limits.message_bytes_max:
        raise LimitError(f"{what} has {len(given)} characters; the limit is {limits.message_bytes_max} bytes.")
    found = normalise(given)
    if not found.strip():
        raise InvalidRequestError(f"{what} is empty.")
    size = len(found.encode())
    if size > limits.message_bytes_max:
        raise LimitError(f"{what} has {size} bytes; the limit is {limits.message_bytes_max}.")
    return found


def query(given: object, limits: Limits) -> str:
    """Return a search text in normal form; it may be empty, which finds nothing.

    Raises:
        InvalidRequestError: not a string.
        LimitError: longer than a query may be.
    """
    if not isinstance(given, str):
        raise InvalidRequestError(f"The query is a string, not {type(given).__name__}.")
    if len(given) > limits.query_chars_max:
        raise LimitError(f"The query has {len(given)} characters; the limit is {limits.query_chars_max}.")
    return normalise(given).strip()


def moment(given: object, what: str) -> datetime | None:
    """Return *given* as an aware datetime; None stays None.

    Raises:
        InvalidRequestError: not a time, or a time without zone.
    """
    if given is None:
        return None
    if not isinstance(given, str | datetime):
        raise InvalidRequestError(f"{what} is an ISO 8601 time, not {type(given).__name__}.")
    try:
        found = given if isinstance(given, datetime) else datetime.fromisoformat(given)
    except ValueError as error:
        raise InvalidRequestError(f"{what} is not an ISO 8601 time: {_shown(given)}.") from error
    if found.utcoffset() is None:
        raise InvalidRequestError(f"{what} has no zone; add one, such as +00:00.")
    if not _FIRST <= found <= _LAST:
        raise InvalidRequestError(f"{what} is {found.isoformat()}; times go from year 1 to 9999, less a day, in UTC.")
    return found


def metadata(given: object, limits: Limits) -> dict[str, Any]:
    """Return *given* as a JSON object in normal form.

    Raises:
        InvalidRequestError: not a mapping with string keys of JSON values.
        LimitError: too large or too deep.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise InvalidRequestError(f"metadata is a dict, not {type(given).__name__}.")
    if len(given) * 4 > limits.metadata_bytes_max:
        raise LimitError(f"metadata has {len(given)} keys, more than fit in {limits.metadata_bytes_max} bytes.")
    room = _Room(limits)
    found = {_key(k): _json(v, 1, room) for k, v in given.items()}
    size = len(json.dumps(found, ensure_ascii=False).encode())
    if size > limits.metadata_bytes_max:
        raise LimitError(f"metadata has {size} bytes; the limit is {limits.metadata_bytes_max}.")
    return found


def count(given: object, what: str, most: int) -> int:
    """Return *given* as a whole number from 1 to *most*.

    Raises:
        InvalidRequestError: not such a number.
    """
    if not isinstance(given, int) or isinstance(given, bool) or not 1 <= given <= most:
        raise InvalidRequestError(f"{what} is a whole number from 1 to {most}, not {_shown(given)}.")
    return given


def one_of(given: object, what: str, known: Sequence[T]) -> T:
    """Return *given*, which is one of *known*.

    Raises:
        InvalidRequestError: it is none of them.
    """
    found = next((k for k in known if k == given), None)
    if found is None:
        raise InvalidRequestError(f"{what} is one of {', '.join(map(str, known))}, not {_shown(given)}.")
    return found


def share(given: object, what: str) -> float:
    """Return *given* as a number from 0 to 1.

    Raises:
        InvalidRequestError: not such a number.
    """
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 1:
        raise InvalidRequestError(f"{what} is a number from 0 to 1, not {_shown(given)}.")
    return float(given)


def seconds(given: object, what: str) -> float:
    """Return *given* as a number of seconds, 0 or more.

    Raises:
        InvalidRequestError: not such a number.
    """
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given < inf:
        raise InvalidRequestError(f"{what} is a number of seconds, not {_shown(given)}.")
    return float(given)


def counter(given: object) -> Callable[[str], int]:
    """Return a counter of tokens that checks what *given* answers.

    Raises:
        InvalidRequestError: *given* cannot be called; when it is called, it gives no whole number from 0.
    """
    if not callable(given):
        raise InvalidRequestError(f"counter takes a text and returns its tokens; it is {type(given).__name__}.")

    def counted(text: str) -> int:
        found = given(text)
        if not isinstance(found, int) or isinstance(found, bool) or found < 0:
            raise InvalidRequestError(f"counter returned {_shown(found)}; tokens are a whole number from 0.")
        return found

    return counted


def opaque(given: object, what: str, limits: Limits) -> str:
    """Return an id or key of the caller's in normal form.

    Raises:
        InvalidRequestError: not a string, blank, too long, or with control characters.
    """
    if not isinstance(given, str):
        raise InvalidRequestError(f"{what} is a string, not {type(given).__name__}.")
    if not given.strip() or len(given) > limits.id_chars_max:
        raise InvalidRequestError(f"{what} has from 1 to {limits.id_chars_max} characters.")
    if any(ord(c) < 32 or ord(c) == 127 or 0xD800 <= ord(c) <= 0xDFFF for c in given):
        raise InvalidRequestError(f"{what} holds a control character or half a surrogate pair.")
    return normalise(given)


def ids(given: object, limits: Limits) -> list[str]:
    """Return one id, or a list of them, as a list of ids in normal form.

    Raises:
        InvalidRequestError: not of that shape, or an empty list.
    """
    if isinstance(given, str):
        given = [given]
    if not isinstance(given, Collection) or isinstance(given, bytes):
        raise InvalidRequestError(f"ids are one id or a list of them, not {type(given).__name__}.")
    if not given:
        raise InvalidRequestError("The list of ids is empty.")
    return [opaque(i, "id", limits) for i in given]


def _scope_id(name: str, given: object, limits: Limits) -> str | None:
    if given is None:
        return None
    try:
        found = opaque(given, name, limits)
    except InvalidRequestError as error:
        raise ScopeError(str(error)) from error
    if found.strip() == "*":
        raise ScopeError(f"{name} is one id; there is no wildcard. To read every scope, say all_scopes=True.")
    return found


def _message(given: object, index: int, limits: Limits) -> Message:
    what = f"Message {index}"
    if isinstance(given, Message):
        given = {k: getattr(given, k) for k in _MESSAGE_KEYS}
    if not isinstance(given, Mapping):
        raise InvalidRequestError(f"{what} is a dict with role and content, not {type(given).__name__}.")
    strange = [str(k) for k, v in given.items() if k not in _MESSAGE_KEYS and v is not None]
    if strange:
        raise InvalidRequestError(
            f"{what} has unknown keys {', '.join(sorted(strange)[:5])}; known: {', '.join(_MESSAGE_KEYS)}. "
            "Put anything else into its metadata."
        )
    name, id = given.get("name"), given.get("id")
    return Message(
        role=opaque(given.get("role", "user"), f"{what}: role", limits),
        content=text(_content(given.get("content"), what), f"{what}: content", limits),
        name=None if name is None else opaque(name, f"{what}: name", limits),
        id=None if id is None else opaque(id, f"{what}: id", limits),
        timestamp=moment(given.get("timestamp"), f"{what}: timestamp"),
        metadata=metadata(given.get("metadata"), limits),
    )


def _content(given: object, what: str) -> object:
    """The text of OpenAI's list form of content; other forms as they are."""
    if not isinstance(given, list):
        return given
    parts = []
    for part in given:
        if not isinstance(part, Mapping) or part.get("type") not in ("text", "input_text", "output_text"):
            raise InvalidRequestError(f"{what}: content has a part that is not text; Keepstone keeps text only.")
        if not isinstance(part.get("text"), str):
            raise InvalidRequestError(f"{what}: content has a part without text.")
        parts.append(part["text"])
    return "\n".join(parts)


def _key(given: object) -> str:
    if not isinstance(given, str):
        raise InvalidRequestError(f"metadata keys are strings, not {type(given).__name__}.")
    return normalise(given)


class _Room:
    """What is left for the values of one metadata object, so that a vast one is refused before it is walked."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._values = limits.metadata_bytes_max

    def take(self, depth: int) -> None:
        """Make room for one value, which takes a byte or more as JSON.

        Raises:
            LimitError: there is none, or the value is too deep.
        """
        self._values -= 1
        if self._values < 0:
            raise LimitError(f"metadata has more values than fit in {self._limits.metadata_bytes_max} bytes.")
        if depth > self._limits.metadata_depth_max:
            raise LimitError(f"metadata is nested deeper than {self._limits.metadata_depth_max}.")


def _json(given: object, depth: int, room: _Room) -> Any:
    room.take(depth)
    if given is None or isinstance(given, bool):
        return given
    if isinstance(given, str):
        return normalise(given)
    if isinstance(given, int) and -(2**63) <= given < 2**63:
        return given
    if isinstance(given, float) and math.isfinite(given):
        return given
    if isinstance(given, datetime):
        if given.utcoffset() is None:
            raise InvalidRequestError("A time in metadata has no zone; add one, such as +00:00.")
        return given.isoformat()
    if isinstance(given, Mapping):
        return {_key(k): _json(v, depth + 1, room) for k, v in given.items()}
    if isinstance(given, list | tuple):
        return [_json(v, depth + 1, room) for v in given]
    raise InvalidRequestError(f"metadata cannot hold {type(given).__name__} {_shown(given)}.")


def kinds(given: Sequence[Kind | str] | None) -> tuple[Kind, ...]:
    """Return the kinds of memory asked for; an empty tuple means all.

    Raises:
        InvalidRequestError: there is no such kind.
    """
    if given is not None and (isinstance(given, str) or not isinstance(given, Collection)):
        raise InvalidRequestError(f"kinds are a list, not {type(given).__name__}.")
    try:
        return tuple(Kind(k) for k in given or ())
    except ValueError as error:
        known = ", ".join(k.value for k in Kind)
        raise InvalidRequestError(f"{error}; known kinds: {known}.") from error


def _shown(given: object) -> str:
    """The start of a value as Python writes it."""
    try:
        return repr(given)[:80]
    except ValueError:
        # Python refuses to write integers of thousands of digits.
        return "a very large number"
