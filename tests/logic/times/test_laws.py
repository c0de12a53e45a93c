"""What holds of every text: no error, expressions in order, apart and inside, whatever stands before them."""

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.errors import InvalidRequestError
from keepstone.logic.times import Grain, TimeExpression, find, whole
from keepstone.types import Span
from tests.logic.times import chinese, english

SAID = datetime(2024, 5, 15, 10, 30, tzinfo=ZoneInfo("Europe/Berlin"))
TEXTS = [row[0] for groups in (english.GROUPS, chinese.GROUPS) for _, rows in groups for row in rows]
PIECES = (
    "last next this week month year Friday on from to between and 3 12 31 2023 99999 May June 8th at pm 14:45 ago two "
    "in weeks the 90s early mid- of Christmas yesterday night 2023-05-08 T25:61Z 29 February "
    "上 下 这 个 周 月 年 三 十二 号 半 前 后天 去年 今晚 到 点 底 几 多 国庆 九十 年代 再过"
).split()
TEXT = st.text(max_size=80) | st.lists(st.sampled_from(PIECES), max_size=12).flatmap(
    lambda pieces: st.sampled_from([" ".join(pieces), "".join(pieces)])
)
ZONES = st.sampled_from([UTC, ZoneInfo("Asia/Shanghai"), ZoneInfo("America/New_York"), ZoneInfo("Pacific/Apia")])
MOMENT = st.datetimes(timezones=ZONES) | st.sampled_from(
    [
        datetime.min.replace(tzinfo=timezone(timedelta(hours=14))),
        datetime.max.replace(tzinfo=timezone(timedelta(hours=-12))),
    ]
)


@given(TEXT, MOMENT)
def test_expressions_are_in_order_apart_and_inside_the_text(text: str, at: datetime) -> None:
    found = find(text, at)
    assert all(0 <= e.span.start < e.span.end <= len(text) for e in found)
    assert all(a.span.end <= b.span.start for a, b in pairwise(found))
    assert all(e.start < e.end for e in found)
    assert all(e.start.tzinfo is UTC and e.end.tzinfo is UTC for e in found)


@given(st.sampled_from(TEXTS), st.sampled_from(["Hello there. ", "Bread, salt and oil!\n", "你好。", "面包和盐！\n"]))
def test_what_stands_before_changes_nothing(text: str, before: str) -> None:
    alone = [(e.span.start + len(before), e.start, e.end, e.grain) for e in find(text, SAID)]
    assert [(e.span.start, e.start, e.end, e.grain) for e in find(before + text, SAID)] == alone


@given(st.sampled_from(TEXTS), st.integers(-14 * 60, 14 * 60))
def test_the_same_moment_in_its_own_zone_is_what_counts(text: str, minutes: int) -> None:
    zone = timezone(timedelta(minutes=minutes))
    moved = find(text, SAID.replace(tzinfo=zone))
    assert [e.grain for e in moved] == [e.grain for e in find(text, SAID)]


@pytest.mark.parametrize("piece", ["1", "a ", "last ", "on Friday ", "五", "上", "3 to ", "two weeks ", "年", "in a "])
def test_a_long_text_is_read_through(piece: str) -> None:
    assert all(e.start < e.end for e in find(piece * 2_000, SAID))


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="aware"):
        find("yesterday", SAID.replace(tzinfo=None))


def test_the_whole_of_several_times_is_their_hull() -> None:
    assert whole(find("between today and three days ago", SAID)) == (
        datetime(2024, 5, 11, 22, tzinfo=UTC),
        datetime(2024, 5, 15, 22, tzinfo=UTC),
    )


def test_the_whole_of_nothing_is_none() -> None:
    assert whole(find("nothing here", SAID)) is None


def test_the_whole_does_not_depend_on_order() -> None:
    early, late = (
        TimeExpression(
            span=Span(start=0, end=1),
            start=datetime(year, 1, 1, tzinfo=UTC),
            end=datetime(year + 1, 1, 1, tzinfo=UTC),
            grain=Grain.YEAR,
        )
        for year in (2019, 2021)
    )
    assert whole([late, early]) == whole([early, late]) == (early.start, late.end)
