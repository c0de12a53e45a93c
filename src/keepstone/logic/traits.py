"""Traits of a passage that a question may ask for, told from its wording alone when it is written."""

from __future__ import annotations

import re

from keepstone.logic.people import is_about_someone_else
from keepstone.logic.text import SPACELESS, language

QUESTION = 1  # it asks, and says little
TIME = 2  # it says when
NUMBER = 4  # it holds a number
SOMEONE_ELSE = 8  # its subject is a person around the speaker
DENSE_SCRIPT = 16  # Chinese, Japanese or Korean: several index terms a word

_TIME = re.compile(
    r"\b(?:(?:yester|to)day|tonight|tomorrow|last|next|ago|since|recently|just|soon|(?:this|these|every) (?:morning"
    r"|week|month|year|weekend|summer|winter|spring|autumn|fall)|(?:mon|tues|wednes|thurs|fri|satur|sun)days?|january"
    r"|february|march|april|june|july|august|september|october|november|december|weekends?|weeks?|months?|years?"
    r"|\d{4})\b"
    r"|[今昨明前后去]天|[去今明前后]年|[上下这本][个]?(?:周|星期|月|礼拜)|周[一二三四五六日末]|星期|刚|最近|"
    r"[0-9〇零一二三四五六七八九十]+[年月号日]",
    re.IGNORECASE,
)
_NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|hundred"
    r"|thousand|once|twice|dozen|couple|several|few|many|half)\b|[一二两三四五六七八九十百千万几半]",
    re.IGNORECASE,
)
_ASKS = ("?", "？")
_CLOSING = "\"'”’」』)） \n"


def traits(text: str) -> int:
    """Return the traits of a passage, without its speaker's name, as bits."""
    found = 0
    if text.rstrip(_CLOSING).endswith(_ASKS):
        found |= QUESTION
    if _TIME.search(text):
        found |= TIME
    if _NUMBER.search(text):
        found |= NUMBER
    if is_about_someone_else(text):
        found |= SOMEONE_ELSE
    if language(text) in SPACELESS:
        found |= DENSE_SCRIPT
    return found
