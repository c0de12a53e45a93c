"""Measures what each signal of the ranking is worth: every one left out alone, on packs of dialogues.

    python -m benchmarks.ablations [--only NAME ...] PACK.jsonl ...

Candidates are found once a question, then ranked with each variant of `keepstone.logic.ranking.WEIGHTS`; printed is the
difference to the full ranking, in hundredths. `*` marks a difference whose 95 % interval (paired bootstrap over the
questions) leaves out 0.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.retriever import embedder
from keepstone.contract import CandidateQuery, Candidates
from keepstone.evaluation.intervals import estimate
from keepstone.evaluation.pack import Question, Record, read
from keepstone.evaluation.retriever import USER, KeepstoneRetriever
from keepstone.evaluation.scoring import Evidence, Found, said_by, score, visible
from keepstone.logic import questions
from keepstone.logic.ranking import WEIGHTS, Weights, calibration_of, rank
from keepstone.logic.text import language, normalise, spoken, term_counts
from keepstone.types import MemoryRecord, Scope

LIMIT = 400
HITS = 200
MEASURES = ("R@10", "full@10", "R@1000t", "fresh")
Scores = dict[str, dict[str, float]]

VARIANTS: Mapping[str, Weights] = {
    "all signals": WEIGHTS,
    "cosine and BM25 alone": Weights(
        around=(0, 0, 0), window=0, session=0, size=0, speaker=0, role=0, asked=0, someone_else=0, time=0, period=0,
        number=0, newer=0, succession=False,
    ),
    "no cosine": replace(WEIGHTS, cosine=0, centred=0),
    "no BM25": replace(WEIGHTS, bm25=0, bm25_share=0),
    "cosine not centred by speaker": replace(WEIGHTS, cosine=1, centred=0),
    "BM25 as deviations only": replace(WEIGHTS, bm25=0.75, bm25_share=0),
    "no neighbouring turns": replace(WEIGHTS, around=(0, 0, 0)),
    "no window": replace(WEIGHTS, window=0),
    "no session": replace(WEIGHTS, session=0),
    "no size": replace(WEIGHTS, size=0),
    "nothing around": replace(WEIGHTS, around=(0, 0, 0), window=0, session=0, size=0),
    "no named speaker": replace(WEIGHTS, speaker=0),
    "no role": replace(WEIGHTS, role=0),
    "questions as statements": replace(WEIGHTS, asked=0),
    "no time asked for": replace(WEIGHTS, time=0),
    "no number asked for": replace(WEIGHTS, number=0),
    "no period named": replace(WEIGHTS, period=0),
    "others as oneself": replace(WEIGHTS, someone_else=0),
    "no newness": replace(WEIGHTS, newer=0),
    "no succession": replace(WEIGHTS, succession=False),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was found for one question, before it is ranked."""

    question: Question
    read: questions.Question
    found: Candidates
    embedder: str
    language: str


def collect(record: Record) -> tuple[list[Asked], dict[str, MemoryRecord]]:
    """Return what is found for the questions of *record*, and its memories by id."""
    search = KeepstoneRetriever(record, embedder())
    asked = []
    for question in record.questions:
        if question.evidence and question.answerable:
            search.search("", 1, question.at or record.end)
            asked.append(_ask(search, question))
    ids = list(dict.fromkeys(c.memory_id for a in asked for c in a.found.items))
    records = asyncio.run(search.memory.store.get(ids, Scope(user_id=USER)))
    search.close()
    return asked, {r.id: r for r in records}


def _ask(search: KeepstoneRetriever, question: Question) -> Asked:
    text = normalise(question.text).strip()
    model = embedder()
    calibration = calibration_of(model.key.name, language(text))
    said = questions.read(text, search.now)
    query = CandidateQuery(
        scope=Scope(user_id=USER),
        terms=term_counts(text)[0],
        vector=asyncio.run(model.embed([text], "query"))[0],
        at=search.now,
        limit=LIMIT,
        embedder=model.key,
        alike=calibration.same_matter,
    )
    found = asyncio.run(search.memory.store.candidates(query))
    return Asked(question=question, read=said, found=found, embedder=model.key.name, language=language(text))


def measured(record: Record, asked: Sequence[Asked], records: Mapping[str, MemoryRecord], weights: Weights) -> Scores:
    """Return the measures of each question of *record* with *weights*."""
    texts, scores = said_by(record), {}
    for one in asked:
        calibration = calibration_of(one.embedder, one.language)
        ranked = rank(one.found, calibration, question=one.read, weights=weights)
        hits = []
        for entry in ranked[: None if one.question.asof else HITS]:
            memory, span = records[entry.candidate.memory_id], entry.candidate.span
            text = spoken(memory.name, memory.text[span.start : span.end])
            hits.append(Found(text=text, sources=memory.sources, score=entry.score, derived=False))
        evidence = Evidence(one.question, texts)
        scores[f"{record.id} {one.question.id}"] = score(one.question, visible(one.question, hits, record), evidence)
    return scores


def run(path: Path, names: Sequence[str]) -> dict[str, Scores]:
    """Return the measures of every question of a pack, for each variant."""
    results: dict[str, Scores] = {name: {} for name in names}
    for record in read(path).records:
        asked, records = collect(record)
        for name in names:
            results[name] |= measured(record, asked, records, VARIANTS[name])
    return results


def cell(base: Scores, other: Scores, measure: str) -> str:
    """Return the mean difference of a measure, in hundredths, marked if it is more than chance."""
    differences = [other[q][measure] - base[q][measure] for q in base if measure in base[q]]
    if not differences:
        return ""
    found = estimate(differences)
    bounds = (found.low, found.high)
    sure = None not in bounds and (bounds[0] or 0) * (bounds[1] or 0) > 0
    return f"{100 * statistics.fmean(differences):+.1f}{'*' if sure else ''}"


def main() -> None:
    """Run on the packs named on the command line."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("packs", nargs="+", type=Path)
    arguments.add_argument("--only", nargs="*", choices=sorted(VARIANTS))
    given = arguments.parse_args()
    names = ["all signals", *(n for n in VARIANTS if n != "all signals" and n in (given.only or VARIANTS))]
    for path in given.packs:
        results = run(path, names)
        base = results["all signals"]
        measures = [m for m in MEASURES if any(m in row for row in base.values())]
        print(f"\n{path.stem}, {len(base)} questions\n\n| variant | " + " | ".join(measures) + " |")
        print("|---" * (len(measures) + 1) + "|")
        means = [statistics.fmean(row[m] for row in base.values() if m in row) for m in measures]
        print("| all signals | " + " | ".join(f"{m:.3f}" for m in means) + " |")
        for name in names[1:]:
            print(f"| {name} | " + " | ".join(cell(base, results[name], m) for m in measures) + " |", flush=True)


if __name__ == "__main__":
    main()
