"""`search`, `get` and `get_all`: what a scope sees, in which order, and why."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keepstone import Kind, LimitError, Limits, Memory, NotFoundError, ScopeError, Status
from keepstone.contract import EmbedderKey
from keepstone.embedders.hashing import HashingEmbedder
from keepstone.filters import And, Condition, Not
from keepstone.ids import IdSource
from keepstone.ingest import units
from keepstone.logic.ids import bucket
from keepstone.operations import AddMemory, Batch, NewMemory, Retire, Supersede
from keepstone.testing import FakeClock
from keepstone.types import MemoryRecord, Scope
from tests.pipeline.opening import Open, texts_of

ALICE = Scope(user_id="alice")
AT = datetime(2026, 1, 2, tzinfo=UTC)
Run = Callable[[Any], Any]
new_id = IdSource()


def write(memory: Memory, run: Run, *operations: Any) -> None:
    """Write through the store's own door, as extraction will."""
    run(
        memory.store.apply(
            Batch(id=new_id(AT, bucket(ALICE)), tenant="", at=AT, actor="test", operations=operations, scope=ALICE)
        )
    )


def fact(text: str, **fields: Any) -> NewMemory:
    return NewMemory(
        id=new_id(AT, bucket(ALICE)), scope=ALICE, text=text, kind=Kind.FACT, units=units(text, None), **fields
    )


@pytest.fixture
def run() -> Run:
    """Return what runs a coroutine of a store to its end; a store serves any loop."""
    return lambda coroutine: asyncio.run(coroutine)


def test_best_first_with_scores_from_0_to_1(memory: Memory) -> None:
    memory.add(
        [{"content": c} for c in ("Alice plays cricket", "The bakery opens at seven", "Cricket and tennis on Sunday")],
        user_id="alice",
    )
    hits = memory.search("Who plays cricket?", user_id="alice")
    assert hits[0].text == "Alice plays cricket"
    scores = [h.score for h in hits]
    assert all(0 <= s <= 1 for s in scores)
    assert hits[0].score > hits[-1].score
    assert hits[0].sources == hits[0].memory.sources
    assert hits[0].memory == memory.get(hits[0].id)
    assert hits[0].passage == "Alice plays cricket"
    assert hits[0].explanation is None
    assert hits[0].to_dict()["text"] == "Alice plays cricket"


def test_chinese(memory: Memory) -> None:
    memory.add([{"content": "周末喜欢打板球"}, {"content": "明天去上海出差"}], user_id="alice")
    assert memory.search("打板球", user_id="alice")[0].text == "周末喜欢打板球"
    assert memory.search("上海", user_id="alice")[0].text == "明天去上海出差"


def test_min_score_and_limit(memory: Memory) -> None:
    memory.add([{"content": f"Cricket match number {i}"} for i in range(12)], user_id="alice")
    assert len(memory.search("cricket", user_id="alice")) == 10
    assert len(memory.search("cricket", user_id="alice", limit=3)) == 3
    every = memory.search("cricket match number 7", user_id="alice", limit=100)
    assert len(every) == 12
    cut = every[0].score
    kept = memory.search("cricket match number 7", user_id="alice", limit=100, min_score=cut)
    assert [h.id for h in kept] == [h.id for h in every if h.score >= cut]
    assert 1 <= len(kept) < 12
    assert memory.search("cricket", user_id="alice", min_score=1.0) == []


@pytest.mark.parametrize("query", ["", "   ", "\x00"])
def test_empty_query_finds_nothing(memory: Memory, query: str) -> None:
    memory.add("Something to find", user_id="alice")
    assert memory.search(query, user_id="alice") == []


@pytest.mark.parametrize("query", ["the of and", "?!…", "的了", "🎾"])
def test_query_without_words_is_no_error(memory: Memory, query: str) -> None:
    memory.add("Something to find", user_id="alice")
    memory.search(query, user_id="alice")


def test_explain_adds_up(memory: Memory) -> None:
    memory.add([{"content": "Alice plays cricket"}, {"content": "Bob bakes bread"}], user_id="alice")
    hits = memory.search("cricket", user_id="alice", explain=True)
    for hit in hits:
        assert hit.explanation is not None
        assert sum(s.contribution for s in hit.explanation.signals) == pytest.approx(hit.explanation.fused)
        assert set(hit.explanation.timings_ms) == {"embed", "candidates", "rank", "fetch"}
    assert hits[0].explanation is not None
    first = {s.name: s for s in hits[0].explanation.signals}
    assert (first["bm25"].rank, first["cosine"].rank) == (1, 1)
    assert first["cosine"].value == pytest.approx(1 / 3**0.5, abs=0.01)


def test_kinds(memory: Memory, run: Run) -> None:
    memory.add("Lyon is where I live", user_id="alice")
    write(memory, run, AddMemory(memory=fact("Alice lives in Lyon")))
    assert {h.memory.kind for h in memory.search("Lyon", user_id="alice")} == {Kind.EPISODE, Kind.FACT}
    assert [h.text for h in memory.search("Lyon", user_id="alice", kinds=["fact"])] == ["Alice lives in Lyon"]
    assert [h.text for h in memory.search("Lyon", user_id="alice", kinds=[Kind.EPISODE])] == ["Lyon is where I live"]
    assert texts_of(memory, user_id="alice", kinds=["fact"]) == ["Alice lives in Lyon"]
    assert memory.search("Lyon", user_id="alice", kinds=["profile", "summary"]) == []


def test_superseded_ranks_lower_is_marked_and_can_be_left_out(memory: Memory, run: Run) -> None:
    old, new = fact("Alice lives in Lyon now"), fact("Alice lives in Paris now")
    write(memory, run, AddMemory(memory=old))
    write(memory, run, AddMemory(memory=new), Supersede(memory_id=old.id, by=new.id))
    hits = memory.search("Alice lives in Lyon now", user_id="alice")
    assert [(h.id, h.memory.status) for h in hits] == [(new.id, Status.CURRENT), (old.id, Status.SUPERSEDED)]
    assert hits[1].memory.valid_to == AT
    assert hits[0].memory.valid_from == AT
    assert [h.id for h in memory.search("lives", user_id="alice", include_superseded=False)] == [new.id]
    assert texts_of(memory, user_id="alice", include_superseded=False) == ["Alice lives in Paris now"]
    assert memory.stats(user_id="alice").superseded == 1
    superseding = memory.history(old.id)[-1]
    assert superseding.related_id == new.id
    memory.undo(superseding.id)
    assert memory.get(old.id).status is Status.CURRENT


def test_expired_are_out_unless_asked_for(memory: Memory, clock: FakeClock) -> None:
    memory.add("The code is 1234", user_id="alice", expires_at=clock() + timedelta(hours=1))
    assert len(memory.search("code", user_id="alice")) == 1
    clock.advance(timedelta(hours=2))
    assert memory.search("code", user_id="alice") == []
    assert texts_of(memory, user_id="alice") == []
    assert len(memory.search("code", user_id="alice", include_expired=True)) == 1
    assert texts_of(memory, user_id="alice", include_expired=True) == ["The code is 1234"]


def add_rated(memory: Memory) -> dict[str, MemoryRecord]:
    made = {}
    for name, metadata in {
        "cricket": {"category": "hobbies", "rating": 5, "place": {"city": "Lyon"}, "tags": ["ball", "summer"]},
        "bread": {"category": "food", "rating": 3, "place": {"city": "上海"}},
        "piano": {"category": "hobbies", "rating": 2.5, "a.b": True},
        "nothing": {},
    }.items():
        made[name] = memory.add(f"A word about {name}", user_id="alice", metadata=metadata).memories[0]
    return made


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({"category": "hobbies"}, {"cricket", "piano"}),
        ({"category": "hobbies", "rating": {"gte": 3}}, {"cricket"}),
        ({"rating": {"gt": 2, "lt": 4}}, {"bread", "piano"}),
        ({"place.city": {"in": ["Lyon", "上海"]}}, {"cricket", "bread"}),
        ({"category": {"nin": ["food"]}}, {"cricket", "piano", "nothing"}),
        ({"or": [{"category": "food"}, {"not": {"category": {"exists": True}}}]}, {"bread", "nothing"}),
        ({"tags": {"contains": "ball"}}, {"cricket"}),
        ({"`a.b`": True}, {"piano"}),
        ({"role": "user"}, {"cricket", "bread", "piano", "nothing"}),
        ({"user_id": "bob"}, set()),
        ({"user_id": "alice"}, {"cricket", "bread", "piano", "nothing"}),
        ({"created_at": {"lt": "2026-01-01T00:00:00+00:00"}}, set()),
        (And((Condition(("category",), "eq", "hobbies"), Not(Condition(("rating",), "gt", 3)))), {"piano"}),
        ({}, {"cricket", "bread", "piano", "nothing"}),
        ({"rating": "5"}, set()),
        ({"category": "hobbies' OR 1=1 --"}, set()),
    ],
)
def test_filters(memory: Memory, where: Any, expected: set[str]) -> None:
    add_rated(memory)
    memory.add("A word about something of Bob", user_id="bob", metadata={"category": "hobbies", "rating": 5})
    assert {h.text.split()[-1] for h in memory.search("word", user_id="alice", filters=where)} == expected
    assert {t.split()[-1] for t in texts_of(memory, user_id="alice", filters=where)} == expected


def test_filter_finds_the_one_among_many_better_ones(memory: Memory) -> None:
    memory.add([{"content": f"Cricket, cricket, cricket {i}"} for i in range(300)], user_id="alice")
    rare = memory.add("They mentioned cricket once", user_id="alice", metadata={"rare": True}).memories[0]
    assert [h.id for h in memory.search("cricket", user_id="alice", filters={"rare": True}, limit=1)] == [rare.id]


def test_pages_are_complete_while_others_write(memory: Memory) -> None:
    first = [r.id for r in memory.add([{"content": f"Turn {i} of it"} for i in range(23)], user_id="alice").memories]
    seen: list[str] = []
    cursor = None
    while True:
        page = memory.get_all(user_id="alice", limit=5, cursor=cursor)
        seen += [r.id for r in page.items]
        if (cursor := page.next_cursor) is None:
            break
        memory.add(f"Written in the middle, {len(seen)}", user_id="alice")
        memory.add(f"Someone else, {len(seen)}", user_id="bob")
        # What was shown already may go without moving what follows.
        memory.delete(page.items[0].id)
    assert len(seen) == len(set(seen))
    assert [id for id in seen if id in first] == first


def test_pages_of_all_scopes(memory: Memory) -> None:
    for i in range(7):
        memory.add([{"content": f"First of user {i}"}, {"content": f"Second of user {i}"}], user_id=f"user-{i}")
    seen: list[str] = []
    cursor = None
    while True:
        page = memory.get_all(all_scopes=True, limit=3, cursor=cursor)
        seen += [r.text for r in page.items]
        if (cursor := page.next_cursor) is None:
            break
    assert sorted(seen) == sorted(f"{n} of user {i}" for i in range(7) for n in ("First", "Second"))
    assert len(memory.search("user", all_scopes=True, limit=100)) == 14


def test_a_query_sees_what_its_ids_equal(memory: Memory) -> None:
    added: dict[str, dict[str, Any]] = {
        "a": {"user_id": "alice"},
        "b": {"user_id": "alice", "agent_id": "coach"},
        "c": {"user_id": "alice", "agent_id": "coach", "run_id": "may"},
        "d": {"user_id": "bob", "agent_id": "coach"},
        "e": {"agent_id": "coach"},
        "f": {"app_id": "shop", "run_id": "may"},
    }
    ids = {n: memory.add(f"The word of {n}", **scope).memories[0].id for n, scope in added.items()}
    others: list[dict[str, Any]] = [{"user_id": "carol"}, {"run_id": "may"}, {"app_id": "shop"}, {"user_id": "coach"}]
    for asked in (*added.values(), *others):
        expected = {n for n, scope in added.items() if asked.items() <= scope.items()}
        assert {t[-1] for t in texts_of(memory, **asked)} == expected
        assert {h.text[-1] for h in memory.search("word", **asked)} == expected
        assert memory.stats(**asked).memories == len(expected)
        for name, id in ids.items():
            if name in expected:
                assert memory.get(id, **asked).id == id
            else:
                with pytest.raises(NotFoundError):
                    memory.get(id, **asked)
                with pytest.raises(NotFoundError):
                    memory.delete(id, **asked)
                with pytest.raises(NotFoundError):
                    memory.update(id, text="Overwritten", **asked)
                with pytest.raises(NotFoundError):
                    memory.history(id, **asked)
                with pytest.raises(NotFoundError):
                    memory.erase(id, **asked)
    assert memory.stats().memories == len(added)


def test_tenants_do_not_meet(open_memory: Open) -> None:
    one = open_memory(tenant="one")
    two = open_memory(store=one.store, tenant="two")
    id = one.add("A secret of tenant one", user_id="alice").memories[0].id
    assert two.search("secret", user_id="alice") == []
    assert two.search("secret", all_scopes=True) == []
    assert texts_of(two, user_id="alice") == texts_of(two, all_scopes=True) == []
    for verb in (two.get, two.delete, two.history, two.erase, two.undo):
        with pytest.raises(NotFoundError):
            verb(id)
    assert two.delete_all(user_id="alice") == 0
    assert two.stats().memories == 0
    two.reset(confirm=True)
    assert texts_of(one, user_id="alice") == ["A secret of tenant one"]
    assert [h.text for h in one.search("secret", user_id="alice")] == ["A secret of tenant one"]


def test_fan_out_is_bounded(open_memory: Open) -> None:
    memory = open_memory(limits=Limits(fan_out_partitions_max=3))
    for i in range(4):
        memory.add("The agent says hello there", user_id=f"user-{i}", agent_id="coach")
    with pytest.raises(LimitError, match="user"):
        memory.search("hello", agent_id="coach")
    assert len(memory.search("hello", user_id="user-1", agent_id="coach")) == 1


def test_all_scopes_goes_without_ids(memory: Memory) -> None:
    for verb in (memory.get_all, lambda **named: memory.search("x", **named)):
        with pytest.raises(ScopeError):
            verb(user_id="alice", all_scopes=True)
        with pytest.raises(ScopeError):
            verb()


def test_stats_counts(memory: Memory, clock: FakeClock) -> None:
    records = memory.add([{"content": f"Turn {i} of it"} for i in range(5)], user_id="alice").memories
    memory.add("Bob has a turn", user_id="bob")
    memory.update(records[0].id, text="Turn nought of it")
    memory.delete(records[1].id)
    memory.erase(records[2].id)
    stats = memory.stats(user_id="alice")
    assert (stats.messages, stats.memories, stats.retired, stats.erased) == (4, 3, 1, 1)
    assert stats.changes == 5 - 1 + 3
    assert stats.unembedded == 0
    assert stats.partitions == 1
    assert (memory.stats().memories, memory.stats().partitions) == (4, 2)
    assert stats.embedder == str(EmbedderKey(name="hashing", dimensions=256))
    assert stats.embedder == str(HashingEmbedder().key)


def test_retired_through_the_store_is_gone_from_the_next_search(memory: Memory, run: Run) -> None:
    record = memory.add("Alice plays cricket", user_id="alice").memories[0]
    assert memory.search("cricket", user_id="alice")
    write(memory, run, Retire(memory_id=record.id))
    assert memory.search("cricket", user_id="alice") == []
