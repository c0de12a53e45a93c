"""What a context can show: hits and standing memories as single lines, each with its place in a conversation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from keepstone.logic.text import tokens
from keepstone.types import Hit, Kind, LedgerMessage, MemoryRecord, Scope, Span, Status

CUT = "…"

# White space and control characters of any kind, each of which could begin a line somewhere, and what XML cannot hold.
_BREAKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ufffe\uffff]+")

# A message in its conversation: the exact scope, and the position in it.
Position = tuple[Scope, int]
# Where messages stand, by the exact scope and the public id.
Places = Mapping[tuple[Scope, str], Position]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One memory as a line: `shown` has no line break, `position` is None for what is not one known message.

    `score` is that of the hit, None for a standing memory; `value` is what the hit is ranked by, in any unit; `terms`
    are the index tokens of `shown`.
    """

    record: MemoryRecord
    spans: tuple[Span, ...]
    shown: str
    terms: frozenset[str]
    score: float | None = None
    value: float = 0.0
    position: Position | None = None

    @property
    def is_statement(self) -> bool:
        """True for what was distilled: a fact, profile, procedure or summary."""
        return self.record.kind is not Kind.EPISODE

    @property
    def is_superseded(self) -> bool:
        """True for what is believed no more."""
        return self.record.status is Status.SUPERSEDED

    @property
    def when(self) -> datetime:
        """When it was said or began to hold, if that is known, else when Keepstone learned it."""
        record = self.record
        if self.is_statement:
            return record.valid_from or record.occurred_at or record.created_at
        return record.occurred_at or record.created_at

    @property
    def order(self) -> tuple[datetime, int, str]:
        """What sorts lines by time; equal times go by the order of adding."""
        return self.when, self.record.sequence, self.record.id

    def follows(self, other: Evidence) -> bool:
        """Return whether this is the message straight after *other* in the same conversation."""
        if self.position is None or other.position is None:
            return False
        return self.position == (other.position[0], other.position[1] + 1)


def folded(text: str) -> str:
    """Return *text* in one line: every run of white space and control characters becomes one space."""
    return _BREAKS.sub(" ", text).strip()


def shown(text: str, spans: Sequence[Span]) -> str:
    """Return the parts of *text* at *spans* in one line, with an ellipsis wherever something is cut."""
    parts = [folded(text[s.start : s.end]) for s in spans]
    line = f" {CUT} ".join(p for p in parts if p)
    before = folded(text[: spans[0].start]) if spans else ""
    after = folded(text[spans[-1].end :]) if spans else ""
    return f"{CUT + ' ' if before else ''}{line}{' ' + CUT if after else ''}"


def positions(around: Sequence[LedgerMessage]) -> Places:
    """Return where each message stands, by its conversation and public id."""
    return {(m.scope, m.public_id): (m.scope, m.position) for m in around}


def position(hit: Hit, where: Places) -> Position | None:
    """Return where the message of an episode stands; one that was said several times stands where it was said last."""
    if hit.memory.kind is not Kind.EPISODE:
        return None
    known = [where[hit.memory.scope, s] for s in hit.sources if (hit.memory.scope, s) in where]
    return max(known, key=lambda p: p[1], default=None)


def of_hit(hit: Hit, where: Places) -> Evidence:
    """Return a hit as evidence: the passage that matched."""
    spans = (hit.span,)
    line = shown(hit.text, spans)
    return Evidence(
        record=hit.memory,
        spans=spans,
        shown=line,
        terms=frozenset(tokens(line)),
        score=hit.score,
        value=hit.explanation.fused if hit.explanation is not None else hit.score,
        position=position(hit, where),
    )


def of_record(record: MemoryRecord) -> Evidence:
    """Return a whole memory as evidence that no search found."""
    spans = (Span(start=0, end=len(record.text)),)
    line = shown(record.text, spans)
    return Evidence(record=record, spans=spans, shown=line, terms=frozenset(tokens(line)))
