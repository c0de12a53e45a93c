"""What one text tells, whatever proposal is checked: worked out once while the proposals of a reply are.

A reply has up to dozens of proposals that rest on the same messages and memories.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from keepstone.logic.distillation.hanzi import simplified
from keepstone.logic.distillation.moments import Told, mentions, told
from keepstone.logic.distillation.quantities import Clock, Quantity, clocks, covered, quantities
from keepstone.logic.distillation.wording import root_of
from keepstone.logic.text import CJK

# The texts of one call, and as many again.
TEXTS = 128
# What all texts together tell, by the messages that a proposal sees.
VIEWS = 8

WORD = re.compile(r"[^\W_]+(?:[.'’&+#-]*[^\W_]+)*[+#]*")
HAN_RUN = re.compile(rf"[{CJK}]+")
_LATIN_WORD = re.compile(rf"(?:(?![{CJK}])[^\W_])+")
_SENTENCE_END = re.compile(r"[.!?]+\s+|[。！？；\n]+")


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers in a text: amounts, times on the clock, and what of dates was not taken for either."""

    amounts: tuple[Quantity, ...]
    clocks: tuple[Clock, ...]


@lru_cache(maxsize=TEXTS)
def plain(text: str) -> str:
    """Return *text* in simplified characters."""
    return simplified(text)


@lru_cache(maxsize=TEXTS)
def numbers_of(text: str) -> Numbers:
    """Return the numbers of *text*, in simplified characters, outside of the dates that it writes out."""
    rest = covered(text, (m.span for m in mentions(text)))
    found = clocks(rest)
    return Numbers(quantities(covered(rest, (c.span for c in found))), found)


@lru_cache(maxsize=TEXTS)
def tells(text: str, said_at: datetime | None) -> Told:
    """Return what *text*, in simplified characters, said at *said_at*, tells of times."""
    return told(text, said_at, numbers_of(text).amounts)


@lru_cache(maxsize=TEXTS)
def _words(text: str) -> frozenset[str]:
    found: set[str] = set()
    for whole in WORD.findall(text):
        low = whole.lower()
        found |= {low, low.removesuffix("'s").removesuffix("’s")}
    parts = [w.lower() for w in _LATIN_WORD.findall(text)]
    found.update(parts)
    found.update(a + b for a, b in itertools.pairwise(parts))
    found.update(a + b + c for a, b, c in zip(parts, parts[1:], parts[2:], strict=False))
    return frozenset(found)


@lru_cache(maxsize=VIEWS)
def words_of(texts: frozenset[str]) -> frozenset[str]:
    """Return the words of *texts* in lower case, and neighbours written as one."""
    return frozenset[str]().union(*map(_words, texts))


@lru_cache(maxsize=VIEWS)
def stems_of(texts: frozenset[str]) -> frozenset[str]:
    """Return the stems of `words_of`."""
    return frozenset[str]().union(*map(_stems, texts))


@lru_cache(maxsize=TEXTS)
def _stems(text: str) -> frozenset[str]:
    return frozenset(map(root_of, _words(text)))


@lru_cache(maxsize=VIEWS)
def beginnings_of(texts: frozenset[str], length: int) -> frozenset[str]:
    """Return what the words of *texts* of at least *length* letters begin with."""
    return frozenset(w[:length] for w in words_of(texts) if len(w) >= length)


@lru_cache(maxsize=TEXTS)
def _pairs(text: str) -> frozenset[str]:
    found: set[str] = set()
    for run in HAN_RUN.findall(text):
        found.update(run)
        found.update(run[i : i + 2] for i in range(len(run) - 1))
    return frozenset(found)


@lru_cache(maxsize=VIEWS)
def pairs_of(texts: frozenset[str]) -> frozenset[str]:
    """Return the pairs of neighbouring Chinese characters in *texts*, and the single ones."""
    return frozenset[str]().union(*map(_pairs, texts))


@lru_cache(maxsize=TEXTS)
def _sentences(text: str) -> tuple[str, frozenset[int]]:
    """Return *text* without case and punctuation, and where in that its sentences begin."""
    parts = [p for p in map(_folded, _SENTENCE_END.split(text)) if p]
    starts = itertools.accumulate((len(p) + 1 for p in parts), initial=0)
    return " ".join(parts), frozenset(starts)


def repeats(fact: str, texts: Iterable[str]) -> bool:
    """Return whether *fact* stands word for word in one of *texts*, from the start of a sentence."""
    wanted = " ".join(p for p in map(_folded, _SENTENCE_END.split(fact)) if p)
    if not wanted:
        return False
    for text in texts:
        said, starts = _sentences(text)
        at = said.find(wanted)
        while at >= 0:
            if at in starts and said[at + len(wanted) : at + len(wanted) + 1] in ("", " "):
                return True
            at = said.find(wanted, at + 1)
    return False


def _folded(text: str) -> str:
    return re.sub(r"\W+", " ", text.casefold()).strip()
