"""Quality gates of distillation: packs taken in with recorded replies, measured, and held against bars.

What was not measured is never passed: without a recording, or where a pack has nothing that a gate could measure, it
says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from keepstone.evaluation.endings import (
    deleted_turns,
    end_state,
    forgotten_gone,
    still_holding,
    still_true_current,
)
from keepstone.evaluation.gold import Comparison, Tally, gold_memories, kept_script, retired_memories
from keepstone.evaluation.ingesting import Progress, raise_failure
from keepstone.evaluation.pack import Pack, Record
from keepstone.evaluation.recordings import ReplayingChatModel
from keepstone.evaluation.retriever import SINGLE_PASS, KeepstoneRetriever
from keepstone.evaluation.scoring import DEPTH, Evidence, said_by, score, visible
from keepstone.protocols import ChatModel, Embedder
from keepstone.types import Value

RECALL = "R@1000t"
FRESH = "fresh"
NO_RECORDING = "no recording"
NOTHING = "the pack has nothing to measure it by"
NOT_DISTILLED = "nothing was distilled"

Verdict = Literal["passed", "FAILED", "not measured"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What a gate holds: at least `least`, or at most `most`."""

    name: str
    meaning: str
    least: float | None = None
    most: float | None = None

    def __str__(self) -> str:
        return f"≥ {self.least:g}" if self.least is not None else f"≤ {self.most:g}"

    def holds(self, figure: float) -> bool:
        """Return True if *figure* passes."""
        return (self.least is None or figure >= self.least) and (self.most is None or figure <= self.most)


RECALL_BAR = Bar(name="recall", meaning=f"{RECALL} after distillation, less that of the raw turns", least=0)
GOLD_BAR = Bar(name="gold found", meaning="gold memories that a current distilled memory says", least=0.8)
RETIRED_BAR = Bar(name="retired gone", meaning="outdated gold memories that no current memory says", least=0.95)
SCRIPT_BAR = Bar(name="script kept", meaning="distilled memories in the script of their sources", least=0.99)
FRESH_BAR = Bar(name="fresh", meaning="questions whose current turn comes before every stale one", least=0.95)
STILL_TRUE_BAR = Bar(name="still true", meaning="pairs that both stay true of which both are current", least=1)
FORGOTTEN_BAR = Bar(name="forgotten gone", meaning="forgotten turns of which no memory is left", least=1)
WRONG_BAR = Bar(name="wrongly retired", meaning="turns that still hold and have no current memory", most=0)
BARS = (RECALL_BAR, GOLD_BAR, RETIRED_BAR, SCRIPT_BAR, FRESH_BAR, STILL_TRUE_BAR, FORGOTTEN_BAR, WRONG_BAR)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate(Value):
    """One bar for one pack: the figure over `count` cases, or the reason why there is none."""

    pack: str
    name: str
    bar: str
    verdict: Verdict
    figure: float | None = None
    count: int = 0
    reason: str | None = None


@dataclass(slots=True)
class _Counts:
    """What the records of one pack came to."""

    gold: Tally = field(default_factory=Tally)
    retired: Tally = field(default_factory=Tally)
    script: Tally = field(default_factory=Tally)
    still_true: Tally = field(default_factory=Tally)
    forgotten: Tally = field(default_factory=Tally)
    kept: Tally = field(default_factory=Tally)

    def enter(self, record: Record, retriever: KeepstoneRetriever) -> None:
        state = end_state(retriever.memory)
        comparison = Comparison(record)
        gold, retired = gold_memories(record), retired_memories(record)
        self.gold += comparison.found(gold, state)
        self.retired += comparison.gone(retired, gold, state)
        self.script += kept_script(state, {t.id: t.text for t in record.turns})
        self.still_true += still_true_current(record, state)
        self.forgotten += forgotten_gone(record, state)
        self.kept += still_holding(record, state, deleted_turns(retriever.added))


def unmeasured(packs: Iterable[str], reason: str = NO_RECORDING) -> list[Gate]:
    """Return every gate for each of *packs*, none of them measured."""
    return [_unmeasured(pack, bar, reason) for pack in packs for bar in BARS]


def gates(
    packs: Sequence[Pack],
    model: ReplayingChatModel,
    embedder: Embedder | str | None = None,
    progress: Progress | None = None,
    strategy: str = SINGLE_PASS,
) -> list[Gate]:
    """Return every gate for each of *packs*, measured with the recorded replies of *model*.

    *progress* is called with the packs done and all.

    Raises:
        ProviderError: the recording has no reply to something that was asked.
        InvalidRequestError: a pack's gold memories have another form.
    """
    found: list[Gate] = []
    for done, pack in enumerate(packs, start=1):
        before = model.replayed
        measured = _measured(pack, model, embedder, lambda: raise_failure(model), strategy)
        found += measured if model.replayed > before else unmeasured([pack.name], NOT_DISTILLED)
        if progress is not None:
            progress(done, len(packs))
    return found


def measure(
    pack: Pack, model: ChatModel, embedder: Embedder | str | None = None, strategy: str = SINGLE_PASS
) -> list[Gate]:
    """Return every gate for *pack*, measured with *model*: any one, such as one whose replies are known to be right."""
    return _measured(pack, model, embedder, lambda: None, strategy)


def _measured(
    pack: Pack, model: ChatModel, embedder: Embedder | str | None, check: Callable[[], None], strategy: str
) -> list[Gate]:
    counts = _Counts()

    def distilling(record: Record) -> KeepstoneRetriever:
        retriever = KeepstoneRetriever(record, embedder, model, strategy)
        try:
            check()
            counts.enter(record, retriever)
        except BaseException:
            # The evaluation closes only what it was given.
            retriever.close()
            raise
        return retriever

    raw, distilled = _answers(pack, lambda r: KeepstoneRetriever(r, embedder)), _answers(pack, distilling)
    return [
        _recall(pack.name, raw, distilled),
        _share(pack.name, GOLD_BAR, counts.gold),
        _share(pack.name, RETIRED_BAR, counts.retired),
        _share(pack.name, SCRIPT_BAR, counts.script),
        _mean(pack.name, FRESH_BAR, [m[FRESH] for m in distilled if FRESH in m]),
        _share(pack.name, STILL_TRUE_BAR, counts.still_true),
        _share(pack.name, FORGOTTEN_BAR, counts.forgotten),
        _lost(pack.name, counts.kept),
    ]


def failed(found: Iterable[Gate]) -> bool:
    """Return True if one of the gates was measured and is beyond its bar."""
    return any(g.verdict == "FAILED" for g in found)


def _answers(pack: Pack, factory: Callable[[Record], KeepstoneRetriever]) -> list[Mapping[str, float]]:
    """The measures of every question that has evidence, in the order of the pack."""
    found: list[Mapping[str, float]] = []
    for record in pack.records:
        retriever, said = factory(record), said_by(record)
        try:
            for question in (q for q in record.questions if q.has_evidence):
                hits = visible(question, retriever.search(question.text, DEPTH, question.at or record.end), record)
                found.append(score(question, hits, Evidence(question, said)))
        finally:
            retriever.close()
    return found


def _recall(pack: str, raw: Sequence[Mapping[str, float]], distilled: Sequence[Mapping[str, float]]) -> Gate:
    return _mean(
        pack, RECALL_BAR, [after[RECALL] - before[RECALL] for before, after in zip(raw, distilled, strict=True)]
    )


def _mean(pack: str, bar: Bar, values: Sequence[float]) -> Gate:
    if not values:
        return _unmeasured(pack, bar, NOTHING)
    # A mean of equal values must not miss a bar by a last digit.
    return _judged(pack, bar, round(sum(values) / len(values), 9), len(values))


def _share(pack: str, bar: Bar, found: Tally) -> Gate:
    return _unmeasured(pack, bar, NOTHING) if found.share is None else _judged(pack, bar, found.share, found.count)


def _lost(pack: str, kept: Tally) -> Gate:
    if not kept.count:
        return _unmeasured(pack, WRONG_BAR, NOTHING)
    return _judged(pack, WRONG_BAR, kept.count - kept.good, kept.count)


def _judged(pack: str, bar: Bar, figure: float, count: int) -> Gate:
    verdict: Verdict = "passed" if bar.holds(figure) else "FAILED"
    return Gate(pack=pack, name=bar.name, bar=str(bar), verdict=verdict, figure=figure, count=count)


def _unmeasured(pack: str, bar: Bar, reason: str) -> Gate:
    return Gate(pack=pack, name=bar.name, bar=str(bar), verdict="not measured", reason=reason)
