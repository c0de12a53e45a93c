"""The measures of one question: how much of the labelled evidence was found, how soon, and what should not have been.

An evidence turn is found by a hit that names it as a source and quotes it: the hit's text holds at least 60 % of the
pairs of neighbouring words of the turn, or, for a turn of more than 100 tokens, of those 100 tokens that have most
words in common with question and answer. A derived hit (a statement distilled from its sources) need only name it. A
place is taken by each different source turn, in the order of the hits: a hit that joins ten turns takes ten places.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from keepstone.evaluation.pack import Question, Record
from keepstone.logic.text import estimate_tokens

DEPTH = 200
PLACES = (3, 5, 10, 20, 50)
BUDGETS = (500, 1000, 2000, 4000)
CONTEXT_BUDGETS = (500, 1000, 2000)
FIRST_PLACES = 10
SPAN_TOKENS = 100
COVERAGE = 0.6
# A context is counted by its maker's own counter; this much more by ours is not held against it.
CONTEXT_SLACK = 1.1

# Words that say nothing of what a part of a text is about. Fixed, so that a measure never moves with the product.
FUNCTION_WORDS = frozenset(
    (
        "a an and are as at be been but by did do does for from had has have how i if in is it its me my of on or our "
        "so that the their them they this to was we were what when where which who why will with you your"
    ).split()
)

_WORD = re.compile(r"[a-z0-9]+|[\u3400-\u9fff\uf900-\ufaff]")
# Where a long turn may be cut: after a character of Chinese, or after a word with the space behind it.
_STEP = re.compile(r"[\u3400-\u9fff]|[^\s\u3400-\u9fff]+\s*")

Words = frozenset[tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One hit: what a prompt would get, the turns it came from, and whether it is distilled from them or quotes them.

    `whole` says that the text is that of its only source, which then needs no comparison. `score` is None if the
    retriever gives none.
    """

    text: str
    sources: tuple[str, ...]
    score: float | None = None
    derived: bool = False
    whole: bool = False


class Evidence:
    """What a question's evidence is, and which hits find it."""

    def __init__(self, question: Question, said: Mapping[str, str]) -> None:
        self.groups = question.groups if question.answerable else ()
        hints = (question.text, *question.hints)
        self._spans = {e: span_words(said[e], hints) for g in self.groups for e in g}

    def found_by(self, hit: Found, turn: str) -> bool:
        """Return True if *hit* names and quotes *turn*."""
        return turn in hit.sources and (hit.derived or hit.whole or covers(hit.text, self._spans[turn]))

    def share(self, hits: Sequence[Found]) -> float:
        """Return the share of the groups of which *hits* find a turn."""
        return _share(any(self.found_by(h, e) for h in hits for e in g) for g in self.groups)

    def share_of_text(self, text: str) -> float:
        """Return the share of the groups of which *text* holds a turn."""
        return _share(any(covers(text, self._spans[e]) for e in g) for g in self.groups)

    def missing(self, hits: Sequence[Found]) -> list[str]:
        """Return the first turn of each group that *hits* do not find."""
        return [g[0] for g in self.groups if not any(self.found_by(h, e) for h in hits for e in g)]


def said_by(record: Record) -> dict[str, str]:
    """Return what each turn of *record* says, its speaker in front, by its id."""
    return {t.id: t.said for t in record.turns}


def visible(question: Question, hits: Sequence[Found], record: Record) -> list[Found]:
    """Return the hits that count for *question*: only those from turns before `asof`, if it has one."""
    if question.asof is None:
        return list(hits)
    order = {t.id: i for i, t in enumerate(record.turns)}
    end = order[question.asof]
    return [h for h in hits if all(order[s] < end for s in h.sources)]


def score(
    question: Question, hits: Sequence[Found], evidence: Evidence, contexts: Mapping[int, str] | None = None
) -> dict[str, float]:
    """Return the measures that apply to *question*, for its visible hits and the contexts by their budget."""
    places = _places(hits)
    measures: dict[str, float] = {}
    if evidence.groups:
        measures |= _recall(hits, evidence, places)
        measures |= {f"R@{b}t": evidence.share(fitting(hits, b)) for b in BUDGETS}
        for budget, text in (contexts or {}).items():
            fits = estimate_tokens(text) <= CONTEXT_SLACK * budget
            measures[f"C@{budget}t"] = evidence.share_of_text(text) if fits else 0.0
    if question.stale:
        newest, oldest = _first(question.current, places), _first(question.stale, places)
        measures["fresh"] = float(newest < FIRST_PLACES and newest < oldest)
    if question.forbidden:
        measures["leak@10"] = float(_first(question.forbidden, places) < FIRST_PLACES)
    if question.distractors:
        measures["distract@1"] = float(_first(question.distractors, places) == 0)
    return measures


def fitting(hits: Sequence[Found], budget: int) -> Sequence[Found]:
    """Return the first of *hits* that fit whole into *budget* estimated tokens, each with one for a line break."""
    used = 0
    for count, hit in enumerate(hits):
        used += estimate_tokens(hit.text) + 1
        if used > budget:
            return hits[:count]
    return hits


def covers(text: str, span: Words) -> bool:
    """Return True if *text* holds at least 60 % of the word pairs of *span*."""
    if not span:
        return True
    words = _words(text)
    have = _pairs(words) | {(w,) for w in words}
    return len(span & have) >= COVERAGE * len(span)


def span_words(text: str, hints: Iterable[str]) -> Words:
    """Return the word pairs of *text*, of a long one those of the part that has most words of *hints*."""
    if estimate_tokens(text) > SPAN_TOKENS:
        text = _best_part(text, set(_words(" ".join(hints))) - FUNCTION_WORDS)
    return _pairs(_words(text))


def _best_part(text: str, wanted: set[str]) -> str:
    """The part of about 100 tokens with most of the *wanted* words; the first of several."""
    steps = _STEP.findall(text)
    sizes = [float(estimate_tokens(s)) if _is_chinese(s) else len(s) / 4 for s in steps]
    start, total, best, most = 0, 0.0, "", -1
    for stop, size in enumerate(sizes, start=1):
        total += size
        while total > SPAN_TOKENS and start < stop - 1:
            total -= sizes[start]
            start += 1
        part = "".join(steps[start:stop])
        count = len(wanted.intersection(_words(part)))
        if count > most:
            best, most = part, count
    return best


def _is_chinese(step: str) -> bool:
    return len(step) == 1 and "\u3400" <= step <= "\u9fff"


def _recall(hits: Sequence[Found], evidence: Evidence, places: Mapping[str, int]) -> dict[str, float]:
    ranks = [
        min((places[e] for e in group if any(evidence.found_by(h, e) for h in hits)), default=None)
        for group in evidence.groups
    ]
    measures: dict[str, float] = {}
    for k in PLACES:
        share = _share(r is not None and r < k for r in ranks)
        measures |= {f"R@{k}": share, f"full@{k}": float(share == 1), f"hit@{k}": float(share > 0)}
    first = min((r for r in ranks if r is not None), default=None)
    measures["MRR"] = 0.0 if first is None else 1 / (first + 1)
    return measures


def _places(hits: Sequence[Found]) -> dict[str, int]:
    """The place of each source turn, from 0; however often it comes back it keeps its first one."""
    places: dict[str, int] = {}
    for hit in hits:
        for source in hit.sources:
            places.setdefault(source, len(places))
    return places


def _first(turns: Sequence[str], places: Mapping[str, int]) -> float:
    return min((places[t] for t in turns if t in places), default=float("inf"))


def _share(found: Iterable[bool]) -> float:
    values = list(found)
    return sum(values) / len(values)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _pairs(words: Sequence[str]) -> Words:
    """Pairs of neighbours, which chance strings together far less often than it has single words in common."""
    return frozenset(pairwise(words)) or frozenset((w,) for w in words)
