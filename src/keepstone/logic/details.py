"""What a change says beside its texts: what stores enter there, and what is left of it after an erase.

A store adds to the `details` of a batch, under these names: `joined`, the ids of messages that became sources;
`disjoined`, `[id, start, end]` of sources that no longer are (None for a whole message); `strength` and `valid_to`,
before and after; `began`, true if the memory that supersedes another got its `valid_from` from that.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any

from keepstone.operations import SourceSpan
from keepstone.types import Metadata, Span

JOINED, DISJOINED, STRENGTH, VALID_TO, BEGAN = "joined", "disjoined", "strength", "valid_to", "began"
STRENGTH_MAX = 1.0
# Strengths are kept to so many decimals, so that taking one back gives exactly what was there.
_DECIMALS = 6


def strengthened(before: float, value: float) -> float:
    """Return the strength of a memory after feedback of *value*, from -1 to 1."""
    return max(-STRENGTH_MAX, min(STRENGTH_MAX, round(before + value, _DECIMALS)))


def strength(before: float, after: float) -> dict[str, Any]:
    """Return the details of a FEEDBACK."""
    return {STRENGTH: [before, after]}


def joined(message_ids: Sequence[str]) -> dict[str, Any]:
    """Return the details of a Join."""
    return {JOINED: list(message_ids)}


def disjoined(sources: Sequence[SourceSpan]) -> dict[str, Any]:
    """Return the details of a Disjoin."""
    spans = [(s.message_id, *((None, None) if s.span is None else (s.span.start, s.span.end))) for s in sources]
    return {DISJOINED: [list(s) for s in spans]}


def superseded(before: datetime | None, after: datetime, *, began: bool) -> dict[str, Any]:
    """Return the details of a SUPERSEDE."""
    moments = [None if m is None else m.astimezone(UTC).isoformat() for m in (before, after)]
    return {VALID_TO: moments, BEGAN: True} if began else {VALID_TO: moments}


def validity(details: Metadata) -> tuple[datetime | None, datetime | None]:
    """Return when a superseded memory ceased to hold, before and after its SUPERSEDE; None where that is not known."""
    before, after = details.get(VALID_TO) or (None, None)
    return None if before is None else datetime.fromisoformat(before), datetime.fromisoformat(after) if after else None


def sources(details: Metadata) -> tuple[SourceSpan, ...]:
    """Return the sources that a Disjoin took away."""
    return tuple(
        SourceSpan(message_id=id, span=None if start is None else Span(start=start, end=end))
        for id, start, end in details.get(DISJOINED, ())
    )


def scrubbed(details: Metadata, gone: Collection[str]) -> dict[str, Any]:
    """Return what may stay of *details* when messages that its batch read, or memories that it made, are erased.

    That is what undo needs, without the ids of messages that are *gone*; a batch's own details can hold content.
    """
    kept = {name: details[name] for name in (STRENGTH, VALID_TO, BEGAN) if name in details}
    if JOINED in details:
        kept[JOINED] = [id for id in details[JOINED] if id not in gone]
    if DISJOINED in details:
        kept[DISJOINED] = [span for span in details[DISJOINED] if span[0] not in gone]
    return kept
