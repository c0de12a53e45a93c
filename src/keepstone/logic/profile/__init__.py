"""Explicit statements of a speaker about themselves, found by rules in English and Chinese.

The rules are narrow: a sentence with "I" or 我 as its subject and one of few verbs. Questions, conditions, wishes,
quotations, what others said, and what is over are no statements. What was said in passing is left to a model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from keepstone.logic.forgetting.request import blanked
from keepstone.logic.profile import chinese, english
from keepstone.logic.profile.statement import SECTIONS, Section, Statement

__all__ = ["CHARACTERS_MAX", "SECTIONS", "Section", "Statement", "sections", "statements"]

# Longer messages are documents that somebody pasted.
CHARACTERS_MAX = 1_500
_SPEAKS = "user"


def statements(text: str, role: str | None) -> tuple[Statement, ...]:
    """Return what a *text* says of its speaker, in order; nothing unless *role* is that of a user."""
    if role != _SPEAKS or len(text) > CHARACTERS_MAX:
        return ()
    found: list[Statement] = []
    straight = text.replace("’", "'")
    if english.may_state(straight):
        found += _unquoted(english.statements, straight)
    if not text.isascii() and chinese.may_state(text):
        found += _unquoted(chinese.statements, text)
    return tuple(sorted(found, key=lambda s: s.span.start))


def _unquoted(read: Callable[[str, str], Iterable[Statement]], text: str) -> Iterable[Statement]:
    """Return what *read* finds in *text* outside of quotations; to look for those is dear, and mostly for nothing."""
    found = list(read(text, text))
    bare = blanked(text) if found else text
    return found if bare == text else list(read(bare, text))


def sections(text: str, role: str | None) -> tuple[Section, ...]:
    """Return the sections of a profile that *text* has statements for, in their order."""
    told = {s.section for s in statements(text, role)}
    return tuple(s for s in SECTIONS if s in told)
