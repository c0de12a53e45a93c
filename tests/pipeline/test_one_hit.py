"""A fact and the episode that says it are one hit, and what is no longer true is marked, in every verb that finds."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from keepstone import Kind, Memory, Stage, Status
from keepstone.embedders.hashing import HashingEmbedder
from keepstone.ids import IdSource
from keepstone.ingest import embed_units, units
from keepstone.logic.ids import bucket
from keepstone.operations import AddMemory, Batch, NewMemory, SourceSpan, Supersede
from keepstone.types import Scope, Span

ALICE = Scope(user_id="alice")
AT = datetime(2026, 1, 2, tzinfo=UTC)
new_id = IdSource()


def write(memory: Memory, *operations: Any) -> None:
    """Write through the store's own door, as distilling does."""
    batch = Batch(
        id=new_id(AT, bucket(ALICE)),
        tenant="",
        at=AT,
        actor="test",
        operations=operations,
        scope=ALICE,
        embedder=HashingEmbedder().key,
    )
    asyncio.run(memory.store.apply(batch))


def distil(memory: Memory, text: str, *message_ids: str, old: str | None = None, **fields: Any) -> str:
    """Add a fact from messages by their ids, in place of the fact *old* if one is given, and return its id."""
    embedded = asyncio.run(embed_units(HashingEmbedder(), [(text, None, units(text, None))]))[0]
    made = NewMemory(
        id=new_id(AT, bucket(ALICE)),
        scope=ALICE,
        text=text,
        kind=Kind.FACT,
        units=embedded,
        sources=tuple(SourceSpan(message_id=i) for i in message_ids),
        **fields,
    )
    gone = [] if old is None else [Supersede(memory_id=old, by=made.id)]
    write(memory, AddMemory(memory=made), *gone)
    return made.id


def say(memory: Memory, text: str, id: str) -> str:
    """Add a turn of Alice, and return the id of its memory."""
    return memory.add({"content": text, "id": id}, user_id="alice").memories[0].id


SCENES = {
    "en": ("I keep my kayak at the north pier.", "Keeps her kayak at the north pier", "Where is my kayak?"),
    "zh": ("我的皮划艇放在北码头。", "皮划艇放在北码头", "我的皮划艇在哪里？"),
}


@pytest.mark.parametrize("language", SCENES)
def test_a_fact_and_its_episode_are_one_hit(memory: Memory, language: str) -> None:
    text, statement, question = SCENES[language]
    said = say(memory, text, "m1")
    other = say(memory, "The oven was repaired on Friday.", "m2")
    fact = distil(memory, statement, "m1")
    hits = memory.search(question, user_id="alice", explain=True)
    assert [h.id for h in hits] == [fact, other]
    assert hits[0].text == statement
    assert [(e.memory_id, e.span) for e in hits[0].evidence] == [(said, Span(start=0, end=len(text)))]
    assert not hits[0].outdated
    assert hits[0].explanation is not None
    assert {s.name: s.value for s in hits[0].explanation.signals}["statement"] == 1.0
    assert [h.id for h in memory.search(question, user_id="alice", limit=1)] == [fact]
    assert said in {h.id for h in memory.search(question, user_id="alice", kinds=[Kind.EPISODE])}
    context = memory.context(question, user_id="alice")
    assert [c.memory_id for c in context.citations] == [fact, other]
    assert [(r.memory_id, r.reason, r.other_id) for r in context.left_out] == [(said, "covered", fact)]


def test_an_episode_with_an_outdated_fact_is_marked_and_ranks_lower(memory: Memory) -> None:
    first = say(memory, "I keep my kayak at the north pier.", "m1")
    old = distil(memory, "Keeps her kayak at the north pier", "m1")
    second = say(memory, "The kayak is in the boathouse now.", "m2")
    new = distil(memory, "Keeps her kayak in the boathouse", "m2", old=old)
    say(memory, "The oven was repaired on Friday.", "m3")
    question = "Where do I keep my kayak?"
    hits = memory.search(question, user_id="alice")
    assert [(h.id, h.outdated, [e.memory_id for e in h.evidence]) for h in hits[:2]] == [
        (new, False, [second]),
        (old, True, [first]),
    ]
    assert hits[1].memory.status is Status.SUPERSEDED
    episodes = memory.search(question, user_id="alice", kinds=["episode"], explain=True)
    assert {h.id: h.outdated for h in episodes}[first] is True
    assert [h.id for h in episodes[:2]] == [second, first]
    assert episodes[1].memory.status is Status.CURRENT
    assert episodes[1].explanation is not None
    assert "outdated" in {s.name for s in episodes[1].explanation.signals}


def test_what_is_outdated_stays_away_where_only_what_holds_is_wanted(memory: Memory) -> None:
    first = say(memory, "I keep my kayak at the north pier.", "m1")
    old = distil(memory, "Keeps her kayak at the north pier", "m1")
    say(memory, "The kayak is in the boathouse now.", "m2")
    distil(memory, "Keeps her kayak in the boathouse", "m2", old=old)
    question = "Where do I keep my kayak?"
    for kinds in (None, ["episode"]):
        hits = memory.search(question, user_id="alice", include_superseded=False, kinds=kinds)
        assert hits
        assert not any(h.outdated for h in hits)
        assert "north pier" not in str(memory.context(question, user_id="alice", include_superseded=False, kinds=kinds))
    (entry,) = memory.trace(question, expect=first, user_id="alice", include_superseded=False).expected
    assert entry.stage is Stage.SUPERSEDED


@pytest.mark.parametrize(("format", "mark"), [("text", "[superseded]"), ("xml", 'superseded="true"')])
def test_a_context_marks_an_outdated_line(memory: Memory, format: Any, mark: str) -> None:
    say(memory, "I keep my kayak at the north pier.", "m1")
    old = distil(memory, "Keeps her kayak at the north pier", "m1")
    say(memory, "The kayak is in the boathouse now.", "m2")
    distil(memory, "Keeps her kayak in the boathouse", "m2", old=old)
    context = memory.context("Where is the kayak?", user_id="alice", format=format, kinds=["episode"])
    lines = {text: line for line in str(context).splitlines() for text in ("north pier", "boathouse") if text in line}
    assert mark in lines["north pier"]
    assert "superseded" not in lines["boathouse"]


def test_a_context_keeps_an_episode_that_says_more_than_its_fact(memory: Memory) -> None:
    said = say(memory, "I keep my kayak at the north pier, the key hangs behind the red door.", "m1")
    fact = distil(memory, "Keeps her kayak at the north pier", "m1")
    context = memory.context("Where does the key of the red door hang?", user_id="alice")
    assert {c.memory_id for c in context.citations} == {said, fact}


def test_a_trace_tells_what_became_part_of_another_hit(memory: Memory) -> None:
    said = say(memory, "I keep my kayak at the north pier.", "m1")
    fact = distil(memory, "Keeps her kayak at the north pier", "m1")
    trace = memory.trace("Where is my kayak?", expect=[said, fact], user_id="alice")
    merged, own = trace.expected
    assert (merged.stage, merged.hit_id, merged.place, merged.in_context) == (Stage.FOUND, fact, 1, True)
    assert fact in merged.reason
    assert (own.stage, own.hit_id, own.place) == (Stage.FOUND, fact, 1)
    assert trace.counts.ranked == 1
    (lost,) = memory.trace("Where is my kayak?", expect=said, user_id="alice", min_score=1.0).expected
    assert (lost.stage, lost.hit_id) == (Stage.BELOW_MIN_SCORE, fact)


def test_facts_of_another_scope_change_nothing(memory: Memory) -> None:
    """Whoever cannot see a fact does not see its traces either."""
    memory.add({"content": "I keep my kayak at the north pier.", "id": "m1"}, user_id="alice", run_id="monday")
    before = memory.search("Where is my kayak?", user_id="alice", run_id="monday", explain=True)
    old = distil(memory, "Keeps her kayak at the north pier", _ledger_id(memory))
    distil(memory, "Sold her kayak", _ledger_id(memory), old=old)
    after = memory.search("Where is my kayak?", user_id="alice", run_id="monday", explain=True)
    assert [(h.id, h.outdated, h.evidence) for h in after] == [(h.id, h.outdated, h.evidence) for h in before]
    assert memory.search("Where is my kayak?", user_id="alice")[0].id != before[0].id


def _ledger_id(memory: Memory) -> str:
    records = memory.get_all(user_id="alice", kinds=["episode"]).items
    return asyncio.run(memory.store.neighbours([records[0].id], ALICE, 0, 0))[0].id
