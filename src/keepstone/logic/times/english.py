"""What English words name a time: rules by the words with which they begin."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date

from keepstone.logic.times import calendar as cal
from keepstone.logic.times import vocabulary as en
from keepstone.logic.times.calendar import Tense
from keepstone.logic.times.context import is_habit, looks_ahead, sentence_tense, tenses, verb_tense, word_before
from keepstone.logic.times.numbers import ENGLISH_AMOUNT, ENGLISH_NUMBERS, english_amount
from keepstone.logic.times.values import Grain, Interval, Rule, Said, pattern


def _rel_offset(word: str) -> int:
    return en.OFFSETS.get(word.split()[0].lower(), 0)


def _is_name(word: str) -> bool:
    """Tell a month from the verbs may and march, and its short form from other words, by the capital."""
    return word[0].isupper() or (word in en.MONTHS and word not in ("may", "march"))


def _weekday_number(word: str) -> int | None:
    return next((n for n, day in enumerate(en.WEEKDAYS) if day.startswith(word.lower().rstrip("."))), None)


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
    name_like = m["what"].lower() in ("may", "march") and not m["what"][0].isupper()
    if _owned(m) or name_like:
        return None
    rel = " ".join(m["rel"].lower().split())
    if rel in ("this past", "this last"):
        rel = "last"
    what = m["what"].lower()
    if what in ("morning", "afternoon", "evening", "night"):
        return _relative_part(rel, what, said)
    if what in en.UNITS:
        return cal.unit(en.UNITS[what], said.today, _rel_offset(rel))
    if (number := _weekday_number(what)) is not None:
        if what not in en.WEEKDAYS and not m["what"][0].isupper():
            return None
        past = rel == "this" and verb_tense(m) is Tense.PAST and said.today.weekday() != number
        return _relative_weekday("last" if past else rel, number, said)
    return _relative_of_year(rel, what, said)


def _owned(m: re.Match[str]) -> bool:
    """Tell "in her last year" from "I met her last year"."""
    before = word_before(m.string, m.start())
    if before != "her":
        return before in en.OWNERS
    return bool(_OF_HERS.search(m.string, max(0, m.start() - 20), m.start()))


_OF_HERS = pattern(r"(?:\b(?:in|of|for|at|on|to|during|since|until|before|after|from|is|was|and)|^|[^\w\s]) ?her $")


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
    if what in en.MONTHS:
        return cal.month(year, en.MONTHS.index(what) + 1)
    if (what := "autumn" if what == "fall" else what) in cal.SEASONS:
        return cal.season(what, year)
    return cal.day(year, *_holiday_of(what))


def _holiday_of(words: str) -> tuple[int, int]:
    plain = re.sub(r"['’]", "", " ".join(words.lower().split()))
    return next(at for name, at in en.HOLIDAYS.items() if name.replace("'", "") == plain)


def _before_last(m: re.Match[str], said: Said) -> Interval:
    sign = -1 if m["when"].lower().endswith("last") else 1
    what = m["what"].lower()
    if what in en.WEEKDAYS:
        near = _relative_weekday("last" if sign < 0 else "next", en.WEEKDAYS.index(what), said)
        return cal.unit(Grain.DAY, near.start.date(), 7 * sign)
    return cal.unit(en.UNITS[what], said.today, 2 * sign)


def _ago(m: re.Match[str], said: Said) -> Interval | None:
    when = m["when"].lower()
    sign = -1 if when in ("ago", "back") else 1
    if when == "back" and en.UNITS.get(m["unit"].lower()) in (Grain.MINUTE, Grain.HOUR):
        return None
    return _counted(m, said, sign)


def _counted(m: re.Match[str], said: Said, sign: int) -> Interval | None:
    least, most = english_amount(m["amount"])
    what = m["unit"].lower()
    if what in en.WEEKDAYS:
        near = _relative_weekday("last" if sign < 0 else "this coming", en.WEEKDAYS.index(what), said)
        return cal.unit(Grain.DAY, near.start.date(), 7 * sign * (least - 1)) if least == most else None
    found = cal.shifted(en.UNITS[what], sign * least, sign * most, said)
    return cal.part_of(found, "night") if what == "night" and least == most else found


def _half_ago(m: re.Match[str], said: Said) -> Interval | None:
    sign = -1 if m["when"].lower() in ("ago", "back") else 1
    if (m["unit"] or m["u"]).lower() == "hour":
        minutes = 90 if m["more"] else 30
        return cal.shifted(Grain.MINUTE, sign * minutes, sign * minutes, said)
    if (m["unit"] or m["u"]).lower() == "month":
        return cal.shifted(Grain.WEEK, sign * 6, sign * 6, said)
    months = 18 if m["more"] else 6
    return cal.shifted(Grain.MONTH, sign * months, sign * months, said)


def _in_amount(m: re.Match[str], said: Said) -> Interval | None:
    """Read "in three weeks" as a time only after a verb that looks ahead: else it says how long something takes."""
    rate = word_before(m.string, m.start()).rstrip("s") in (*en.UNITS, "time", "once", "twice")
    ahead = looks_ahead(m) and verb_tense(m) is not Tense.PAST and not rate
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
    if not _is_name(m["m"]) or word_before(m.string, m.start()) in ("every", "each"):
        return None
    number = next(i for i, name in enumerate(en.MONTHS, 1) if name.startswith(m["m"].lower().rstrip(".")[:3]))
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
    number = next(i for i, month in enumerate(en.MONTHS, 1) if month.startswith(name[:3]))
    if _DAY_BEFORE.search(m.string, max(0, m.start() - 9), m.start()):
        return None
    if (year := _year_of(m, said)) is not None:
        return cal.month(year, number)
    if name not in en.MONTHS or not _names_month(m, name):
        return None
    return cal.yearly(number, None, said, tenses(m))


def _names_month(m: re.Match[str], name: str) -> bool:
    before = word_before(m.string, m.start())
    if _AFTER_MONTH.search(m.string, max(0, m.start() - 24), m.start()):
        return True
    if name in en.NAME_LIKE and before not in en.BEFORE_NAME_LIKE:
        return before in en.BEFORE_MONTH and bool(_THEN_MONTH.match(m.string, m.end()))
    return before in en.BEFORE_MONTH


# A day that the month does not have: what is left of 31 February is no month.
_DAY_BEFORE = pattern(rf"\d{en.ORDINAL} (?:of )?$")
_AFTER_MONTH = pattern(rf"\b(?:between {en.MONTH} and|from {en.MONTH} (?:to|through|until)) $")
_THEN_MONTH = pattern(rf" (?:to|and|through|until) {en.MONTH}\b")


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
    if before in en.BEFORE_WEEKDAY or m["clock"] is not None:
        return True
    governed = verb_tense(m) is not Tense.OPEN and before not in en.NOT_BEFORE_WEEKDAY
    return governed and bool(_STANDS_ALONE.match(m.string, m.end()))


_MORE_WEEKDAYS = pattern(rf"(?: ?[,/&–-] ?| )(?:and |or |to |through |thru |until )?{en.WEEKDAY}")


def _year(m: re.Match[str], said: Said) -> Interval | None:
    before = word_before(m.string, m.start())
    counted = _COUNTED.match(m.string, m.end())
    if before not in en.BEFORE_YEAR or (counted and counted[1].lower() not in _NOT_COUNTED):
        return None
    return cal.unit(Grain.YEAR, date(int(m[0]), 1, 1))


def _year_range(m: re.Match[str], said: Said) -> Interval | None:
    first, last = (cal.unit(Grain.YEAR, date(int(m[y]), 1, 1)) for y in ("a", "b"))
    named = word_before(m.string, m.start()) in en.BEFORE_YEAR and first.start < last.start
    return cal.hull(first, last) if named else None


def _coming(m: re.Match[str], said: Said) -> Interval | None:
    if word_before(m.string, m.start()) != "the":
        return None
    past = m["rel"].lower() == "past"
    if m["what"].lower() == "weekend":
        return cal.unit(Grain.WEEKEND, said.today, -int(past))
    return _relative_weekday("last" if past else "this coming", _weekday_number(m["what"]) or 0, said)


# "in 2000 words" counts words, "in 2019 things changed" may be read so: no match when in doubt.
_COUNTED = pattern(r" ([a-z]+s|people|men|women|children|or|feet)\b")
_NOT_COUNTED = frozenset("was is has as this his us its does always perhaps across".split())


def _decade(m: re.Match[str], said: Said) -> Interval | None:
    number = int(m["n"])
    if number < 100:
        if number < 30 or is_habit(m) or not _THE.search(m.string, max(0, m.start() - 12), m.start()):
            return None
        number += 1900
    return cal.unit(Grain.DECADE, date(number, 1, 1))


# Not "in her early 30s".
_THE = pattern(r"\bthe (?:early |late )?$")
_DECADES = {f"{stem}ies": 20 + 10 * n for n, stem in enumerate("twent thirt fort fift sixt sevent eight ninet".split())}


def _decade_word(m: re.Match[str], said: Said) -> Interval | None:
    if not _THE.search(m.string, max(0, m.start() - 12), m.start()):
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
        whole: Interval | None = cal.unit(en.UNITS[m["unit"].lower()], said.today, _rel_offset(m["rel_unit"]))
    elif m["m"]:
        if not _is_name(m["m"]):
            return None
        number = en.MONTHS.index(m["m"].lower()) + 1
        year = _year_of(m, said)
        whole = cal.yearly(number, None, said, tenses(m)) if year is None else cal.month(year, number)
    else:
        whole = cal.unit(Grain.YEAR, date(int(m["alone"]), 1, 1))
    return whole and cal.section(whole, which)


def _holiday(m: re.Match[str], said: Said) -> Interval | None:
    at = _holiday_of(m["what"])
    if (year := _year_of(m, said)) is not None:
        return cal.day(year, *at)
    if word_before(m.string, m.start()) not in en.BEFORE_HOLIDAY or not _STANDS_ALONE.match(m.string, m.end()):
        return None
    return cal.yearly(*at, said, tenses(m))


# A holiday before another noun ("Christmas tree") is a kind of thing; so is a number ("the 3rd floor").
_STANDS_ALONE = pattern(
    r" ?(?:$|[^\w\s'’-]|\n|(?:and|or|but|with|at|in|we|i|he|she|they|you|this|last|by|to|for|after|before|during|around"
    r"|because|when|so|was|is|will|if|then|as|it|morning|evening|night)\b)"
)


def _day_of_month(m: re.Match[str], said: Said) -> Interval | None:
    if m["rel"]:
        first = cal.unit(Grain.MONTH, said.today, _rel_offset(m["rel"])).start
        return cal.day(first.year, first.month, int(m["d"]))
    if not _ON_THE.search(m.string, max(0, m.start() - 12), m.start()) or not _STANDS_ALONE.match(m.string, m.end()):
        return None
    return cal.day_of_month(int(m["d"]), said, verb_tense(m))


_ON_THE = pattern(r"\b(?:on|by|until|till|since|before|after) the $")

_AFTER = rf"(?:,? (?:of )?(?P<y>{en.YEAR})| (?:of )?(?P<rel>{en.REL}) year\b)"
_CLOCK_FOLLOWS = r"(?P<clock>(?=,? (?:at |around )?\d{1,2}(?::\d\d)? ?[ap]\.?m\b))?"

_DAYS = Rule(
    pattern(
        rf"(?P<day>today|yesterday|tomorrow|tonight)\b"
        r"(?!\.\w| show\b|['’]s (?:world|youth|society|age|generation|market))"
        rf"(?: (?P<part>{en.PART})\b)?"
    ),
    _named_day,
)
_RELATIVE = Rule(
    pattern(
        rf"(?P<rel>this (?:past|last|coming|upcoming|next)|{en.REL}) (?P<what>{en.PART}|week|weekend|month|quarter|year"
        rf"|decade|{en.ANY_WEEKDAY}|{en.MONTH}|{en.SEASON}|{en.HOLIDAY})(?!\w)"
        rf"(?! of\b| \d| in (?:(?:the|a|an|each|every|my) )?(?:month|year|{en.MONTH})\b)"
    ),
    _relative,
)
_BEFORE_LAST = Rule(
    pattern(rf"(?P<what>week|weekend|month|quarter|year|{en.WEEKDAY}) (?P<when>before last|after next)\b"), _before_last
)
_TWO_DAYS = Rule(pattern(r"day (?P<when>before yesterday|after tomorrow)\b"), _two_days_off)
_WHEN = r"(?P<when>ago|back(?= ?(?:[,.!?;)]|$))|from (?:now|today))\b"
_AMOUNTS = (
    Rule(
        pattern(rf"(?:(?:an?|one) (?P<unit>year|month|hour) (?P<more>and a half)|half an? (?P<u>year|hour)) {_WHEN}"),
        _half_ago,
    ),
    Rule(pattern(rf"(?P<amount>{ENGLISH_AMOUNT}) {en.UNIT} {_WHEN}"), _ago),
)
_IN_AMOUNT = Rule(pattern(rf"in (?P<amount>{ENGLISH_AMOUNT}) {en.UNIT}(?:['’])?(?: time)?(?![\w-])"), _in_amount)
_NUMERIC = (
    Rule(pattern(r"(?P<y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)(?!(?!T\d)[\w-])"), _iso),
    Rule(pattern(r"(?P<y>\d{4})/(?P<m>\d{1,2})/(?P<d>\d{1,2})(?![\w/])"), _iso),
    Rule(pattern(r"(?P<a>\d\d?)(?P<s>[/.-])(?P<b>\d\d?)(?P=s)(?P<y>(?:19|20)\d\d)(?![\w/-]|\.\d)"), _slashed),
)
_DAY_MONTH = Rule(
    pattern(rf"{en.DAY_NUMBER}(?:{en.JOINT}{en.LAST_DAY_NUMBER})? (?:of )?(?P<m>{en.ANY_MONTH})(?!\w)(?:{_AFTER})?"),
    _date,
)
_MONTH_DAY = Rule(
    pattern(
        rf"(?P<m>{en.ANY_MONTH}) (?:the )?{en.DAY_NUMBER}(?:{en.JOINT}{en.LAST_DAY_NUMBER}(?!\d))?"
        rf"{en.NUMBER_ENDS}(?:{_AFTER})?"
    ),
    _date,
)
_MONTH_ALONE = Rule(pattern(rf"(?P<m>{en.ANY_MONTH})(?!\w)(?:{_AFTER})?"), _month)
_WEEKDAY_ALONE = Rule(
    pattern(
        rf"(?P<what>{en.WEEKDAY})\b(?! (?:{en.PART})s\b)"
        rf"(?: (?:of )?(?P<rel>{en.REL}) week\b)?(?: (?P<part>{en.PART})\b)?{_CLOCK_FOLLOWS}"
    ),
    _weekday,
)
_YEAR_ALONE = Rule(pattern(en.YEAR), _year)
_YEAR_RANGE = Rule(pattern(r"(?P<a>(?:19|20)\d\d)[-–](?P<b>(?:19|20)\d\d)(?![\w-])"), _year_range)
_COMING = Rule(pattern(rf"(?P<rel>past|coming|upcoming) (?P<what>weekend|{en.WEEKDAY})\b"), _coming)
_DECADE = Rule(pattern(r"(?P<n>(?:1[5-9]|20)\d0|\d0)['’]?s\b"), _decade)
_DECADE_WORD = Rule(pattern("|".join(_DECADES)), _decade_word)
_SEASON_OF_YEAR = Rule(pattern(rf"(?P<what>{en.SEASON})(?:{_AFTER})"), _season)
_QUARTER = Rule(pattern(rf"q(?P<q>[1-4])(?:{_AFTER})"), _quarter)
_SECTION = Rule(
    pattern(
        r"(?P<which>early|late|mid|(?:beginning|start|end|middle)(?= of)) ?-?(?:of )?"
        rf"(?:(?P<m>{en.MONTH})\b(?:{_AFTER})?|(?P<alone>{en.YEAR})|(?P<rel_unit>{en.REL}) (?P<unit>month|year)\b)"
    ),
    _section,
)
_HOLIDAYS_OF_YEAR = Rule(pattern(rf"(?P<what>{en.HOLIDAY})\b(?:{_AFTER})?"), _holiday)
_DAY_OF_MONTH = Rule(pattern(rf"(?P<d>\d\d?)(?:st|nd|rd|th)(?: of (?P<rel>{en.REL}) month)?\b"), _day_of_month)


def _rules() -> dict[str, tuple[Rule, ...]]:
    """Return the rules by the first word, in lower case, of what they match; `#` stands for digits."""
    found: dict[str, tuple[Rule, ...]] = {}

    def enter(words: str, *rules: Rule) -> None:
        for word in words.split():
            found[word] = (*found.get(word, ()), *rules)

    enter("#", *_NUMERIC, _DAY_MONTH, *_AMOUNTS, _DECADE, _DAY_OF_MONTH, _YEAR_RANGE, _YEAR_ALONE)
    enter(" ".join(ENGLISH_NUMBERS) + " a an half several few couple", *_AMOUNTS)
    enter("today yesterday tomorrow tonight", _DAYS)
    enter("last next this", _RELATIVE)
    enter("past coming upcoming", _COMING)
    enter("week weekend month quarter year", _BEFORE_LAST)
    enter("day", _TWO_DAYS)
    enter("in", _IN_AMOUNT)
    enter(" ".join(en.WEEKDAYS), _BEFORE_LAST, _WEEKDAY_ALONE)
    enter("mon tue tues wed thu thur thurs fri sat sun")  # what leads a date
    enter(" ".join(en.MONTHS) + " sept jan feb mar apr jun jul aug sep oct nov dec", _MONTH_DAY, _MONTH_ALONE)
    enter(" ".join(_DECADES), _DECADE_WORD)
    enter("spring summer autumn fall winter", _SEASON_OF_YEAR)
    enter("q", _QUARTER)
    enter("early late mid beginning start end middle", _SECTION)
    enter("christmas boxing new valentine valentines april halloween fourth independence", _HOLIDAYS_OF_YEAR)
    return {word: tuple(dict.fromkeys(rules)) for word, rules in found.items()}


RULES = _rules()

# A weekday before a date belongs to it, whatever it says.
LEADING_WEEKDAY = pattern(rf"{en.ANY_WEEKDAY}\.?,? (?:the )?(?=\w)")

RANGE = pattern(r" ?(?:[-–—~]| to | until | till | through | and ) ?")
_RANGE_YEAR = pattern(en.YEAR)


def range_end(text: str, position: int, begun: Interval) -> tuple[int, Interval] | None:
    """Return where the bare end of a range that *begun* begins itself ends, and what it names."""
    if begun.grain is not Grain.YEAR or not (match := _RANGE_YEAR.match(text, position)):
        return None
    if (counted := _COUNTED.match(text, match.end())) and counted[1].lower() not in _NOT_COUNTED:
        return None
    return match.end(), cal.unit(Grain.YEAR, date(int(match[0]), 1, 1))
