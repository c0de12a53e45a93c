"""Gold memories: what a pack says should be known at its end, and which distilled memories say it.

A memory says a gold memory by the words that both have: of the rarer of the two sets of words, at least 40 % are in the
other, and at least two (all, if there is only one). It must come from a turn of the same day; if it comes from the very
turn, and that is a short one, one word is enough, since a short turn says little else. Words are compared without
function words and commonest endings, Chinese by pairs of neighbouring characters. This is a count of words and no
judgement of meaning: an honest paraphrase can be missed, so the bars leave room for it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from keepstone.errors import InvalidRequestError
from keepstone.evaluation.pack import Record
from keepstone.evaluation.scoring import FUNCTION_WORDS, SPAN_TOKENS
from keepstone.logic.text import estimate_tokens
from keepstone.types import Kind, MemoryRecord, Status

OVERLAP = 0.4
WORDS_MIN = 2

_RUN = re.compile(r"[a-z0-9]+|[\u3400-\u9fff\uf900-\ufaff]+")
_ENDING = re.compile(r"(?:ing|ed|es|s)$")
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
_KANA = re.compile(r"[\u3040-\u30ff]")
_SUBJECTS = frozenset({"user", "assistant", "用户", "助手"})
# A Chinese character says about what two or three Latin letters say.
_LETTERS_PER_HAN = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Gold:
    """A statement that a pack labels, with the turns that say it."""

    id: str
    text: str
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many of how many; the share is None of nothing."""

    good: int = 0
    count: int = 0

    @property
    def share(self) -> float | None:
        """From 0 to 1."""
        return self.good / self.count if self.count else None

    def __add__(self, other: Tally) -> Tally:
        return Tally(good=self.good + other.good, count=self.count + other.count)


def tally(outcomes: Iterable[bool]) -> Tally:
    """Return how many of *outcomes* are true."""
    found = list(outcomes)
    return Tally(good=sum(found), count=len(found))


def gold_memories(record: Record) -> tuple[Gold, ...]:
    """Return what should be known as current at the end of *record*.

    Raises:
        InvalidRequestError: a gold memory has another form, or names a turn that is not there.
    """
    return _gold(record, "gold_memories")


def retired_memories(record: Record) -> tuple[Gold, ...]:
    """Return what was true once and must not be current at the end of *record*.

    Raises:
        InvalidRequestError: as `gold_memories`.
    """
    return _gold(record, "retired")


class Comparison:
    """Compares memories of one record with its gold memories."""

    def __init__(self, record: Record) -> None:
        self._days = {t.id: s.at for s in record.sessions for t in s.turns}
        self._texts = {t.id: t.text for t in record.turns}

    def says(self, memory: MemoryRecord, gold: Gold) -> bool:
        """Return True if *memory* says *gold*."""
        return self.agreement(memory, gold) > 0

    def agreement(self, memory: MemoryRecord, gold: Gold) -> float:
        """Return the share of words in common, 0 if *memory* does not say *gold*."""
        one, other = _words(memory.text), _words(gold.text)
        fewer = min(len(one), len(other))
        common = len(one & other)
        if not common:
            return 0.0
        if self._from_short_turn(memory, gold):
            return common / fewer
        enough = common >= min(WORDS_MIN, fewer) and common >= OVERLAP * fewer
        return common / fewer if enough and self._same_day(memory.sources, gold.sources) else 0.0

    def found(self, gold: Sequence[Gold], memories: Sequence[MemoryRecord]) -> Tally:
        """Return how many of *gold* some current distilled memory says."""
        current = current_statements(memories)
        return tally(any(self.says(m, g) for m in current) for g in gold)

    def gone(self, retired: Sequence[Gold], gold: Sequence[Gold], memories: Sequence[MemoryRecord]) -> Tally:
        """Return how many of *retired* no current distilled memory says, unless it says one of *gold* better."""
        current = current_statements(memories)
        return tally(not any(self._says_rather(m, r, gold) for m in current) for r in retired)

    def _says_rather(self, memory: MemoryRecord, old: Gold, gold: Sequence[Gold]) -> bool:
        agreed = self.agreement(memory, old)
        return agreed > 0 and agreed > max((self.agreement(memory, g) for g in gold), default=0.0)

    def _same_day(self, sources: Iterable[str], others: Iterable[str]) -> bool:
        days: set[datetime | None] = {self._days[s] for s in sources if s in self._days}
        return any(self._days.get(o) in days for o in others)

    def _from_short_turn(self, memory: MemoryRecord, gold: Gold) -> bool:
        common = set(memory.sources) & set(gold.sources)
        return any(estimate_tokens(self._texts[s]) <= SPAN_TOKENS for s in common if s in self._texts)


def current_statements(memories: Iterable[MemoryRecord]) -> list[MemoryRecord]:
    """Return those of *memories* that are distilled and current."""
    return [m for m in memories if m.kind is not Kind.EPISODE and m.status is Status.CURRENT]


def kept_script(memories: Iterable[MemoryRecord], said: Mapping[str, str]) -> Tally:
    """Return how many distilled memories are written in the script of their sources; *said* has the texts of turns."""
    pairs = []
    for memory in memories:
        source = " ".join(said.get(s, "") for s in memory.sources)
        if memory.kind is not Kind.EPISODE and script(source) and script(memory.text):
            pairs.append((script(memory.text), script(source)))
    return tally(a == b for a, b in pairs)


def script(text: str) -> str:
    """Return what *text* is mostly written in: "han", "kana", "other" for other letters, or "" without any."""
    folded = unicodedata.normalize("NFKC", text)
    if _KANA.search(folded):
        return "kana"
    han = len(_HAN.findall(folded))
    letters = sum(c.isalpha() for c in folded) - han
    if not han and not letters:
        return ""
    return "han" if han * _LETTERS_PER_HAN >= letters else "other"


def _gold(record: Record, field: str) -> tuple[Gold, ...]:
    given = record.raw.get(field) or []
    if not isinstance(given, list):
        raise InvalidRequestError(f"{record.id}: {field!r} is not a list.")
    turns = {t.id for t in record.turns}
    found = []
    for entry in given:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("text"), str):
            raise InvalidRequestError(f"{record.id}: each of {field!r} is an object with id, text and source.")
        sources = tuple(map(str, entry.get("source") or ()))
        if unknown := sorted(set(sources) - turns):
            raise InvalidRequestError(f"{record.id}: {field!r} names a turn that is not there: {unknown[0]!r}.")
        found.append(Gold(id=str(entry.get("id", "")), text=entry["text"], sources=sources))
    return tuple(found)


def _words(text: str) -> frozenset[str]:
    found: set[str] = set()
    for run in _RUN.findall(unicodedata.normalize("NFKC", text).lower()):
        if _HAN.match(run):
            found.update(a + b for a, b in pairwise(run)) if len(run) > 1 else found.add(run)
        elif run not in FUNCTION_WORDS:
            found.add(_ENDING.sub("", run) if len(run) > 4 else run)
    return frozenset(found - _SUBJECTS)
