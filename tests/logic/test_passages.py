"""Passages cover a text exactly and keep to their size."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.logic.passages import PASSAGE_TOKENS, passages
from keepstone.logic.text import estimate_tokens

TEXT = st.text(max_size=400) | st.text("ab c.!?\n茶。！；", max_size=400) | st.text("茶", max_size=400)


@given(TEXT, st.integers(1, 40))
def test_spans_cover_the_text_in_order(text: str, size: int) -> None:
    spans = passages(text, size)
    assert spans[0].start == 0
    assert spans[-1].end == len(text)
    assert all(a.end == b.start for a, b in pairwise(spans))
    assert "".join(text[s.start : s.end] for s in spans) == text
    assert all(s.end > s.start for s in spans) or not text


@given(TEXT, st.integers(1, 40))
def test_spans_keep_to_the_size(text: str, size: int) -> None:
    assert all(estimate_tokens(text[s.start : s.end]) <= size for s in passages(text, size))


@given(TEXT, st.integers(1, 40))
def test_a_text_that_fits_is_one_span(text: str, size: int) -> None:
    assert (len(passages(text, size)) == 1) == (estimate_tokens(text) <= size)


def test_an_empty_text_has_one_empty_span() -> None:
    (span,) = passages("")
    assert (span.start, span.end) == (0, 0)


@pytest.mark.parametrize(
    ("text", "size", "expected"),
    [
        ("One two three. Four five six. Seven.", 8, ["One two three. Four five six. ", "Seven."]),
        ("今天喝茶。明天喝咖啡。", 5, ["今天喝茶。", "明天喝咖啡。"]),
        ("line one\nline two\nline three", 6, ["line one\nline two\n", "line three"]),
        ('He said "no." She left.', 4, ['He said "no." ', "She left."]),
        ("aaaa bbbb cccc dddd", 3, ["aaaa bbbb ", "cccc dddd"]),
    ],
)
def test_cuts_fall_where_a_reader_would_cut(text: str, size: int, expected: list[str]) -> None:
    assert [text[s.start : s.end] for s in passages(text, size)] == expected


def test_long_texts_are_cut_in_linear_time() -> None:
    for text in ("word " * 40_000, "x" * 200_000, "茶" * 50_000, "a.b" * 50_000, "\n" * 100_000):
        spans = passages(text)
        assert spans[-1].end == len(text)
        assert len(spans) <= 4 * estimate_tokens(text) // PASSAGE_TOKENS + 1
