"""Feedback moves memories among near equals: those of the one who gave it, and no further than its bound."""

import random
from itertools import pairwise
from statistics import fmean

import pytest

from keepstone import Memory

PLACES = {
    "en": (
        "Where do I like to sit and read?",
        "I like to sit and read in the {} corner of the garden.",
        "north south east west shady sunny quiet windy".split(),
    ),
    "zh": ("我喜欢在哪里看书？", "我喜欢在花园的{}看书。", "东边 西边 南边 北边 树下 亭子 池边 花房".split()),
}


@pytest.mark.parametrize("language", PLACES)
def test_what_a_user_prefers_rises_and_nothing_else_moves(memory: Memory, language: str) -> None:
    question, pattern, places = PLACES[language]
    texts = [pattern.format(p) for p in places]
    for user in ("ana", "ben"):
        memory.add([{"content": t} for t in texts], user_id=user)
    ranked = [h.text for h in memory.search(question, user_id="ana", limit=8)]
    # A hidden preference for what stands low, so that chance cannot show it.
    preferred = {ranked[2], ranked[4], ranked[6]}
    others = [(h.id, h.score) for h in memory.search(question, user_id="ben", limit=8)]
    chance, ranks = random.Random(3), []
    for _ in range(7):
        hits = memory.search(question, user_id="ana", limit=8)
        ranks.append(fmean(place for place, hit in enumerate(hits, 1) if hit.text in preferred))
        for hit in hits[:4]:
            likes = (hit.text in preferred) != (chance.random() < 0.1)
            memory.feedback(hit.id, "positive" if likes else "negative", user_id="ana")
    assert ranks[-1] < ranks[0] - 1.5
    assert sum(b <= a for a, b in pairwise(ranks)) >= 5
    assert [(h.id, h.score) for h in memory.search(question, user_id="ben", limit=8)] == others


def test_feedback_cannot_bring_up_what_does_not_answer(memory: Memory) -> None:
    answer = memory.add("My dentist is Doctor Okafor on Mill Street.", user_id="ana").memories[0].id
    other = memory.add("The ferry was late and it rained all the way.", user_id="ana").memories[0].id
    for _ in range(8):
        memory.feedback(other, "positive", user_id="ana")
        memory.feedback(answer, "very_negative", user_id="ana")
    hits = memory.search("Who is my dentist on Mill Street?", user_id="ana", explain=True)
    assert [h.id for h in hits] == [answer, other]
    added = {h.id: {s.name: s.contribution for s in h.explanation.signals} for h in hits if h.explanation}
    assert (added[answer]["strength"], added[other]["strength"]) == (-1.0, 1.0)


def test_feedback_that_is_taken_back_leaves_the_rank_as_it_was(memory: Memory) -> None:
    memory.add([{"content": f"The {c} lamp stands in the hall."} for c in ("red", "blue", "green")], user_id="ana")
    before = [(h.id, h.score) for h in memory.search("Which lamp is in the hall?", user_id="ana")]
    memory.feedback(before[-1][0], "positive", user_id="ana")
    assert [(h.id, h.score) for h in memory.search("Which lamp is in the hall?", user_id="ana")] != before
    memory.feedback(before[-1][0], "negative", user_id="ana")
    assert [(h.id, h.score) for h in memory.search("Which lamp is in the hall?", user_id="ana")] == before
