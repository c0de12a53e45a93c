"""Reading: query -> candidates -> ranked hits. One embedding, one snapshot, one fetch, whatever the store's size."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from keepstone.contract import CandidateQuery
from keepstone.filters import Filter
from keepstone.logic.questions import Intent, Question, read
from keepstone.logic.ranking import Calibration, Ranked, calibration_of, rank
from keepstone.logic.text import language, term_counts
from keepstone.logic.vectors import checked
from keepstone.protocols import Embedder, Store
from keepstone.types import Explanation, Hit, Kind, MemoryRecord, Scope

CANDIDATES_MIN = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchRequest:
    """What one call of `search` asks for, checked; `query` is in normal form.

    With `merge`, a distilled memory and the episodes that say it are one hit. `as_of` is a moment in the world: what
    did not hold then is left out. `known_at` is a moment of the store: everything is as it was recorded then, expiry
    and the reading of the question included.
    """

    query: str
    scope: Scope
    limit: int
    min_score: float
    where: Filter | None
    kinds: tuple[Kind, ...]
    include_expired: bool
    include_superseded: bool
    explain: bool
    partitions_max: int
    merge: bool = True
    as_of: datetime | None = None
    known_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look for candidates, and how what it finds is ranked."""

    query: CandidateQuery
    calibration: Calibration
    question: Question


async def search(store: Store, embedder: Embedder | None, request: SearchRequest, *, now: datetime) -> list[Hit]:
    """Return the hits of *request*, best first.

    Raises:
        ProviderError: the embedder failed.
        LimitError: the scope reaches more partitions than one search may.
    """
    if not request.query:
        return []
    clock = Stopwatch()
    look = await looked_for(embedder, request, now=now)
    clock.mark("embed")
    found = await store.candidates(look.query)
    clock.mark("candidates")
    ranked = rank(
        found,
        look.calibration,
        question=look.question,
        limit=request.limit,
        min_score=request.min_score,
        explain=request.explain,
        merge=request.merge,
        include_outdated=request.include_superseded,
    )
    clock.mark("rank")
    ids = [r.candidate.memory_id for r in ranked]
    records = {r.id: r for r in await store.get(ids, request.scope, known_at=request.known_at)}
    clock.mark("fetch")
    return hits_of(ranked, records, clock.milliseconds if request.explain else None)


async def looked_for(embedder: Embedder | None, request: SearchRequest, *, now: datetime) -> Look:
    """Return what *request* looks for; its query is not empty.

    Raises:
        ProviderError: the embedder failed.
    """
    vector = None
    if embedder is not None:
        vector = checked(await embedder.embed([request.query], "query"), 1, embedder.key)[0]
    calibration = calibration_of(None if embedder is None else embedder.key.name, language(request.query))
    asked_at = request.known_at or now
    question = read(request.query, asked_at)
    query = CandidateQuery(
        scope=request.scope,
        terms=term_counts(request.query)[0],
        vector=vector,
        at=asked_at,
        limit=max(CANDIDATES_MIN, 2 * request.limit),
        where=request.where,
        kinds=request.kinds,
        include_expired=request.include_expired,
        include_superseded=request.include_superseded,
        embedder=embedder.key if embedder is not None else None,
        partitions_max=request.partitions_max,
        alike=None if question.intent is Intent.ANY else calibration.same_matter,
        as_of=request.as_of,
        known_at=request.known_at,
        question=request.query,
    )
    return Look(query=query, calibration=calibration, question=question)


class Stopwatch:
    """Milliseconds spent in each stage of one search or trace."""

    def __init__(self) -> None:
        self.milliseconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def mark(self, stage: str) -> None:
        """Enter the time since the last mark as that of *stage*."""
        now = time.perf_counter()
        self.milliseconds[stage] = round((now - self._last) * 1000, 3)
        self._last = now


def hits_of(
    ranked: Sequence[Ranked], records: Mapping[str, MemoryRecord], timings: Mapping[str, Any] | None
) -> list[Hit]:
    """Return *ranked* as hits, with explanations if there are *timings*."""
    hits = []
    for entry in ranked:
        record = records.get(entry.candidate.memory_id)
        if record is None:
            # Taken back between the two reads: what is gone is not shown.
            continue
        explanation = None
        if timings is not None:
            explanation = Explanation(signals=entry.signals, fused=entry.fused, timings_ms=timings)
        hits.append(
            Hit(
                id=record.id,
                text=record.text,
                score=entry.score,
                span=entry.candidate.span,
                memory=record,
                sources=record.sources,
                explanation=explanation,
                evidence=entry.evidence,
                outdated=entry.outdated,
            )
        )
    return hits
