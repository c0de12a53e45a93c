"""Names are found by rules in both languages, and what only looks like one is not; writings of one are equal."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.logic.entities import fold, mentions

CASES = Path(__file__).parent / "entities"


@pytest.mark.parametrize("tag", ["en", "zh"])
def test_names_are_found_and_little_else(tag: str) -> None:
    right = wrong = missed = 0
    for line in (CASES / f"{tag}.txt").read_text(encoding="utf-8").splitlines():
        text, names = line.split(" => ")
        wanted = set() if names == "-" else {fold(n) for n in names.split("; ")}
        found = {fold(m.name) for m in mentions(text)}
        right, wrong, missed = right + len(wanted & found), wrong + len(found - wanted), missed + len(wanted - found)
    assert right / (right + wrong) >= 0.95
    assert right / (right + missed) >= 0.95


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Dr. Okafor", "okafor"),
        ("Rosalind's", "Rosalind"),
        ("ＡＢＣ", "abc"),
        ("《边城》", "边城"),
        ("陈先生", "陈"),
        ("Ana  Lucia", "ana lucia"),
        ("The Silent Orchard", "“Silent Orchard”"),
    ],
)
def test_writings_of_one_name_are_equal(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), [("王老师", "李老师"), ("Aunt May", "Aunt Joy"), ("小李", "老李")])
def test_different_names_stay_different(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("We drove to Leipzig.", "place"),
        ("She studies at Brindle University.", "organisation"),
        ("My brother Luca called.", "person"),
        ("王老师来了。", "person"),
        ("他在同济大学念书。", "organisation"),
        ("我在读《边城》。", "thing"),
        ("她住在海淀区。", "place"),
    ],
)
def test_a_mention_says_what_it_names(text: str, kind: str) -> None:
    assert [m.kind for m in mentions(text)] == [kind]


def test_a_speaker_is_not_named_by_speaking() -> None:
    assert mentions("I am still the old Rosalind.", "Rosalind") == ()


@given(st.text("AbcÉ 小李王说《》\"“”.' \n&/的", max_size=80))
def test_any_text_is_read(text: str) -> None:
    found = mentions(text)
    assert len({fold(m.name) for m in found}) == len(found)
    assert all(fold(m.name) for m in found)
