"""Parts of the day and clock times, which stand after a day or before it."""

from __future__ import annotations

import re
from datetime import timedelta

from keepstone.logic.times import calendar as cal
from keepstone.logic.times.chinese import PARTS
from keepstone.logic.times.numbers import chinese_number
from keepstone.logic.times.values import Grain, Interval, Said, pattern

_ENGLISH_PART = pattern(r" (?:in the )?(?P<part>morning|afternoon|evening|night)\b")
_DIAL = r"(?P<h>\d\d?)(?:[:.](?P<min>[0-5]\d))? ?(?P<half>[ap])(?:m\b|\.m\.)"
_DIGITAL = r"(?P<h24>\d\d?):(?P<min24>[0-5]\d)(?![\d:])"
_ABOUT = "(?:around |about |exactly )?"
_ENGLISH = pattern(rf",?(?: at| around| about| @)? ?{_ABOUT}(?:{_DIAL}|{_DIGITAL}|(?P<noon>noon)\b)")
_ENGLISH_HOUR = pattern(r" (?:at|around|about) (?P<h>\d\d?)(?: o['’]?clock)?(?![\w:]|\.\d)")
_ENGLISH_FIRST = pattern(rf"(?:{_DIAL}|{_DIGITAL}),?(?: on| in the| of)? (?:the )?")
_ISO = pattern(
    r"(?:T| )(?P<h>[01]\d|2[0-3]):(?P<min>[0-5]\d)(?::\d\d(?:[.,]\d{1,9})?)?"
    r" ?(?:(?P<zulu>Z)|(?P<sign>[+-])(?P<oh>\d\d):?(?P<om>\d\d))?(?![\w:])"
)

_CHINESE_PART = pattern("的?(?P<part>" + "|".join(sorted(PARTS, key=len, reverse=True)) + ")(?![餐饭些年辈点])")
_SMALL = "(?:[二三四五]?十[一二三四五六七八九]?|[一二三四五六七八九两])"
_CHINESE = pattern(
    rf"的?(?:大约|大概|差不多|快)?(?P<h>\d\d?|{_SMALL})(?:点(?!建议|意见|问题|儿)(?:钟|整)?"
    r"(?:(?P<half>半)|(?P<quarter>[一三])刻"
    r"|(?P<min>[0-5]\d|[二三四五]?十[一二三四五六七八九]?|零[一二三四五六七八九])分?"
    r"|(?P<minute>\d|[一二三四五六七八九])分)?"
    r"|:(?P<colon>[0-5]\d)(?![\d:]))"
)


def leading(text: str, start: int) -> re.Match[str] | None:
    """Return the match of a clock time at *start* that a day may follow, as in "3 pm on Friday"."""
    return _ENGLISH_FIRST.match(text, start) if text[start].isdigit() else None


def with_clock(text: str, end: int, one: Interval, said: Said) -> tuple[int, Interval]:
    """Add the part of the day and the clock time that follow a day."""
    if one.grain not in (Grain.DAY, Grain.PART_OF_DAY) or one.end - one.start > timedelta(days=1):
        return end, one
    if one.grain is Grain.DAY and (exact := _ISO.match(text, end)):
        return exact.end(), _exact(exact, one, said)
    if one.grain is Grain.DAY:
        if match := _ENGLISH_PART.match(text, end):
            end, one = match.end(), cal.part_of(one, match["part"].lower())
        elif match := _CHINESE_PART.match(text, end):
            end, one = match.end(), cal.part_of(one, PARTS[match["part"]])
    for tail in (_ENGLISH, _ENGLISH_HOUR, _CHINESE):
        if (match := tail.match(text, end)) and (exactly := timed(match, one)):
            return match.end(), exactly
    return end, one


def timed(match: re.Match[str], one: Interval) -> Interval | None:
    """Return the clock time of *match* on the day on which *one* starts; None if it may be one of two."""
    groups = match.re.groupindex
    if "colon" in groups:
        hour, minute = _chinese_clock(match)
        told = cal.hour_of(hour, one.part)
    else:
        told, minute = _english_clock(match.groupdict(), one.part)
    return None if told is None else cal.clock(one, told, minute)


def _english_clock(said: dict[str, str | None], part: str) -> tuple[int | None, int | None]:
    if said.get("noon"):
        return 12, None
    if written := said.get("h24"):
        hour = int(written)
        told = hour if written.startswith("0") and not part else cal.hour_of(hour, part)
        return told, int(said["min24"] or 0)
    minute = int(written) if (written := said.get("min")) else None
    hour = int(said["h"] or 0)
    if not (half := said.get("half")):
        return cal.hour_of(hour, part), minute
    if hour > 12:
        return None, None
    told = hour % 12 + (12 if half.lower() == "p" else 0)
    return told + (24 if part == "night" and told < 6 else 0), minute


def _exact(match: re.Match[str], one: Interval, said: Said) -> Interval:
    timed = cal.clock(one, int(match["h"]), int(match["min"]))
    if not (match["zulu"] or match["sign"]):
        return timed
    sign = -1 if match["sign"] == "-" else 1
    offset = sign * timedelta(hours=int(match["oh"] or 0), minutes=int(match["om"] or 0))
    return cal.moved_to_zone(timed, offset, said)


def _chinese_clock(match: re.Match[str]) -> tuple[int, int | None]:
    hour = chinese_number(match["h"])
    if match["half"]:
        return hour, 30
    if match["quarter"]:
        return hour, 15 * chinese_number(match["quarter"])
    written = match["min"] or match["minute"] or match["colon"]
    return hour, chinese_number(written) if written else None
