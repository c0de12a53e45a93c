"""`as_of` and `known_at`: what held in the world at a moment, and what the store knew at one, in every verb."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keepstone import InvalidRequestError, Kind, Memory, Stage, Status
from keepstone.embedders.hashing import HashingEmbedder
from keepstone.ids import IdSource
from keepstone.ingest import embed_units, units
from keepstone.logic.ids import bucket
from keepstone.operations import AddMemory, Batch, NewMemory, SourceSpan, Supersede
from keepstone.testing import FakeClock
from keepstone.types import Scope
from tests.pipeline.opening import Open

ALICE = Scope(user_id="alice")
DAY = timedelta(days=1)
MAY, JUNE, JULY = (datetime(2026, month, 1, tzinfo=UTC) for month in (5, 6, 7))
LATER = datetime(2026, 8, 1, tzinfo=UTC)
QUESTION = "Where does Alice live?"
new_id = IdSource()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(LATER)


def write(memory: Memory, at: datetime, *operations: Any) -> None:
    """Write through the store's own door, as distilling does."""
    batch = Batch(
        id=new_id(at, bucket(ALICE)),
        tenant="",
        at=at,
        actor="test",
        operations=operations,
        scope=ALICE,
        embedder=HashingEmbedder().key,
    )
    asyncio.run(memory.store.apply(batch))


def fact(text: str, *message_ids: str, **fields: Any) -> NewMemory:
    embedded = asyncio.run(embed_units(HashingEmbedder(), [(text, None, units(text, None))]))[0]
    return NewMemory(
        id=new_id(LATER, bucket(ALICE)),
        scope=ALICE,
        text=text,
        kind=Kind.FACT,
        units=embedded,
        sources=tuple(SourceSpan(message_id=i) for i in message_ids),
        **fields,
    )


def moved(memory: Memory, clock: FakeClock) -> tuple[str, str]:
    """Say in May that Alice lives in Turku, and in July that she moved in June; return the ids of the facts."""
    memory.add({"content": "I live in Turku.", "id": "m1", "timestamp": MAY}, user_id="alice")
    memory.add({"content": "In June I moved to Oulu.", "id": "m2", "timestamp": JULY}, user_id="alice")
    old = fact("Alice lives in Turku", "m1", valid_from=MAY)
    new = fact("Alice lives in Oulu", "m2")
    write(memory, LATER + DAY, AddMemory(memory=old))
    write(memory, LATER + 2 * DAY, AddMemory(memory=new), Supersede(memory_id=old.id, by=new.id, at=JUNE))
    clock.advance(3 * DAY)
    return old.id, new.id


def test_search_answers_for_any_moment_in_the_world(memory: Memory, clock: FakeClock) -> None:
    old, new = moved(memory, clock)
    now = memory.search(QUESTION, user_id="alice")
    assert [(h.id, h.outdated) for h in now] == [(new, False), (old, True)]
    then = memory.search(QUESTION, user_id="alice", as_of=JUNE - DAY)
    assert [(h.id, h.outdated) for h in then] == [(old, False)]
    assert (then[0].memory.status, then[0].memory.valid_to) == (Status.SUPERSEDED, JUNE)
    assert [e.memory_id for e in then[0].evidence] == [r.id for r in memory.get_all(user_id="alice", limit=1).items]
    after = memory.search(QUESTION, user_id="alice", as_of=JUNE.isoformat())
    # What was said in May stands, and says what holds no longer; the fact that it says is gone.
    assert (after[0].id, after[0].outdated) == (new, False)
    assert {h.outdated for h in after[1:]} == {True}
    assert not memory.search(QUESTION, user_id="alice", as_of=MAY - DAY)
    assert [h.id for h in memory.search(QUESTION, user_id="alice", as_of=JUNE, include_superseded=False)] == [new]


def test_search_answers_with_what_was_known(memory: Memory, clock: FakeClock) -> None:
    old, new = moved(memory, clock)
    hits = memory.search(QUESTION, user_id="alice", known_at=LATER + 1.5 * DAY)
    facts = [h for h in hits if h.memory.kind is Kind.FACT]
    assert [(h.id, h.outdated, h.memory.status, h.memory.valid_to) for h in facts] == [
        (old, False, Status.CURRENT, None)
    ]
    assert not memory.search(QUESTION, user_id="alice", known_at=LATER - DAY)
    both = memory.search(QUESTION, user_id="alice", known_at=LATER + 1.5 * DAY, as_of=LATER)
    assert [h.id for h in both if h.memory.kind is Kind.FACT] == [old]
    assert new not in {h.id for h in both}


def test_lists_answer_for_both_times_page_by_page(memory: Memory, clock: FakeClock) -> None:
    old, new = moved(memory, clock)

    def facts(**then: Any) -> list[str]:
        found, cursor = [], None
        while True:
            page = memory.get_all(user_id="alice", kinds=["fact"], limit=1, cursor=cursor, **then)
            found += [r.id for r in page.items]
            cursor = page.next_cursor
            if cursor is None:
                return found

    assert facts() == [old, new]
    assert facts(as_of=MAY) == [old]
    assert facts(as_of=JULY) == [new]
    assert facts(known_at=LATER + 1.5 * DAY) == [old]
    assert facts(known_at=LATER + 1.5 * DAY, as_of=JULY) == [old]
    assert facts(known_at=LATER) == []


def test_a_context_marks_nothing_that_held_then(memory: Memory, clock: FakeClock) -> None:
    moved(memory, clock)
    now = str(memory.context(QUESTION, user_id="alice"))
    assert "[superseded 2026-06-01] Alice lives in Turku" in now
    then = str(memory.context(QUESTION, user_id="alice", as_of=MAY))
    assert "Turku" in then
    assert "Oulu" not in then
    assert "superseded" not in then
    known = str(memory.context(QUESTION, user_id="alice", known_at=LATER + 1.5 * DAY))
    assert "Alice lives in Turku" in known
    assert "Alice lives in Oulu" not in known
    assert "superseded" not in known


def test_standing_memories_are_those_of_the_moment(memory: Memory, clock: FakeClock) -> None:
    old = fact("Alice is vegetarian", importance=0.9, valid_from=MAY)
    new = fact("Alice eats fish", importance=0.9)
    write(memory, LATER, AddMemory(memory=old))
    write(memory, LATER + DAY, AddMemory(memory=new), Supersede(memory_id=old.id, by=new.id, at=JUNE))
    clock.advance(3 * DAY)
    wanted: list[tuple[dict[str, Any], str]] = [
        ({}, new.text),
        ({"as_of": MAY}, old.text),
        ({"known_at": LATER}, old.text),
    ]
    for then, want in wanted:
        context = memory.context("zebra", user_id="alice", **then)
        standing = context.text[: context.prefix_end]
        assert [text for text in (old.text, new.text) if text in standing] == [want]
        assert "superseded" not in standing


@pytest.mark.parametrize(
    "texts", [("The kayak is blue.", "The kayak is red."), ("皮划艇是蓝色的。", "皮划艇是红色的。")]
)
def test_a_revision_reads_and_is_found_as_it_was(memory: Memory, clock: FakeClock, texts: tuple[str, str]) -> None:
    first, second = texts
    added = memory.add(first, user_id="alice", metadata={"checked": False})
    id, then = added.memories[0].id, added.memories[0].created_at
    clock.advance(DAY)
    memory.update(id, text=second, metadata={"checked": True})
    memory.add("Something else entirely.", user_id="alice")
    for text, moment in ((first, then), (second, None)):
        (hit, *_) = memory.search(text, user_id="alice", known_at=moment)
        assert (hit.id, hit.text, hit.memory.edited) == (id, text, text == second)
        (record,) = memory.get_all(user_id="alice", known_at=moment, limit=1).items
        assert (record.text, record.metadata, record.revision) == (
            text,
            {"checked": text == second},
            1 + (moment is None),
        )
        assert text in str(memory.context(text, user_id="alice", known_at=moment))
        kept: dict[str, Any] = {"filters": {"checked": text == second}, "known_at": moment}
        assert [h.id for h in memory.search(text, user_id="alice", **kept)] == [id]
    assert len(memory.search("kayak 皮划艇", user_id="alice", known_at=then)) == 1


def test_what_was_deleted_stays_away_from_every_moment(memory: Memory, clock: FakeClock) -> None:
    record = memory.add({"content": "I live in Turku.", "timestamp": MAY}, user_id="alice").memories[0]
    clock.advance(DAY)
    memory.delete(record.id)
    moments: list[dict[str, Any]] = [{"known_at": record.created_at}, {"as_of": MAY}]
    for then in moments:
        assert not memory.search(QUESTION, user_id="alice", **then)
        assert not memory.get_all(user_id="alice", **then).items
        assert "Turku" not in str(memory.context(QUESTION, user_id="alice", **then))
    assert memory.trace(QUESTION, expect=record.id, user_id="alice", known_at=record.created_at).expected[0].stage is (
        Stage.RETIRED
    )


def test_expiry_is_judged_when_it_was_known(memory: Memory, clock: FakeClock) -> None:
    until = LATER + 10 * DAY
    memory.add("The ticket is on the fridge.", user_id="alice", expires_at=until)
    clock.advance(20 * DAY)
    assert not memory.search("Where is the ticket?", user_id="alice")
    assert not memory.search("Where is the ticket?", user_id="alice", as_of=LATER + DAY)
    for known_at, shown in ((until - DAY, 1), (until, 0)):
        assert len(memory.search("Where is the ticket?", user_id="alice", known_at=known_at)) == shown
        assert len(memory.get_all(user_id="alice", known_at=known_at).items) == shown


def test_a_question_is_read_as_asked_then(memory: Memory, clock: FakeClock) -> None:
    memory.add("The ticket is on the fridge.", user_id="alice")
    clock.advance(400 * DAY)
    question = "What did I do last month?"
    then = memory.trace(question, user_id="alice", known_at=LATER + DAY).question.period
    assert then is not None
    assert then[0].date().isoformat() == "2026-07-01"
    assert memory.trace(question, user_id="alice").question.period != then


def test_a_trace_says_what_was_not_there_then(memory: Memory, clock: FakeClock) -> None:
    old, new = moved(memory, clock)

    def stages(**then: Any) -> list[Stage]:
        return [e.stage for e in memory.trace(QUESTION, expect=[old, new], user_id="alice", **then).expected]

    assert stages() == [Stage.FOUND, Stage.FOUND]
    assert stages(as_of=MAY) == [Stage.FOUND, Stage.NOT_VALID]
    assert stages(as_of=JULY) == [Stage.NOT_VALID, Stage.FOUND]
    assert stages(known_at=LATER + 1.5 * DAY) == [Stage.FOUND, Stage.NOT_KNOWN]
    assert stages(known_at=LATER) == [Stage.NOT_KNOWN, Stage.NOT_KNOWN]
    hits = memory.trace(QUESTION, user_id="alice", as_of=MAY).hits
    assert [h.id for h in hits] == [h.id for h in memory.search(QUESTION, user_id="alice", as_of=MAY)]


@pytest.mark.parametrize("name", ["as_of", "known_at"])
@pytest.mark.parametrize("moment", ["yesterday", "2026-05-01", "2026-05-01T10:00:00", 5])
def test_a_moment_needs_a_zone(memory: Memory, name: str, moment: Any) -> None:
    for verb in (memory.search, memory.context, memory.trace):
        with pytest.raises(InvalidRequestError, match=name):
            verb(QUESTION, user_id="alice", **{name: moment})
    with pytest.raises(InvalidRequestError, match=name):
        memory.get_all(user_id="alice", **{name: moment})


def test_an_earlier_index_is_made_anew_when_something_changed(memory: Memory, clock: FakeClock) -> None:
    """A search of the past must not show from a cache what was deleted since, nor another moment."""
    first = memory.add("The kayak is blue.", user_id="alice").memories[0]
    clock.advance(DAY)
    second = memory.add("The kayak is heavy.", user_id="alice").memories[0]

    def found(moment: datetime) -> list[str]:
        return sorted(h.id for h in memory.search("kayak", user_id="alice", known_at=moment))

    assert found(first.created_at) == [first.id]
    assert found(second.created_at) == sorted([first.id, second.id])
    assert found(first.created_at) == [first.id]
    memory.delete(first.id)
    assert found(first.created_at) == []
    assert found(second.created_at) == [second.id]


def test_moments_of_another_scope_are_not_reached(open_memory: Open, clock: FakeClock) -> None:
    memory = open_memory(clock=clock, embedder=HashingEmbedder())
    memory.add("The kayak is blue.", user_id="alice", run_id="monday")
    memory.add("The kayak is red.", user_id="bob")
    scopes: list[tuple[dict[str, Any], int]] = [
        ({"user_id": "alice"}, 1),
        ({"user_id": "alice", "run_id": "x"}, 0),
        ({"user_id": "eve"}, 0),
    ]
    moments: list[dict[str, Any]] = [{"known_at": LATER + DAY}, {"as_of": LATER + DAY}]
    for scope, count in scopes:
        for then in moments:
            assert len(memory.search("kayak", **scope, **then)) == count
            assert len(memory.get_all(**scope, **then).items) == count
