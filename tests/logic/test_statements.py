"""A statement and the episodes that say it: one entry, at the better place, and nothing else moves."""

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from keepstone.contract import Candidate, Candidates, Corpus
from keepstone.logic.questions import Intent, Question
from keepstone.logic.ranking import UNKNOWN_EMBEDDER, WEIGHTS, Ranked, rank
from keepstone.types import Kind, Span, Status

CORPUS = Corpus(units=100, cosine_mean=0.2, cosine_deviation=0.1, bm25_mean=0.5, bm25_deviation=1.0, bm25_most=10.0)
PLAIN = Candidate(
    memory_id="m",
    partition="user:alice",
    sequence=1,
    unit=0,
    recency=1,
    length=12,
    span=Span(start=0, end=4),
    cosine=0.3,
    bm25=1.0,
    status=Status.CURRENT,
    kind=Kind.EPISODE,
)
CURRENT, SUPERSEDED = Status.CURRENT, Status.SUPERSEDED
Statements = dict[str, tuple[tuple[str, Status], ...]]


def episode(id: str, cosine: float, **fields: object) -> Candidate:
    return replace(PLAIN, memory_id=id, cosine=cosine, **fields)  # type: ignore[arg-type]


def fact(id: str, cosine: float, status: Status = CURRENT) -> Candidate:
    return replace(PLAIN, memory_id=id, cosine=cosine, kind=Kind.FACT, status=status, recency=2)


def found(*items: Candidate, says: Statements | None = None) -> Candidates:
    return Candidates(items=items, corpora={"user:alice": CORPUS}, statements=says or {})


def ranked(candidates: Candidates, **options: object) -> list[Ranked]:
    return rank(candidates, UNKNOWN_EMBEDDER, explain=True, **options)  # type: ignore[arg-type]


def ids(entries: list[Ranked]) -> list[str]:
    return [e.candidate.memory_id for e in entries]


def added(entry: Ranked) -> dict[str, float]:
    return {s.name: s.contribution for s in entry.signals}


def test_a_fact_takes_the_better_place_of_its_episode() -> None:
    items = (episode("said", 0.9), fact("fact", 0.3), episode("other", 0.6))
    apart = {e.candidate.memory_id: e.fused for e in ranked(found(*items))}
    entries = ranked(found(*items, says={"said": (("fact", CURRENT),)}))
    assert ids(entries) == ["fact", "other"]
    assert entries[0].fused == apart["said"]
    assert [e.memory_id for e in entries[0].evidence] == ["said"]
    assert entries[0].evidence[0].span == PLAIN.span
    assert abs(added(entries[0])["statement"] - (apart["said"] - apart["fact"])) < 1e-9
    assert not entries[0].outdated


def test_a_fact_keeps_its_own_place_if_that_is_better() -> None:
    entries = ranked(found(episode("said", 0.3), fact("fact", 0.9), says={"said": (("fact", CURRENT),)}))
    assert ids(entries) == ["fact"]
    assert added(entries[0])["statement"] == 0.0


def test_an_episode_goes_to_the_fact_that_the_question_fits_best() -> None:
    says: Statements = {"said": (("near", CURRENT), ("far", CURRENT))}
    entries = ranked(found(episode("said", 0.9), fact("far", 0.2), fact("near", 0.5), says=says))
    assert ids(entries) == ["near", "far"]
    assert [len(e.evidence) for e in entries] == [1, 0]


def test_an_episode_whose_fact_was_not_found_stands_alone() -> None:
    entries = ranked(found(episode("said", 0.9), says={"said": (("elsewhere", CURRENT),)}))
    assert ids(entries) == ["said"]
    assert not entries[0].outdated


def test_an_outdated_episode_ranks_as_what_was_superseded() -> None:
    says: Statements = {"said": (("elsewhere", SUPERSEDED),)}
    for question in (Question(), Question(intent=Intent.BEFORE)):
        (alone,) = ranked(found(episode("said", 0.9, status=SUPERSEDED)), question=question)
        (marked,) = ranked(found(episode("said", 0.9), says=says), question=question)
        assert marked.fused == alone.fused
        assert marked.outdated
        assert alone.outdated
        assert added(marked)["outdated"] == added(alone)["superseded"] < 0
        assert "superseded" not in added(marked)


def test_an_episode_that_says_something_true_besides_is_not_outdated() -> None:
    says: Statements = {"said": (("old", SUPERSEDED), ("elsewhere", CURRENT))}
    (entry,) = ranked(found(episode("said", 0.9), says=says))
    assert not entry.outdated


def test_an_episode_does_not_lift_the_old_fact_that_the_question_is_about() -> None:
    """What the episode says besides is true, but not what is asked for."""
    says: Statements = {"said": (("old", SUPERSEDED), ("besides", CURRENT))}
    items = (episode("said", 0.95), fact("old", 0.9, SUPERSEDED), fact("besides", 0.2), fact("new", 0.8))
    entries = ranked(found(*items, says=says))
    assert ids(entries) == ["new", "besides", "old"]
    assert entries[-1].outdated
    assert [e.memory_id for e in entries[-1].evidence] == ["said"]


def test_what_is_outdated_can_be_left_out() -> None:
    says: Statements = {"said": (("elsewhere", SUPERSEDED),)}
    items = (episode("said", 0.9), episode("other", 0.2))
    assert ids(ranked(found(*items, says=says), include_outdated=False)) == ["other"]


def test_limit_and_score_count_what_is_merged() -> None:
    items = (episode("said", 0.9), fact("fact", 0.85), episode("other", 0.6), episode("last", 0.1))
    says: Statements = {"said": (("fact", CURRENT),)}
    assert ids(ranked(found(*items, says=says), limit=2)) == ["fact", "other"]
    least = ranked(found(*items, says=says))[1].score
    assert ids(ranked(found(*items, says=says), min_score=least)) == ["fact", "other"]


def test_without_merging_each_stands_where_it_stood() -> None:
    items = (episode("said", 0.9), fact("fact", 0.3), episode("other", 0.6))
    entries = ranked(found(*items, says={"said": (("fact", CURRENT),)}), merge=False)
    assert [(e.candidate, e.fused) for e in entries] == [(e.candidate, e.fused) for e in ranked(found(*items))]
    assert {e.candidate.memory_id: len(e.evidence) for e in entries} == {"said": 0, "fact": 1, "other": 0}


STATUSES = st.sampled_from((CURRENT, SUPERSEDED))


@st.composite
def webs(draw: st.DrawFn) -> Candidates:
    """Episodes and facts with any links between them; some facts were not found."""
    episodes = draw(st.lists(st.tuples(st.integers(0, 5), st.floats(-1, 1), st.integers(0, 2)), max_size=10))
    facts = {f"f{n}": status for n, status in draw(st.dictionaries(st.integers(0, 4), STATUSES)).items()}
    known = draw(st.lists(st.sampled_from(sorted(facts)), max_size=6)) if facts else []
    items = [replace(PLAIN, memory_id=f"e{n}", cosine=cosine, unit=unit) for n, cosine, unit in episodes]
    items += [fact(id, draw(st.floats(-1, 1)), facts[id]) for id in dict.fromkeys(known)]
    says = {}
    for id in sorted({i.memory_id for i in items if i.kind is Kind.EPISODE}):
        linked = draw(st.lists(st.sampled_from(sorted(facts)), unique=True, max_size=3)) if facts else []
        if linked:
            says[id] = tuple((f, facts[f]) for f in linked)
    return found(*items, says=says)


@given(webs())
def test_every_memory_stands_in_exactly_one_entry(candidates: Candidates) -> None:
    entries = ranked(candidates)
    shown = [e.candidate.memory_id for e in entries] + [v.memory_id for e in entries for v in e.evidence]
    assert sorted(shown) == sorted({c.memory_id for c in candidates.items})
    for entry in entries:
        for evidence in entry.evidence:
            assert entry.candidate.memory_id in dict(candidates.statements[evidence.memory_id])


@given(webs())
def test_order_and_explanation_hold_after_merging(candidates: Candidates) -> None:
    entries = ranked(candidates)
    assert all(a.fused >= b.fused - 1e-9 for a, b in pairwise(entries))
    for entry in entries:
        assert abs(sum(s.contribution for s in entry.signals) - entry.fused) < 1e-6
        assert entry.outdated == (entry.candidate.status is SUPERSEDED)


@given(webs())
def test_no_outdated_hit_gains_on_a_current_one(candidates: Candidates) -> None:
    """Merging lifts an outdated fact no higher than it or one of its episodes would stand if it were marked."""
    apart = {e.candidate.memory_id: e for e in ranked(replace(candidates, statements={}))}
    for entry in ranked(candidates):
        if entry.outdated:
            own = [apart[id] for id in (entry.candidate.memory_id, *(v.memory_id for v in entry.evidence))]
            most = max(e.fused - (0 if e.outdated else WEIGHTS.superseded) for e in own)
            assert entry.fused <= most + 1e-9
