"""Valid time: when a memory holds in the world, by what is known of it."""

from __future__ import annotations

from datetime import datetime

from keepstone.types import Kind, MemoryRecord, Status


def began(record: MemoryRecord) -> datetime:
    """Return from when on a memory holds: of what was said, when it was said; else as it states, if it does."""
    said = record.occurred_at or record.created_at
    return said if record.kind is Kind.EPISODE else record.valid_from or said


def standing(record: MemoryRecord, as_of: datetime) -> Status | None:
    """Return how a memory stood in the world at *as_of*: it held, it held no longer, or (None) not yet.

    It holds from `began` to before `valid_to`; an episode, for which nothing else gives an end, until it was
    superseded. What was superseded without a known end never counts as held.
    """
    if as_of < began(record):
        return None
    superseded = record.status is Status.SUPERSEDED
    end = record.valid_to if superseded or record.kind is not Kind.EPISODE else None
    if end is None:
        return Status.SUPERSEDED if superseded else Status.CURRENT
    return Status.CURRENT if as_of < end else Status.SUPERSEDED
