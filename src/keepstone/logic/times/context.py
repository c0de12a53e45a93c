"""What stands around an expression: the word before it, its sentence, and which way that looks."""

from __future__ import annotations

import re
from functools import lru_cache

from keepstone.logic.times.calendar import Tense

# How far a sentence is looked through, so that a long one costs no more.
_REACH = 120

_WORD_BEFORE = re.compile(r"([A-Za-z]+)[ \t\xa0]{1,2}$")
_SENTENCE_END = re.compile(r"[.!?;\n。！？；…]")


def word_before(text: str, position: int) -> str:
    """Return the English word that stands before *position*, in lower case; empty if there is none."""
    before = _WORD_BEFORE.search(text, max(0, position - 16), position)
    return before[1].lower() if before else ""


def sentence(text: str, start: int, end: int) -> str:
    """Return the sentence, as far as it reaches near, that holds text[start:end]."""
    return _around(_SENTENCE_END, text, start, end)


_AHEAD = re.compile(
    r"\b(?:will|won't|shall|going to|gonna|plan|plans|planning|upcoming|due|deadline|looking forward|can't wait|let's"
    r"|see you|remind|hope to|hoping to|want to|need to|have to|has to|must|should|tomorrow|scheduled)\b|['’]ll\b"
    r"|打算|准备|计划|将|(?<![只重需主不])要(?![是不求点])|定[了在于]|截止|到期|预[定订约]|提醒|交",
    re.IGNORECASE,
)
_IRREGULAR = (
    "was|were|wasn't|weren't|had|did|didn't|went|got|saw|met|came|took|made|said|told|bought|left|found|gave|began|broke"
    "|built|caught|chose|drove|ate|fell|felt|flew|forgot|grew|heard|held|kept|knew|lost|ran|sang|sent|slept|sold|spent"
    "|spoke|taught|thought|won|wrote"
)
_BACK = re.compile(
    rf"\b(?:{_IRREGULAR}|(?!need|exceed|speed)[a-z]{{2,}}[^e\W]ed)\b"
    r"|过(?![去年节程来得])|曾|已经|当时|出生|生于|了(?!解)",
    re.IGNORECASE,
)
# A verb that governs: up to five words before, in the same clause.
_FEW_WORDS = r"(?:[ \t\xa0]{1,2}[\w'’-]{1,20}){0,5}[ \t\xa0]{1,2}$"
_VERB_AHEAD = re.compile(rf"(?:\b(?:will|won't|shall|going to|gonna)|['’]ll){_FEW_WORDS}", re.IGNORECASE)
_VERB_BACK = re.compile(
    rf"\b(?:(?:i|we|you|he|she|it|they)[ \t\xa0]{{1,2}}[a-z]{{2,16}}ed|{_IRREGULAR}){_FEW_WORDS}", re.IGNORECASE
)
_NOW = re.compile(
    r"\b(?:is|are|am|starts?|begins?|ends?|leaves?|arrives?|opens?|expires?|runs? out|returns?)\b|['’](?:s|re|m)\b",
    re.IGNORECASE,
)


_LOOKS_AHEAD = re.compile(
    r"(?:\b(?:will|won't|shall|going to|gonna|due|is|are|am|starts|begins|ends|leaves|arrives|opens|closes|expires"
    r"|runs? out|returns|back|again|[a-z]{2,}ing|(?:i|we|they) (?:start|begin|leave|arrive|open|return|move|fly|go))"
    rf"|['’](?:ll|s|re|m)){_FEW_WORDS}",
    re.IGNORECASE,
)
_THEN_AHEAD = re.compile(r",?[ \t]{1,2}\w{1,20}(?:['’]ll|[ \t]{1,2}(?:will|shall|am|is|are))\b", re.IGNORECASE)


def looks_ahead(match: re.Match[str]) -> bool:
    """Tell whether an English verb shortly before or right after *match* is of something to come."""
    first = max(0, match.start() - 60)
    before = _LOOKS_AHEAD.search(match.string, first, match.start())
    return bool(before or _THEN_AHEAD.match(match.string, match.end()))


def verb_tense(match: re.Match[str]) -> Tense:
    """Return which way the English verb shortly before *match* looks, `OPEN` if none tells."""
    first = max(0, match.start() - 60)
    if _VERB_AHEAD.search(match.string, first, match.start()):
        return Tense.FUTURE
    if word_before(match.string, match.start()) == "for":
        return Tense.OPEN  # "the session you booked for May 3" tells of the booking
    return Tense.PAST if _VERB_BACK.search(match.string, first, match.start()) else Tense.OPEN


def tenses(match: re.Match[str]) -> tuple[Tense, Tense]:
    """Return the tense of the verb before *match*, and that of its whole sentence."""
    return verb_tense(match), sentence_tense(match)


def sentence_tense(match: re.Match[str]) -> Tense:
    """Return which way the sentence of *match* looks, as far as its words tell."""
    return _tense_of(sentence(match.string, match.start(), match.end()))


@lru_cache(maxsize=8)
def _tense_of(around: str) -> Tense:
    if _AHEAD.search(around):
        return Tense.FUTURE
    if _BACK.search(around):
        return Tense.PAST
    return Tense.FUTURE if _NOW.search(around) else Tense.OPEN


_HABIT = re.compile(
    r"\b(?:every|each|usually|always|often|typically|normally|generally|weekly|regularly|whenever|sometimes|never)\b",
    re.IGNORECASE,
)
_HABIT_OF_CLAUSE = re.compile("每|都|总是|总会|老是|通常|一般|经常|常常|平时|习惯|固定|往往")
_EVENT = re.compile("[我咱了过要去会得约见交回]")
_CLAUSE_END = re.compile(r"[,，、:：.。!！?？;；\n]")


def is_habit(match: re.Match[str]) -> bool:
    """Tell whether the sentence of *match*, in Chinese its clause, is about what happens again and again."""
    return bool(_HABIT_OF_CLAUSE.search(_clause(match))) or _tells_habit(sentence(match.string, *match.span()))


@lru_cache(maxsize=8)
def _tells_habit(around: str) -> bool:
    return bool(_HABIT.search(around))


def tells_event(match: re.Match[str]) -> bool:
    """Tell whether the Chinese clause of *match* has a word of those that tell what happens to somebody once."""
    return bool(_EVENT.search(_clause(match)))


def _clause(match: re.Match[str]) -> str:
    return _around(_CLAUSE_END, match.string, *match.span())


def _around(ending: re.Pattern[str], text: str, start: int, end: int) -> str:
    first = max(0, start - _REACH)
    for mark in ending.finditer(text, first, start):
        first = mark.end()
    after = ending.search(text, end, min(len(text), end + _REACH))
    return text[first : after.start() if after else end + _REACH]
