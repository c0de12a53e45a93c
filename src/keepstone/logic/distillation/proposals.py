"""The values of distillation: what a model was shown, what it proposes, and what the checks made of that.

Handles are short names (`m1`, `k1`) that are valid for one call only; the model never sees an id.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Literal

from keepstone.results import Refused
from keepstone.types import Kind

Op = Literal["add", "update", "supersede", "delete", "none"]
Section = Literal["identity", "preferences", "people", "plans", "work", "health", "constraints", "other"]
Precision = Literal["year", "month", "day", "time"]

OPS: tuple[Op, ...] = ("add", "update", "supersede", "delete", "none")
SECTIONS: tuple[Section, ...] = (
    "identity",
    "preferences",
    "people",
    "plans",
    "work",
    "health",
    "constraints",
    "other",
)
# What a model may propose; `procedure` only where the caller asks for it.
KINDS = (Kind.FACT, Kind.PROCEDURE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalLimits:
    """Upper bounds on one reply of a model, inclusive; `*_chars` in characters, `depth_max` in nested brackets."""

    reply_chars_max: int = 200_000
    depth_max: int = 12
    items_max: int = 60
    text_chars_max: int = 500
    # A fact is one statement; a text of more sentences is a list of them.
    sentences_max: int = 3
    # What the prompt allows for goal, steps and what failed.
    procedure_sentences_max: int = 5
    sources_max: int = 20
    rests_on_max: int = 10
    entities_max: int = 20
    aliases_max: int = 10
    name_chars_max: int = 120


DEFAULT_PROPOSAL_LIMITS = ProposalLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One end of a time of validity, as finely as it was written.

    `at` is the first day of what was written (a datetime, perhaps without a zone, if `precision` is "time").
    """

    at: date | datetime
    precision: Precision = "day"

    def first(self, zone: tzinfo) -> datetime:
        """Return the first moment of it, in *zone* where it names none itself."""
        if isinstance(self.at, datetime):
            return self.at if self.at.tzinfo else self.at.replace(tzinfo=zone)
        return datetime.combine(self.at, time(), tzinfo=zone)

    def after(self, zone: tzinfo) -> datetime:
        """Return the first moment that is over: the next day, month or year; a time itself. The calendar's last
        day ends with its last microsecond."""
        if isinstance(self.at, datetime):
            return self.first(zone)
        day = self.at
        if self.precision == "year":
            following = (day.year + 1, 1)
        elif self.precision == "month":
            following = (day.year + day.month // 12, day.month % 12 + 1)
        elif day == date.max:
            return datetime.max.replace(tzinfo=zone)
        else:
            return datetime.combine(day + timedelta(days=1), time(), tzinfo=zone)
        if following[0] > date.max.year:
            return datetime.max.replace(tzinfo=zone)
        return datetime.combine(date(*following, 1), time(), tzinfo=zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityMention:
    """A person, place, organisation, thing or topic that a proposal names."""

    name: str
    type: str = "other"
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One change that a model proposes; nothing in it is true before it was checked.

    `target` is the handle of the memory to change, `sources` those of the messages that it comes from, `rests_on` those
    of memories that it follows from. `when` is the time as the messages say it. `confidence` goes from 0 to 1.
    """

    op: Op
    text: str
    target: str | None = None
    kind: Kind = Kind.FACT
    section: Section = "other"
    sources: tuple[str, ...] = ()
    when: str | None = None
    valid_from: Bound | None = None
    valid_to: Bound | None = None
    confidence: float = 1.0
    entities: tuple[EntityMention, ...] = ()
    rests_on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One message as the model was shown it; `said_at` is aware, None if the time is not known.

    `language` is a hint (`keepstone.logic.text.language`), used where the script of the text does not tell.
    """

    handle: str
    text: str
    role: str = "user"
    speaker: str | None = None
    said_at: datetime | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """One current memory as the model was shown it; `sources` are handles of messages that are shown too, if any.

    `names` are other names of what it is about that are known to be the same (aliases of its entities).
    """

    handle: str
    text: str
    kind: Kind = Kind.FACT
    status: str = "current"
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    sources: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What may be applied, in the order of the reply, and what may not, with the reason."""

    accepted: tuple[Proposal, ...]
    refused: tuple[Refused, ...]
