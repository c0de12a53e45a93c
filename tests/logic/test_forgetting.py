"""Requests to forget are seen in many wordings, and what only looks like one is not."""

from pathlib import Path

import pytest

from keepstone.logic.forgetting import forget_request

CASES = Path(__file__).parent / "forgetting"


def lines(name: str) -> list[str]:
    return [line for line in (CASES / name).read_text(encoding="utf-8").splitlines() if line]


def requests(name: str) -> list[tuple[str, str]]:
    pairs = [line.split(" => ") for line in lines(name)]
    return [(text, words) for text, words in pairs]


@pytest.mark.parametrize(
    ("text", "words"),
    [pair for name in ("requests", "unseen") for tag in ("en", "zh") for pair in requests(f"{name}_{tag}.txt")],
)
def test_a_request_is_seen_with_its_referent(text: str, words: str) -> None:
    found = forget_request(text)
    assert found is not None
    assert found.certain
    assert all(word in found.referent.lower() for word in words.split()), found.referent


@pytest.mark.parametrize(
    "text",
    [
        text
        for name in ("lookalikes", "unseen_lookalikes")
        for tag in ("en", "zh")
        for text in lines(f"{name}_{tag}.txt")
    ],
)
def test_what_only_looks_like_one_is_not(text: str) -> None:
    found = forget_request(text)
    assert found is None or not found.certain
