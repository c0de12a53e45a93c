"""Texts on a page: escaped, and nothing in them is hidden or turns what stands beside them."""

import re
from datetime import UTC, datetime, timedelta, timezone
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.server.ui.showing import coded, count, moment, short, shown, size


@given(st.text())
def test_no_text_makes_an_element_or_hides_a_character(text: str) -> None:
    inner = str(shown(text)).removeprefix("<bdi>").removesuffix("</bdi>")
    numbers = re.findall(r'<span class="hidden-char">U\+([0-9A-F]+)</span>', inner)
    plain = re.sub(r'<span class="hidden-char">U\+[0-9A-F]+</span>', "", inner)
    assert "<" not in plain
    assert ">" not in plain
    told = {chr(int(n, 16)) for n in numbers}
    # What is left is the text without the characters that are told by number.
    assert unescape(plain) == "".join(c for c in text if c not in told)


@pytest.mark.parametrize(
    "hidden", ["\x00", "\x1b", "\x7f", "\x9b", "\u202e", "\u2066", "\u200b", "\ufeff", "\U000e0041"]
)
def test_hidden_characters_are_told_by_number(hidden: str) -> None:
    assert f"U+{ord(hidden):04X}" in shown(f"a{hidden}b")
    assert hidden not in shown(f"a{hidden}b")


@pytest.mark.parametrize("kept", ["\n", "\t", "👩\u200d🔬", "می\u200cخواهم", "é", "上海"])
def test_what_texts_need_stays(kept: str) -> None:
    assert shown(kept) == f"<bdi>{kept}</bdi>"


def test_times_are_told_with_their_zone() -> None:
    there = datetime(2026, 6, 18, 1, 5, tzinfo=timezone(timedelta(hours=8)))
    assert "2026-06-17 17:05 UTC" in moment(there)
    assert moment(None) == "–"
    assert 'datetime="2026-06-17T17:05:00+00:00"' in moment(there.astimezone(UTC))


def test_numbers_and_sizes() -> None:
    assert count(1234567) == "1\u202f234\u202f567"
    assert [size(n) for n in (None, 0, 999, 1500, 2_500_000_000_000)] == ["–", "0 B", "999 B", "1.5 kB", "2.5 TB"]
    assert short("a  b\nc") == "a b c"
    assert len(short("x" * 500, 20)) == 20


def test_what_stands_between_backticks_is_code() -> None:
    assert coded("run `keepstone <x>` & look") == "run <code>keepstone &lt;x&gt;</code> &amp; look"
