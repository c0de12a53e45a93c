"""A memory of Mem0, whatever it was read from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from keepstone.errors import InvalidRequestError
from keepstone.transfer.formats import SCOPE_IDS, ScopeIds

# What stands beside the metadata of an application in one flat object.
OWN_KEYS = frozenset(
    """id data memory text hash created_at updated_at text_lemmatized attributed_to actor_id role expiration_date
    linked_memory_ids categories metadata score user_id agent_id app_id run_id""".split()
)
_SPEAKERS = ("user", "assistant")
_CHANGED_AT = "mem0_updated_at"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """One memory: `texts` are how it read, the oldest first and the present one last; `place` is for errors."""

    id: str
    texts: tuple[str, ...]
    ids: ScopeIds
    role: str
    name: str | None
    metadata: Mapping[str, Any]
    created_at: datetime | None
    expires_at: datetime | None
    place: str


def remembered(row: Mapping[str, Any], metadata: Mapping[str, Any], texts: Sequence[str], place: str) -> Remembered:
    """Return the memory that *row* tells, with the keys of Mem0's payloads and replies; *texts* end with the present.

    Raises:
        InvalidRequestError: a time or a day in it cannot be read.
    """
    created, updated = _moment(row.get("created_at"), place), _moment(row.get("updated_at"), place)
    about = {k: v for k, v in metadata.items() if k not in SCOPE_IDS}
    if row.get("categories"):
        about["categories"] = list(row["categories"])
    if updated is not None and updated != created:
        about[_CHANGED_AT] = updated.isoformat()
    said_by = next((s for s in (row.get("role"), row.get("attributed_to")) if s in _SPEAKERS), "user")
    return Remembered(
        id=str(row["id"]),
        texts=tuple(texts),
        ids={k: _id(row.get(k)) for k in SCOPE_IDS},
        role=str(said_by),
        name=_id(row.get("actor_id")),
        metadata=about,
        created_at=created,
        expires_at=_end_of(row.get("expiration_date"), place),
        place=place,
    )


def versions(history: Sequence[Mapping[str, Any]], present: str) -> list[str]:
    """Return how a memory read over time by its *history* (`old_memory`, `new_memory`), ending with *present*."""
    found: list[str] = []
    for change in history:
        for text in (change.get("old_memory"), change.get("new_memory")):
            if isinstance(text, str) and text.strip() and found[-1:] != [text]:
                found.append(text)
    return found if found[-1:] == [present] else [*found, present]


def _id(given: object) -> str | None:
    return str(given) if given not in (None, "") else None


def _moment(given: object, place: str) -> datetime | None:
    if given in (None, ""):
        return None
    try:
        found = datetime.fromisoformat(str(given))
    except ValueError as error:
        raise InvalidRequestError(f"{place} has a time that cannot be read.") from error
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _end_of(given: object, place: str) -> datetime | None:
    if given in (None, ""):
        return None
    try:
        return datetime.combine(date.fromisoformat(str(given)[:10]), time(), UTC) + timedelta(days=1)
    except (ValueError, OverflowError) as error:
        raise InvalidRequestError(f"{place} has an expiration_date that cannot be read.") from error
