"""Our values in the shapes of Mem0, and Mem0's parameters in ours."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from keepstone.compat.mem0.filtering import CATEGORIES, IDS
from keepstone.errors import InvalidRequestError
from keepstone.results import AddResult, FactChange
from keepstone.types import Action, Change, Hit, Kind, MemoryRecord

Row = dict[str, Any]

_MESSAGE_KEYS = ("role", "content", "name", "id", "timestamp", "metadata")
_TEXT_PARTS = ("text", "input_text", "output_text")
_SHOWN = (Action.ADD, Action.UPDATE, Action.DELETE, Action.SUPERSEDE, Action.RESTORE, Action.EXPIRE, Action.ERASE)


def row(record: MemoryRecord) -> Row:
    """Return a memory as Mem0 shows one; `created_at` is when it was said if that is known, else when stored."""
    metadata = dict(record.metadata)
    theirs = metadata.get(CATEGORIES)
    categories = [*record.categories, *(theirs if isinstance(theirs, list | tuple) else ())]
    return {
        "id": record.id,
        "memory": record.text,
        # It names equal texts, as theirs does, and protects nothing.
        "hash": hashlib.md5(record.text.encode(), usedforsecurity=False).hexdigest(),
        **dict(zip(IDS, record.scope.ids, strict=True)),
        "actor_id": record.name,
        "role": record.role,
        "metadata": metadata or None,
        "categories": list(dict.fromkeys(map(str, categories))),
        "created_at": (record.occurred_at or record.created_at).isoformat(),
        "updated_at": record.updated_at.isoformat(),
        "expiration_date": expiration_date(record.expires_at),
        "kind": record.kind.value,
        "status": record.status.value,
    }


def hit_row(hit: Hit) -> Row:
    """Return a hit as Mem0 shows one; with an explanation, `score_details` has the signals."""
    found = {**row(hit.memory), "score": round(hit.score, 6)}
    if hit.explanation is not None:
        found["score_details"] = {s.name: s.value for s in hit.explanation.signals}
    return found


def added(result: AddResult) -> list[Row]:
    """Return what an `add` did: what a chat model made of the words, then the words, then what was taken back."""
    made = () if result.distilled is None else result.distilled.changes
    rows = [fact_row(c) for c in made]
    rows += [
        {"id": r.id, "memory": r.text, "event": "ADD", "actor_id": r.name, "role": r.role, "kind": r.kind.value}
        for r in result.memories
    ]
    rows += [{"id": f.memory_id, "memory": f.text, "event": "DELETE"} for f in result.forgotten]
    return rows


def fact_row(change: FactChange) -> Row:
    """Return one change that a chat model proposed, as `add` shows it."""
    found = {"id": change.memory_id, "memory": change.text, "event": change.action.value, "kind": change.kind.value}
    return found if change.old_text is None else {**found, "previous_memory": change.old_text}


def history_rows(changes: Sequence[Change], record: MemoryRecord | None) -> list[Row]:
    """Return the history of a memory, oldest first; entries that change neither text nor status are left out."""
    shown = [c for c in changes if c.action in _SHOWN]
    return [_history_row(c, shown[0].at, record) for c in shown]


def _history_row(change: Change, first: datetime, record: MemoryRecord | None) -> Row:
    gone = change.action in (Action.DELETE, Action.ERASE, Action.EXPIRE)
    return {
        "id": change.id,
        "memory_id": change.memory_id,
        "input": [],
        "old_memory": None if change.action is Action.ADD else change.old_text,
        "new_memory": None if gone else change.new_text,
        "event": change.action.value,
        "created_at": first.isoformat(),
        "updated_at": change.at.isoformat(),
        "is_deleted": gone,
        "actor_id": None if record is None else record.name,
        "role": None if record is None else record.role,
        "user_id": None if record is None else record.user_id,
        "metadata": None if record is None else dict(record.metadata),
        "reason": change.reason,
    }


def expires_at(given: object) -> datetime | None:
    """Return when a memory with this `expiration_date` (YYYY-MM-DD) expires: at the end of that day in UTC.

    Raises:
        InvalidRequestError: it is no such date.
    """
    if given is None:
        return None
    try:
        day = given if type(given) is date else date.fromisoformat(given if isinstance(given, str) else "")
        return datetime.combine(day, time(), UTC) + timedelta(days=1)
    except (ValueError, OverflowError) as error:
        raise InvalidRequestError("expiration_date is a date such as 2026-12-31.") from error


def expiration_date(at: datetime | None) -> str | None:
    """Return the last day (UTC) on which a memory that expires *at* is there."""
    return None if at is None else (at.astimezone(UTC) - timedelta(microseconds=1)).date().isoformat()


def messages(given: object, at: datetime | None, warnings: list[str]) -> list[Row]:
    """Return messages as `add` takes them; *at* is the time of those that state none.

    What is not text is left out, with a sentence in *warnings*.

    Raises:
        InvalidRequestError: they are no messages, or nothing of them is text.
    """
    several = [given] if isinstance(given, Mapping) else given
    if isinstance(several, str):
        several = [{"role": "user", "content": several}]
    if not isinstance(several, list | tuple) or not all(isinstance(m, Mapping) for m in several):
        raise InvalidRequestError("messages are a string, a message, or a list of messages with role and content.")
    found = [m for m in (_message(m, at, warnings) for m in several) if m is not None]
    if not found:
        raise InvalidRequestError("There is no text in the messages.")
    return found


def _message(given: Mapping[str, Any], at: datetime | None, warnings: list[str]) -> Row | None:
    message = {k: given[k] for k in _MESSAGE_KEYS if given.get(k) is not None}
    strange = sorted(str(k) for k in given if k not in _MESSAGE_KEYS)
    if strange:
        warn(warnings, f"Of a message, {', '.join(map(named, strange[:5]))} was left out: Keepstone keeps its text.")
    content = message.get("content")
    if isinstance(content, Mapping):
        content = [content]
    if isinstance(content, list):
        texts = [p.get("text") for p in content if isinstance(p, Mapping) and p.get("type") in _TEXT_PARTS]
        if len(texts) < len(content):
            warn(warnings, "Parts of messages that are not text (images, files) were left out.")
        content = "\n".join(t for t in texts if isinstance(t, str))
    if content is None or (isinstance(content, str) and not content.strip()):
        warn(warnings, "Messages without text were left out.")
        return None
    message["content"] = content
    if at is not None:
        message.setdefault("timestamp", at)
    return message


def instructions(
    *,
    custom: str | None = None,
    includes: str | None = None,
    excludes: str | None = None,
    categories: Sequence[Mapping[str, Any]] = (),
) -> str | None:
    """Return what a chat model is told to keep and not to keep; None for nothing special."""
    parts = [custom]
    if includes:
        parts.append(f"Keep only what is about: {includes}")
    if excludes:
        parts.append(f"Never keep anything about: {excludes}")
    if categories:
        named = "; ".join(f"{name} ({about})" for c in categories for name, about in c.items())
        parts.append(f"What is wanted is of these kinds: {named}")
    return "\n".join(p for p in parts if p) or None


def warn(warnings: list[str], sentence: str) -> None:
    """Add *sentence* to *warnings*, once."""
    if sentence not in warnings:
        warnings.append(sentence)


def named(name: str) -> str:
    """Return the name of a parameter as it may stand in a header; a strange one is not repeated."""
    return (
        name if name.isascii() and name.replace("_", "").replace("-", "").isalnum() and len(name) < 64 else "(a name)"
    )


def merged(metadata: Mapping[str, Any], given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return *metadata* with the keys of *given*, as an update of Mem0 does it; None if nothing is given.

    Ids in it are left out: whose a memory is does not change.
    """
    if given is None:
        return None
    return {**metadata, **{k: v for k, v in given.items() if k not in IDS}}


def owner_rows(results: Iterable[MemoryRecord], shown: Sequence[str] | None = None) -> list[Row]:
    """Return memories as rows, with the keys of *shown* alone if it is given."""
    return [narrowed(row(r), shown) for r in results]


def narrowed(found: Row, shown: Sequence[str] | None) -> Row:
    """Return *found* with its id and the keys of *shown*; all of it if *shown* is None or empty."""
    return {k: v for k, v in found.items() if k == "id" or k in shown} if shown else found


def is_procedural(memory_type: object) -> bool:
    """Return whether *memory_type* asks for procedures.

    Raises:
        InvalidRequestError: it is another type than Mem0 has.
    """
    if memory_type not in (None, "procedural_memory", Kind.PROCEDURE.value):
        raise InvalidRequestError("memory_type is procedural_memory, or left out.")
    return memory_type is not None
