"""What `profile` answers: a sectioned, dated view of what is true of a user now, each line with its sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from keepstone.types import Kind, Status, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileLine(Value):
    """One line of a profile: a fact, or the sentence in which a user said something of themselves.

    `section` is one of identity, preferences, people, plans, work, health and constraints. `slot` says what an
    explicit statement tells (residence, name, allergy, …), None for a fact. `since` is when it began to hold if that
    is known, else when it was said. `sources` are message ids. `speaker` is who said it, None for a fact.
    """

    section: str
    text: str
    memory_id: str
    kind: Kind
    sources: tuple[str, ...]
    since: datetime
    status: Status
    slot: str | None = None
    speaker: str | None = None
    language: str = "und"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile(Value):
    """What is true of a user: lines by section, the newest first in each; `str()` gives the text for a prompt.

    `tokens` is what the counter says of `text`, never more than `max_tokens` if that was given. `left_out` are the
    lines that had no room, and `complete` is false if more memories tell something than are read for one profile.
    """

    text: str
    tokens: int
    max_tokens: int | None
    lines: tuple[ProfileLine, ...]
    left_out: tuple[ProfileLine, ...]
    complete: bool = True

    def __str__(self) -> str:
        return self.text

    @property
    def sections(self) -> Mapping[str, tuple[ProfileLine, ...]]:
        """The lines by section; a section without lines is left out."""
        found: dict[str, tuple[ProfileLine, ...]] = {}
        for line in self.lines:
            found[line.section] = (*found.get(line.section, ()), line)
        return found
