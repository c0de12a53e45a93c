"""`count_tokens`: what the default budget of a context is counted in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.logic.counting import count_tokens
from keepstone.logic.text import estimate_tokens


# What the vocabulary o200k gives, and at most a quarter more.
@pytest.mark.parametrize(
    ("text", "real"),
    [
        ("My sister moved to the coast last spring and opened a small bakery near the old station.", 18),
        ("The meeting is on 2026-03-02 at 14:30 in room 512, call 0049 30 901820.", 31),
        ("我妹妹去年春天搬到了海边，在老车站附近开了一家小面包店。", 22),
        ("Моя сестра весной переехала к морю и открыла пекарню.", 20),
        ("if (x[i] != y[j]) { return {}; } // never", 15),
    ],
)
def test_on_the_safe_side_but_not_far(text: str, real: int) -> None:
    assert real <= count_tokens(text) <= 1.25 * real + 2


def test_chinese_costs_more_than_the_plain_estimate_says() -> None:
    text = "周末他常去湖边骑车，回来的时候顺路买菜。"
    assert count_tokens(text) > estimate_tokens(text)


def test_nothing_costs_nothing() -> None:
    assert count_tokens("") == 0
    assert count_tokens("\n") == 2


@given(st.text(max_size=60), st.text(max_size=60))
def test_longer_texts_never_cost_less(text: str, more: str) -> None:
    assert count_tokens(f"{text}\n{more}") >= count_tokens(text)
    assert count_tokens(text) <= 2 * len(text.encode(errors="replace")) + 1
