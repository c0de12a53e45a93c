"""What differs between two versions of a memory is told by words, in Chinese by characters."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.server.ui.differences import WORDS_MAX, difference, words

TEXTS = st.text(alphabet="ab 喝茶。,.'\n\u0301é", max_size=40)


def marked(old: str, new: str) -> str:
    around = {"both": ("", ""), "old": ("[-", "]"), "new": ("[+", "]")}
    return "".join(f"{around[p.where][0]}{p.text}{around[p.where][1]}" for p in difference(old, new).pieces)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("I live in Lyon.", "I live in Porto.", "I live in [-Lyon][+Porto]."),
        ("每周三晚上学吉他", "每周六上午学吉他", "每周[-三晚][+六]上[+午]学吉他"),
        ("drinks green tea", "drinks tea", "drinks [-green ]tea"),
        ("don't", "don’t", "[-don't][+don’t]"),
        ("same", "same", "same"),
        ("", "all new", "[+all new]"),
        ("gone", "", "[-gone]"),
    ],
)
def test_what_differs(old: str, new: str, expected: str) -> None:
    assert marked(old, new) == expected


@given(TEXTS, TEXTS)
def test_the_pieces_give_both_texts_back(old: str, new: str) -> None:
    found = difference(old, new)
    assert "".join(p.text for p in found.old) == old
    assert "".join(p.text for p in found.new) == new
    assert all(p.text for p in found.pieces)


@given(st.text())
def test_words_give_the_text_back(text: str) -> None:
    assert "".join(words(text)) == text


def test_what_is_too_long_to_compare_differs_as_a_whole() -> None:
    long = "word " * WORDS_MAX
    assert [p.where for p in difference(long, long + "more").pieces] == ["old", "new"]
    assert [p.where for p in difference(long, long).pieces] == ["both"]
