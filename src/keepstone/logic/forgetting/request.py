"""What a request to forget is, and what of a text its speaker says with own words."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgetRequest:
    """What a user asks to be forgotten.

    `referent` is the phrase that names it; `context` is the message without the command, for when the phrase alone
    is too little. Only a `certain` request may retire anything; another is worth a suggestion at most.
    """

    referent: str
    context: str
    certain: bool


# Pairs of quotation marks; the apostrophe only where no letter touches its outer side.
_QUOTED = re.compile(
    r"“[^”]*”?|«[^»]*»?|「[^」]*」?|『[^』]*』?|《[^》]*》?|〈[^〉]*〉?|\"[^\"]*\"?"
    r"|(?<![\w])['‘’](?=\S)(?:[^'‘’]|(?<=\w)['’](?=\w))*(?:(?<=\S)['’](?!\w)|$)"
)
# What a quotation leaves behind: a word that no rule knows.
MASK = "⟦⟧"
BLANK = "⟦"


def without_quotes(text: str) -> str:
    """Return *text* with a mask in place of all that stands in quotation marks."""
    return _QUOTED.sub(MASK, text)


def blanked(text: str) -> str:
    """Return *text*, equally long, with a blank for each character that stands in quotation marks."""
    return _QUOTED.sub(lambda quoted: BLANK * len(quoted.group()), text)
