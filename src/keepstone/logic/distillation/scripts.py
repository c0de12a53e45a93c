"""In which language a text is written, as far as its script tells, and whether a fact keeps that of its sources."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache

from keepstone.logic.distillation.hanzi import SIMPLIFIED_ONLY, TRADITIONAL_ONLY

# Of the weight of all sentences; what carries less does not decide the language of a fact.
LEAST_SHARE = 0.25
# Sentences lighter than this ("ok!", "好") are in no language to be kept.
LEAST_WEIGHT = 1.0
# Japanese mixes kana with Han; a Chinese text quotes a kana word at most.
KANA_SHARE = 1 / 8

_LETTERS = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_SENTENCE_END = re.compile(r"[.!?]+(?:\s|$)|[。！？…\n]+")
_LOWER_LATIN = re.compile(r"[a-z\u00df-\u00f6\u00f8-\u024f]")

# Characters a word, about: so that a sentence of Chinese weighs as much as the same one in English.
_PER_WORD = {"HAN": 1.6, "KANA": 2.0, "HANGUL": 2.5}

_NAMES = {
    "HAN": "Chinese characters",
    "KANA": "Japanese",
    "LATIN": "the Latin script",
    "TRADITIONAL": "Traditional Chinese",
    "SIMPLIFIED": "Simplified Chinese",
}


@lru_cache(maxsize=4096)
def script(char: str) -> str:
    """Return the script of a letter, by the first word of its Unicode name; kana and Han are named so."""
    name = unicodedata.name(char, "")
    if name.startswith("CJK"):
        return "HAN"
    first = name.split(" ", 1)[0]
    return "KANA" if first in ("HIRAGANA", "KATAKANA") else first


def named(found: str) -> str:
    """Return the name of a script or variant for a sentence."""
    return _NAMES.get(found, found.capitalize())


@lru_cache(maxsize=1024)
def weights(text: str) -> dict[str, float]:
    """Return by script about how many words *text* has; capitalised Latin words are names, which are of no language.

    "I" is counted, and so are capitalised words that begin a sentence of lower-case ones.
    """
    found: defaultdict[str, float] = defaultdict(float)
    for word in _LETTERS.findall(text):
        for char in word:
            kind = script(char)
            if kind in _PER_WORD:
                found[kind] += 1 / _PER_WORD[kind]
        first = script(word[0])
        if first not in _PER_WORD and (first != "LATIN" or word == "I" or _LOWER_LATIN.match(word)):
            found[first] += 1
    if "KANA" in found and found["KANA"] * _PER_WORD["KANA"] >= KANA_SHARE * found["HAN"] * _PER_WORD["HAN"]:
        found["KANA"] += found.pop("HAN", 0.0)
    return dict(found)


def language_script(text: str) -> str | None:
    """Return the script that carries *text*; None if it has no words but names."""
    found = weights(text)
    return max(found, key=lambda s: found[s]) if found else None


def allowed(texts: Iterable[str]) -> frozenset[str]:
    """Return the scripts in which a fact from *texts* may be written; empty if any will do.

    Each sentence is in the script that carries most of it; what carries a quarter of all is enough.
    """
    total: defaultdict[str, float] = defaultdict(float)
    for text in texts:
        for sentence in _SENTENCE_END.split(text):
            found = weights(sentence)
            weight = sum(found.values())
            if weight >= LEAST_WEIGHT:
                total[max(found, key=lambda s: found[s])] += weight
    whole = sum(total.values())
    return frozenset(s for s, weight in total.items() if weight >= LEAST_SHARE * whole)


def variant(texts: Iterable[str]) -> str | None:
    """Return TRADITIONAL or SIMPLIFIED if all characters of *texts* that tell agree; None if none tells, or both."""
    characters = set().union(*texts)
    traditional, simplified = characters & TRADITIONAL_ONLY, characters & SIMPLIFIED_ONLY
    if bool(traditional) == bool(simplified):
        return None
    return "TRADITIONAL" if traditional else "SIMPLIFIED"


def wrong_script(text: str, sources: Sequence[str]) -> str | None:
    """Return what is wrong with the script of *text*, a fact from *sources*, as a sentence; None if nothing is."""
    carried, may = language_script(text), allowed(sources)
    if carried is not None and may and carried not in may:
        wanted = " or ".join(sorted(named(s) for s in may))
        return f"It is written in {named(carried)}, its sources in {wanted}; write it in their language."
    written = variant(sources)
    if carried != "HAN" or written is None:
        return None
    strange = SIMPLIFIED_ONLY if written == "TRADITIONAL" else TRADITIONAL_ONLY
    wrong = "".join(dict.fromkeys(c for c in text if c in strange))
    return f"Its sources are in {named(written)}; write {wrong} in that form." if wrong else None
