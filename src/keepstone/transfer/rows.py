"""The lines of the archive: rows of the store as JSON objects, and back, checked as if a stranger wrote them.

A tenant's name stays out, so that an archive can be restored into another. Texts of changes stay out too: they are
the texts of the revisions that the change names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from keepstone import door
from keepstone.errors import InvalidRequestError
from keepstone.limits import DEFAULT_LIMITS
from keepstone.logic import details
from keepstone.logic.ids import is_ours
from keepstone.logic.text import normalise
from keepstone.naming import ENTITY_KINDS, Mention, Merge
from keepstone.operations import ArchivedMemory, ArchivedRevision, ArchiveRow, SourceSpan
from keepstone.types import Action, Change, Kind, LedgerMessage, MemoryRecord, Scope, Span, Status, plain

T = TypeVar("T")
Row = Mapping[str, Any]

MESSAGE, MEMORY, CHANGE, MERGE = "message", "memory", "change", "merge"
SCOPE_IDS = ("user_id", "agent_id", "app_id", "run_id")


def kind_of(row: ArchiveRow) -> str:
    """Return the `type` of *row* in an archive."""
    if isinstance(row, LedgerMessage):
        return MESSAGE
    if isinstance(row, Merge):
        return MERGE
    return MEMORY if isinstance(row, ArchivedMemory) else CHANGE


def to_line(row: ArchiveRow) -> dict[str, Any]:
    """Return *row* as a JSON object with its `type`."""
    found: dict[str, Any] = plain(row)
    if isinstance(row, LedgerMessage | Merge):
        del found["scope"]["tenant"]
    elif isinstance(row, ArchivedMemory):
        # The row says itself what these come to; `review` follows from the rest.
        del found["record"]["scope"]["tenant"]
        for name in ("sources", "derived_from", "superseded_by", "review"):
            del found["record"][name]
    else:
        del found["old_text"], found["new_text"]
    return {"type": kind_of(row), **found}


def from_line(line: Row, tenant: str) -> ArchiveRow:
    """Return the row that *line* holds, for *tenant*.

    Raises:
        InvalidRequestError: it is not such a row, or a value in it is not as the store writes it.
    """
    readers: dict[str, Callable[[Row, str], ArchiveRow]] = {
        MESSAGE: _message,
        MEMORY: _memory,
        CHANGE: _change,
        MERGE: _merge,
    }
    read = readers.get(str(line.get("type")))
    if read is None:
        raise InvalidRequestError(f"a row of the unknown type {line.get('type')!r}")
    try:
        return read(line, tenant)
    except KeyError as error:
        raise InvalidRequestError(f"a {line['type']} without {error.args[0]}") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise InvalidRequestError(f"a {line['type']} that cannot be read: {error}") from error


def _message(row: Row, tenant: str) -> LedgerMessage:
    return LedgerMessage(
        id=_id(row["id"]),
        external_id=_optional(row["external_id"], _word),
        scope=_scope(row["scope"], tenant),
        role=_word(row["role"]),
        name=_optional(row["name"], _word),
        content=_text(row["content"]),
        metadata=_metadata(row["metadata"]),
        occurred_at=_moment(row["occurred_at"]),
        recorded_at=_instant(row["recorded_at"]),
        position=_number(row["position"]),
        sequence=_number(row["sequence"]),
    )


def _memory(row: Row, tenant: str) -> ArchivedMemory:
    return ArchivedMemory(
        record=_record(row["record"], tenant),
        revisions=tuple(map(_revision, row["revisions"])),
        sources=tuple(_source(s) for s in row["sources"]),
        derived_from=tuple(map(_id, row["derived_from"])),
        superseded_by=_optional(row["superseded_by"], _id),
        recency=_number(row["recency"]),
        keeps_sources=row.get("keeps_sources") is True,
    )


def _record(row: Row, tenant: str) -> MemoryRecord:
    return MemoryRecord(
        id=_id(row["id"]),
        text=_text(row["text"]),
        kind=Kind(row["kind"]),
        scope=_scope(row["scope"], tenant),
        status=Status(row["status"]),
        revision=_number(row["revision"]),
        sequence=_number(row["sequence"]),
        metadata=_metadata(row["metadata"]),
        categories=tuple(map(_word, row["categories"])),
        language=_word(row["language"]),
        role=_optional(row["role"], _word),
        name=_optional(row["name"], _word),
        occurred_at=_moment(row["occurred_at"]),
        valid_from=_moment(row["valid_from"]),
        valid_to=_moment(row["valid_to"]),
        created_at=_instant(row["created_at"]),
        updated_at=_instant(row["updated_at"]),
        expires_at=_moment(row["expires_at"]),
        importance=door.share(row["importance"], "importance"),
        trust=door.share(row["trust"], "trust"),
        edited=bool(row["edited"]),
        strength=_strength(row.get("strength", 0.0)),
    )


def _revision(row: Row) -> ArchivedRevision:
    return ArchivedRevision(
        number=_number(row["number"]),
        text=_optional(row["text"], _text),
        metadata=_metadata(row["metadata"]),
        expires_at=_moment(row["expires_at"]),
        language=_word(row["language"]),
        at=_instant(row["at"]),
        entities=tuple(map(_mention, row.get("entities") or ())),
    )


def _mention(row: Row) -> Mention:
    kind = next((k for k in ENTITY_KINDS if k == row["kind"]), None)
    if kind is None:
        raise ValueError(f"{str(row['kind'])[:60]!r} is not a kind of entity")
    return Mention(name=_word(row["name"]), kind=kind, aliases=tuple(map(_word, row["aliases"])))


def _merge(row: Row, tenant: str) -> Merge:
    return Merge(
        scope=_scope(row["scope"], tenant),
        one=_name_id(row["one"]),
        into=_name_id(row["into"]),
        actor=_word(row["actor"]),
        at=_instant(row["at"]),
        reason=_optional(row["reason"], _text),
    )


def _name_id(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", value):
        raise ValueError(f"{str(value)[:60]!r} is not the id of a name")
    return value


def _source(row: Row) -> SourceSpan:
    span = row["span"]
    found = None if span is None else Span(start=_number(span["start"]), end=_number(span["end"]))
    return SourceSpan(message_id=_id(row["message_id"]), span=found, echo=bool(row.get("echo")))


def _change(row: Row, tenant: str) -> Change:
    return Change(
        id=_id(row["id"]),
        batch_id=_id(row["batch_id"]),
        sequence=_number(row["sequence"]),
        memory_id=_id(row["memory_id"]),
        action=Action(row["action"]),
        old_revision=_optional(row["old_revision"], _number),
        new_revision=_optional(row["new_revision"], _number),
        old_text=None,
        new_text=None,
        actor=_word(row["actor"]),
        reason=_optional(row["reason"], _text),
        at=_instant(row["at"]),
        related_id=_optional(row["related_id"], _id),
        inverse_of=_optional(row["inverse_of"], _id),
        details=_details(row.get("details") or {}),
    )


def _details(value: object) -> dict[str, Any]:
    """Return details of a change; what undo reads of them has its form."""
    found = _metadata(value)
    if details.STRENGTH in found:
        before, after = map(_strength, found[details.STRENGTH])
        found[details.STRENGTH] = [before, after]
    if details.VALID_TO in found:
        ceased, ceases = map(_moment, found[details.VALID_TO])
        found[details.VALID_TO] = plain([ceased, ceases])
    if details.JOINED in found:
        found[details.JOINED] = [_id(i) for i in found[details.JOINED]]
    if details.DISJOINED in found:
        spans = ((_id(i), _optional(a, _number), _optional(b, _number)) for i, a, b in found[details.DISJOINED])
        found[details.DISJOINED] = [list(span) for span in spans]
    return found


def _strength(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not -1 <= value <= 1:
        raise ValueError(f"{str(value)[:60]!r} is not a strength from -1 to 1")
    return float(value)


def _optional(value: object, read: Callable[[Any], T]) -> T | None:
    return None if value is None else read(value)


def _scope(value: Row, tenant: str) -> Scope:
    return door.named_scope(tenant, [value[k] for k in SCOPE_IDS], DEFAULT_LIMITS)


def _id(value: object) -> str:
    if not isinstance(value, str) or not is_ours(value):
        raise ValueError(f"{str(value)[:60]!r} is not an id of ours")
    return value


def _word(value: object) -> str:
    return door.opaque(value, "a word", DEFAULT_LIMITS)


def _text(value: object) -> str:
    # A text that was taken back is archived empty.
    if not isinstance(value, str) or normalise(value) != value:
        raise ValueError("a text is not a string in normal form")
    return value and door.text(value, "a text", DEFAULT_LIMITS)


def _metadata(value: object) -> dict[str, Any]:
    return door.metadata(value, DEFAULT_LIMITS)


def _moment(value: object) -> datetime | None:
    return door.moment(value, "a time")


def _instant(value: object) -> datetime:
    found = _moment(value)
    if found is None:
        raise ValueError("a time is missing")
    return found


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{str(value)[:60]!r} is not a number from 0 up")
    return value
