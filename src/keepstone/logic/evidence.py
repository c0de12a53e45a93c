"""What a context can show: hits and standing memories as single lines, each with its place in a conversation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from keepstone.logic.text import tokens
from keepstone.types import Hit, Kind, LedgerMessage, MemoryRecord, Scope, Span

CUT = "…"

# White space and control characters of any kind, each of which could begin a line somewhere, and what XML cannot hold.
_BREAKS = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ufffe\uffff]+")

# A message in its conversation: the exact scope, and the position in it.
Position = tuple[Scope, int]
# Messages by their conversation and public id.
Messages = Mapping[tuple[Scope, str], LedgerMessage]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One memory as a line: `shown` has no line break, `message` is the one that an episode was said in, if known.

    `score` is that of the hit, None for a standing memory; `value` is what the hit is ranked by, in any unit; `terms`
    are the index tokens of `shown`; `episodes` are the ids of those that a statement is known to say. `is_superseded`
    is true for what is believed no more.
    """

    record: MemoryRecord
    spans: tuple[Span, ...]
    shown: str
    terms: frozenset[str]
    score: float | None = None
    value: float = 0.0
    message: LedgerMessage | None = None
    episodes: frozenset[str] = frozenset()
    is_superseded: bool = False

    @property
    def is_statement(self) -> bool:
        """True for what was distilled: a fact, profile, procedure or summary."""
        return self.record.kind is not Kind.EPISODE

    @property
    def when(self) -> datetime:
        """When it was said or began to hold, if that is known, else when Keepstone learned it."""
        record, message = self.record, self.message
        if message is not None:
            return message.occurred_at or message.recorded_at
        if self.is_statement:
            return record.valid_from or record.occurred_at or record.created_at
        return record.occurred_at or record.created_at

    @property
    def position(self) -> Position | None:
        """Where its message stands in a conversation."""
        return None if self.message is None else (self.message.scope, self.message.position)

    @property
    def order(self) -> tuple[datetime, int, str]:
        """What sorts lines by time; equal times go by the order of adding."""
        sequence = self.record.sequence if self.message is None else self.message.sequence
        return self.when, sequence, self.record.id

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


def by_id(around: Sequence[LedgerMessage]) -> Messages:
    """Return messages by their conversation and public id."""
    return {(m.scope, m.public_id): m for m in around}


def message_of(hit: Hit, messages: Messages) -> LedgerMessage | None:
    """Return the message that an episode was said in; of one that was said several times, the last."""
    if hit.memory.kind is not Kind.EPISODE:
        return None
    known = [messages[hit.memory.scope, s] for s in hit.sources if (hit.memory.scope, s) in messages]
    return max(known, key=lambda m: m.position, default=None)


def of_hit(hit: Hit, messages: Messages) -> Evidence:
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
        message=message_of(hit, messages),
        episodes=frozenset(e.memory_id for e in hit.evidence),
        is_superseded=hit.outdated,
    )


def of_record(record: MemoryRecord) -> Evidence:
    """Return a whole memory as evidence that no search found."""
    spans = (Span(start=0, end=len(record.text)),)
    line = shown(record.text, spans)
    return Evidence(record=record, spans=spans, shown=line, terms=frozenset(tokens(line)))
