"""What was recalled and is said again is an echo; anything with a new number, name, negation or verb is news."""

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.logic.echo import echo_of

CASES = Path(__file__).parent / "echoes"


def pairs(name: str) -> list[tuple[str, str]]:
    rows = [line.split(" => ") for line in (CASES / name).read_text(encoding="utf-8").splitlines() if line]
    return [(base, said.strip()) for base, variants in rows for said in variants.split(" | ")]


NEWS = {tag: pairs(f"news_{tag}.txt") for tag in ("en", "zh")}
ECHOES = {tag: pairs(f"echoes_{tag}.txt") for tag in ("en", "zh")}


@pytest.mark.parametrize("tag", NEWS)
def test_the_table_of_news_is_long_enough(tag: str) -> None:
    assert len(NEWS[tag]) >= 60


@pytest.mark.parametrize("role", ["user", "assistant"])
@pytest.mark.parametrize("tag", NEWS)
def test_news_are_no_echo_however_much_is_recalled(tag: str, role: str) -> None:
    recalled = list(dict.fromkeys(base for base, _ in NEWS[tag]))
    assert [said for _, said in NEWS[tag] if echo_of(said, role, recalled) is not None] == []


@pytest.mark.parametrize(("base", "said"), [*ECHOES["en"], *ECHOES["zh"]])
def test_an_assistant_may_echo_in_its_own_words(base: str, said: str) -> None:
    others = ["The weather was fine.", "今天天气不错。"]
    echo = echo_of(said, "assistant", [*others, base])
    assert echo is not None
    assert echo.places == (2,)
    assert not echo.own


@pytest.mark.parametrize(("base", "said"), [*ECHOES["en"], *ECHOES["zh"]])
def test_a_user_echoes_word_for_word_only(base: str, said: str) -> None:
    assert echo_of(base.upper().rstrip(".。"), "user", [base]) is not None
    plain = said.strip(" .!。") == base.strip(" .!。")
    assert (echo_of(said, "user", [base]) is not None) is plain


def test_a_block_pasted_back_is_known_line_by_line() -> None:
    recalled = ["My dog is called Rex.", "I moved to Lyon in May.", "我对青霉素过敏。"]
    block = (
        "<memories>\nRelevant memories:\n- [2026-03-01] Ana: My dog is called Rex.\n"
        "- 2026-05-02 10:30 user: I moved to Lyon in May.\n- 我对青霉素过敏。\n</memories>"
    )
    for role in ("user", "assistant", "system"):
        echo = echo_of(block, role, recalled)
        assert echo is not None
        assert set(echo.places) == {0, 1, 2}
        assert not echo.own
        assert echo_of(f"{block}\nThe cat is called Mia.", role, recalled) is None


def test_little_is_never_an_echo() -> None:
    for said in ("Yes.", "ok", "好的", "", "Rex", "?"):
        assert echo_of(said, "assistant", ["Yes, Rex is my dog.", "好的。"]) is None
        assert echo_of(said, "user", ["Yes.", "ok", "好的"]) is None


def test_nothing_recalled_is_no_echo() -> None:
    assert echo_of("My dog is called Rex.", "assistant", []) is None


def test_words_of_several_memories_do_not_make_a_new_one() -> None:
    recalled = ["My brother visits on Sunday.", "I live in Lyon."]
    assert echo_of("Your brother lives in Lyon.", "assistant", recalled) is None


WORDS = ["lamp", "river", "Omar", "Lena", "paints", "sells", "17", "23", "Tuesday", "harbour", "violin", "garden"]


@given(st.lists(st.sampled_from(WORDS), min_size=3, max_size=6, unique=True), st.integers(0, 5), st.randoms())
def test_a_changed_word_or_a_negation_is_never_swallowed(words: list[str], place: int, chance: random.Random) -> None:
    recalled = " ".join(words)
    new = chance.choice(["Zagreb", "4096", "repairs", "marmalade"])
    changed = [*words]
    changed[place % len(words)] = new
    for role in ("user", "assistant"):
        assert echo_of(" ".join(changed), role, [recalled]) is None
        assert echo_of(f"not {recalled}", role, [recalled]) is None
        assert echo_of(f"{recalled} {new}", role, [recalled]) is None
        assert echo_of(recalled, role, [recalled]) is not None
