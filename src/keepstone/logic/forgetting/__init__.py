"""Requests to forget: is this message one, and what is it about? English and Chinese, by rules alone.

The rules are conservative: an order to the assistant, about what it remembers, with a referent. A command to forget is
told from a report of one, from quoted speech, from a negated one, from advice ("forget the diet") and from an
instruction about a text or a file. Which memory is meant is decided in `logic/referents.py`.
"""

from __future__ import annotations

from keepstone.logic.forgetting import chinese, english
from keepstone.logic.forgetting.request import ForgetRequest, without_quotes

__all__ = ["CHARACTERS_MAX", "ForgetRequest", "forget_request"]

# Longer messages are documents that somebody pasted; what they ask for is not asked of the memory.
CHARACTERS_MAX = 600


def forget_request(text: str) -> ForgetRequest | None:
    """Return what *text*, said by a user, asks to be forgotten; None if it asks for no such thing."""
    if len(text) > CHARACTERS_MAX:
        return None
    if chinese.TRIGGER.search(text):
        return chinese.request(without_quotes(text))
    if english.TRIGGER.search(text):
        return english.request(without_quotes(text))
    return None
