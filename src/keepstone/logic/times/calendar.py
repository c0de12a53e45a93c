"""Arithmetic of the calendar: units, the occurrence that is meant, parts of days, and the way to UTC.

Weeks begin on Monday (ISO 8601); seasons are the meteorological ones of the northern hemisphere, a winter counting
to the year in which it begins. Dates that the calendar does not have raise ValueError, or OverflowError past its
ends, as `datetime` does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from enum import Enum

from keepstone.logic.times.values import Grain, Interval, Said

_DAY = timedelta(days=1)
_MONTHS = {Grain.MONTH: 1, Grain.QUARTER: 3, Grain.YEAR: 12, Grain.DECADE: 120}
_CLOCK = {Grain.MINUTE: timedelta(minutes=1), Grain.HOUR: timedelta(hours=1)}

# First hour and the hour after the last, counted from the midnight before; a night runs into the next day.
PARTS = {"small hours": (0, 6), "morning": (5, 12), "noon": (11, 14), "afternoon": (12, 18)}
PARTS |= {"evening": (17, 23), "night": (18, 29)}

# Hours that are said with a part of the day; wider, since people say "five at night" and "one in the morning".
_DIALS = {"small hours": (0, 6), "morning": (1, 13), "noon": (10, 15), "afternoon": (12, 20)}
_DIALS |= {"evening": (16, 24), "night": (17, 29)}

SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "winter": 12}

_YEARS_AROUND_LEAP_DAY = 8
# A date without a year that is so near is this one, whatever else the sentence tells.
_NEAR = timedelta(days=60)


class Tense(Enum):
    """Which occurrence of a date without a year is meant."""

    PAST = "past"
    FUTURE = "future"
    OPEN = "open"


def between(first: date, after: date, grain: Grain, *, yearless: bool = False) -> Interval:
    """Return the interval from midnight of *first* to midnight of *after*."""
    return Interval(datetime.combine(first, time()), datetime.combine(after, time()), grain, "", yearless)


def day(year: int, month: int, number: int) -> Interval:
    """Return one day."""
    first = date(year, month, number)
    return between(first, first + _DAY, Grain.DAY)


def month(year: int, number: int) -> Interval:
    """Return one month."""
    return unit(Grain.MONTH, date(year, number, 1))


def season(name: str, year: int) -> Interval:
    """Return a season by the year in which it begins."""
    first = date(year, SEASONS[name], 1)
    after = date(year + 1, 3, 1) if name == "winter" else date(year, SEASONS[name] + 3, 1)
    return between(first, after, Grain.SEASON)


def unit(grain: Grain, inside: date, offset: int = 0) -> Interval:
    """Return the calendar unit that holds *inside*, moved by *offset* units."""
    if grain is Grain.DAY:
        first = inside + offset * _DAY
        return between(first, first + _DAY, grain)
    if grain in (Grain.WEEK, Grain.WEEKEND):
        first = inside + (7 * offset - inside.weekday()) * _DAY
        saturday = 5 if grain is Grain.WEEKEND else 0
        return between(first + saturday * _DAY, first + 7 * _DAY, grain)
    size = _MONTHS[grain]
    decade = inside.year // 10 * 10 if grain is Grain.DECADE else inside.year
    index = decade * 12 + (0 if grain is Grain.DECADE else (inside.month - 1) // size * size) + offset * size
    return between(_month_of(index), _month_of(index + size), grain)


def _month_of(index: int) -> date:
    return date(index // 12, index % 12 + 1, 1)


def shifted(grain: Grain, nearest: int, farthest: int, said: Said) -> Interval:
    """Return the units that lie *nearest* to *farthest* units away from now; negative numbers are past."""
    return hull(_shifted(grain, nearest, said), _shifted(grain, farthest, said))


def _shifted(grain: Grain, offset: int, said: Said) -> Interval:
    if grain not in _CLOCK:
        return unit(grain, said.today, offset)
    # Elapsed time, so by way of UTC.
    then = (said.at.astimezone(UTC) + offset * _CLOCK[grain]).astimezone(said.at.tzinfo)
    start = then.replace(tzinfo=None, second=0, microsecond=0, minute=then.minute if grain is Grain.MINUTE else 0)
    return Interval(start, start + _CLOCK[grain], grain, exact=True)


def hull(one: Interval, other: Interval) -> Interval:
    """Return the smallest interval that holds both, with the grain of *one*."""
    return replace(one, start=min(one.start, other.start), end=max(one.end, other.end))


def weekday(number: int, inside: date, offset: int = 0) -> Interval:
    """Return a weekday (Monday is 0) of the week that holds *inside*, moved by *offset* weeks."""
    return unit(Grain.DAY, inside, 7 * offset + number - inside.weekday())


def chosen(candidates: Iterable[Interval], today: date, tense: Tense) -> Interval | None:
    """Return the occurrence that is meant: the last begun, the next not yet over, or the nearest, rather past."""
    noon = datetime.combine(today, time(12))
    if tense is Tense.PAST:
        return max((c for c in candidates if c.start <= noon), key=lambda c: c.start, default=None)
    if tense is Tense.FUTURE:
        return min((c for c in candidates if c.end > noon), key=lambda c: c.start, default=None)
    zero = timedelta()
    return min(candidates, key=lambda c: (max(zero, c.start - noon, noon - c.end), c.start), default=None)


def yearly(month_number: int, day_number: int | None, said: Said, tenses: tuple[Tense, Tense]) -> Interval | None:
    """Return the occurrence that is meant of a month, or of a day in it; None if no year has it.

    Of the two *tenses* that of the verb decides; without one an occurrence within two months does, then that of the
    whole sentence.
    """
    candidates = []
    around = _YEARS_AROUND_LEAP_DAY if (month_number, day_number) == (2, 29) else 1
    for year in range(said.today.year - around, said.today.year + around + 1):
        try:
            one = month(year, month_number) if day_number is None else day(year, month_number, day_number)
        except (ValueError, OverflowError):
            continue  # 29 February, or past the ends of the calendar
        candidates.append(replace(one, yearless=True))
    verb, sentence = tenses
    nearest = chosen(candidates, said.today, verb)
    if verb is not Tense.OPEN or sentence is Tense.OPEN or nearest is None:
        return nearest
    noon = datetime.combine(said.today, time(12))
    if nearest.start - _NEAR <= noon <= nearest.end + _NEAR:
        return nearest
    return chosen(candidates, said.today, sentence)


def day_of_month(number: int, said: Said, tense: Tense) -> Interval | None:
    """Return the occurrence that is meant of a day of the month."""
    candidates = []
    for offset in range(-2, 3):
        try:
            first = unit(Grain.MONTH, said.today, offset).start
            candidates.append(day(first.year, first.month, number))
        except (ValueError, OverflowError):
            continue  # a month without that day
    return chosen(candidates, said.today, tense)


def section(whole: Interval, which: str) -> Interval:
    """Return the `early`, `mid` or `late` section: ten days of a month, or one, two and one quarters of a year."""
    first = whole.start.date()
    if whole.grain is Grain.MONTH:
        starts = [first, first + 10 * _DAY, first + 20 * _DAY]
        grain = Grain.WEEK
    else:
        starts = [first, first.replace(month=4), first.replace(month=10)]
        grain = Grain.QUARTER
    place = ("early", "mid", "late").index(which)
    after = [*starts[1:], whole.end.date()][place]
    return between(starts[place], after, grain, yearless=whole.yearless)


def part_of(one: Interval, part: str) -> Interval:
    """Return a part of the day on which *one* starts."""
    midnight = datetime.combine(one.start.date(), time())
    first, after = PARTS[part]
    return Interval(midnight + timedelta(hours=first), midnight + timedelta(hours=after), Grain.PART_OF_DAY, part)


def clock(one: Interval, hour: int, minute: int | None) -> Interval:
    """Return an hour or a minute of the day on which *one* starts; hours past 23 are of the night after it."""
    start = datetime.combine(one.start.date(), time()) + timedelta(hours=hour, minutes=minute or 0)
    grain = Grain.HOUR if minute is None else Grain.MINUTE
    return Interval(start, start + _CLOCK[grain], grain)


def hour_of(hour: int, part: str) -> int | None:
    """Return the hour since midnight that an *hour* of the dial means in *part*, None if it can be none of its.

    Without a part only an hour that no 12-hour clock has is told.
    """
    if hour > 24 or (not part and 1 <= hour <= 12):
        return None
    if not part or hour > 12:
        return hour
    first, after = _DIALS[part]
    choices = (hour % 12 + turn for turn in (0, 12, 24))
    return next((h for h in choices if first <= h < after), None)


def in_year(one: Interval, year: int) -> Interval:
    """Return *one* in the year in which it is to begin."""
    move = year - one.start.year
    return replace(one, start=_moved(one.start, move), end=_moved(one.end, move), yearless=False)


def _moved(moment: datetime, years: int) -> datetime:
    return moment.replace(year=moment.year + years)


def moved_to_zone(one: Interval, offset: timedelta, said: Said) -> Interval:
    """Return an interval that was written with an *offset* from UTC in the wall-clock time of *said*."""
    start = one.start.replace(tzinfo=timezone(offset)).astimezone(said.at.tzinfo).replace(tzinfo=None)
    return replace(one, start=start, end=start + (one.end - one.start), exact=True)


def instants(one: Interval, zone: tzinfo | None) -> tuple[datetime, datetime]:
    """Return start and end in UTC.

    A wall-clock time that a zone skips counts by the offset before the gap (RFC 5545, 3.3.5). An hour or minute that
    comes twice holds both.
    """
    start = one.start.replace(tzinfo=zone).astimezone(UTC)
    if one.exact:
        return start, start + (one.end - one.start)
    twice = one.grain in _CLOCK
    end = one.end.replace(tzinfo=zone, fold=int(twice)).astimezone(UTC)
    return start, end if end > start else start + (one.end - one.start)
