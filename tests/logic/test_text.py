"""Text: normal form, tokens in many scripts, language, estimates."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.logic.text import (
    estimate_tokens,
    is_back_channel,
    language,
    normalise,
    stem,
    term,
    term_counts,
    tokens,
    words,
)

# Lone surrogates included: they come in with broken JSON.
TEXT = st.text(st.characters(codec=None, exclude_categories=())) | st.text("茶喝上海 abc'’.,\n\x00é\u0301", max_size=60)


@given(TEXT)
def test_normal_form_is_stable_and_storable(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert "\x00" not in once
    assert once.encode().decode() == once


def test_normal_form_keeps_what_a_reader_sees() -> None:
    assert normalise("cafe\u0301") == "caf\u00e9"
    assert normalise("a\x00b\ud800c") == "ab\ufffdc"
    assert normalise("ﬁ 👩‍👩‍👧 ①") == "ﬁ 👩‍👩‍👧 ①"


@given(TEXT)
def test_tokens_are_lower_case_and_counted(text: str) -> None:
    text = normalise(text)
    found = tokens(text)
    counts, length = term_counts(text)
    assert length == len(found) == sum(counts.values())
    assert set(counts) == {term(t) for t in found}
    assert all(0 <= t < 1 << 32 for t in counts)
    assert all(t and not t.isspace() for t in found)


@given(st.text("abcdefg XYZ茶喝", max_size=40))
def test_case_and_composition_do_not_matter(text: str) -> None:
    assert tokens(text) == tokens(text.upper()) == tokens(text.title())
    assert tokens(unicodedata.normalize("NFD", text)) == tokens(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("... !?", []),
        ("The cat is on the mat", ["cat", "mat"]),
        ("Marta's piano", ["marta", "piano"]),
        ("ＦＵＬＬ width", ["full", "width"]),
        ("喝茶", ["喝", "茶", "喝茶"]),
        ("他的茶", ["茶", "他的", "的茶"]),
        ("用iPhone写", ["用", "iphon", "写"]),
        ("snake_case 42", ["snak", "cas", "42"]),
        ("Привет мир", ["привет", "мир"]),
    ],
)
def test_tokens(text: str, expected: list[str]) -> None:
    assert tokens(text) == expected


@pytest.mark.parametrize(
    "family",
    [
        ("hike", "hikes", "hiking", "hiked"),
        ("city", "cities"),
        ("plan", "plans", "planned", "planning"),
        ("move", "moves", "moved", "moving"),
        ("watch", "watches", "watching"),
        ("study", "studies", "studied", "studying"),
        ("baby", "babies", "baby's"),
    ],
)
def test_forms_of_a_word_meet(family: tuple[str, ...]) -> None:
    assert len({stem(w) for w in family}) == 1


@pytest.mark.parametrize("apart", [("bus", "bu"), ("class", "clas"), ("sing", "s"), ("red", "r"), ("this", "thi")])
def test_short_and_final_s_words_stay(apart: tuple[str, str]) -> None:
    assert stem(apart[0]) != apart[1]


@given(st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=12))
def test_a_stem_is_never_empty(word: str) -> None:
    assert stem(word)
    assert len(stem(word)) <= len(word)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I moved to Lyon last year", "en"),
        ("她搬到了上海", "zh"),
        ("我的iPhone坏了", "zh"),
        ("彼女は上海に引っ越した", "ja"),
        ("그녀는 서울로 이사했다", "ko"),
        ("Она переехала в Москву", "ru"),
        ("انتقلت إلى القاهرة", "ar"),
        ("12345 !?", "und"),
        ("", "und"),
        ("👍", "und"),
    ],
)
def test_language(text: str, expected: str) -> None:
    assert language(text) == expected


@pytest.mark.parametrize("text", ["yes", "Yes, thanks!", "好的", "嗯嗯", "ok ok ok", "Hmm...", "", "👍", "是的，谢谢"])
def test_back_channel_turns(text: str) -> None:
    assert is_back_channel(text)


@pytest.mark.parametrize("text", ["I live in Lyon", "我住在上海", "My name is Ann"])
def test_statements_are_not_back_channel(text: str) -> None:
    assert not is_back_channel(text)


@given(TEXT, TEXT)
def test_estimate_grows_with_the_text(first: str, second: str) -> None:
    one, other, both = estimate_tokens(first), estimate_tokens(second), estimate_tokens(first + second)
    assert max(one, other) <= both <= one + other
    assert 0 <= one <= len(first)
    assert (one == 0) == (not first)


@given(TEXT)
def test_words_hold_no_space_and_no_punctuation(text: str) -> None:
    for word in words(text):
        assert word
        assert not any(c.isspace() or c in ".,!?。，" for c in word)


def test_a_flood_of_combining_marks_is_parted() -> None:
    """NFC is quadratic in a run of marks; a message of a megabyte must not hold a process for minutes."""
    flood = "a" + "\u0301\u0323" * 100_000
    parted = normalise(flood)
    assert normalise(parted) == parted
    assert parted.replace("\u034f", "").count("\u0323") + parted.count("\u1ea1") == 100_000
    assert normalise("e\u0301") == "\u00e9"
