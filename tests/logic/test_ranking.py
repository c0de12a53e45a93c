"""Ranking: pure, total, and right about what stands out; scores mean the same everywhere."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.contract import Candidate, Candidates, Corpus
from keepstone.logic.questions import Intent, Question
from keepstone.logic.ranking import (
    UNKNOWN_EMBEDDER,
    WEIGHTS,
    WORDS_ONLY,
    Calibration,
    bm25_most,
    calibration_of,
    idf,
    rank,
)
from keepstone.types import Kind, Span, Status

CORPUS = Corpus(units=100, cosine_mean=0.2, cosine_deviation=0.1, bm25_mean=0.5, bm25_deviation=1.0, bm25_most=10.0)
PLAIN = Candidate(
    memory_id="m",
    partition="user:alice",
    sequence=1,
    unit=0,
    recency=1,
    length=8,
    span=Span(start=0, end=4),
    cosine=0.3,
    bm25=1.0,
    status=Status.CURRENT,
    kind=Kind.EPISODE,
)

COSINES = st.none() | st.floats(-1, 1)
CANDIDATES = st.builds(
    lambda id, unit, cosine, bm25, recency, superseded: replace(
        PLAIN,
        memory_id=f"m{id}",
        unit=unit,
        length=8,
        span=Span(start=unit, end=unit + 1),
        cosine=cosine,
        bm25=bm25,
        recency=recency,
        status=Status.SUPERSEDED if superseded else Status.CURRENT,
    ),
    st.integers(0, 5),
    st.integers(0, 3),
    COSINES,
    st.floats(0, 10),
    st.integers(1, 9),
    st.booleans(),
)
CORPORA = st.builds(
    Corpus,
    units=st.integers(0, 1_000),
    cosine_mean=st.floats(-1, 1),
    cosine_deviation=st.floats(0, 1),
    bm25_mean=st.floats(0, 10),
    bm25_deviation=st.floats(0, 10),
    bm25_most=st.floats(0, 50),
)


def found(*candidates: Candidate, corpus: Corpus = CORPUS) -> Candidates:
    return Candidates(items=candidates, corpora={"user:alice": corpus})


def alone(candidate: Candidate, corpus: Corpus, calibration: Calibration) -> float:
    """Return the score of a candidate that is all that was found."""
    return rank(found(candidate, corpus=corpus), calibration)[0].score


@given(st.lists(CANDIDATES, max_size=12), CORPORA)
def test_one_entry_a_memory_best_first(candidates: list[Candidate], corpus: Corpus) -> None:
    ranked = rank(found(*candidates, corpus=corpus), UNKNOWN_EMBEDDER)
    assert {r.candidate.memory_id for r in ranked} == {c.memory_id for c in candidates}
    assert len({r.candidate.memory_id for r in ranked}) == len(ranked)
    assert all(a.fused >= b.fused - 1e-8 for a, b in itertools.pairwise(ranked))
    assert all(0 <= r.score <= 1 for r in ranked)
    assert all(a.score >= b.score for a, b in itertools.pairwise(ranked))


@given(st.lists(CANDIDATES, max_size=8, unique_by=lambda c: c.memory_id), CORPORA, st.randoms())
def test_the_order_found_does_not_matter(candidates: list[Candidate], corpus: Corpus, random: object) -> None:
    shuffled = list(candidates)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert rank(found(*shuffled, corpus=corpus), UNKNOWN_EMBEDDER) == rank(
        found(*candidates, corpus=corpus), UNKNOWN_EMBEDDER
    )


@given(CANDIDATES, CORPORA, st.floats(0, 0.5), st.floats(0, 5))
def test_a_stronger_signal_never_lowers_score_or_rank(
    candidate: Candidate, corpus: Corpus, closer: float, more: float
) -> None:
    better = replace(
        candidate,
        cosine=None if candidate.cosine is None else candidate.cosine + closer,
        bm25=candidate.bm25 + more,
    )
    assert alone(better, corpus, UNKNOWN_EMBEDDER) >= alone(candidate, corpus, UNKNOWN_EMBEDDER)
    (low,), (high,) = (rank(found(c, corpus=corpus), UNKNOWN_EMBEDDER) for c in (candidate, better))
    assert high.fused >= low.fused - 1e-9


@given(st.lists(CANDIDATES, max_size=12), CORPORA, st.integers(0, 5), st.floats(0, 1))
def test_limit_and_least_score_cut_the_whole_list(
    candidates: list[Candidate], corpus: Corpus, limit: int, least: float
) -> None:
    whole = rank(found(*candidates, corpus=corpus), UNKNOWN_EMBEDDER)
    cut = rank(found(*candidates, corpus=corpus), UNKNOWN_EMBEDDER, limit=limit, min_score=least)
    assert cut == [r for r in whole if r.score >= least][:limit]


def test_equals_are_ordered_by_what_was_said_last() -> None:
    older, newer = replace(PLAIN, memory_id="a", recency=3), replace(PLAIN, memory_id="b", recency=8)
    assert [r.candidate.memory_id for r in rank(found(older, newer), UNKNOWN_EMBEDDER)] == ["b", "a"]


def test_what_was_superseded_ranks_and_scores_lower() -> None:
    old = replace(PLAIN, memory_id="old", status=Status.SUPERSEDED)
    first, second = rank(found(old, PLAIN), UNKNOWN_EMBEDDER)
    assert [first.candidate.memory_id, second.candidate.memory_id] == ["m", "old"]
    assert first.fused - second.fused == pytest.approx(WEIGHTS.superseded)
    assert first.score > second.score


@pytest.mark.parametrize(("status", "first"), [(Status.CURRENT, "later"), (Status.SUPERSEDED, "older")])
def test_what_was_superseded_succeeds_nothing(status: Status, first: str) -> None:
    older = replace(PLAIN, memory_id="older", cosine=0.6, recency=2)
    later = replace(PLAIN, memory_id="later", cosine=0.5, recency=7, status=status)
    both = replace(found(older, later), alike=((0, 1, 0.9),))
    now = Question(text="Where do I work now?", intent=Intent.NOW)
    assert rank(both, UNKNOWN_EMBEDDER, question=now)[0].candidate.memory_id == first


def test_a_memory_stands_by_its_best_unit() -> None:
    weak, strong = replace(PLAIN, unit=0, cosine=0.1), replace(PLAIN, unit=1, cosine=0.8)
    (ranked,) = rank(found(weak, strong), UNKNOWN_EMBEDDER)
    assert ranked.candidate == strong
    assert ranked.score == alone(strong, CORPUS, UNKNOWN_EMBEDDER)


def test_of_equal_units_the_first_is_shown() -> None:
    late, early = replace(PLAIN, unit=1, span=Span(start=50, end=60)), PLAIN
    (ranked,) = rank(found(late, early), UNKNOWN_EMBEDDER)
    assert ranked.candidate == early


def test_partitions_are_measured_by_their_own_crowd() -> None:
    crowded = replace(CORPUS, cosine_mean=0.7, bm25_mean=3.0)
    other = replace(PLAIN, memory_id="other", partition="user:bob", cosine=0.7, bm25=3.0)
    both = Candidates(items=(other, replace(PLAIN, cosine=0.6)), corpora={"user:alice": CORPUS, "user:bob": crowded})
    assert [r.candidate.memory_id for r in rank(both, UNKNOWN_EMBEDDER)] == ["m", "other"]


@given(CANDIDATES, CORPORA)
def test_signals_explain_the_whole(candidate: Candidate, corpus: Corpus) -> None:
    (ranked,) = rank(found(candidate, corpus=corpus), UNKNOWN_EMBEDDER, explain=True)
    assert sum(s.contribution for s in ranked.signals) == pytest.approx(ranked.fused, rel=1e-6, abs=1e-6)
    assert {s.name for s in ranked.signals} >= {"bm25"}
    assert rank(found(candidate, corpus=corpus), UNKNOWN_EMBEDDER)[0].signals == ()


def test_signals_say_their_rank_alone() -> None:
    by_words = replace(PLAIN, memory_id="words", cosine=0.1, bm25=5.0)
    by_sense = replace(PLAIN, memory_id="sense", cosine=0.9, bm25=0.0)
    ranks = {
        (r.candidate.memory_id, s.name): s.rank
        for r in rank(found(by_words, by_sense), UNKNOWN_EMBEDDER, explain=True)
        for s in r.signals
    }
    assert ranks == {("words", "bm25"): 1, ("words", "cosine"): 2, ("sense", "cosine"): 1, ("sense", "bm25"): None}


@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_idf_is_positive_and_falls_with_frequency(first: int, second: int) -> None:
    few, many = sorted((first, second))
    assert idf(10_000, few) >= idf(10_000, many) > 0


def test_the_most_that_bm25_can_reach() -> None:
    assert bm25_most({1: 1, 2: 2}, {1: 1.0, 2: 3.0}) == pytest.approx(2.5 + 2 * 7.5)
    assert bm25_most({1: 1, 9: 5}, {1: 1.0}) == pytest.approx(2.5)
    assert bm25_most({}, {}) == 0


def test_calibrations() -> None:
    assert calibration_of(None) is WORDS_ONLY
    assert calibration_of("somebody/else") is UNKNOWN_EMBEDDER
    assert calibration_of("hashing") is not UNKNOWN_EMBEDDER


def test_words_alone_ignore_the_cosine() -> None:
    far = replace(PLAIN, cosine=-1.0)
    assert alone(far, CORPUS, WORDS_ONLY) == alone(PLAIN, CORPUS, WORDS_ONLY)


@given(CANDIDATES, CORPORA, st.floats(-1, 1))
def test_strength_adds_its_share_and_nothing_at_zero(candidate: Candidate, corpus: Corpus, strength: float) -> None:
    (plain,) = rank(found(candidate, corpus=corpus), UNKNOWN_EMBEDDER, explain=True)
    (felt,) = rank(found(replace(candidate, strength=strength), corpus=corpus), UNKNOWN_EMBEDDER, explain=True)
    added = {s.name: s.contribution for s in felt.signals}
    assert abs(felt.fused - plain.fused - WEIGHTS.strength * strength) < 1e-6
    assert added.get("strength", 0.0) == WEIGHTS.strength * strength
    assert "strength" not in {s.name for s in plain.signals}


@given(st.lists(CANDIDATES, max_size=12), st.lists(st.floats(-1, 1), min_size=12, max_size=12))
def test_feedback_moves_nothing_past_its_bound(candidates: list[Candidate], strengths: list[float]) -> None:
    """Memories further apart than twice the weight keep their order, whatever was said of them."""
    of = {f"m{n}": strength for n, strength in enumerate(strengths)}
    felt = [replace(c, strength=of[c.memory_id]) for c in candidates]
    before = {r.candidate.memory_id: r.fused for r in rank(found(*candidates), UNKNOWN_EMBEDDER)}
    after = [r.candidate.memory_id for r in rank(found(*felt), UNKNOWN_EMBEDDER)]
    for first, second in itertools.combinations(after, 2):
        assert before[second] - before[first] <= 2 * WEIGHTS.strength + 1e-6
