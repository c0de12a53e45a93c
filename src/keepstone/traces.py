"""The values of a trace: what a question found, and at which stage each expected memory was lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from keepstone.logic.questions import Question
from keepstone.types import Change, Context, Hit, Signal, plain

CLIP = 100
GAPS_SHOWN = 5
GAP_LEAST = 0.005


class Stage(StrEnum):
    """Where an expected memory was lost, in the order in which that can happen; `found` if it was not."""

    NEVER_STORED = "never stored"
    NO_MEMORY = "no memory"
    ERASED = "erased"
    RETIRED = "retired"
    NOT_KNOWN = "not known then"
    NOT_VALID = "not valid then"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"
    FILTERED = "filtered"
    NOT_A_CANDIDATE = "not a candidate"
    BELOW_MIN_SCORE = "below min_score"
    BELOW_THE_CUT = "below the cut"
    NOT_IN_CONTEXT = "not in context"
    FOUND = "found"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalGap:
    """One signal of an expected memory against that of the last one that made it.

    Below the cut, both are what the signal added to the fused value, `last` that of the last hit shown; of what is
    not a candidate, both are raw values, `last` that of the last unit on the list of that signal. `own` is None for
    a memory without vector; `last` is None if the list has room.
    """

    name: str
    own: float | None
    last: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What became of one expected memory.

    `id` is the id that was asked for, `memory_id` the memory's; `reason` is for people. `place` counts from 1 among
    the memories ranked with at least `min_score`; `score` goes from 0 to 1. Both, and `fused` and `signals`, say where
    it stands or, if it was not a candidate, would stand; they are empty for what was lost before. `gaps` come largest
    first. `change` took it away, without the texts, which only `history` shows. `condition` is the part of the filter
    that it fails. `other_id` is the memory that superseded it, covers it or says the same. `hit_id` is the memory whose
    hit it belongs to: its own, or a memory distilled from it. `in_context` is whether a context shows it or that one,
    whatever was lost before.
    """

    id: str
    stage: Stage
    reason: str
    memory_id: str | None = None
    text: str | None = None
    place: int | None = None
    score: float | None = None
    fused: float | None = None
    signals: tuple[Signal, ...] = ()
    gaps: tuple[SignalGap, ...] = ()
    change: Change | None = None
    condition: Mapping[str, Any] | None = None
    other_id: str | None = None
    hit_id: str | None = None
    in_context: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the value as JSON-ready dicts and lists."""
        result: dict[str, Any] = plain(self)
        return result

    def __str__(self) -> str:
        about = f" [{_clipped(self.text)}]" if self.text else ""
        behind = [g for g in self.gaps if g.last is not None and (g.own is None or g.last - g.own >= GAP_LEAST)]
        shown = "; ".join(map(_gap, behind[:GAPS_SHOWN]))
        gaps = f" Against the last that made it: {shown}." if shown else ""
        return f"{self.id}: {self.stage.value}. {self.reason}{gaps}{about}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageCounts:
    """How much was left after each stage: units (memories, or passages of long ones), then memories.

    `units` are all that the scope sees, `candidates` those that the index proposed. `ranked` are the candidates'
    memories (a distilled one and the episodes that say it count once), `scored` those with at least `min_score`,
    `shown` the hits, `in_context` what a context shows.
    """

    units: int
    candidates: int
    ranked: int
    scored: int
    shown: int
    in_context: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """How one question was answered, stage by stage, and what became of the memories expected; `str()` is for people.

    `question` is how it was read, `terms` are its words as they are indexed (at most 64), `unknown` those of them that
    stand in no memory of the scope. `hits` are those of `search`, with explanations; `context` is that of `context`.
    `expected` has an entry, or several, for each id expected, in the order asked; a message has one for each memory
    that came from it. `timings_ms` are milliseconds by stage, most of which a search does not spend.
    """

    question: Question
    language: str
    terms: tuple[str, ...]
    unknown: tuple[str, ...]
    limit: int
    min_score: float
    counts: StageCounts
    hits: tuple[Hit, ...]
    context: Context
    expected: tuple[Expected, ...]
    timings_ms: Mapping[str, float]

    @property
    def losses(self) -> tuple[Expected, ...]:
        """The expected memories that were not found, or that a context does not show."""
        return tuple(e for e in self.expected if e.stage is not Stage.FOUND)

    def to_dict(self) -> dict[str, Any]:
        """Return the value as JSON-ready dicts and lists."""
        result: dict[str, Any] = plain(self)
        return result

    def __str__(self) -> str:
        return "\n".join([*self._question(), *self._stages(), *self._fates(), *self._shown(), self._timings()])

    def _question(self) -> Iterator[str]:
        yield f"Question: {_clipped(self.question.text) or '(empty)'}"
        asks = [n for n in ("of_asker", "of_listener", "of_someone", "when", "how_many") if getattr(self.question, n)]
        yield "  read as: " + ", ".join([f"time {self.question.intent.value}", self.language, *asks])
        unknown = f"; in no memory of this scope: {' '.join(self.unknown)}" if self.unknown else ""
        yield f"  terms: {' '.join(self.terms) or 'none'}{unknown}"

    def _stages(self) -> Iterator[str]:
        counts, context = self.counts, self.context
        yield "Stages"
        yield f"  {counts.units} units in the scope"
        yield f"  {counts.candidates} candidates, of {counts.ranked} memories"
        yield f"  {counts.scored} with a score of {self.min_score:g} or more"
        yield f"  {counts.shown} shown (limit {self.limit})"
        yield f"  {counts.in_context} in the context ({context.tokens} of {context.max_tokens} tokens)"

    def _fates(self) -> Iterator[str]:
        if self.expected:
            yield "Expected"
        yield from (f"  {entry}" for entry in self.expected)

    def _shown(self) -> Iterator[str]:
        yield "Hits"
        cited = {c.memory_id for c in self.context.citations}
        for place, hit in enumerate(self.hits, 1):
            fused = f"fused {hit.explanation.fused:.2f}, " if hit.explanation else ""
            where = "in the context" if hit.id in cited else "not in the context"
            yield f"  {place}. {hit.score:.2f} {_clipped(hit.passage)} ({fused}{where})"
        if not self.hits:
            yield "  none"

    def _timings(self) -> str:
        return "Milliseconds: " + ", ".join(f"{name} {value:.1f}" for name, value in self.timings_ms.items())


def _gap(gap: SignalGap) -> str:
    own = "none" if gap.own is None else f"{gap.own:.2f}"
    return f"{gap.name} {own} against {'none' if gap.last is None else f'{gap.last:.2f}'}"


def _clipped(text: str) -> str:
    joined = " ".join(text.split())
    return joined if len(joined) <= CLIP else f"{joined[:CLIP]} …"
