"""What somebody says of themselves is found in many wordings, and what only looks like it is not."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.logic.profile import CHARACTERS_MAX, SECTIONS, sections, statements

CASES = Path(__file__).parent / "profile"
LANGUAGES = ("en", "zh")
PIECES = (
    "I", "I'm", "my", "live in", "Bern", "allergic to", "nuts", "am", "a nurse", "love", "if", "she said", "?", ".",
    ",", "'", '"', "call me", "next month", "will", "plan to", "have two", "我", "我叫", "住在", "成都", "对", "过敏",
    "喜欢", "如果", "“", "》", "吗", "？", "。", "，", "下周", "打算", "我妈妈", "\n",
)  # fmt: skip


def cases(tag: str) -> list[tuple[str, str]]:
    lines = (CASES / f"{tag}.txt").read_text(encoding="utf-8").splitlines()
    return [(text, slot) for text, slot in (line.split(" => ") for line in lines if line)]


@pytest.mark.parametrize("tag", LANGUAGES)
def test_statements_are_found_with_their_slots(tag: str) -> None:
    wrong = []
    for text, slot in cases(tag):
        found = {s.slot for s in statements(text, "user")}
        if found != (set() if slot == "-" else {slot}):
            wrong.append((text, slot, found))
    assert wrong == []


@pytest.mark.parametrize("name", ["later_en", "later_zh", "unseen_en", "unseen_zh"])
def test_sentences_that_the_rules_were_not_made_for_are_read_with_little_that_is_wrong(name: str) -> None:
    right = wrong = missed = 0
    for text, slots in cases(name):
        wanted = set() if slots == "-" else set(slots.split(", "))
        found = {s.slot for s in statements(text, "user")}
        right, wrong, missed = right + len(wanted & found), wrong + len(found - wanted), missed + len(wanted - found)
    assert right / (right + wrong) >= 0.95
    assert right / (right + missed) >= 0.9


@pytest.mark.parametrize("tag", LANGUAGES)
def test_enough_is_labelled(tag: str) -> None:
    labels = [slot for _, slot in cases(tag)]
    assert len(labels) >= 150
    assert 50 <= labels.count("-") <= len(labels) - 50


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("It rained. I live in Bern, near the river! Bye.", "I live in Bern, near the river!"),
        ("I’m allergic to wasps; carry on.", "I’m allergic to wasps; carry on."),
        ("今天很热。我对花生过敏，记一下。好吗？", "我对花生过敏，记一下。"),
    ],
)
def test_a_statement_stands_in_its_sentence(text: str, told: str) -> None:
    (found,) = statements(text, "user")
    assert text[found.span.start : found.span.end] == told


def test_one_message_can_tell_several_things() -> None:
    text = "My name is Ines. I live in Porto and I'm a nurse. 我对虾过敏。"
    assert [s.slot for s in statements(text, "user")] == ["name", "residence", "occupation", "allergy"]
    assert sections(text, "user") == ("identity", "work", "health")


@pytest.mark.parametrize("role", ["assistant", "system", "tool", None])
def test_only_a_user_tells_of_themselves(role: str | None) -> None:
    assert statements("I live in Bern.", role) == ()


def test_a_long_message_is_a_document() -> None:
    assert statements("I live in Bern." + " It rains." * (CHARACTERS_MAX // 10), "user") == ()


@given(st.lists(st.sampled_from(PIECES), max_size=60))
def test_any_mixture_is_read_and_never_fails(pieces: list[str]) -> None:
    text = " ".join(pieces)
    for found in statements(text, "user"):
        assert found.section in SECTIONS
        assert found.value
        assert 0 <= found.span.start < found.span.end <= len(text)
