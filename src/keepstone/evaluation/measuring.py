"""Running an evaluation: each record into a retriever, its questions asked, the answers scored."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from keepstone.evaluation.intervals import auroc
from keepstone.evaluation.pack import Pack, Question, Record
from keepstone.evaluation.results import Evaluation, Miss, Row
from keepstone.evaluation.retriever import Factory, Retriever
from keepstone.evaluation.scoring import (
    CONTEXT_BUDGETS,
    DEPTH,
    FIRST_PLACES,
    Evidence,
    Found,
    said_by,
    score,
    visible,
)
from keepstone.logic.text import estimate_tokens

FOREIGN_MAX = 40
SHOWN_INSTEAD = 5

MISSING = "evidence missing in the first 10 turns"
OLDER = "no current statement before the older ones"
FORGOTTEN = "a forgotten turn came back"
FOREIGN = "somebody else's fact came first"

Progress = Callable[[int, int], None]


def evaluate(
    packs: Sequence[Pack], factory: Factory, *, name: str, version: str, progress: Progress | None = None
) -> Evaluation:
    """Return what the retrievers that *factory* makes find in *packs*.

    *progress* is called with the number of records done and the number of all.
    """
    total, done = sum(len(p.records) for p in packs), 0
    rows: list[Row] = []
    misses: list[Miss] = []
    certainty: dict[str, dict[str, float]] = {}
    seconds = 0.0
    for pack in packs:
        tops = _Tops()
        for record in pack.records:
            began = time.perf_counter()
            retriever = factory(record)
            seconds += time.perf_counter() - began
            try:
                run = _RecordRun(pack.name, record, retriever, tops)
                run.ask_own()
                run.ask_foreign(pack.records)
            finally:
                retriever.close()
            rows += run.rows
            misses += run.misses
            done += 1
            if progress is not None:
                progress(done, total)
        certainty[pack.name] = tops.certainty()
    return Evaluation(
        name=name,
        version=version,
        rows=tuple(rows),
        misses=tuple(misses),
        certainty=certainty,
        index_seconds=round(seconds, 3),
    )


@dataclass(slots=True)
class _Tops:
    """Scores of first hits: of questions that the record answers, of those it cannot, and of other records'."""

    own: list[float] = field(default_factory=list)
    unanswerable: list[float] = field(default_factory=list)
    foreign: list[float] = field(default_factory=list)

    def certainty(self) -> dict[str, float]:
        measured = {"abstain": auroc(self.own, self.foreign), "unanswerable": auroc(self.own, self.unanswerable)}
        return {k: v for k, v in measured.items() if v is not None}


class _RecordRun:
    """The questions of one record, and what came of them."""

    def __init__(self, pack: str, record: Record, retriever: Retriever, tops: _Tops) -> None:
        self._pack, self._record, self._retriever, self._tops = pack, record, retriever, tops
        self._said = said_by(record)
        self.rows: list[Row] = []
        self.misses: list[Miss] = []

    def ask_own(self) -> None:
        """Ask the record's own questions."""
        for question in self._record.questions:
            if question.has_evidence or question.forbidden:
                self._ask(question)
            elif not question.answerable:
                top = _top(self._retriever.search(question.text, 1, question.at or self._record.end))
                self._tops.unanswerable += [] if top is None else [top]

    def ask_foreign(self, records: Sequence[Record]) -> None:
        """Ask some questions of other records of the pack, which this one can answer only by chance."""
        others = [q for r in records if r is not self._record for q in r.questions if q.answerable]
        if not self._tops.own:
            return
        # Drawn by the record's id: the same ones in every run.
        for question in random.Random(self._record.id).sample(others, min(FOREIGN_MAX, len(others))):
            hits = self._retriever.search(question.text, 1, self._record.end)
            self._tops.foreign.append(_top(hits) or 0.0)

    def _ask(self, question: Question) -> None:
        at = question.at or self._record.end
        # With `asof` the hits from later turns are taken out afterwards.
        depth = len(self._said) if question.asof is not None else DEPTH
        began = time.perf_counter()
        hits = self._retriever.search(question.text, depth, at)
        milliseconds = 1000 * (time.perf_counter() - began)
        top = _top(hits)
        if top is not None and question.has_evidence:
            self._tops.own.append(top)
        evidence = Evidence(question, self._said)
        seen = visible(question, hits, self._record)
        measures = score(question, seen, evidence, self._contexts(question, at))
        tokens = float(sum(estimate_tokens(h.text) for h in hits[:FIRST_PLACES]))
        self.rows.append(
            Row(
                pack=self._pack,
                record=self._record.id,
                id=question.id,
                category=question.category,
                language=self._record.language,
                measures={**measures, "ms": round(milliseconds, 3), "tokens": tokens},
            )
        )
        if reasons := _reasons(measures):
            self.misses.append(self._miss(question, at, reasons, evidence.missing(_places_first(seen)), seen))

    def _contexts(self, question: Question, at: datetime | None) -> dict[int, str]:
        if not question.has_evidence:
            return {}
        made = {b: self._retriever.context(question.text, b, at) for b in CONTEXT_BUDGETS}
        return {b: text for b, text in made.items() if text is not None}

    def _miss(
        self,
        question: Question,
        at: datetime | None,
        reasons: tuple[str, ...],
        missing: Sequence[str],
        seen: Sequence[Found],
    ) -> Miss:
        expected = missing or list(question.current)
        traces = [self._retriever.trace(question.text, e, at) for e in expected]
        return Miss(
            pack=self._pack,
            record=self._record.id,
            id=question.id,
            category=question.category,
            question=question.text,
            answer=question.answer,
            reasons=reasons,
            expected=tuple(self._said[e] for e in expected),
            unwanted=tuple(self._said[e] for e in _unwanted(question, reasons)),
            found=tuple(h.text for h in seen[:SHOWN_INSTEAD]),
            trace="\n".join(t for t in traces if t) or None,
        )


def _reasons(measures: dict[str, float]) -> tuple[str, ...]:
    """Why a question counts as missed, for people."""
    wrong = {
        MISSING: measures.get(f"full@{FIRST_PLACES}") == 0,
        OLDER: measures.get("fresh") == 0,
        FORGOTTEN: measures.get("leak@10") == 1,
        FOREIGN: measures.get("distract@1") == 1,
    }
    return tuple(reason for reason, happened in wrong.items() if happened)


def _unwanted(question: Question, reasons: Sequence[str]) -> list[str]:
    """The turns that the reasons speak of."""
    turns = {OLDER: question.stale, FORGOTTEN: question.forbidden, FOREIGN: question.distractors}
    return [t for reason, named in turns.items() if reason in reasons for t in named]


def _places_first(hits: Sequence[Found]) -> Sequence[Found]:
    """The hits that take the first ten places."""
    taken: set[str] = set()
    for count, hit in enumerate(hits):
        taken.update(hit.sources)
        if len(taken) > FIRST_PLACES:
            return hits[:count]
    return hits


def _top(hits: Sequence[Found]) -> float | None:
    return hits[0].score if hits else None
