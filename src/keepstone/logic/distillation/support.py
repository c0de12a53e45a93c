"""Whether what a fact states was said: numbers, dates, and most of its words."""

from __future__ import annotations

import re

from keepstone.logic.distillation.grounds import Grounds
from keepstone.logic.distillation.moments import mentions, unsupported_date
from keepstone.logic.distillation.names import CALENDAR_WORDS, name_words, strange_pieces, unsaid
from keepstone.logic.distillation.proposals import Bound
from keepstone.logic.distillation.quantities import UNIT_WORDS, Quantity, covered, quantities
from keepstone.logic.distillation.reading import HAN_RUN, numbers_of
from keepstone.logic.distillation.wording import GENERIC, GENERIC_CHARACTERS, root_of, without_generic
from keepstone.logic.people import PEOPLE_WORDS, relations
from keepstone.logic.text import CJK, STOP_WORDS, stem
from keepstone.logic.times.numbers import ENGLISH_NUMBERS

# Of the words of a fact that are not generic, and no names. Below it, a fact says something else than its sources.
LEAST_SHARE = 0.33
# A Chinese character that was said, but in other words.
SINGLE = 2 / 3
# Words of one family begin alike.
PREFIX = 5
ENUMERATED_MAX = 6
# What a name that was said counts for, beside a word.
NAME = 0.25


def strange_number(text: str, grounds: Grounds) -> str | None:
    """Return the first number or time in *text*, in simplified characters, that does not follow; None if all do."""
    found = numbers_of(text)
    told = grounds.numbers
    for clock in found.clocks:
        hour = clock.minutes / 60
        bare = any(q.unit is None and q.value % 12 == hour for q in told.amounts)
        if not bare and not any(clock.matches(other) for other in told.clocks):
            return text[clock.span.start : clock.span.end].strip()
    for amount in found.amounts:
        if not _is_told(amount, text, grounds):
            return text[amount.span.start : amount.span.end].strip()
    return None


def _is_told(amount: Quantity, text: str, grounds: Grounds) -> bool:
    words = text[amount.span.start : amount.span.end]
    if amount.value in (0.0, 1.0) or re.match(r"(?:couple|pair|双|half|半)", words, re.IGNORECASE):
        return True
    if any(amount.matches(other) for other in grounds.numbers.amounts):
        return True
    if amount.unit is None and any(c.minutes == amount.value % 12 * 60 for c in grounds.numbers.clocks):
        return True
    calendar = grounds.calendar
    if amount.value in calendar.ages() and amount.dimension in ("", "time"):
        return True
    if amount.unit is None and amount.value == int(amount.value):
        number = int(amount.value)
        return (
            number in calendar.years
            or (number <= 31 and calendar.has_day(None, number))
            or _enumerates(number, grounds)
        )
    return False


def _enumerates(number: int, grounds: Grounds) -> bool:
    """Return whether a sentence lists as many things as *number*."""
    if not 2 <= number <= ENUMERATED_MAX:
        return False
    for sentence in re.split(r"[.!?;。！？；\n]+", grounds.cited_text):
        if any(q.value > 1 and q.unit is None for q in quantities(sentence)):
            continue
        joints = len(re.findall(r",\s(?!and\b)|\band\b|、|[和跟与及]|还有|，", sentence))
        if joints + 1 == number or (joints >= number and "，" in sentence):
            return True
    return False


def strange_date(text: str, grounds: Grounds) -> str | None:
    """Return the first date in *text*, in simplified characters, that does not follow; None if all do."""
    said = [s.said_at for s in grounds.cited if s.said_at is not None]
    return unsupported_date(
        text, max(said, key=lambda at: at.isoformat()) if said else None, grounds.calendar, grounds.known_text
    )


def is_bound_told(bound: Bound, grounds: Grounds) -> bool:
    """Return whether a time of validity may begin or end there."""
    calendar, at = grounds.calendar, bound.at
    if bound.precision == "year":
        return calendar.has_year(at.year)
    if bound.precision == "month":
        return calendar.has_month(at.year, at.month)
    day = at.date() if bound.precision == "time" and hasattr(at, "date") else at
    return calendar.starts_or_ends(day)


def share_said(text: str, grounds: Grounds) -> float:
    """Return which share of what *text*, in simplified characters, states was said; 1 if it states nothing else.

    Generic words, numbers and names do not count: they say little, or are checked apart.
    """
    text = _without_numbers(text)
    said, total = _spaced(text, grounds)
    for match in HAN_RUN.finditer(text):
        run = match[0]
        strange = {start + i for start, part in unsaid(run, grounds.pairs) for i in range(len(part))}
        held, missing, at = 0, 0.0, 0
        for piece in without_generic(run):
            at = run.index(piece, at)
            if _counts(piece):
                held += len(piece)
                missing += sum(
                    1 - SINGLE * (run[i] in grounds.pairs) for i in range(at, at + len(piece)) if i in strange
                )
            at += len(piece)
        total += held / 2
        said += (held - missing) / 2
    return said / total if total else 1.0


def _without_numbers(text: str) -> str:
    spans = [m.span for m in mentions(text)]
    rest = covered(text, spans)
    return covered(rest, [q.span for q in quantities(rest) if q.value not in (0.0, 1.0)])


def unsaid_word(text: str, grounds: Grounds) -> str | None:
    """Return the first Chinese word of *text*, in simplified characters, of which not one character was said.

    Generic words may be new, and so may what a relation or a number is called.
    """
    for match in HAN_RUN.finditer(_without_numbers(text)):
        for _, part in unsaid(match[0], grounds.pairs):
            for _, piece in strange_pieces(part, grounds.pairs):
                own = sum(c not in GENERIC_CHARACTERS for c in piece)
                if (own >= 2 or (own and len(piece) > 2)) and _counts(piece):
                    return piece
    return None


_RATES = {
    "hour": ("hour", "hourly", "小时", "钟头", "时薪"),
    "week": ("week", "weeks", "weekly", "周", "星期", "礼拜", "monday", "sunday", "saturday", "weekend"),
    "month": ("month", "months", "monthly", "月"),
    "year": ("year", "years", "yearly", "annual", "annually", "年"),
}
_RATE_WORDS = {word: words for words in _RATES.values() for word in words}
_RATE = re.compile(
    r"(?<!\bfor )(?<!\bin )(?<!\bhalf )\b(?:a|per|each|every)\s(hour|week|month|year)\b(?! ago)"
    r"|\b(hourly|weekly|monthly|yearly|annual)\b"
    r"|(?:每个?|一个)(月)(?!半)|[每一]个?(小时|周|星期|礼拜|年)(?![半几])",
    re.IGNORECASE,
)


def strange_rate(text: str, grounds: Grounds) -> str | None:
    """Return the first "a month" or 每月 in *text*, in simplified characters, where no month was spoken of."""
    told = grounds.text.lower()
    for match in _RATE.finditer(text):
        words = _RATE_WORDS[next(g for g in match.groups() if g).lower()]
        if not any(w in told for w in words) and not ("月" in words and grounds.calendar.has_bare_day):
            return match[0]
    return None


def _counts(piece: str) -> bool:
    return not relations(piece) and not re.fullmatch(r"[零一二两三四五六七八九十百千万亿]+", piece)


def _spaced(text: str, grounds: Grounds) -> tuple[float, float]:
    names = name_words(text) | grounds.own_names
    names_said = {stem(n) for n in names - grounds.own_names} & grounds.stems
    said = total = 0.0
    for word in re.findall(rf"(?:(?![{CJK}\d_])\w)+(?:['’](?:(?![{CJK}\d_])\w)+)?", text.lower()):
        word = re.sub(r"['’]s$", "", word)
        skipped = word in STOP_WORDS or word in names or _is_generic(word) or len(word) < 2
        if skipped or word in PEOPLE_WORDS or word in ENGLISH_NUMBERS or word in UNIT_WORDS or word in CALENDAR_WORDS:
            continue
        total += 1
        root = root_of(word)
        family = len(word) >= PREFIX and grounds.begins(word, PREFIX)
        said += word in grounds.words or root in grounds.stems or family
    return said + NAME * len(names_said), total + NAME * len(names_said)


def _is_generic(word: str) -> bool:
    return word in GENERIC or stem(word) in _GENERIC_STEMS


_GENERIC_STEMS = frozenset(stem(w) for w in GENERIC)
