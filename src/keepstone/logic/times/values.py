"""What a time expression is, and the forms in which rules hand one on."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from keepstone.types import Span


class Grain(StrEnum):
    """How finely an expression names a time."""

    MINUTE = "minute"
    HOUR = "hour"
    PART_OF_DAY = "part_of_day"
    DAY = "day"
    WEEKEND = "weekend"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    SEASON = "season"
    YEAR = "year"
    DECADE = "decade"


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeExpression:
    """Words that name a time: where they stand, and the half-open interval [start, end) that they name, in UTC."""

    span: Span
    start: datetime
    end: datetime
    grain: Grain


@dataclass(frozen=True, slots=True)
class Interval:
    """A half-open interval of wall-clock time, without a zone.

    `part` names the part of the day, if that is what it is. `yearless` says that the words named no year, so that
    a range may still move it to the year of its other end. `exact` says that `start` is one moment, told apart by
    its fold, even where the clock shows it twice.
    """

    start: datetime
    end: datetime
    grain: Grain
    part: str = ""
    yearless: bool = False
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """When a text was said: `at` is aware, `today` its date in its own zone."""

    at: datetime
    today: date = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "today", self.at.date())


Reader = Callable[[re.Match[str], Said], Interval | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern that is tried where one of its first words stands, and what its match means.

    The expression is the group `t` where there is one, else the whole match. A reader returns None where the words
    name no time after all.
    """

    pattern: re.Pattern[str]
    read: Reader


def pattern(text: str) -> re.Pattern[str]:
    """Compile *text* without regard to case, a space standing for one or two blanks; `\\w` and `\\b` are ASCII."""
    spaced = re.sub(r" (\??)", lambda m: r"[ \t\xa0]{0,2}" if m[1] else r"[ \t\xa0]{1,2}", text)
    return re.compile(spaced, re.IGNORECASE | re.ASCII)
