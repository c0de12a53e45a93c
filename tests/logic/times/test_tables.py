"""Every case of the tables: what is found in a text, and which time it names."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from keepstone.logic.times import find
from tests.logic.times import chinese, english

CASES = [(at, row[0], row[1:]) for groups in (english.GROUPS, chinese.GROUPS) for at, rows in groups for row in rows]


@pytest.mark.parametrize(("at", "text", "expected"), CASES)
def test_a_case(at: str, text: str, expected: tuple[str, ...]) -> None:
    said, _, zone = at.rpartition(" ")
    moment = datetime.fromisoformat(said).replace(tzinfo=ZoneInfo(zone))
    found = [
        (text[e.span.start : e.span.end], e.start, e.end, str(e.grain), e.start.tzinfo, e.end.tzinfo)
        for e in find(text, moment)
    ]
    assert found == [(*row(line, moment), UTC, UTC) for line in expected]


def row(line: str, at: datetime) -> tuple[str, datetime, datetime, str]:
    matched, start, end, grain = line.split(" | ")
    return matched, instant(start, at), instant(end, at), grain


def instant(given: str, at: datetime) -> datetime:
    read = datetime.fromisoformat(given)
    return (read if read.tzinfo else read.replace(tzinfo=at.tzinfo)).astimezone(UTC)


@pytest.mark.parametrize("groups", [english.GROUPS, chinese.GROUPS])
def test_the_tables_are_large_enough(groups: tuple[english.Group, ...]) -> None:
    rows = [row for _, rows in groups for row in rows]
    assert len(rows) >= 130
    assert sum(len(row) == 1 for row in rows) >= 35
