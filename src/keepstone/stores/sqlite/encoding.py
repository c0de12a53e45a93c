"""How values stand in the file: times, ids, vectors, terms, small enumerations."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from keepstone.errors import InvalidRequestError
from keepstone.logic.conversation import microseconds
from keepstone.operations import SourceSpan
from keepstone.types import Action, Kind, Scope, Status

if TYPE_CHECKING:
    import numpy as np

KINDS = (Kind.EPISODE, Kind.FACT, Kind.PROCEDURE, Kind.PROFILE, Kind.SUMMARY)
STATUSES = (Status.CURRENT, Status.SUPERSEDED, Status.RETIRED, Status.ERASED)
ACTIONS = (
    Action.ADD,
    Action.UPDATE,
    Action.SUPERSEDE,
    Action.DELETE,
    Action.RESTORE,
    Action.EXPIRE,
    Action.ERASE,
    Action.FEEDBACK,
)
KIND_NUMBERS = {k: i for i, k in enumerate(KINDS)}
STATUS_NUMBERS = {s: i for i, s in enumerate(STATUSES)}
ACTION_NUMBERS = {a: i for i, a in enumerate(ACTIONS)}
CURRENT, SUPERSEDED, RETIRED, ERASED = range(4)
LAST_VISIBLE = SUPERSEDED

# Where a source has no span: the whole message, or one that only echoes the memory.
WHOLE, ECHO = -1, -2

SEQUENCE_BITS = 32
SEQUENCE_MASK = (1 << SEQUENCE_BITS) - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ZONES: dict[int, timezone] = {}


def key(partition: int, sequence: int) -> int:
    """Return the key of a row: its partition, then its sequence."""
    return partition << SEQUENCE_BITS | sequence


def bounds(partition: int) -> tuple[int, int]:
    """Return the lowest and the highest key of a partition."""
    return partition << SEQUENCE_BITS, partition << SEQUENCE_BITS | SEQUENCE_MASK


def source_bounds(source: SourceSpan) -> tuple[int, int]:
    """Return where a source begins and ends, as it stands in the file."""
    if source.echo:
        return ECHO, ECHO
    return (WHOLE, WHOLE) if source.span is None else (source.span.start, source.span.end)


def micros(moment: datetime | None) -> int | None:
    """Return microseconds since 1970 in UTC; None stays None."""
    return None if moment is None else microseconds(moment)


def offset(moment: datetime | None) -> int | None:
    """Return the minutes that the zone of *moment* is ahead of UTC."""
    if moment is None:
        return None
    ahead = moment.utcoffset()
    return 0 if ahead is None else round(ahead.total_seconds() / 60)


def moment(value: int | None, minutes: int | None = None) -> datetime | None:
    """Return the aware datetime of *value* microseconds, in the zone *minutes* ahead of UTC."""
    return None if value is None else instant(value, minutes)


def instant(value: int, minutes: int | None = None) -> datetime:
    """Return the aware datetime of *value* microseconds, which is not None."""
    found = _EPOCH + timedelta(microseconds=value)
    if not minutes:
        return found
    zone = _ZONES.get(minutes)
    if zone is None:
        zone = _ZONES[minutes] = timezone(timedelta(minutes=minutes))
    return found.astimezone(zone)


def raw_id(id: str) -> bytes:
    """Return the 16 bytes of an id; what is no UUID becomes bytes that no row has."""
    if len(id) != 36:
        return b""
    try:
        raw = bytes.fromhex(id.replace("-", ""))
    except ValueError:
        return b""
    return raw if len(raw) == 16 else b""


def own_id(id: str) -> bytes:
    """Return the 16 bytes of an id that is to be stored.

    Raises:
        InvalidRequestError: it is no UUID.
    """
    raw = raw_id(id)
    if not raw:
        raise InvalidRequestError(f"{id!r} is not an id of Keepstone's: a UUID is needed.")
    return raw


def text_id(raw: bytes) -> str:
    """Return the id of 16 bytes as text."""
    digits = raw.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def scope_of(tenant: str, ids: Sequence[str]) -> Scope:
    """Return the scope of four columns in which '' stands for an id that is not given."""
    user, agent, app, run = (i or None for i in ids)
    return Scope(tenant=tenant, user_id=user, agent_id=agent, app_id=app, run_id=run)


def dump_json(value: Mapping[str, Any] | Sequence[Any]) -> str | None:
    """Return *value* as JSON text; None for an empty one."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")) if value else None


def load_json(text: str | None) -> dict[str, Any]:
    """Return the object that `dump_json` wrote."""
    loaded: dict[str, Any] = json.loads(text) if text else {}
    return loaded


def pack_vector(vector: Sequence[float]) -> bytes:
    """Return a vector as little-endian half precision."""
    import numpy as np

    return np.asarray(vector, dtype=np.float32).astype("<f2").tobytes()


def pack_terms(terms: Mapping[int, int]) -> bytes:
    """Return term numbers in order, four bytes each, then a byte of count for each (at most 255)."""
    import numpy as np

    ordered = sorted(terms.items())
    numbers = np.fromiter((t for t, _ in ordered), dtype="<u4", count=len(ordered))
    return numbers.tobytes() + bytes(min(c, 255) for _, c in ordered)


def unpack_terms(blobs: Sequence[bytes]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Return the term numbers, the counts, and the number of terms of each of *blobs*, joined."""
    import numpy as np

    sizes = np.fromiter((len(b) // 5 for b in blobs), dtype=np.int64, count=len(blobs))
    numbers = np.frombuffer(b"".join([b[: len(b) // 5 * 4] for b in blobs]), dtype="<u4")
    counts = np.frombuffer(b"".join([b[len(b) // 5 * 4 :] for b in blobs]), dtype=np.uint8)
    return numbers, counts, sizes


def places(values: Sequence[object]) -> str:
    """Return a question mark for each of *values*, for a list in SQL."""
    return ",".join("?" * len(values))
