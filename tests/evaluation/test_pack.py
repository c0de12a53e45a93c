"""The packs that come with Keepstone: that they are what the documentation says, and what is found in them."""

from collections import Counter

import pytest

from keepstone.evaluation.measuring import evaluate
from keepstone.evaluation.pack import Pack, own_packs, read
from keepstone.evaluation.results import by_pack, summary
from keepstone.evaluation.retriever import product
from keepstone.evaluation.scoring import said_by
from keepstone.logic.text import STOP_WORDS, tokens

CATEGORIES = {
    "assistant",
    "forget",
    "forget-lookalike",
    "history",
    "long-turn",
    "multi",
    "other-person",
    "single",
    "speaker",
    "still-true",
    "temporal",
    "unanswerable",
    "update",
}
BYTES_MAX = 75_000

# Measured figures less a margin of about two questions.
FLOORS = {
    "everyday_en": {"R@10": 0.92, "R@500t": 0.96, "R@1000t": 0.97, "MRR": 0.51, "fresh": 0.50, "abstain": 0.80},
    "everyday_zh": {"R@10": 0.89, "R@500t": 0.94, "R@1000t": 0.95, "MRR": 0.60, "fresh": 0.63, "abstain": 0.81},
}
CEILINGS = {
    "everyday_en": {"leak@10": 0.0, "distract@1": 0.0},
    "everyday_zh": {"leak@10": 0.34, "distract@1": 0.0},
}


@pytest.fixture(scope="module")
def packs() -> list[Pack]:
    return [read(path) for path in own_packs()]


def test_there_is_one_pack_a_language(packs: list[Pack]) -> None:
    assert [p.name for p in packs] == ["everyday_en", "everyday_zh"]
    assert [{r.language for r in p.records} for p in packs] == [{"en"}, {"zh"}]
    assert sum(path.stat().st_size for path in own_packs()) < BYTES_MAX


def test_every_category_is_in_both(packs: list[Pack]) -> None:
    for pack in packs:
        assert {q.category for r in pack.records for q in r.questions} == CATEGORIES


def test_records_have_dated_sessions_and_enough_questions(packs: list[Pack]) -> None:
    for record in (r for p in packs for r in p.records):
        assert 3 <= len(record.sessions) <= 6
        assert all(s.at is not None for s in record.sessions)
        assert len(record.questions) >= 12
        assert all(q.at is not None for q in record.questions)


def test_labels_fit_their_categories(packs: list[Pack]) -> None:
    for question in (q for p in packs for r in p.records for q in r.questions):
        assert bool(question.stale) == (question.category == "update")
        assert bool(question.forbidden) == (question.category == "forget")
        assert question.answerable == (question.category != "unanswerable")
        assert bool(question.groups) == (question.category not in ("forget", "unanswerable"))
        assert question.category != "multi" or len(question.groups) >= 2


def test_questions_do_not_repeat_the_words_of_their_evidence(packs: list[Pack]) -> None:
    """A search by words alone must not be enough: few questions share half of their words with the evidence."""
    shared: Counter[str] = Counter()
    for pack in packs:
        for record in pack.records:
            said = said_by(record)
            for question in (q for q in record.questions if q.has_evidence and q.category != "long-turn"):
                asked = set(tokens(question.text)) - STOP_WORDS
                there = {t for e in question.evidence for t in tokens(said[e])}
                shared[pack.name] += len(asked & there) * 2 > len(asked)
    assert max(shared.values(), default=0) <= 4, shared


def test_what_is_found_stays_above_its_floors(packs: list[Pack]) -> None:
    result = evaluate(packs, product("local"), name="own packs", version="")
    wrong = []
    for name, rows in by_pack(result.rows).items():
        found = {m: e.mean for m, e in summary(rows).items()} | dict(result.certainty.get(name, {}))
        wrong += [f"{name}: {m} is {found.get(m)}, under {f}" for m, f in FLOORS.get(name, {}).items() if found[m] < f]
        wrong += [f"{name}: {m} is {found.get(m)}, over {c}" for m, c in CEILINGS.get(name, {}).items() if found[m] > c]
    assert not wrong, "\n".join(wrong)
