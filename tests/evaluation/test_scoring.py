"""Every measure, on cases that can be worked out by hand."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.evaluation.scoring import (
    BUDGETS,
    PLACES,
    Evidence,
    Found,
    covers,
    fitting,
    said_by,
    score,
    span_words,
    visible,
)
from keepstone.logic.text import estimate_tokens
from tests.evaluation.dialogues import TURNS, asking, hit, record

IDS = [i for i, _, _ in TURNS]


def measured(
    hits: Sequence[Found], evidence: Sequence[str] = (), contexts: Mapping[int, str] | None = None, **labels: Any
) -> dict[str, float]:
    held = record(asking("q", evidence, **labels))
    question = held.questions[0]
    return score(question, visible(question, hits, held), Evidence(question, said_by(held)), contexts)


def test_recall_counts_the_evidence_among_the_first_turns() -> None:
    found = measured([hit("t2"), hit("t1"), hit("t4"), hit("t3")], ["t1", "t3"])
    assert (found["R@3"], found["full@3"], found["hit@3"]) == (0.5, 0.0, 1.0)
    assert (found["R@5"], found["full@5"], found["hit@5"]) == (1.0, 1.0, 1.0)
    assert found["MRR"] == 1 / 2


def test_nothing_found_is_zero_everywhere() -> None:
    found = measured([hit("t2")], ["t1"])
    assert {m: v for m, v in found.items() if v} == {}
    assert len(found) == 3 * len(PLACES) + 1 + len(BUDGETS)


def test_a_joined_hit_takes_a_place_for_each_source() -> None:
    joined = Found(text=" ".join(f"{w}: {t}" for _, w, t in TURNS), sources=("t1", "t2", "t4", "t5"))
    found = measured([joined, hit("t3")], ["t3"])
    assert (found["R@3"], found["R@5"], found["MRR"]) == (0.0, 1.0, 1 / 5)


def test_a_turn_keeps_its_first_place_and_is_not_counted_twice() -> None:
    assert measured([hit("t1"), hit("t1"), hit("t1"), hit("t2")], ["t2"])["MRR"] == 1 / 2
    assert measured([hit("t1"), hit("t2"), hit("t1")], ["t1"])["MRR"] == 1


def test_a_quote_must_hold_the_evidence_and_a_derived_statement_need_not() -> None:
    assert measured([Found(text="Ida: something else", sources=("t1",))], ["t1"])["R@3"] == 0.0
    assert measured([Found(text="Ida had poultry.", sources=("t1",), derived=True)], ["t1"])["R@3"] == 1.0
    assert measured([Found(text=hit("t1").text, sources=("t2",))], ["t1"])["R@3"] == 0.0


def test_any_turn_of_a_group_will_do() -> None:
    found = measured([hit("t3")], ["t1", "t2"], equivalent=[["t1", "t3"], ["t2"]])
    assert (found["R@3"], found["MRR"]) == (0.5, 1.0)


def test_recall_within_tokens_takes_hits_that_fit_whole() -> None:
    filler = Found(text="x" * 4 * 498, sources=("t2",))
    assert estimate_tokens(filler.text) == 498
    small = hit("t1")
    # Each hit costs one token more, for the line break.
    assert measured([filler, small], ["t1"])["R@500t"] == 0.0
    assert measured([filler, small], ["t1"])["R@1000t"] == 1.0
    assert measured([small, filler], ["t1"])["R@500t"] == 1.0


def test_context_recall_looks_for_the_text_and_refuses_one_that_is_over_its_budget() -> None:
    text = f"2025-03-01\n{hit('t1').text}"
    found = measured([], ["t1", "t3"], {500: text, 1000: text + "x" * 4 * 1100, 2000: ""})
    assert (found["C@500t"], found["C@1000t"], found["C@2000t"]) == (0.5, 0.0, 0.0)


@pytest.mark.parametrize(
    ("order", "fresh"), [(("t3", "t1"), 1.0), (("t1", "t3"), 0.0), (("t3",), 1.0), (("t1",), 0.0), ((), 0.0)]
)
def test_fresh_wants_the_newer_turn_before_the_older(order: Sequence[str], fresh: float) -> None:
    assert measured([hit(i) for i in order], ["t3"], stale=["t1"])["fresh"] == fresh


def test_fresh_looks_at_the_current_turns_where_they_are_named() -> None:
    assert measured([hit("t3"), hit("t1"), hit("t5")], ["t3", "t5"], stale=["t1"], current=["t5"])["fresh"] == 0.0


def test_fresh_and_leak_end_at_the_tenth_place() -> None:
    ten = Found(text="x", sources=tuple(f"o{i}" for i in range(10)))
    found = measured([ten, hit("t3")], ["t3"], stale=["t1"], forbidden=["t3"])
    assert (found["fresh"], found["leak@10"]) == (0.0, 0.0)
    nine = Found(text="x", sources=ten.sources[:9])
    found = measured([nine, hit("t3")], ["t3"], stale=["t1"], forbidden=["t3"])
    assert (found["fresh"], found["leak@10"]) == (1.0, 1.0)


def test_a_distractor_counts_in_the_first_place_only() -> None:
    assert measured([hit("t2"), hit("t1")], ["t1"], distractors=["t2"])["distract@1"] == 1.0
    assert measured([hit("t1"), hit("t2")], ["t1"], distractors=["t2"])["distract@1"] == 0.0


def test_a_question_without_answer_has_no_recall() -> None:
    assert measured([hit("t1")], ["t1"], answerable=False) == {}
    assert measured([hit("t1")], [], forbidden=["t1"]) == {"leak@10": 1.0}


def test_what_was_said_later_does_not_count_with_asof() -> None:
    found = measured([hit("t5"), hit("t3"), hit("t1")], ["t1"], asof="t3")
    assert found["MRR"] == 1.0


def test_of_a_long_turn_the_part_that_answers_counts() -> None:
    start, end = ("alpha beta gamma delta " * 40), "the cello teacher lives in Harbour Lane"
    span = span_words(f"{start}{end}", ["Where does the teacher of the cello live?", "Harbour Lane"])
    assert covers(f"{'gamma ' * 3}{end}", span) is False
    assert covers(("alpha beta gamma delta " * 20) + end, span)
    assert not covers(start, frozenset(p for p in span if p[0] in end.lower().split()))


def test_of_two_parts_that_answer_alike_the_first_counts() -> None:
    filler = "alpha beta gamma delta " * 40
    span = span_words(f"{filler} first red cello {filler} second red cello", ["red cello"])
    assert ("first", "red") in span
    assert ("second", "red") not in span


def test_chinese_counts_by_characters() -> None:
    assert covers("Bo: 我把钥匙放在门口的蓝色花盆下面", span_words("Bo: 我把钥匙放在门口的蓝色花盆下面。", ()))
    assert not covers("钥匙在花盆下面", span_words("我把钥匙放在门口的蓝色花盆下面。", ()))


def test_an_empty_turn_is_held_by_anything() -> None:
    assert covers("", span_words("…", ()))


hits_of_any_order = st.lists(st.sampled_from(IDS), max_size=8).map(lambda ids: [hit(i) for i in ids])


@given(hits_of_any_order, st.sets(st.sampled_from(IDS), min_size=1))
def test_shares_lie_between_0_and_1_and_grow_with_room(hits: list[Found], evidence: set[str]) -> None:
    found = measured(hits, sorted(evidence))
    assert all(0 <= v <= 1 for v in found.values())
    for family in ([f"R@{k}" for k in PLACES], [f"full@{k}" for k in PLACES], [f"R@{b}t" for b in BUDGETS]):
        values = [found[m] for m in family]
        assert values == sorted(values)
    assert all(found[f"full@{k}"] <= found[f"R@{k}"] <= found[f"hit@{k}"] for k in PLACES)


@given(hits_of_any_order, st.integers(1, 60))
def test_what_fits_is_the_longest_start_within_the_budget(hits: list[Found], budget: int) -> None:
    kept = fitting(hits, budget)
    cost = [estimate_tokens(h.text) + 1 for h in hits]
    assert list(kept) == hits[: len(kept)]
    assert sum(cost[: len(kept)]) <= budget
    assert len(kept) == len(hits) or sum(cost[: len(kept) + 1]) > budget
