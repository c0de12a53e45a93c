"""The checks on the labelled set: at most 3 % of either error on `dev`, per language.

The rules were made on `dev`. `held` was written after them and no rule was changed for it: there the bar of 3 % is not
met, and what is held is what was measured when it was read for the first time.
"""

from collections import Counter

import pytest

from benchmarks.checking import LANGUAGES, SPLITS, cases, judged, wilson

# By split, for facts that are refused wrongly and for those that are let through wrongly.
BARS = {"dev": (0.03, 0.03), "held": (0.04, 0.13)}


@pytest.mark.parametrize("good", [True, False], ids=["false refusals", "false accepts"])
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("split", SPLITS)
def test_few_facts_are_judged_wrongly(split: str, language: str, good: bool) -> None:
    results = judged(split, language)[good]
    wrong = [f"{case.kind}: {case.text!r} -> {case.fact!r}" for case, is_wrong in results if is_wrong]
    assert len(wrong) <= BARS[split][not good] * len(results), "\n".join(wrong)


def test_the_set_is_large_enough_and_half_of_it_bad() -> None:
    counts = Counter((c.language, c.good) for c in cases())
    assert all(counts[language, good] >= 100 for language in LANGUAGES for good in (True, False))
    assert all(len(judged(split)[good]) >= 60 for split in SPLITS for good in (True, False))


def test_no_case_is_there_twice() -> None:
    seen = Counter((c.text, c.fact, c.earlier, c.known, c.op, c.target, c.more, c.cited) for c in cases())
    assert [case for case, count in seen.items() if count > 1] == []


def test_the_interval_is_wilsons() -> None:
    low, high = wilson(1, 10)
    assert (round(low, 3), round(high, 3)) == (0.018, 0.404)
