"""English words that rules are made of: names, units, holidays, and the words that stand before them."""

from __future__ import annotations

from keepstone.logic.times.values import Grain

WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
MONTHS = "january february march april may june july august september october november december".split()
WEEKDAY = f"(?:{'|'.join(WEEKDAYS)})"
# Short forms are read only where something else says that a day is meant.
ANY_WEEKDAY = rf"(?:{WEEKDAY}|(?:mon|tues?|wed|thur?s?|fri|sat|sun)\b)"
MONTH = f"(?:{'|'.join(MONTHS)})"
ANY_MONTH = rf"(?:{'|'.join(MONTHS)}|(?:sept|jan|feb|mar|apr|jun|jul|aug|sep|oct|nov|dec)\b(?:\.(?= ?[\d,]))?)"
SEASON = "(?:spring|summer|autumn|fall|winter)"
YEAR = r"(?:1[5-9]|20)\d\d(?![\w%°]|[.,:/-]\d)"
NUMBER_ENDS = r"(?![\w%°]|[.,:/]\d| ?(?:am|pm)\b)"
ORDINAL = "(?:st|nd|rd|th)?"
DAY_NUMBER = rf"(?P<d>\d\d?){ORDINAL}"
LAST_DAY_NUMBER = rf"(?P<d2>\d\d?){ORDINAL}"
JOINT = "(?: to | and |-|–|—| [–—-] )"
PART = "morning|afternoon|evening|night"
REL = "last|next|this"

UNITS = {
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
UNIT = f"(?P<unit>{'|'.join(sorted(UNITS, key=len, reverse=True))}|{WEEKDAY})s?"
OFFSETS = {"last": -1, "this": 0, "next": 1}

HOLIDAYS = {
    "christmas eve": (12, 24),
    "christmas day": (12, 25),
    "christmas": (12, 25),
    "boxing day": (12, 26),
    "new year's eve": (12, 31),
    "new year's day": (1, 1),
    "valentine's day": (2, 14),
    "april fools' day": (4, 1),
    "halloween": (10, 31),
    "fourth of july": (7, 4),
    "independence day": (7, 4),
}
HOLIDAY = "(?:" + "|".join(HOLIDAYS).replace("'s", "['’]?s").replace("s'", "s['’]?") + ")"

# Words after which a month, a holiday or a weekday alone names a time.
BEFORE_MONTH = frozenset("in since until till during by before after from between".split())
BEFORE_NAME_LIKE = frozenset("in since until till during".split())
NAME_LIKE = frozenset("april may june august march".split())
BEFORE_WEEKDAY = frozenset("on by until till since before after from for".split())
NOT_BEFORE_WEEKDAY = frozenset("a an the any every each some called named black good happy casual and or to".split())
BEFORE_HOLIDAY = frozenset("on at by since until till before after for over around the".split())
BEFORE_YEAR = frozenset("in since until till from during before after early late mid year around between circa".split())
# "my last year", "the next day": of a life or a story, not of the calendar.
OWNERS = frozenset("my his her our their your its the a an each every final very whose no".split())
