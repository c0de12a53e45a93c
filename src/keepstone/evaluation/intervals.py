"""Means with their uncertainty: percentile bootstrap over questions (Efron 1979), paired differences, AUROC."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

DRAWS = 1000
SEED = 0
# Values drawn at a time.
ROOM = 200_000
# Fewer values say too little of their own spread.
VALUES_MIN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A mean of `count` values with the bounds of its 95 % interval, which are None for fewer than five values."""

    mean: float
    low: float | None
    high: float | None
    count: int


def estimate(values: Sequence[float]) -> Estimate:
    """Return the mean of *values*, of which there is at least one, and its interval; equal values, equal interval."""
    low, high = _bounds(values) if len(values) >= VALUES_MIN else (None, None)
    return Estimate(mean=fmean(values), low=low, high=high, count=len(values))


def auroc(positive: Sequence[float], negative: Sequence[float]) -> float | None:
    """Return how often a positive score is above a negative one, ties counting half; None if either has none."""
    if not positive or not negative:
        return None
    below = sorted(negative)
    wins = sum(bisect_left(below, p) + bisect_right(below, p) for p in positive)
    return wins / (2 * len(positive) * len(negative))


def _bounds(values: Sequence[float]) -> tuple[float, float]:
    import numpy as np

    random = np.random.default_rng(SEED)
    given = np.asarray(values, dtype=np.float64)
    count = len(given)
    # Some draws at a time: all at once would need much room for a large pack, one by one takes long for a small one.
    at_once = max(1, ROOM // count)
    sizes = [min(at_once, DRAWS - done) for done in range(0, DRAWS, at_once)]
    means = np.concatenate([given[random.integers(0, count, (size, count))].mean(axis=1) for size in sizes])
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)
