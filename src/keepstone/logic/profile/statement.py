"""What an explicit statement about oneself is, and the forms in which rules hand one on."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from keepstone.types import Span

Section = Literal["identity", "preferences", "people", "plans", "work", "health", "constraints"]
SECTIONS: tuple[Section, ...] = ("identity", "preferences", "people", "plans", "work", "health", "constraints")


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """Something that a speaker says of themselves.

    `slot` names what is told (residence, name, allergy, …); of a `single` one only the latest statement can hold,
    of another the latest with an equal `value`. `span` is the sentence, `value` the words that tell it, folded.
    """

    section: Section
    slot: str
    single: bool
    span: Span
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A pattern with the group `value`, and what a match tells; `holds` refuses what only looks like it."""

    section: Section
    slot: str
    pattern: re.Pattern[str]
    single: bool = False
    holds: Callable[[str], bool] = field(default=lambda value: True)


def sentence_around(text: str, place: int, ending: re.Pattern[str]) -> Span:
    """Return the sentence around *place*, without the white space around it; *ending* matches what ends one."""
    start = max((m.end() for m in ending.finditer(text, 0, place)), default=0)
    stop = ending.search(text, place)
    end = len(text) if stop is None else stop.end()
    inner = text[start:end]
    return Span(start=start + len(inner) - len(inner.lstrip()), end=start + len(inner.rstrip()))
