"""One pass over a text: the rules of both languages where their first words stand, clock times, and ranges."""

from __future__ import annotations

import re
from collections.abc import Iterator

from keepstone.logic.times import calendar as cal
from keepstone.logic.times import chinese, clocks, english
from keepstone.logic.times.context import word_before
from keepstone.logic.times.values import Grain, Interval, Said

Found = tuple[int, int, Interval]

_RULES = {key: (*english.RULES.get(key, ()), *chinese.RULES.get(key, ())) for key in {*english.RULES, *chinese.RULES}}
_CHINESE = "".join(sorted(set(chinese.RULES) - {"#"}))
# A word, a number, or one Chinese character with which a rule begins.
_HEAD = re.compile(rf"[A-Za-z]+|\d+|[{_CHINESE}]", re.ASCII)
_STUCK_NUMBER = re.compile(r"(?:[\w$€£#@/-]|\d[.,:])$", re.ASCII)
_STUCK_WORD = re.compile(r"[\w@#/]$", re.ASCII)

_MIDNIGHT_TO_MIDNIGHT = frozenset(Grain) - {Grain.MINUTE, Grain.HOUR, Grain.PART_OF_DAY}


def scan(text: str, said: Said) -> Iterator[Found]:
    """Yield where an expression starts and ends, and what it names, in order and apart from each other."""
    text = chinese.simplified(text)
    position = 0
    while head := _HEAD.search(text, position):
        found = _at(text, head, said) if _key(head) in _RULES else None
        if found is None:
            position = head.end()
        else:
            yield found
            position = found[1]


def _key(head: re.Match[str]) -> str:
    word = head[0]
    return "#" if word[0] in "0123456789" else word.lower()


def _at(text: str, head: re.Match[str], said: Said) -> Found | None:
    stuck = _STUCK_NUMBER if head[0][0].isdigit() else _STUCK_WORD
    if head[0].isascii() and stuck.search(text, max(0, head.start() - 2), head.start()):
        return None
    try:
        return _complete(text, head, said)
    except (ValueError, OverflowError):
        # A day that the calendar does not have, or that lies past its ends, names no time.
        return None


def _complete(text: str, head: re.Match[str], said: Said) -> Found | None:
    start = head.start()
    if (clock := clocks.leading(text, start)) and (dated := _simple(text, clock.end(), said)):
        found = clocks.timed(clock, dated[1]) if dated[1].grain in (Grain.DAY, Grain.PART_OF_DAY) else None
        return (start, dated[0], found) if found else None
    if dated := _after_weekday(text, start, said):
        end, one = dated
    elif plain := _simple(text, start, said):
        end, one = plain
    else:
        return None
    end, one = clocks.with_clock(text, end, one, said)
    end, one = _with_range(text, start, end, one, said)
    return start, end, one


def _after_weekday(text: str, start: int, said: Said) -> tuple[int, Interval] | None:
    """Read a date with its weekday in front, which then says nothing new."""
    weekday = english.LEADING_WEEKDAY.match(text, start)
    dated = _simple(text, weekday.end(), said) if weekday else None
    return dated if dated and dated[1].grain is Grain.DAY else None


def _simple(text: str, start: int, said: Said) -> tuple[int, Interval] | None:
    """Read one expression without clock and range at *start*."""
    head = _HEAD.match(text, start)
    for rule in _RULES.get(_key(head), ()) if head else ():
        if (match := rule.pattern.match(text, start)) and (one := rule.read(match, said)):
            return match.end(), one
    return None


def _with_range(text: str, start: int, end: int, one: Interval, said: Said) -> tuple[int, Interval]:
    """Join the end of a range, if one follows that is of the same grain and does not lie before."""
    if one.grain not in _MIDNIGHT_TO_MIDNIGHT:
        return end, one
    if not (joint := _joint(text, start, end)):
        return end, one
    other = _range_end(text, joint, one, said)
    if other is None or other[1].grain is not one.grain:
        return end, one
    last, after = other[1], other[0]
    if one.yearless and not last.yearless:
        one = cal.in_year(one, last.start.year)
        one = one if one.start <= last.start else cal.in_year(one, last.start.year - 1)
    elif last.yearless:
        last = cal.in_year(last, one.start.year)
        last = last if last.start >= one.start else cal.in_year(last, one.start.year + 1)
    return (after, cal.hull(one, last)) if last.start > one.start else (end, one)


def _joint(text: str, start: int, end: int) -> int:
    """Return where the second part of a range would start, 0 if nothing joins one."""
    if match := chinese.RANGE.match(text, end):
        return match.end()
    if not (match := english.RANGE.match(text, end)):
        return 0
    before = word_before(text, start)
    word = match[0].strip().lower()
    if word == "and" and before != "between":
        return 0
    return match.end() if before in ("from", "between") or word not in ("until", "till") else 0


def _range_end(text: str, position: int, one: Interval, said: Said) -> tuple[int, Interval] | None:
    """Read the second end of a range, which may say less than it would have to alone."""
    if found := _simple(text, position, said):
        return found
    return english.range_end(text, position, one) or chinese.range_end(text, position, one)
