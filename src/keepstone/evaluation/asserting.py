"""Asking one's own store the questions of an assertion file, and judging the answers; nothing is written."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from keepstone.evaluation.assertions import Assertion, AssertionFile
from keepstone.logic.text import estimate_tokens, spoken
from keepstone.memory import AsyncMemory
from keepstone.types import Hit

SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one assertion fared: `failures` is empty if it passed. `recall` is None if no memory was expected."""

    question: str
    passed: bool
    failures: tuple[str, ...]
    recall: float | None
    first_rank: int | None
    tokens: int
    top_score: float | None
    found: tuple[str, ...]


async def check(memory: AsyncMemory, given: AssertionFile) -> list[Outcome]:
    """Return the outcome of every assertion that has a question, in order."""
    scope = given.scope
    outcomes = []
    for assertion in given.assertions:
        if assertion.is_open:
            continue
        hits = await memory.search(
            assertion.question,
            user_id=scope.user_id,
            agent_id=scope.agent_id,
            app_id=scope.app_id,
            run_id=scope.run_id,
            limit=assertion.at_most_rank,
        )
        outcomes.append(judge(assertion, hits))
    return outcomes


def judge(assertion: Assertion, hits: Sequence[Hit]) -> Outcome:
    """Return the outcome of *assertion* for the first hits of its question."""
    kept = _within(hits[: assertion.at_most_rank], assertion.within_tokens)
    ranks = {e: rank for e in assertion.expect if (rank := _rank(e, kept)) is not None}
    recall = len(ranks) / len(assertion.expect) if assertion.expect else None
    top = hits[0].score if hits else None
    failures = [*_missing(assertion, ranks, recall), *_texts(assertion, kept)]
    failures += [f"found {i}, which must not be found" for i in assertion.must_not_find if _rank(i, kept) is not None]
    if assertion.max_score is not None and top is not None and top > assertion.max_score:
        failures.append(f"the first hit scores {top:.2f}, more than {assertion.max_score:g}")
    return Outcome(
        question=assertion.question,
        passed=not failures,
        failures=tuple(failures),
        recall=recall,
        first_rank=min(ranks.values(), default=None),
        tokens=sum(_tokens(h) for h in kept),
        top_score=top,
        found=tuple(h.passage for h in kept[:SHOWN]),
    )


def _missing(assertion: Assertion, ranks: dict[str, int], recall: float | None) -> list[str]:
    if recall is None or recall >= assertion.min_recall:
        return []
    missing = ", ".join(e for e in assertion.expect if e not in ranks)
    budget = "" if assertion.within_tokens is None else f" and {assertion.within_tokens} tokens"
    where = f"within {assertion.at_most_rank} hits{budget}"
    return [f"{len(ranks)} of {len(assertion.expect)} expected {where}: {missing} missing"]


def _texts(assertion: Assertion, hits: Sequence[Hit]) -> list[str]:
    everything = _folded("\n".join(h.passage for h in hits))
    absent = [t for t in assertion.must_contain if _folded(t) not in everything]
    present = [t for t in assertion.must_not_contain if _folded(t) in everything]
    return [f"no hit contains {t!r}" for t in absent] + [f"a hit contains {t!r}" for t in present]


def _within(hits: Sequence[Hit], budget: int | None) -> list[Hit]:
    """The first hits that fit whole into *budget* tokens."""
    kept: list[Hit] = []
    used = 0
    for hit in hits:
        used += _tokens(hit) + 1
        if budget is not None and used > budget:
            break
        kept.append(hit)
    return kept


def _tokens(hit: Hit) -> int:
    return estimate_tokens(spoken(hit.memory.name, hit.passage))


def _rank(id: str, hits: Sequence[Hit]) -> int | None:
    """The place, from 1, of the first hit that is this memory or comes from this message."""
    return next((place for place, h in enumerate(hits, start=1) if id == h.id or id in h.sources), None)


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
