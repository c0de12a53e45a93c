"""What English words name a time: rules by the words with which they begin."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

from keepstone.logic.times import calendar as cal
from keepstone.logic.times.calendar import Tense
from keepstone.logic.times.context import is_habit, looks_ahead, sentence_tense, tenses, verb_tense, word_before
from keepstone.logic.times.numbers import ENGLISH_AMOUNT, ENGLISH_NUMBERS, english_amount
from keepstone.logic.times.values import Grain, Interval, Rule, Said, pattern

_WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
_MONTHS = "january february march april may june july august september october november december".split()
_WEEKDAY = f"(?:{'|'.join(_WEEKDAYS)})"
# Short forms are read only where something else says that a day is meant.
_ANY_WEEKDAY = rf"(?:{_WEEKDAY}|(?:mon|tues?|wed|thur?s?|fri|sat|sun)\b)"
_MONTH = f"(?:{'|'.join(_MONTHS)})"
_ANY_MONTH = rf"(?:{'|'.join(_MONTHS)}|(?:sept|jan|feb|mar|apr|jun|jul|aug|sep|oct|nov|dec)\b(?:\.(?= ?[\d,]))?)"
_SEASON = "(?:spring|summer|autumn|fall|winter)"
_YEAR = r"(?:1[5-9]|20)\d\d(?![\w%°]|[.,:/-]\d)"
_NUMBER_ENDS = r"(?![\w%°]|[.,:/]\d| ?(?:am|pm)\b)"
_ORDINAL = "(?:st|nd|rd|th)?"
_DAY_NUMBER = rf"(?P<d>\d\d?){_ORDINAL}"
_DAY_NUMBER_2 = rf"(?P<d2>\d\d?){_ORDINAL}"
_JOINT = "(?: to | and |-|–|—| [–—-] )"
_PART = "morning|afternoon|evening|night"
_REL = "last|next|this"

_UNITS = {
    "day": Grain.DAY,
    "night": Grain.DAY,
    "week": Grain.WEEK,
    "weekend": Grain.WEEKEND,
    "month": Grain.MONTH,
    "quarter": Grain.QUARTER,
    "year": Grain.YEAR,
    "yr": Grain.YEAR,
    "decade": Grain.DECADE,
    "hour": Grain.HOUR,
    "hr": Grain.HOUR,
    "minute": Grain.MINUTE,
    "min": Grain.MINUTE,
}
_UNIT = f"(?P<unit>{'|'.join(sorted(_UNITS, key=len, reverse=True))}|{_WEEKDAY})s?"
_OFFSETS = {"last": -1, "this": 0, "next": 1}

_HOLIDAYS = {
    "christmas eve": (12, 24),
    "christmas day": (12, 25),
    "christmas": (12, 25),
    "boxing day": (12, 26),
    "new year's eve": (12, 31),
    "new year's day": (1, 1),
    "valentine's day": (2, 14),
    "april fools' day": (4, 1),
    "halloween": (10, 31),
}
_HOLIDAY = "(?:" + "|".join(_HOLIDAYS).replace("'s", "['’]?s").replace("s'", "s['’]?") + ")"

# Words after which a month, a holiday or a weekday alone names a time.
_BEFORE_MONTH = frozenset("in since until till during by before after from between".split())
_BEFORE_NAME_LIKE = frozenset("in since until till during".split())
_NAME_LIKE = frozenset("april may june august march".split())
_BEFORE_WEEKDAY = frozenset("on by until till since before after from for".split())
_NOT_BEFORE_WEEKDAY = frozenset("a an the any every each some called named black good happy casual and or to".split())
_BEFORE_HOLIDAY = frozenset("on at by since until till before after for over around".split())
_BEFORE_YEAR = frozenset(
    "in since until till from during before after early late mid year around between circa".split()
)
# "my last year", "the next day": of a life or a story, not of the calendar.
_OWNERS = frozenset("my his her our their your its the a an each every final very whose no".split())


def _rel_offset(word: str) -> int:
    return _OFFSETS.get(word.split()[0].lower(), 0)


def _is_name(word: str) -> bool:
    """Tell the verbs may and march from the months by their capital."""
    return word.lower() not in ("may", "march", "mar") or word[0].isupper()


def _weekday_number(word: str) -> int | None:
    return next((n for n, day in enumerate(_WEEKDAYS) if day.startswith(word.lower().rstrip("."))), None)


def _named_day(m: re.Match[str], said: Said) -> Interval | None:
    if word_before(m.string, m.start()) == "no":
        return None
    offset = {"yesterday": -1, "tomorrow": 1}.get(m["day"].lower(), 0)
    found = cal.unit(Grain.DAY, said.today, offset)
    if m["day"].lower() == "tonight":
        return cal.part_of(found, "night")
    return cal.part_of(found, m["part"].lower()) if m["part"] else found


def _two_days_off(m: re.Match[str], said: Said) -> Interval:
    return cal.unit(Grain.DAY, said.today, -2 if m["when"].lower().startswith("before") else 2)


def _relative(m: re.Match[str], said: Said) -> Interval | None:
    if word_before(m.string, m.start()) in _OWNERS or not _is_name(m["what"]):
        return None
    rel = " ".join(m["rel"].lower().split())
    if rel in ("this past", "this last"):
        rel = "last"
    what = m["what"].lower()
    if what in ("morning", "afternoon", "evening", "night"):
        return _relative_part(rel, what, said)
    if what in _UNITS:
        return cal.unit(_UNITS[what], said.today, _rel_offset(rel))
    if (number := _weekday_number(what)) is not None:
        if what not in _WEEKDAYS and not m["what"][0].isupper():
            return None
        past = rel == "this" and verb_tense(m) is Tense.PAST and said.today.weekday() != number
        return _relative_weekday("last" if past else rel, number, said)
    return _relative_of_year(rel, what, said)


def _relative_part(rel: str, what: str, said: Said) -> Interval | None:
    today = cal.unit(Grain.DAY, said.today)
    if rel == "this":
        return cal.part_of(today, what)
    last_night = rel == "last" and what == "night"
    return cal.part_of(cal.unit(Grain.DAY, said.today, -1), what) if last_night else None


def _relative_weekday(rel: str, number: int, said: Said) -> Interval:
    ahead = (number - said.today.weekday()) % 7
    if rel == "last":
        return cal.unit(Grain.DAY, said.today, ahead - 7)
    if rel == "next":
        return cal.weekday(number, said.today, 1)
    if rel in ("this coming", "this upcoming", "this next"):
        return cal.unit(Grain.DAY, said.today, ahead or 7)
    return cal.unit(Grain.DAY, said.today, ahead)


def _relative_of_year(rel: str, what: str, said: Said) -> Interval | None:
    """Return the last one that is over, the next one to begin, or this year's."""
    around = [_of_year(what, said.today.year + move) for move in (-2, -1, 0, 1, 2)]
    noon = cal.unit(Grain.DAY, said.today).start
    if rel == "last":
        return max((c for c in around if c.end <= noon), key=lambda c: c.start)
    if rel == "this":
        early = said.today.month < 3 and what == "winter"
        return around[1] if early else around[2]
    return min((c for c in around if c.start > noon), key=lambda c: c.start)


def _of_year(what: str, year: int) -> Interval:
    if what in _MONTHS:
        return cal.month(year, _MONTHS.index(what) + 1)
    if (what := "autumn" if what == "fall" else what) in cal.SEASONS:
        return cal.season(what, year)
    return cal.day(year, *_holiday_of(what))


def _holiday_of(words: str) -> tuple[int, int]:
    plain = re.sub(r"['’]", "", " ".join(words.lower().split()))
    return next(at for name, at in _HOLIDAYS.items() if name.replace("'", "") == plain)


def _before_last(m: re.Match[str], said: Said) -> Interval:
    sign = -1 if m["when"].lower().endswith("last") else 1
    what = m["what"].lower()
    if what in _WEEKDAYS:
        near = _relative_weekday("last" if sign < 0 else "next", _WEEKDAYS.index(what), said)
        return cal.unit(Grain.DAY, near.start.date(), 7 * sign)
    return cal.unit(_UNITS[what], said.today, 2 * sign)


def _ago(m: re.Match[str], said: Said) -> Interval | None:
    sign = -1 if m["when"].lower() in ("ago", "back") else 1
    return _counted(m, said, sign)


def _counted(m: re.Match[str], said: Said, sign: int) -> Interval | None:
    least, most = english_amount(m["amount"])
    what = m["unit"].lower()
    if what in _WEEKDAYS:
        near = _relative_weekday("last" if sign < 0 else "this coming", _WEEKDAYS.index(what), said)
        return cal.unit(Grain.DAY, near.start.date(), 7 * sign * (least - 1)) if least == most else None
    found = cal.shifted(_UNITS[what], sign * least, sign * most, said)
    return cal.part_of(found, "night") if what == "night" and least == most else found


def _half_ago(m: re.Match[str], said: Said) -> Interval | None:
    sign = -1 if m["when"].lower() in ("ago", "back") else 1
    if (m["unit"] or m["u"]).lower() == "hour":
        minutes = 90 if m["more"] else 30
        return cal.shifted(Grain.MINUTE, sign * minutes, sign * minutes, said)
    months = 18 if m["more"] else 6
    return cal.shifted(Grain.MONTH, sign * months, sign * months, said)


def _in_amount(m: re.Match[str], said: Said) -> Interval | None:
    """Read "in three weeks" as a time only after a verb that looks ahead: else it says how long something takes."""
    ahead = looks_ahead(m) and verb_tense(m) is not Tense.PAST
    return _counted(m, said, 1) if ahead else None


def _iso(m: re.Match[str], said: Said) -> Interval:
    return cal.day(int(m["y"]), int(m["m"]), int(m["d"]))


def _slashed(m: re.Match[str], said: Said) -> Interval | None:
    first, second = int(m["a"]), int(m["b"])
    if first > 12 or first == second:
        return cal.day(int(m["y"]), second, first)
    return cal.day(int(m["y"]), first, second) if second > 12 else None


def _date(m: re.Match[str], said: Said) -> Interval | None:
    """Read a day and a month in either order, with a second day, a year, or neither."""
    if not _is_name(m["m"]):
        return None
    number = next(i for i, name in enumerate(_MONTHS, 1) if name.startswith(m["m"].lower().rstrip(".")[:3]))
    year = _year_of(m, said)
    days = [int(d) for d in (m["d"], m["d2"]) if d]
    if year is not None:
        found = [cal.day(year, number, d) for d in days]
    else:
        first = cal.yearly(number, days[0], said, tenses(m))
        found = [first, *(cal.day(first.start.year, number, d) for d in days[1:])] if first else []
    if not found or found[-1].start < found[0].start:
        return None
    return replace(cal.hull(found[0], found[-1]), yearless=year is None)


def _year_of(m: re.Match[str], said: Said) -> int | None:
    if m["y"]:
        return int(m["y"])
    return said.today.year + _rel_offset(m["rel"]) if m["rel"] else None


def _month(m: re.Match[str], said: Said) -> Interval | None:
    if not _is_name(m["m"]):
        return None
    name = m["m"].lower().rstrip(".")
    number = next(i for i, month in enumerate(_MONTHS, 1) if month.startswith(name[:3]))
    if _DAY_BEFORE.search(m.string, max(0, m.start() - 9), m.start()):
        return None
    if (year := _year_of(m, said)) is not None:
        return cal.month(year, number)
    if name not in _MONTHS or not _names_month(m, name):
        return None
    return cal.yearly(number, None, said, tenses(m))


def _names_month(m: re.Match[str], name: str) -> bool:
    before = word_before(m.string, m.start())
    if name in _NAME_LIKE and before not in _BEFORE_NAME_LIKE:
        return before in _BEFORE_MONTH and bool(_THEN_MONTH.match(m.string, m.end()))
    return before in _BEFORE_MONTH or before in ("and", "to", "through", "until")


# A day that the month does not have: what is left of 31 February is no month.
_DAY_BEFORE = pattern(rf"\d{_ORDINAL} (?:of )?$")
_THEN_MONTH = pattern(rf" (?:to|and|through|until) {_MONTH}\b")


def _weekday(m: re.Match[str], said: Said) -> Interval | None:
    number = _weekday_number(m["what"]) or 0
    if m["rel"]:
        return cal.weekday(number, said.today, _rel_offset(m["rel"]))
    if not _names_weekday(m) or is_habit(m) or _MORE_WEEKDAYS.match(m.string, m.end()):
        return None
    tense = verb_tense(m)
    if tense is Tense.OPEN:
        tense = Tense.FUTURE if word_before(m.string, m.start()) in ("by", "until", "till") else sentence_tense(m)
    behind = (said.today.weekday() - number) % 7
    found = cal.unit(Grain.DAY, said.today, -behind % 7 if tense is Tense.FUTURE else -behind)
    return cal.part_of(found, m["part"].lower()) if m["part"] else found


def _names_weekday(m: re.Match[str]) -> bool:
    """Tell a day from a kind of day: after "on" and the like, before a clock time, or after a verb and alone."""
    before = word_before(m.string, m.start())
    if before in _BEFORE_WEEKDAY or m["clock"]:
        return True
    governed = verb_tense(m) is not Tense.OPEN and before not in _NOT_BEFORE_WEEKDAY
    return governed and bool(_STANDS_ALONE.match(m.string, m.end()))


_MORE_WEEKDAYS = pattern(rf"(?: ?[,/&–-] ?| )(?:and |or |to |through |thru |until )?{_WEEKDAY}")


def _year(m: re.Match[str], said: Said) -> Interval | None:
    before = word_before(m.string, m.start())
    counted = _COUNTED.match(m.string, m.end())
    if before not in _BEFORE_YEAR or (counted and counted[1].lower() not in _NOT_COUNTED):
        return None
    return cal.unit(Grain.YEAR, date(int(m[0]), 1, 1))


# "in 2000 words" counts words, "in 2019 things changed" may be read so: no match when in doubt.
_COUNTED = pattern(r" ([a-z]+s|people|men|women|children|or|feet)\b")
_NOT_COUNTED = frozenset("was is has as this his us its does always perhaps across".split())


def _decade(m: re.Match[str], said: Said) -> Interval | None:
    number = int(m["n"])
    if number < 100:
        before = word_before(m.string, m.start())
        if number < 30 or before not in ("the", "early", "late") or is_habit(m):
            return None
        number += 1900
    return cal.unit(Grain.DECADE, date(number, 1, 1))


_DECADES = {f"{stem}ies": 20 + 10 * n for n, stem in enumerate("twent thirt fort fift sixt sevent eight ninet".split())}


def _decade_word(m: re.Match[str], said: Said) -> Interval | None:
    if word_before(m.string, m.start()) not in ("the", "early", "late"):
        return None
    return cal.unit(Grain.DECADE, date(1900 + _DECADES[m[0].lower()], 1, 1))


def _season(m: re.Match[str], said: Said) -> Interval | None:
    year = _year_of(m, said)
    return None if year is None else _of_year(m["what"].lower(), year)


def _quarter(m: re.Match[str], said: Said) -> Interval | None:
    year = _year_of(m, said)
    return None if year is None else cal.unit(Grain.QUARTER, date(year, 3 * int(m["q"]) - 2, 1))


_SECTIONS = {"early": "early", "beginning": "early", "start": "early", "late": "late", "end": "late"}


def _section(m: re.Match[str], said: Said) -> Interval | None:
    which = _SECTIONS.get(m["which"].lower(), "mid")
    if m["unit"]:
        whole: Interval | None = cal.unit(_UNITS[m["unit"].lower()], said.today, _rel_offset(m["rel_unit"]))
    elif m["m"]:
        if not _is_name(m["m"]):
            return None
        number = _MONTHS.index(m["m"].lower()) + 1
        year = _year_of(m, said)
        whole = cal.yearly(number, None, said, tenses(m)) if year is None else cal.month(year, number)
    else:
        whole = cal.unit(Grain.YEAR, date(int(m["alone"]), 1, 1))
    return whole and cal.section(whole, which)


def _holiday(m: re.Match[str], said: Said) -> Interval | None:
    at = _holiday_of(m["what"])
    if (year := _year_of(m, said)) is not None:
        return cal.day(year, *at)
    if word_before(m.string, m.start()) not in _BEFORE_HOLIDAY or not _STANDS_ALONE.match(m.string, m.end()):
        return None
    return cal.yearly(*at, said, tenses(m))


# A holiday before another noun ("Christmas tree") is a kind of thing; so is a number ("the 3rd floor").
_STANDS_ALONE = pattern(
    r" ?(?:$|[^\w\s'’-]|\n|(?:and|or|but|with|at|in|we|i|he|she|they|you|this|last|by|to|for|because|when|so|was|is"
    r"|will|if|then|as|it|morning|evening|night)\b)"
)


def _day_of_month(m: re.Match[str], said: Said) -> Interval | None:
    if m["rel"]:
        first = cal.unit(Grain.MONTH, said.today, _rel_offset(m["rel"])).start
        return cal.day(first.year, first.month, int(m["d"]))
    if not _ON_THE.search(m.string, max(0, m.start() - 12), m.start()) or not _STANDS_ALONE.match(m.string, m.end()):
        return None
    return cal.day_of_month(int(m["d"]), said, verb_tense(m))


_ON_THE = pattern(r"\b(?:on|by|until|till|since|before|after) the $")

_AFTER = rf"(?:,? (?:of )?(?P<y>{_YEAR})| (?:of )?(?P<rel>{_REL}) year\b)"
_CLOCK_FOLLOWS = r"(?P<clock>(?=,? (?:at |around )?\d{1,2}(?::\d\d)? ?[ap]\.?m\b))?"

_DAYS = Rule(
    pattern(
        rf"(?P<day>today|yesterday|tomorrow|tonight)\b(?!\.\w|['’]s (?:world|youth|society|age|generation|market))"
        rf"(?: (?P<part>{_PART})\b)?"
    ),
    _named_day,
)
_RELATIVE = Rule(
    pattern(
        rf"(?P<rel>this (?:past|last|coming|upcoming|next)|{_REL}) (?P<what>{_PART}|week|weekend|month|quarter|year"
        rf"|decade|{_ANY_WEEKDAY}|{_MONTH}|{_SEASON}|{_HOLIDAY})(?!\w)"
        rf"(?! of\b| \d| in (?:(?:the|a|an|each|every|my) )?(?:month|year|{_MONTH})\b)"
    ),
    _relative,
)
_BEFORE_LAST = Rule(
    pattern(rf"(?P<what>week|weekend|month|quarter|year|{_WEEKDAY}) (?P<when>before last|after next)\b"), _before_last
)
_TWO_DAYS = Rule(pattern(r"day (?P<when>before yesterday|after tomorrow)\b"), _two_days_off)
_WHEN = r"(?P<when>ago|back(?= ?(?:[,.!?;)]|$))|from (?:now|today))\b"
_AMOUNTS = (
    Rule(
        pattern(rf"(?:(?:an?|one) (?P<unit>year|hour) (?P<more>and a half)|half an? (?P<u>year|hour)) {_WHEN}"),
        _half_ago,
    ),
    Rule(pattern(rf"(?P<amount>{ENGLISH_AMOUNT}) {_UNIT} {_WHEN}"), _ago),
)
_IN_AMOUNT = Rule(pattern(rf"in (?P<amount>{ENGLISH_AMOUNT}) {_UNIT}(?:['’])?(?: time)?(?![\w-])"), _in_amount)
_NUMERIC = (
    Rule(pattern(r"(?P<y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)(?!(?!T\d)[\w-])"), _iso),
    Rule(pattern(r"(?P<y>\d{4})/(?P<m>\d{1,2})/(?P<d>\d{1,2})(?![\w/])"), _iso),
    Rule(pattern(r"(?P<a>\d\d?)(?P<s>[/.-])(?P<b>\d\d?)(?P=s)(?P<y>(?:19|20)\d\d)(?![\w/-]|\.\d)"), _slashed),
)
_DAY_MONTH = Rule(
    pattern(rf"{_DAY_NUMBER}(?:{_JOINT}{_DAY_NUMBER_2})? (?:of )?(?P<m>{_ANY_MONTH})(?!\w)(?:{_AFTER})?"),
    _date,
)
_MONTH_DAY = Rule(
    pattern(
        rf"(?P<m>{_ANY_MONTH}) (?:the )?{_DAY_NUMBER}(?:{_JOINT}{_DAY_NUMBER_2}(?!\d))?{_NUMBER_ENDS}(?:{_AFTER})?"
    ),
    _date,
)
_MONTH_ALONE = Rule(pattern(rf"(?P<m>{_ANY_MONTH})(?!\w)(?:{_AFTER})?"), _month)
_WEEKDAY_ALONE = Rule(
    pattern(
        rf"(?P<what>{_WEEKDAY})\b(?! (?:{_PART})s\b)"
        rf"(?: (?:of )?(?P<rel>{_REL}) week\b)?(?: (?P<part>{_PART})\b)?{_CLOCK_FOLLOWS}"
    ),
    _weekday,
)
_YEAR_ALONE = Rule(pattern(_YEAR), _year)
_DECADE = Rule(pattern(r"(?P<n>(?:1[5-9]|20)\d0|\d0)['’]?s\b"), _decade)
_DECADE_WORD = Rule(pattern("|".join(_DECADES)), _decade_word)
_SEASON_OF_YEAR = Rule(pattern(rf"(?P<what>{_SEASON})(?:{_AFTER})"), _season)
_QUARTER = Rule(pattern(rf"q(?P<q>[1-4])(?:{_AFTER})"), _quarter)
_SECTION = Rule(
    pattern(
        r"(?P<which>early|late|mid|(?:beginning|start|end|middle)(?= of)) ?-?(?:of )?"
        rf"(?:(?P<m>{_MONTH})\b(?:{_AFTER})?|(?P<alone>{_YEAR})|(?P<rel_unit>{_REL}) (?P<unit>month|year)\b)"
    ),
    _section,
)
_HOLIDAYS_OF_YEAR = Rule(pattern(rf"(?P<what>{_HOLIDAY})\b(?:{_AFTER})?"), _holiday)
_DAY_OF_MONTH = Rule(pattern(rf"(?P<d>\d\d?)(?:st|nd|rd|th)(?: of (?P<rel>{_REL}) month)?\b"), _day_of_month)


def _rules() -> dict[str, tuple[Rule, ...]]:
    """Return the rules by the first word, in lower case, of what they match; `#` stands for digits."""
    found: dict[str, tuple[Rule, ...]] = {}

    def enter(words: str, *rules: Rule) -> None:
        for word in words.split():
            found[word] = (*found.get(word, ()), *rules)

    enter("#", *_NUMERIC, _DAY_MONTH, *_AMOUNTS, _DECADE, _DAY_OF_MONTH, _YEAR_ALONE)
    enter(" ".join(ENGLISH_NUMBERS) + " a an half several few", *_AMOUNTS)
    enter("today yesterday tomorrow tonight", _DAYS)
    enter("last next this", _RELATIVE)
    enter("week weekend month quarter year", _BEFORE_LAST)
    enter("day", _TWO_DAYS)
    enter("in", _IN_AMOUNT)
    enter(" ".join(_WEEKDAYS), _BEFORE_LAST, _WEEKDAY_ALONE)
    enter("mon tue tues wed thu thur thurs fri sat sun")  # what leads a date
    enter(" ".join(_MONTHS) + " sept jan feb mar apr jun jul aug sep oct nov dec", _MONTH_DAY, _MONTH_ALONE)
    enter(" ".join(_DECADES), _DECADE_WORD)
    enter("spring summer autumn fall winter", _SEASON_OF_YEAR)
    enter("q", _QUARTER)
    enter("early late mid beginning start end middle", _SECTION)
    enter("christmas boxing new valentine valentines april halloween", _HOLIDAYS_OF_YEAR)
    return {word: tuple(dict.fromkeys(rules)) for word, rules in found.items()}


RULES = _rules()

# A weekday before a date belongs to it, whatever it says.
LEADING_WEEKDAY = pattern(rf"{_ANY_WEEKDAY}\.?,? (?:the )?(?=\w)")

RANGE = pattern(r" ?(?:[-–—~]| to | until | till | through | and ) ?")
_RANGE_YEAR = pattern(_YEAR)


def range_end(text: str, position: int, begun: Interval) -> tuple[int, Interval] | None:
    """Return where the bare end of a range that *begun* begins itself ends, and what it names."""
    if begun.grain is not Grain.YEAR or not (match := _RANGE_YEAR.match(text, position)):
        return None
    if (counted := _COUNTED.match(text, match.end())) and counted[1].lower() not in _NOT_COUNTED:
        return None
    return match.end(), cal.unit(Grain.YEAR, date(int(match[0]), 1, 1))
