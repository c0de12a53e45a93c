"""Traits of a passage that a question may ask for, told from its wording alone when it is written."""

from __future__ import annotations

import re

from keepstone.logic.people import is_about_someone_else
from keepstone.logic.text import SPACELESS, language, words

QUESTION = 1  # it asks, and says little
TIME = 2  # it says when
NUMBER = 4  # it holds a number
SOMEONE_ELSE = 8  # its subject is a person around the speaker
DENSE_SCRIPT = 16  # Chinese, Japanese or Korean: several index terms a word

_TIME_WORDS = frozenset(
    "today yesterday tonight tomorrow last next ago since recently just soon monday mondays tuesday tuesdays wednesday "
    "wednesdays thursday thursdays friday fridays saturday saturdays sunday sundays january february april "
    "june july august september october november december weekend weekends week weeks month months year years morning "
    "summer winter spring autumn fall christmas easter halloween noon midnight".split()
)
_NUMBER_WORDS = frozenset(
    "one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty hundred thousand once "
    "twice dozen couple several few many half".split()
)
_TIME = re.compile(
    r"\b\d{4}\b|\b(?:[Mm]ay|[Mm]arch) \d|\d(?:st|nd|rd|th)?(?: of)? (?:May|March)\b"
    r"|[今昨明前后去]天|[去今明前后]年|[上下这本][个]?(?:周|星期|月|礼拜)|周[一二三四五六日末]|星期|刚|最近"
    r"|[0-9〇零一二三四五六七八九十]+[年月号日]|[0-9一二两三四五六七八九十几半]个?(?:天|周|星期|月|年|小时)[前后]"
    r"|圣诞|元旦|国庆"
)
_NUMBER = re.compile(r"\d|[一二两三四五六七八九十百千万几半]")
_ASKS = ("?", "？")
_CLOSING = "\"'”’」』)） \n"


def traits(text: str, tag: str | None = None) -> int:
    """Return the traits of a passage, without its speaker's name, as bits; *tag* is its language, if known."""
    found = 0
    if text.rstrip(_CLOSING).endswith(_ASKS):
        found |= QUESTION
    said = words(text)
    if not _TIME_WORDS.isdisjoint(said) or _TIME.search(text):
        found |= TIME
    if not _NUMBER_WORDS.isdisjoint(said) or _NUMBER.search(text):
        found |= NUMBER
    if is_about_someone_else(text):
        found |= SOMEONE_ELSE
    if (tag or language(text)) in SPACELESS:
        found |= DENSE_SCRIPT
    return found
