"""Dates that a text names, and whether a fact's dates follow from what was said and when.

Relative words ("yesterday", 两年前) are resolved by `keepstone.logic.times`; here are the dates that facts write out,
part by part, since a part that was never said is invented.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache

from keepstone.logic.distillation.quantities import Quantity
from keepstone.logic.times import Grain, TimeExpression, find
from keepstone.logic.times import vocabulary as en
from keepstone.logic.times.numbers import chinese_number
from keepstone.types import Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """A date as a text writes it: the parts that it has, and where it stands. Monday is 0."""

    span: Span
    year: int | None = None
    month: int | None = None
    day: int | None = None
    weekday: int | None = None
    decade: bool = False


_MONTH_WORD = rf"(?P<mon>{'|'.join(en.MONTHS)}|(?:sept|jan|feb|mar|apr|jun|jul|aug|sep|oct|nov|dec)\b\.?)"
_YEAR = r"(?P<y>(?:1[5-9]|20)\d\d)"
_D = r"(?P<d>\d\d?)(?:st|nd|rd|th)?"
_D2 = r"(?:\s?(?:-|–|—|to|and)\s?(?P<d2>\d\d?)(?:st|nd|rd|th)?)?"
_ONES = "first second third fourth fifth sixth seventh eighth ninth".split()
_ORDINALS = {
    **{word: n for n, word in enumerate(_ONES, 1)},
    **{w: n for n, w in enumerate("tenth eleventh twelfth thirteenth fourteenth fifteenth".split(), 10)},
    **{w: n for n, w in enumerate("sixteenth seventeenth eighteenth nineteenth twentieth".split(), 16)},
    **{f"twenty-{word}": 20 + n for n, word in enumerate(_ONES, 1)},
    **{f"twenty {word}": 20 + n for n, word in enumerate(_ONES, 1)},
    **dict.fromkeys(("thirtieth",), 30),
    **dict.fromkeys(("thirty-first", "thirty first"), 31),
}
_ORDINAL = rf"(?P<d>{'|'.join(sorted(_ORDINALS, key=len, reverse=True))})"
_HAN = "零〇○一二三四五六七八九十"
_HAN_YEAR = rf"(?P<y>(?:1[5-9]|20)\d\d|[{_HAN}]{{4}}|\d\d(?=年[代出生毕])|[二三四五六七八九]十(?=年代))年"
_HAN_MONTH = r"(?P<m>\d\d?|[一二三四五六七八九]|十[一二]?)月"
_HAN_DAY = rf"(?P<d>\d\d?|[二三]?十[{_HAN}]?|[一二三四五六七八九])[日号]?"
_HAN_D2 = rf"(?:[到至~-](?P<d2>\d\d?|[二三]?十[{_HAN}]?|[一二三四五六七八九])[日号])?"

_WRITTEN = (
    r"(?<!\d)(?P<y>\d{4})[-/.](?P<m>\d\d?)[-/.](?P<d>\d\d?)(?!\d)",
    r"(?<![\d-])(?P<y>(?:19|20)\d\d)-(?P<m>0[1-9]|1[0-2])(?![\d-])",
    r"(?<![\d/])(?P<m>\d\d?)/(?P<d>\d\d?)/(?P<y>\d{4})(?!\d)",
    rf"(?:{_HAN_YEAR})?{_HAN_MONTH}(?:份)?的?(?P<last>最后一天)",
    rf"{_HAN_YEAR}{_HAN_MONTH}{_HAN_DAY}{_HAN_D2}",
    rf"{_HAN_YEAR}(?P<decade>代)?的?(?:{_HAN_MONTH})?",
    rf"{_HAN_MONTH}{_HAN_DAY[:-1]}{_HAN_D2}".replace("[日号]", "[日号]"),
    rf"{_HAN_MONTH}(?:份)?",
    rf"(?<![\d.:]){_HAN_DAY[:-1]}(?![线楼码])",
    rf"\b(?P<last>last)\sday\sof\s{_MONTH_WORD}(?:,?\s(?:of\s)?{_YEAR}\b)?",
    r"(?P<newyear>\bnew year(?:['’]s day)?\b(?!['’]s eve)|元旦)"
    r"|(?P<christmas>\bchristmas(?: day)?\b(?! eve)|圣诞节?)",
    rf"\b{_ORDINAL}\s(?:day\s)?of\s{_MONTH_WORD}(?:,?\s(?:of\s)?{_YEAR}\b)?",
    rf"\b(?-i:(?=[A-Z])){_MONTH_WORD}\s(?:the\s)?{_ORDINAL}\b(?:,?\s(?:of\s)?{_YEAR}\b)?",
    rf"\b{_MONTH_WORD}\sthe\s{_D}\b(?:,?\s(?:of\s)?{_YEAR}\b)?",
    rf"\b{_ORDINAL}(?=\s(?:day\s)?of\s(?:the|each|every|next|this|last)\smonth\b)",
    r"\b(?P<d>\d\d?)(?:st|nd|rd|th)(?=\s(?:day\s)?of\s(?:the|each|every|next|this|last)\smonth\b)",
    rf"\b{_MONTH_WORD}\s{_D}{_D2}(?!\d|:)(?:,?\s(?:of\s)?{_YEAR}\b)?",
    rf"\b{_D}{_D2}\s(?:of\s)?{_MONTH_WORD}(?:,?\s(?:of\s)?{_YEAR}\b)?",
    rf"\b{_MONTH_WORD},?\s(?:of\s)?{_YEAR}\b",
    rf"(?:(?<=in )|(?<=since )|(?<=until )|(?<=till )|(?<=by )|(?<=during )|(?<=early )"
    rf"|(?<=late )|(?<=mid )|(?<=mid-)"
    rf"|(?<=from )|(?<=to )|(?<=of )|(?<=every )|(?<=each )|(?<=next )|(?<=last )|(?<=this )"
    rf"|(?<=before )|(?<=after )"
    rf"|(?<=and ))(?P<mon>{'|'.join(en.MONTHS)})\b",
    rf"(?:(?<=on the )|(?<=is the )|(?<=by the )|(?<=from the )|(?<=until the )|(?<=till the )"
    rf"|(?<=after the )|(?<=before the ))"
    rf"(?:{_ORDINAL}|(?P<d0>\d\d?)(?:st|nd|rd|th))\b(?=[.,;!?)]|$|\s(?:and|but|so|at|because|as|or)\b)",
    r"(?<=on the )(?P<d>\d\d?)(?:st|nd|rd|th)\b(?!\s(?:floor|street|avenue|day|page))",
    r"\b(?P<y>(?:1[89]|20)\d)0s\b",
    r"\bthe\s(?:early\s|late\s)?['’]?(?P<tens>[2-9]0s|(?:twent|thirt|fort|fift|sixt|sevent|eight|ninet)ies)\b",
    r"(?<![\w$€£¥￥.,:/-])(?P<y>(?:19|20)\d\d)(?![\w%°]|[.,:/]\d|年|\s?(?:km|kg|euros?|dollars?|people|words|元|块))",
    rf"\b(?P<w>{en.WEEKDAY})s?\b",
    r"(?:周|星期|礼拜)(?P<w>[一二三四五六日天])(?!直|次|般|起|共|定|边|旦|子|常|记|报|个|天|顿|节|趟|场|回)",
)


@lru_cache(maxsize=1)
def _patterns() -> tuple[re.Pattern[str], ...]:
    """Return the patterns of `_WRITTEN`; they take long to compile, which not every process needs."""
    return tuple(re.compile(p, re.IGNORECASE) for p in _WRITTEN)


@lru_cache(maxsize=1024)
def mentions(text: str) -> tuple[Mention, ...]:
    """Return the dates that *text* writes out, in order and apart; *text* is in simplified characters."""
    found: list[Mention] = []
    taken: list[tuple[int, int]] = []
    for index, pattern in enumerate(_patterns()):
        for match in pattern.finditer(text):
            if any(match.start() < b and a < match.end() for a, b in taken) or match.start() == match.end():
                continue
            read = tuple(_read(match, index))
            if read:
                found += read
                taken.append(match.span())
    return tuple(sorted(found, key=lambda m: (m.span.start, m.day or 0)))


def _read(match: re.Match[str], index: int) -> Iterator[Mention]:
    groups = match.groupdict()
    span = Span(start=match.start(), end=match.end())
    if weekday := groups.get("w"):
        yield Mention(span=span, weekday=_weekday(weekday))
        return
    if tens := groups.get("tens"):
        yield Mention(span=span, year=1900 + (int(tens[:2]) if tens[0].isdigit() else _TENS[tens.lower()]), decade=True)
        return
    year, month, day = _number(groups.get("y")), _month(groups), _number(groups.get("d") or groups.get("d0"))
    decade = bool(groups.get("decade")) or (year is not None and match[0].endswith("0s"))
    if year is not None and match[0].endswith("0s"):
        year *= 10
    if year is not None and year < 100:
        year += 1900 if year > 30 else 2000
    if groups.get("newyear") or groups.get("christmas"):
        month, day = (1, 1) if groups.get("newyear") else (12, 25)
    if groups.get("last") and month is not None and 1 <= month <= 12:
        day = monthrange(year or 2023, month)[1]
    if month is not None and day is not None and month > 12 >= day and "/" in match[0]:
        month, day = day, month
    if (month is not None and not 1 <= month <= 12) or (day is not None and not 1 <= day <= 31):
        return
    yield Mention(span=span, year=year, month=month, day=day, decade=decade)
    if (last := _number(groups.get("d2"))) and last <= 31:
        yield Mention(span=span, year=year, month=month, day=last)


_TENS = {f"{stem}ies": 20 + 10 * n for n, stem in enumerate("twent thirt fort fift sixt sevent eight ninet".split())}


def _weekday(written: str) -> int:
    if written in "一二三四五六日天":
        return min("一二三四五六日".find(written) % 7, 6)
    return en.WEEKDAYS.index(written.lower())


def _month(groups: dict[str, str | None]) -> int | None:
    if name := groups.get("mon"):
        return next(i for i, month in enumerate(en.MONTHS, 1) if month.startswith(name.lower()[:3]))
    return _number(groups.get("m"))


def _number(written: str | None) -> int | None:
    return (_ORDINALS.get(written.lower()) or chinese_number(written)) if written else None


@dataclass(frozen=True, slots=True)
class Told:
    """What one message tells of times: the dates it writes, the days that its words come to, and its own day.

    `near` are weekdays of which only the tense would tell whether the last or the next is meant.
    """

    mentions: tuple[Mention, ...]
    ranges: tuple[tuple[date, date, Grain], ...]
    said: date | None
    durations: tuple[float, ...] = field(default=())
    near: frozenset[int] = field(default=frozenset())


def told(text: str, said_at: datetime | None, quantities: Iterable[Quantity]) -> Told:
    """Return what *text*, said at *said_at*, tells of times."""
    at = _aware(said_at)
    written = mentions(text)
    ranges = tuple(_range(e, at.tzinfo or UTC) for e in find(text, at)) if at else ()
    years = tuple(
        q.value * q.unit[1] / (365.25 * 86_400) for q in quantities if q.unit is not None and q.dimension == "time"
    )
    near = frozenset(int(m.weekday or 0) for m in written if m.weekday is not None and _BARE.match(text, m.span.start))
    return Told(written, ranges, at.date() if at else None, years, near)


# Chinese verbs have no tense.
_BARE = re.compile("(?<![上下这本每个])[周星礼]")


def _aware(at: datetime | None) -> datetime | None:
    return at if at is None or at.utcoffset() is not None else at.replace(tzinfo=UTC)


def _range(expression: TimeExpression, zone: tzinfo) -> tuple[date, date, Grain]:
    """Return the first and the last day of an expression, in the zone in which it was said."""
    try:
        first = expression.start.astimezone(zone).date()
        last = (expression.end - timedelta(microseconds=1)).astimezone(zone).date()
    except OverflowError:
        first, last = expression.start.date(), expression.end.date()
    return first, last, expression.grain


def _unresolved(told: Told) -> Iterator[int]:
    """Yield the weekdays that a message names and that are of no day that is resolved."""
    yield from told.near
    days = {day.weekday() for first, last, grain in told.ranges if grain in _DAYS for day in (first, last)}
    yield from (m.weekday for m in told.mentions if m.weekday is not None and m.weekday not in days)


class Calendar:
    """All that the messages behind a fact tell of times."""

    def __init__(self, tells: Sequence[Told], numbers: Collection[float] = ()) -> None:
        self._numbers = frozenset(numbers)
        self._ranges = [r for t in tells for r in t.ranges]
        self._mentions = [m for t in tells for m in t.mentions]
        self._said = [t.said for t in tells if t.said is not None]
        self._durations = [(t.said, years) for t in tells if t.said is not None for years in t.durations]
        self._loose_weekdays = frozenset(w for t in tells for w in _unresolved(t))
        self.years = frozenset(self._all_years())

    def _all_years(self) -> Iterator[int]:
        yield from (m.year for m in self._mentions if m.year is not None)
        yield from (s.year for s in self._said)
        for first, last, grain in self._ranges:
            if first.year == last.year or grain in (Grain.DAY, Grain.WEEK, Grain.WEEKEND, Grain.SEASON):
                yield from (first.year, last.year)
        for said, years in self._durations:
            for whole in {int(years), int(years + 0.5)}:
                yield from (said.year - whole, said.year - whole - 1, said.year + whole)

    def ages(self) -> frozenset[int]:
        """Return the numbers of years that have passed, or will have, between a year that is told and its telling."""
        written = [m.year for m in self._mentions if m.year is not None] + [first.year for first, _, _ in self._ranges]
        return frozenset(abs(s.year - y) - late for s in self._said for y in written for late in (0, 1))

    def has_date(self, year: int, month: int, day: int) -> bool:
        """Return whether a day follows, with the year that it is given."""
        try:
            wanted = date(year, month, day)
        except ValueError:
            return False
        if wanted in self._said or any(self._is_day(wanted, r) for r in self._ranges):
            return True
        if any(m.month == month and m.day == day and self._year_fits(m, year) for m in self._mentions):
            return True
        if wanted in self._loose_days():
            return True
        in_month = any(m.month == month and m.day is None and self._year_fits(m, year) for m in self._mentions)
        alone = any(m.day == day and m.month is None for m in self._mentions)
        return alone and (in_month or any(abs((wanted - s).days) <= 62 for s in self._said))

    def _loose_days(self) -> Iterator[date]:
        """Yield the days of weekdays that may be the last or the next."""
        for said in self._said:
            for days in range(-7, 8):
                if date.min.toordinal() <= said.toordinal() + days <= date.max.toordinal():
                    day = date.fromordinal(said.toordinal() + days)
                    if day.weekday() in self._loose_weekdays:
                        yield day

    def _is_day(self, wanted: date, told: tuple[date, date, Grain]) -> bool:
        first, last, grain = told
        if wanted in (first, last) and grain in _DAYS:
            return True
        exact = any(abs(abs((wanted - s).days) / 7 - 365.25 * y / 7) < 0.15 for s, y in self._durations)
        return first <= wanted <= last and (grain is Grain.WEEKEND or exact)

    def _year_fits(self, mention: Mention, year: int) -> bool:
        if mention.year is not None:
            return mention.year == year
        return year in self.years or any(abs(year - s.year) <= 1 for s in self._said)

    def has_month(self, year: int | None, month: int) -> bool:
        """Return whether a month follows, of *year* if it is given."""
        for first, last, grain in self._ranges:
            within = (first.year, first.month) == (last.year, last.month) or (grain in _DAYS | {Grain.WEEK})
            for day in (first, last):
                if within and day.month == month and year in (None, day.year):
                    return True
            if grain is Grain.MONTH and first <= date(year or first.year, month, 1) <= last:
                return True
        if any(s.month == month and year in (None, s.year) for s in self._said):
            return True
        # Nine years next month: the month of the one, the year of the other.
        counted = {s.year - whole for s, years in self._durations for whole in (int(years), int(years) + 1)}
        if year in counted and any(first.month == last.month == month for first, last, _ in self._ranges):
            return True
        return any(m.month == month and (year is None or self._year_fits(m, year)) for m in self._mentions)

    def has_day(self, month: int | None, day: int) -> bool:
        """Return whether a day follows that is given without its year, or without its month."""
        days = [d for first, last, grain in self._ranges if grain in _DAYS for d in (first, last)]
        days += (*self._said, *self._loose_days()) if month is not None else ()
        if any(d.day == day and month in (None, d.month) for d in days):
            return True
        if any(m.day == day and (month is None or m.month in (None, month)) for m in self._mentions):
            return month is None or self.has_month(None, month)
        return False

    @property
    def has_bare_day(self) -> bool:
        """Whether a day is told without its month, as one that comes every month."""
        return any(m.day is not None and m.month is None for m in self._mentions)

    def has_weekday(self, weekday: int) -> bool:
        """Return whether a weekday is told, or is that of a day that is."""
        if any(m.weekday == weekday for m in self._mentions):
            return True
        return any(
            d.weekday() == weekday for first, last, grain in self._ranges if grain in _DAYS for d in (first, last)
        )

    def has_decade(self, year: int) -> bool:
        """Return whether something of the decade from *year* on is told."""
        return any(year <= y < year + 10 for y in self.years)

    def has_year(self, year: int) -> bool:
        """Return whether a year follows, or the number alone is told."""
        return year in self.years or year in self._numbers

    def has_range(self, wanted: tuple[date, date, Grain]) -> bool:
        """Return whether a time in relative words follows: one told that lies in it, or the day of the telling."""
        first, last, _ = wanted
        return any(first <= a and b <= last for a, b, _ in self._ranges) or any(first <= s <= last for s in self._said)

    def starts_or_ends(self, day: date) -> bool:
        """Return whether *day* may bound a time that is told: where one starts, where it ends, or the day after."""
        bounds = {
            d
            for first, last, _ in self._ranges
            for d in (first, last, last + timedelta(days=1) if last < date.max else last)
        }
        if day in bounds or self.has_date(day.year, day.month, day.day):
            return True
        near = {day, day + timedelta(days=1) if day < date.max else day}
        month = any(d.day == 1 for d in near) and self.has_month(day.year, day.month)
        year = any((d.month, d.day) == (1, 1) for d in near) and day.year in self.years
        return month or year


_DAYS = frozenset({Grain.MINUTE, Grain.HOUR, Grain.PART_OF_DAY, Grain.DAY, Grain.WEEKEND})


def unsupported_date(text: str, said_at: datetime | None, calendar: Calendar, names: str = "") -> str | None:
    """Return the words of the first date in *text* that does not follow from *calendar*; None if all do.

    What stands word for word in *names* may be a name.
    """
    written = mentions(text)
    for mention in written:
        if text[mention.span.start : mention.span.end] in names:
            continue
        if not _follows(mention, calendar) or not _agrees(mention, written):
            return text[mention.span.start : mention.span.end].strip()
    at = _aware(said_at)
    for expression in find(text, at) if at else ():
        span = expression.span
        apart = all(m.span.end <= span.start or span.end <= m.span.start for m in written)
        if apart and at and not calendar.has_range(_range(expression, at.tzinfo or UTC)):
            return text[span.start : span.end]
    return None


def _follows(mention: Mention, calendar: Calendar) -> bool:
    year, month, day = mention.year, mention.month, mention.day
    if mention.weekday is not None:
        return calendar.has_weekday(mention.weekday)
    if mention.decade and year is not None:
        return calendar.has_decade(year)
    if day is not None:
        if year is not None and month is not None:
            return calendar.has_date(year, month, day)
        return calendar.has_day(month, day)
    if month is not None:
        return calendar.has_month(year, month)
    return year is None or calendar.has_year(year)


def _agrees(mention: Mention, written: Sequence[Mention]) -> bool:
    """Return whether a weekday is that of the one full date beside it."""
    if mention.weekday is None:
        return True
    full = [m for m in written if None not in (m.year, m.month, m.day)]
    if len(full) != 1:
        return True
    try:
        return date(full[0].year or 1, full[0].month or 1, full[0].day or 1).weekday() == mention.weekday
    except ValueError:
        return False
