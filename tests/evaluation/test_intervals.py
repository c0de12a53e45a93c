"""Means, intervals and AUROC."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.evaluation.intervals import auroc, estimate

shares = st.floats(0, 1)


def test_few_values_have_no_interval() -> None:
    found = estimate([1.0, 0.0, 1.0, 0.0])
    assert (found.mean, found.low, found.high, found.count) == (0.5, None, None, 4)


def test_equal_values_have_an_interval_of_no_width() -> None:
    assert (estimate([0.25] * 9).low, estimate([0.25] * 9).high) == (0.25, 0.25)


def test_the_interval_is_that_of_a_normal_mean_where_there_are_many_values() -> None:
    found = estimate([0.0, 1.0] * 200)
    assert found.low is not None
    assert found.high is not None
    half = 1.96 * 0.5 / math.sqrt(400)
    assert found.low == pytest.approx(0.5 - half, abs=0.005)
    assert found.high == pytest.approx(0.5 + half, abs=0.005)


@given(st.lists(shares, min_size=5, max_size=30))
def test_an_interval_is_the_same_every_time_and_stays_within_the_values(values: list[float]) -> None:
    found = estimate(values)
    assert found == estimate(values)
    assert found.low is not None
    assert found.high is not None
    assert min(values) - 1e-9 <= found.low <= found.high <= max(values) + 1e-9


def test_auroc_by_hand() -> None:
    assert auroc([0.9, 0.8], [0.1, 0.2]) == 1.0
    assert auroc([0.1], [0.9]) == 0.0
    assert auroc([0.5, 0.9], [0.5, 0.1]) == (0.5 + 1 + 1 + 1) / 4
    assert auroc([], [0.5]) is None
    assert auroc([0.5], []) is None


@given(st.lists(shares, min_size=1, max_size=12), st.lists(shares, min_size=1, max_size=12))
def test_auroc_is_the_share_of_pairs_in_order(positive: list[float], negative: list[float]) -> None:
    wins = sum(1.0 if p > n else 0.5 if p == n else 0.0 for p in positive for n in negative)
    assert auroc(positive, negative) == pytest.approx(wins / (len(positive) * len(negative)))
