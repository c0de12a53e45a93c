"""What a question asks for, told from its wording: whose statement, what kind of answer, and of which time."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from keepstone.logic.people import mentions_someone_else
from keepstone.logic.text import SPACELESS, language

_I = re.compile(r"\b(?:i|me|my|mine|myself|we|our|us|ours)\b|我|咱", re.IGNORECASE)
_YOU = re.compile(r"\b(?:you|your|yours)\b|你|您", re.IGNORECASE)
_WHEN = re.compile(
    r"^\W*when\b|\b(?:since|until|by|and) when\b"
    r"|\bwhen (?:did|do|does|was|were|is|are|am|will|would|can|should|has|have|had)\b"
    r"|\bwhat (?:date|day|month|year|time)\b|\bwhich (?:date|day|month|year|week)\b|\bhow long\b"
    r"|什么时候|啥时候|哪[天年月]|几[月号点]|何时|多久|多长时间",
    re.IGNORECASE,
)
_HOW_MANY = re.compile(
    r"\bhow (?:many|much|often|old|far|long|tall|big)\b|\bwhat (?:number|percentage|price|amount)\b|多少"
    r"|几[^乎]|多[大久长远高]",
    re.IGNORECASE,
)
_BEFORE = re.compile(
    r"\b(?:before|earlier|first(?! (?:year|grade|class|name|floor|aid|of))|original(?:ly)?|initial(?:ly)?"
    r"|previous(?:ly)?|former(?:ly)?|used to|at the start"
    r"|in the beginning|back then|once|old|no longer|until then|start(?:ed)? out|gave up|give up)\b"
    r"|以前|之前|原来|原先|原本|最早|最初|最开始|一开始|开头|起初|当初|从前|过去|早先|先前|以往|曾经|那时|当时|那阵子|那会儿|第一次",
    re.IGNORECASE,
)
_NOW = re.compile(
    r"\b(?:now|current(?:ly)?|these days|at the moment|nowadays|still|latest|at present|most recent(?:ly)?)\b"
    r"|现在|目前|如今|最近|眼下|当前|这阵子|还[是在有用住吃喝做]",
    re.IGNORECASE,
)
_PAST_TENSE = re.compile(r"\b(?:did|was|were|had)\b|[了过]|被|错|时候|前[^面天]|那[次天段]|旧", re.IGNORECASE)


# The answer is several things, which may all hold: none of them has taken the place of another.
_SEVERAL = re.compile(
    r"\b(?:which|what)(?: \w+){0,2}? \w*[a-rt-z]s (?:do|are|have|can|did|were|should)\b|\bwhat all\b"
    r"|哪些|哪几|都[^市]?[有会是]|分别",
    re.IGNORECASE,
)
# 教我的是什么: I am not the one who does it.
_DONE_TO_ME = re.compile("我的[是那]")


class Intent(Enum):
    """Of which time a question asks: how things stand, how they stood before, or anything."""

    NOW = "now"
    BEFORE = "before"
    ANY = "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a question asks for.

    `of_asker`: it speaks of the one who asks; `of_listener`: of the one who is asked; `of_someone`: of a person
    around the asker. `when`, `how_many`: the answer is a time, a number. `period`: the half-open time it names.
    """

    text: str = ""
    intent: Intent = Intent.ANY
    of_asker: bool = False
    of_listener: bool = False
    of_someone: bool = False
    when: bool = False
    how_many: bool = False
    period: tuple[datetime, datetime] | None = None


NOTHING_ASKED = Question()


def read(text: str, at: datetime | None = None) -> Question:
    """Return what *text*, a question in normal form, asks for; times in it are told from *at*, when it is asked."""
    return Question(
        text=text,
        intent=_intent(text),
        of_asker=bool(_I.search(text)),
        of_listener=bool(_YOU.search(text)),
        of_someone=mentions_someone_else(text),
        when=bool(_WHEN.search(text)),
        how_many=bool(_HOW_MANY.search(text)),
        period=None if at is None else _period(text, at),
    )


def _period(text: str, at: datetime) -> tuple[datetime, datetime] | None:
    # Their patterns take long to compile: a process that only imports must not.
    from keepstone.logic.times import find, whole

    return whole(find(text, at))


def named(text: str, speakers: Iterable[str]) -> frozenset[str]:
    """Return the *speakers* whose first name, or whole name in a script without spaces, stands in *text*."""
    folded = text.casefold()
    return frozenset(s for s in speakers if s and _stands_in(s.casefold(), folded))


def _stands_in(name: str, text: str) -> bool:
    first = name.split()[0] if name.split() else name
    if first.isascii():
        return re.search(rf"\b{re.escape(first)}\b", text) is not None
    return name in text


def _intent(text: str) -> Intent:
    if _BEFORE.search(text):
        return Intent.BEFORE
    if _NOW.search(text):
        return Intent.NOW
    if _PAST_TENSE.search(text):
        return Intent.ANY
    if _SEVERAL.search(text) or _DONE_TO_ME.search(text):
        return Intent.ANY
    if _I.search(text):
        return Intent.NOW
    # Chinese has no tense, and tells which thing is meant by a clause with 的: without one, it asks how things are.
    return Intent.NOW if language(text) in SPACELESS and "的" not in text else Intent.ANY
