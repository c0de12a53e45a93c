"""Echoes: what was recalled and is said again, word for word or in the assistant's own words, is not learned again.

A turn is an echo only if nothing in it is new. What a user says must be word for word what was recalled; an assistant
may use its own words, as long as every word that carries content, every number, name and negation of each sentence
stands in one sentence that was recalled. When in doubt a turn is news.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from keepstone.logic.text import CJK, CJK_STOP, STOP_WORDS, is_back_channel, stem, words

# Fewer words than this are not told from chance.
CONTENT_LEAST = 2
PAIRS_LEAST = 0.6

_SENTENCE = re.compile(r"[^.!?。！？;；\n]+(?:\.(?=\w)[^.!?。！？;；\n]+)*")
# What a prompt puts in front of a memory: a bullet, a date in brackets or not, a speaker.
_LABEL = re.compile(
    r"^\s*(?:[-*•>#]+\s*|\d{1,3}[.)]\s+)*"
    r"(?:[\[(（【]?\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}日?(?:[ T]\d{1,2}:\d{2}(?::\d{2})?)?(?:\s*[A-Z]{3}"
    r"|Z)?[\])）】]?[\s:：,，-]*)?"
    r"(?:[\[(（【]?[\w.-]{1,20}(?: [\w.-]{1,20})?[\])）】]?\s*(?:: |：)\s*)?"
)
_TAGS = re.compile(r"</?[A-Za-z][\w-]*(?:\s[^<>]*)?/?>")
_HEADING = re.compile(
    r"^\W*(?:(?:relevant |recalled |known |user |long-term )*(?:memor(?:y|ies)|context|facts|notes|background)"
    r"|(?:相关|已知|用户|长期)*(?:记忆|上下文|背景|资料|笔记))(?: (?:about|of|from)[\w ]*)?\W*$",
    re.IGNORECASE,
)
_CJK = re.compile(f"[{CJK}]")

_NEGATIONS = frozenset("not no never none nobody nothing neither nor without cannot can't hardly".split())
_NEGATIONS_ZH = frozenset("不没别无未勿莫")
# Small words that turn a statement: they must stand in what was recalled, too.
_CHANGES = frozenset(
    "now anymore longer instead still yet again already up down out off over will would shall should could might must "
    "was were did had used he him his she her hers they them their only".split()
)
_CHANGES_ZH = frozenset("了过他她它们")
# In the middle of a sentence a capital makes a name of what is a small word elsewhere: May, Will.
_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]+")
# What an assistant says around what it remembers.
_FILLER = frozenset(
    "yes yeah ok okay sure right well told tell mentioned mention said say earlier before previously remember recall "
    "recalled according notes note noted memory memories indeed correct exactly thanks thank hi hello know".split()
)
_OPENING = re.compile(
    r"^\s*(?:got it|i see|understood|of course|good to know|noted|thanks for (?:telling me|sharing"
    r"|letting me know))[\s,:;–-]+",
    re.IGNORECASE,
)
_FILLER_ZH = re.compile(
    "(?:我)?(?:还)?记得|(?:正如|就像|如|按照|根据)?[你您](?:之前|以前|上次|刚才|曾经)?(?:跟我|和我"
    "|对我)?(?:说过?|提过|提到过?|告诉过?我?|讲过)(?:的)?(?:那样)?"
    "|之前|以前|上次|刚才|根据|记录|显示|好的?|明白了?|知道了?|了解|没错|对[，,]|嗯|谢谢|当然|是的|没问题"
    "|我知道|据我所知|原来|所以|那么|按你说的"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    """Which of what was recalled a turn repeats, by place; `own` if a user said one of them again, and nothing else."""

    places: tuple[int, ...]
    own: bool = False


@dataclass(frozen=True, slots=True)
class _Sentence:
    """A sentence in the forms in which it is compared."""

    plain: tuple[str, ...]
    content: frozenset[str]
    characters: frozenset[str]
    pairs: frozenset[str]
    negations: int
    changes: frozenset[str]


def echo_of(text: str, role: str, recalled: Sequence[str]) -> Echo | None:
    """Return what of *recalled* a turn of *role* repeats; None if anything in it is new."""
    if not recalled or is_back_channel(text):
        return None
    pieces = _pieces(text)
    own_words = role == "assistant"
    known, plains = _forms(tuple(recalled))
    used: list[int] = []
    said = 0
    for piece, labelled in pieces:
        place = _verbatim(piece, plains)
        if place is None and labelled:
            place = _verbatim(_LABEL.sub("", piece), plains)
        if place is not None:
            said += 1
            used.append(place)
            continue
        if not own_words:
            return None
        covered = _covered(_LABEL.sub("", piece) if labelled else piece, known)
        if covered is None:
            return None
        said += bool(covered)
        used += covered
    if not said:
        return None
    places = tuple(dict.fromkeys(used))
    return Echo(places=places, own=not own_words and len(pieces) == 1 and not pieces[0][1])


def _pieces(text: str) -> list[tuple[str, bool]]:
    """Return the lines of a turn that say anything, and whether each is one of a block as prompts hold them."""
    bare = _TAGS.sub("\n", text)
    tagged = bare != text
    lines = [line for line in bare.splitlines() if line.strip() and not _HEADING.match(line)]
    block = tagged or len(lines) > 1
    return [(line, block or bool(_dated(line))) for line in lines]


def _dated(line: str) -> re.Match[str] | None:
    return re.match(r"^\s*[-*•>]*\s*[\[(（【]?\d{4}[-/.年]\d{1,2}", line)


@lru_cache(maxsize=32)
def _forms(recalled: tuple[str, ...]) -> tuple[list[tuple[_Sentence, ...]], dict[tuple[str, ...], int]]:
    """Return the sentences of each text, and the first place of each text and sentence by its plain words.

    Remembered, since all messages of one call, and mostly of several, are held against the same texts.
    """
    known = [tuple(_sentences(t)) for t in recalled]
    plains: dict[tuple[str, ...], int] = {}
    for place, text in enumerate(recalled):
        for plain in (_plain(text), *(s.plain for s in known[place])):
            plains.setdefault(plain, place)
    return known, plains


def _verbatim(piece: str, plains: Mapping[tuple[str, ...], int]) -> int | None:
    """Return the place of what *piece* says word for word: all of it, or one of its sentences."""
    plain = _plain(piece)
    return None if _weight(plain) < CONTENT_LEAST else plains.get(plain)


def _weight(plain: Sequence[str]) -> int:
    return sum(len(w) if _CJK.match(w) else 1 for w in plain)


def _covered(piece: str, known: Sequence[Sequence[_Sentence]]) -> list[int] | None:
    """Return the places that hold all that the sentences of *piece* say; None if one of them says something new."""
    used: list[int] = []
    for sentence in _sentences(piece):
        if not sentence.content and not sentence.characters:
            continue
        place = next((i for i, texts in enumerate(known) if any(_holds(t, sentence) for t in texts)), None)
        if place is None:
            return None
        used.append(place)
    return used


def _holds(recalled: _Sentence, said: _Sentence) -> bool:
    if said.negations != recalled.negations or not said.changes <= recalled.changes:
        return False
    if len(said.content) + len(said.characters) < CONTENT_LEAST:
        return False
    if not said.content <= recalled.content or not said.characters <= recalled.characters:
        return False
    return not said.pairs or len(said.pairs & recalled.pairs) >= PAIRS_LEAST * len(said.pairs)


@lru_cache(maxsize=4_096)
def _plain(text: str) -> tuple[str, ...]:
    return words(text)


@lru_cache(maxsize=4_096)
def _sentences(text: str) -> tuple[_Sentence, ...]:
    return tuple(_sentence(s) for s in _SENTENCE.findall(text) if s.strip())


def _sentence(text: str) -> _Sentence:
    content: set[str] = set()
    characters: set[str] = set()
    pairs: set[str] = set()
    negations = 0
    changes: set[str] = set()
    for word in words(_FILLER_ZH.sub(" ", _OPENING.sub("", text))):
        if _CJK.match(word):
            kept = [c for c in word if c not in CJK_STOP]
            characters.update(kept)
            negations += sum(c in _NEGATIONS_ZH for c in word)
            changes.update(c for c in word if c in _CHANGES_ZH)
            pairs.update(a + b for a, b in pairwise(word) if not {a, b} & CJK_STOP)
        elif word in _NEGATIONS or word.endswith("n't"):
            negations += 1
        elif word in _CHANGES:
            changes.add(word)
        elif word not in STOP_WORDS and word not in _FILLER:
            content.add(stem(word))
    content.update(f"{name.lower()} (name)" for name in _NAME.findall(text) if name.lower() in STOP_WORDS)
    return _Sentence(
        words(text), frozenset(content), frozenset(characters), frozenset(pairs), negations, frozenset(changes)
    )
