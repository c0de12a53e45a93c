"""What listings are cut by: the range of a prefix, the days (UTC) of a time."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta

_FIRST = date(1970, 1, 1).toordinal()


def beyond(prefix: str) -> str | None:
    """Return the least text after all that begin with *prefix*, by code points; None if there is none."""
    for place in range(len(prefix) - 1, -1, -1):
        following = ord(prefix[place]) + 1
        if 0xD800 <= following <= 0xDFFF:
            # Surrogates are no characters.
            following = 0xE000
        if following <= sys.maxunicode:
            return prefix[:place] + chr(following)
    return None


def day_number(moment: datetime, *, up: bool = False) -> int:
    """Return the day (UTC) of *moment*, counted from 1970; with *up*, the first day that begins no earlier."""
    if up:
        moment += timedelta(days=1, microseconds=-1)
    return moment.astimezone(UTC).toordinal() - _FIRST


def day_name(number: int) -> str:
    """Return the day with this number as `YYYY-MM-DD`."""
    return date.fromordinal(number + _FIRST).isoformat()
