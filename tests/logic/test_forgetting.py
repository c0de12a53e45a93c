"""Requests to forget are seen in many wordings, and what only looks like one is not."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.logic.forgetting import forget_request

CASES = Path(__file__).parent / "forgetting"
PIECES = (
    "please", "forget", "delete", "my code", "it", ":", "'", '"', ".", "the file", "I told you", "from your notes",
    "don't keep", "请", "忘了吧", "删掉", "我的密码", "，", "把", "你", "“", "》", "当我没说", "别记",
)  # fmt: skip


def lines(name: str) -> list[str]:
    return [line for line in (CASES / name).read_text(encoding="utf-8").splitlines() if line]


def requests(name: str) -> list[tuple[str, str]]:
    pairs = [line.split(" => ") for line in lines(name)]
    return [(text, words) for text, words in pairs]


@pytest.mark.parametrize(
    ("text", "words"),
    [pair for name in ("requests", "more_requests") for tag in ("en", "zh") for pair in requests(f"{name}_{tag}.txt")],
)
def test_a_request_is_seen_with_its_referent(text: str, words: str) -> None:
    found = forget_request(text)
    assert found is not None
    assert found.certain
    assert all(word in found.referent.lower() for word in words.split()), found.referent


@pytest.mark.parametrize(
    "text",
    [text for name in ("lookalikes", "more_lookalikes") for tag in ("en", "zh") for text in lines(f"{name}_{tag}.txt")],
)
def test_what_only_looks_like_one_is_not(text: str) -> None:
    found = forget_request(text)
    assert found is None or not found.certain


@given(st.lists(st.sampled_from(PIECES), max_size=60))
def test_any_mixture_is_read_and_never_fails(pieces: list[str]) -> None:
    found = forget_request(" ".join(pieces))
    assert found is None or found.referent


def test_a_long_message_is_a_document() -> None:
    assert forget_request("Please forget my shoe size." + " It rains." * 60) is None
