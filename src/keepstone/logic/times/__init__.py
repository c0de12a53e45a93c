"""Times that English and Chinese texts name: dates, days, weeks, years, and what is relative to when a text was said.

Rules are narrow: words that name a time only perhaps are no match. Methods: the calendar arithmetic of TimeML values
(Pustejovsky et al. 2003), ISO 8601 weeks.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from keepstone.errors import InvalidRequestError
from keepstone.logic.times.calendar import instants
from keepstone.logic.times.scan import scan
from keepstone.logic.times.values import Grain, Said, TimeExpression
from keepstone.types import Span

__all__ = ["Grain", "TimeExpression", "find", "whole"]


def find(text: str, at: datetime) -> tuple[TimeExpression, ...]:
    """Return the expressions of *text* that name a time, in order, disjoint, resolved as said at *at*.

    *at* is aware; its zone is where days begin and clocks are read. Both languages are looked for in every text.
    "Now" and its like name no time here, nor do durations, ages and what happens again and again.

    Raises:
        InvalidRequestError: *at* has no zone.
    """
    if at.utcoffset() is None:
        raise InvalidRequestError("The moment at which a text was said must have a time zone; give an aware datetime.")
    found = []
    for first, last, interval in scan(text, Said(at)):
        try:
            start, end = instants(interval, at.tzinfo)
        except OverflowError:
            continue  # past the ends of the calendar
        found.append(TimeExpression(span=Span(start=first, end=last), start=start, end=end, grain=interval.grain))
    return tuple(found)


def whole(expressions: Iterable[TimeExpression]) -> tuple[datetime, datetime] | None:
    """Return the smallest half-open interval, in UTC, that holds all *expressions*; None if there is none."""
    named = tuple(expressions)
    if not named:
        return None
    return min(e.start for e in named), max(e.end for e in named)
