"""Dates at the head of sessions, in the forms that people write."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from keepstone.transfer.dates import session_time


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2025-12-15", datetime(2025, 12, 15, tzinfo=UTC)),
        ("2025-12-15 (Monday)", datetime(2025, 12, 15, tzinfo=UTC)),
        ("2023/05/20 (Sat) 02:21", datetime(2023, 5, 20, 2, 21, tzinfo=UTC)),
        ("1:56 pm on 8 May, 2023", datetime(2023, 5, 8, 13, 56, tzinfo=UTC)),
        ("12:17 am on 10 January, 2024", datetime(2024, 1, 10, 0, 17, tzinfo=UTC)),
        ("12:05 pm on 1 September, 2024", datetime(2024, 9, 1, 12, 5, tzinfo=UTC)),
        ("March-15-2024", datetime(2024, 3, 15, tzinfo=UTC)),
        ("June 1st, 2024", datetime(2024, 6, 1, tzinfo=UTC)),
        ("2025年3月1日", datetime(2025, 3, 1, tzinfo=UTC)),
        ("2025-12-15T10:30:00", datetime(2025, 12, 15, 10, 30, tzinfo=UTC)),
        ("2025-12-15T10:30:00Z", datetime(2025, 12, 15, 10, 30, tzinfo=UTC)),
        ("2025-12-15T10:30:00+08:00", datetime(2025, 12, 15, 10, 30, tzinfo=timezone(timedelta(hours=8)))),
    ],
)
def test_known_forms(written: str, expected: datetime) -> None:
    found = session_time(written)
    assert found == expected
    assert found is not None
    assert found.utcoffset() == expected.utcoffset()


@pytest.mark.parametrize(
    "written", ["", "yesterday", "2025-13-01", "31 Foo 2024", "13:00 pm on 8 May, 2023", "February-30-2024", "15-2024"]
)
def test_unknown_forms(written: str) -> None:
    assert session_time(written) is None
