"""Dates as people write them at the head of a session -> aware times in UTC."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_TIME = r"(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}))?\s*(?P<half>[ap]\.?m\.?)?"
_WEEKDAY = r"\([^)]*\)"
_FORMS = tuple(
    re.compile(form, re.IGNORECASE)
    for form in (
        # 2025-12-15 (Monday) · 2025/12/15 (Mon) 14:05 · 2025-12-15
        rf"(?P<year>\d{{4}})[-/.](?P<month>\d{{1,2}})[-/.](?P<day>\d{{1,2}})(?:\s*{_WEEKDAY})?(?:[,\s]+{_TIME})?",
        # 2025年12月15日 14:05
        rf"(?P<year>\d{{4}})年(?P<month>\d{{1,2}})月(?P<day>\d{{1,2}})[日号](?:\s*{_TIME})?",
        # 1:56 pm on 8 May, 2023
        rf"(?:{_TIME}\s+on\s+)?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?[\s-]+(?P<name>[a-z]{{3,9}})\.?[\s,-]+(?P<year>\d{{4}})",
        # March-15-2024 · March 15, 2024
        r"(?P<name>[a-z]{3,9})\.?[\s-]+(?P<day>\d{1,2})(?:st|nd|rd|th)?[\s,-]+(?P<year>\d{4})",
    )
)


def session_time(written: str) -> datetime | None:
    """Return the time that *written* says, in UTC if it names no zone; None if it is in no known form.

    Known forms are ISO 8601, `2025-12-15 (Monday)`, `2025/12/15 (Mon) 14:05`, `1:56 pm on 8 May, 2023`,
    `March-15-2024` and `2025年12月15日`. A date without a time is its midnight.
    """
    written = written.strip()
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        match = next((m for form in _FORMS if (m := form.fullmatch(written))), None)
        return None if match is None else _moment(match.groupdict())
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _moment(parts: dict[str, str | None]) -> datetime | None:
    month = _month(parts)
    hour = int(parts.get("hour") or 0)
    half = (parts.get("half") or "").lower()
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half.startswith("p") else 0)
    try:
        return datetime(
            int(parts["year"] or 0),
            month,
            int(parts["day"] or 0),
            hour,
            int(parts.get("minute") or 0),
            int(parts.get("second") or 0),
            tzinfo=UTC,
        )
    except ValueError:
        return None


def _month(parts: dict[str, str | None]) -> int:
    """The number of the month, 0 if its name is not one."""
    name = parts.get("name")
    if name is None:
        return int(parts.get("month") or 0)
    short = name[:3].lower()
    return _MONTHS.index(short) + 1 if short in _MONTHS else 0
