"""Fits the constants by which an embedder's cosines and BM25 become a score from 0 to 1.

    python -m benchmarks.calibrate [--embedder local|hashing|none] [--check OTHER.jsonl ...] PACK.jsonl ...

1. The background: mean and deviation of the cosine between questions and the texts of other records, where nothing
   can be relevant but by chance; one for questions in Chinese, Japanese or Korean and one for all others (pooled
   with --one-background), since an embedder need not put two languages equally far apart.
2. The weight of BM25 beside that of the cosine in deviations: the one with which the score of the first hit tells
   answerable questions best from questions of other records (AUROC, of each pack and of all together). BM25 counts
   as the share of what the query could reach, or with --words log as log(1 + BM25).
   Both are the best of all candidates.
3. Bias, slope and the weight of how far a hit stands behind the first, by a logistic regression of "holds evidence",
   over the first ten hits of the questions
   of a record and of as many of other records. A hit weighs one over its rank, as it is read; a pack as any other.
4. How reliable the scores are: the calibration error (ECE, ten bins) of all hits and of first ones, and how well the
   score of the first hit tells answerable questions from those of other records and from unanswerable ones (AUROC),
   on the packs used, on each pack when it is left out of the fit, and on the packs of --check, which are never used.

Only packs whose licence allows it may be used for the fit; the rest belong to --check.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from benchmarks.retriever import embedder
from keepstone.contract import CandidateQuery, Candidates
from keepstone.embedders.hashing import HashingEmbedder
from keepstone.evaluation.pack import Question, Record, conversations, embedded_texts, read
from keepstone.evaluation.retriever import USER, KeepstoneRetriever
from keepstone.logic.questions import Intent
from keepstone.logic.questions import read as read_question
from keepstone.logic.ranking import calibration_of, rank
from keepstone.logic.text import language, normalise, term_counts
from keepstone.protocols import Embedder
from keepstone.types import Scope

Floats = npt.NDArray[np.float64]
Kind = Literal["own", "foreign", "unanswerable"]
Words = Literal["share", "log"]

HITS = 10
FOREIGN_MAX = 40
BINS = 10
RATIOS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 8.0, 10.0)
KINDS_AGAINST: tuple[Kind, ...] = ("foreign", "unanswerable")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The first hits of one question: the best cosine in deviations and the best BM25, the same for all of them, how
    far each stands behind the first, and whether it holds evidence.
    """

    pack: str
    kind: Kind
    z: Floats
    words: Floats
    behind: Floats
    evidence: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """The numbers of the regression."""

    bias: float
    cosine: float
    bm25: float
    behind: float = 0.0

    def scores(self, z: Floats, words: Floats, behind: Floats) -> Floats:
        """Return the scores of hits."""
        level = self.bias + self.cosine * z + self.bm25 * words
        value: Floats = 1 / (1 + np.exp(-(level - self.behind * behind)))
        return value


class Background:
    """Means and deviations of cosines between unrelated texts, by the script of the question."""

    def __init__(self, *, pooled: bool) -> None:
        self._pooled = pooled
        self._moments: dict[str, list[tuple[float, float]]] = {}

    def add(self, question: str, cosines: Floats) -> None:
        """Count the cosines of one pack's questions; every pack weighs the same."""
        moments = (float(cosines.mean()), float((cosines**2).mean()))
        self._moments.setdefault(self._script(question), []).append(moments)

    def of(self, question: str) -> tuple[float, float]:
        """Return mean and deviation for a question."""
        return self.constants()[self._script(question)]

    def constants(self) -> dict[str, tuple[float, float]]:
        """Return mean and deviation for each script."""
        found = {}
        for script, moments in self._moments.items():
            mean, square = np.mean(moments, axis=0)
            found[script] = (round(float(mean), 4), round(float(np.sqrt(square - mean**2)), 4))
        return found

    def standing(self, question: str, cosines: Floats) -> Floats:
        """Return cosines in deviations from the background, bounded as the ranking bounds them."""
        mean, deviation = self.of(question)
        return np.clip((cosines - mean) / deviation, -4.0, 8.0)

    def _script(self, question: str) -> str:
        return "cjk" if not self._pooled and language(question) in ("zh", "ja", "ko") else "other"


def background(paths: Sequence[Path], model: Embedder, *, pooled: bool) -> Background:
    """Return the background of an embedder on *paths*; packs with one record have no unrelated texts."""
    found = Background(pooled=pooled)
    for path in paths:
        records = read(path).records
        asked = [_vectors(model, _questions(r), "query") for r in records]
        said = [_vectors(model, _documents(r), "document") for r in records]
        cosines = [
            (a @ d.T).ravel() for i, a in enumerate(asked) for j, d in enumerate(said) if i != j and len(a) and len(d)
        ]
        if cosines:
            together = np.concatenate(cosines)
            found.add(_questions(records[0])[0], together)
            print(f"  {path.stem}: mean {together.mean():.4f}, deviation {together.std():.4f}")
    return found


def _questions(record: Record) -> list[str]:
    return [normalise(q.text).strip() for q in record.questions]


def _documents(record: Record) -> list[str]:
    texts = [t for _, messages in conversations(record) for t in embedded_texts(messages)]
    return list(dict.fromkeys(texts))


def _vectors(model: Embedder, texts: Sequence[str], kind: Literal["query", "document"]) -> Floats:
    return np.array(asyncio.run(model.embed(texts, kind)), dtype=np.float64)


def collect(path: Path, model: Embedder | None, against: Background | None, words: Words) -> Iterator[Asked]:
    """Yield the first hits of every question of a pack, its own and foreign ones."""
    records = read(path).records
    for record in records:
        view = View(path.stem, record, model, against, words)
        own = [q for q in record.questions if q.evidence and q.answerable]
        others = [q for r in records if r is not record for q in r.questions if q.answerable]
        drawn = random.Random(record.id).sample(others, min(FOREIGN_MAX, len(own), len(others)))
        unanswerable = [q for q in record.questions if not q.answerable]
        yield from (view.ask(q, "own") for q in own)
        yield from (view.ask(q, "foreign") for q in drawn)
        yield from (view.ask(q, "unanswerable") for q in unanswerable)


class View:
    """One record in a store of its own, and what its first hits are like."""

    def __init__(
        self, pack: str, record: Record, model: Embedder | None, against: Background | None, words: Words
    ) -> None:
        self._pack, self._model, self._against, self._words = pack, model, against, words
        self._search = KeepstoneRetriever(record, model or "none")
        self._calibration = calibration_of(None if model is None else model.key.name)
        self._order = {t.id: i for i, t in enumerate(record.turns)}

    def ask(self, question: Question, kind: Kind) -> Asked:
        """Return the first hits of a question; one that is asked inside the dialogue sees what was said before."""
        said = normalise(question.text).strip()
        before = self._order.get(question.asof or "") if kind == "own" else None
        wanted = set(question.evidence) if kind == "own" else set()
        found = self._candidates(said, 100 if before is None else len(self._order))
        ranked = rank(found, self._calibration, question=read_question(said))[: HITS if before is None else None]
        ids = [r.candidate.memory_id for r in ranked]
        records = {m.id: m for m in asyncio.run(self._search.memory.store.get(ids, Scope(user_id=USER)))}
        hits: list[tuple[float, float]] = []
        for entry in ranked:
            sources = records[entry.candidate.memory_id].sources
            if before is not None and any(self._order[s] >= before for s in sources):
                continue
            hits.append((ranked[0].fused - entry.fused, float(not wanted.isdisjoint(sources))))
        behind, evidence = np.array(hits[:HITS], dtype=np.float64).reshape(-1, 2).T
        z = np.zeros_like(behind)
        if self._against is not None:
            top = max((c.cosine or 0.0 for c in found.items), default=0.0)
            z += self._against.standing(said, np.array(top))
        words = np.full_like(behind, self._top_words(found))
        return Asked(pack=self._pack, kind=kind, z=z, words=words, behind=np.maximum(behind, 0.0), evidence=evidence)

    def _top_words(self, found: Candidates) -> float:
        shares = [c.bm25 / m for c in found.items if (m := found.corpora[c.partition].bm25_most) > 0]
        top = max((c.bm25 for c in found.items), default=0.0)
        return max(shares, default=0.0) if self._words == "share" else math.log1p(top)

    def _candidates(self, question: str, limit: int) -> Candidates:
        model = self._model
        query = CandidateQuery(
            scope=Scope(user_id=USER),
            terms=term_counts(question)[0],
            vector=None if model is None else asyncio.run(model.embed([question], "query"))[0],
            at=self._search.now,
            limit=limit,
            embedder=None if model is None else model.key,
            alike=None if read_question(question).intent is Intent.ANY else self._calibration.same_matter,
        )
        return asyncio.run(self._search.memory.store.candidates(query))


def fit(asked: Sequence[Asked], *, dense: bool) -> Weights:
    """Return the weights that a set of questions asks for; BM25 alone without *dense*."""
    if not dense:
        return _scaled(asked, Weights(bias=0.0, cosine=0.0, bm25=1.0))
    # One weight is found apart from the logistic regression, which would take it from how the packs differ.
    tried = [Weights(bias=0.0, cosine=1.0, bm25=ratio) for ratio in RATIOS]
    return _scaled(asked, max(tried, key=lambda w: _telling(asked, w)))


def _telling(asked: Sequence[Asked], weights: Weights) -> float:
    """How well first scores tell own from foreign questions: the mean over packs, and over all together."""
    packs_apart = [auroc([a for a in asked if a.pack == p], weights, "foreign") for p in {a.pack for a in asked}]
    together = auroc(asked, weights, "foreign")
    return float(np.mean([v for v in packs_apart if v is not None])) + (together or 0.0)


def _scaled(asked: Sequence[Asked], direction: Weights) -> Weights:
    """Return *direction* with the bias and the slope of a logistic regression, by Newton's method."""
    z, words, behind, labels, weight = _stacked(asked)
    features = np.stack([np.ones_like(z), direction.cosine * z + direction.bm25 * words, -behind], axis=1)
    beta = np.zeros(3)
    for _ in range(50):
        p = 1 / (1 + np.exp(-features @ beta))
        hessian = (features * (weight * p * (1 - p))[:, None]).T @ features
        step = np.linalg.solve(hessian + 1e-9 * np.eye(3), features.T @ (weight * (labels - p)))
        beta += step
        if np.abs(step).max() < 1e-9:
            break
    bias, slope, far = (float(v) for v in beta)
    return Weights(bias=bias, cosine=slope * direction.cosine, bm25=slope * direction.bm25, behind=far)


def _stacked(asked: Sequence[Asked], first: int = HITS) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """Return z, BM25, how far behind, labels and weights of the *first* hits; packs weigh the same, hits by rank."""
    ranked = {p: sum(_by_rank(a, first).sum() for a in asked if a.pack == p) for p in {a.pack for a in asked}}
    weight = np.concatenate([_by_rank(a, first) / (len(ranked) * ranked[a.pack]) for a in asked])
    names = ("z", "words", "behind", "evidence")
    z, words, behind, evidence = (np.concatenate([getattr(a, n)[:first] for a in asked]) for n in names)
    return z, words, behind, evidence, weight


def _by_rank(asked: Asked, first: int) -> Floats:
    weight: Floats = 1 / np.arange(1, len(asked.z[:first]) + 1)
    return weight


def reliability(asked: Sequence[Asked], weights: Weights, first: int = HITS) -> tuple[float, list[str]]:
    """Return the calibration error over the *first* hits and a line for each bin."""
    z, words, behind, labels, weight = _stacked(asked, first)
    scores = weights.scores(z, words, behind)
    bins = np.minimum((scores * BINS).astype(int), BINS - 1)
    error, lines = 0.0, []
    for number in np.unique(bins):
        inside = bins == number
        said, true = (np.average(v[inside], weights=weight[inside]) for v in (scores, labels))
        error += float(weight[inside].sum() * abs(said - true))
        lines.append(f"  score {number / BINS:.1f}: {inside.sum()} hits, mean {said:.3f}, evidence {true:.3f}")
    return error, lines


def auroc(asked: Sequence[Asked], weights: Weights, against: Kind) -> float | None:
    """Return how well the score of the first hit tells own questions from those *against* it."""
    tops: dict[Kind, list[float]] = {"own": [], "foreign": [], "unanswerable": []}
    for one in asked:
        scores = weights.scores(one.z[:1], one.words[:1], one.behind[:1])
        tops[one.kind].append(float(scores[0]) if len(scores) else 0.0)
    own, others = np.array(tops["own"]), np.array(tops[against])
    if not len(own) or not len(others):
        return None
    return float((own[:, None] > others).mean() + 0.5 * (own[:, None] == others).mean())


def judge(name: str, asked: Sequence[Asked], weights: Weights) -> str:
    """Return one line of the table of reliability."""
    told = [auroc(asked, weights, kind) for kind in KINDS_AGAINST]
    errors = [reliability(asked, weights, first)[0] for first in (HITS, 1)]
    cells = [*(f"{e:.3f}" for e in errors), *("" if t is None else f"{t:.3f}" for t in told)]
    return f"| {name} | {len(asked)} | " + " | ".join(cells) + " |"


def report(fitted: Sequence[Asked], checked: Sequence[Asked], *, dense: bool) -> Weights:
    """Fit, and print how reliable the scores are."""
    weights = fit(fitted, dense=dense)
    error, lines = reliability(fitted, weights)
    print(f"reliability of all hits (ECE {error:.3f}):", *lines, sep="\n")
    print("\n| pack | questions | ECE | ECE of first hits | AUROC, foreign | AUROC, unanswerable |")
    print("|---|---|---|---|---|---|")
    print(judge("all, fitted", fitted, weights))
    for pack in sorted({a.pack for a in fitted}):
        rest = [a for a in fitted if a.pack != pack]
        if rest:
            print(judge(f"{pack}, left out", [a for a in fitted if a.pack == pack], fit(rest, dense=dense)))
    for pack in sorted({a.pack for a in checked}):
        print(judge(f"{pack}, never used", [a for a in checked if a.pack == pack], weights))
    return weights


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("packs", nargs="+", type=Path)
    arguments.add_argument("--embedder", choices=["local", "hashing", "none"], default="local")
    arguments.add_argument("--one-background", action="store_true")
    arguments.add_argument("--words", choices=["share", "log"], default="share")
    arguments.add_argument("--check", nargs="*", type=Path, default=[])
    given = arguments.parse_args()
    model: Embedder | None = None
    if given.embedder != "none":
        model = HashingEmbedder() if given.embedder == "hashing" else embedder()
    against = None
    if model is not None:
        print("background, questions against texts of other records:")
        against = background(given.packs, model, pooled=given.one_background)
    fitted = [a for path in given.packs for a in collect(path, model, against, given.words)]
    checked = [a for path in given.check for a in collect(path, model, against, given.words)]
    weights = report(fitted, checked, dense=model is not None)
    print(f"\n{given.embedder}: bias={weights.bias:.2f}, cosine_weight={weights.cosine:.2f}, ", end="")
    print(f"bm25_weight={weights.bm25:.2f}, behind_weight={weights.behind:.2f}")
    for script, (mean, deviation) in ({} if against is None else against.constants()).items():
        print(f"  {script}: mean={mean}, deviation={deviation}")


if __name__ == "__main__":
    main()
