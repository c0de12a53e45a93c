"""`trace`: a fault is planted at each stage of a search, over each store and through each face, and is named."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keepstone import Action, Expected, InvalidRequestError, Kind, Memory, ScopeError, Stage, Trace
from keepstone.embedders.hashing import HashingEmbedder
from keepstone.ids import IdSource
from keepstone.ingest import embed_units, units
from keepstone.logic.ids import bucket
from keepstone.operations import AddMemory, Batch, NewMemory, SourceSpan, Supersede
from keepstone.testing import FakeClock, InMemoryStore
from keepstone.types import Scope
from tests.pipeline.opening import Open

ALICE = Scope(user_id="alice")
AT = datetime(2026, 1, 2, tzinfo=UTC)
QUESTION = "Where is the canoe moored?"
new_id = IdSource()


def write(memory: Memory, *operations: Any) -> None:
    """Write through the store's own door, as extraction will."""
    batch = Batch(
        id=new_id(AT, bucket(ALICE)),
        tenant="",
        at=AT,
        actor="test",
        operations=operations,
        reason="said otherwise",
        scope=ALICE,
        embedder=HashingEmbedder().key,
    )
    asyncio.run(memory.store.apply(batch))


def statement(text: str, *sources: str, kind: Kind = Kind.FACT) -> NewMemory:
    embedded = asyncio.run(embed_units(HashingEmbedder(), [(text, None, units(text, None))]))[0]
    return NewMemory(
        id=new_id(AT, bucket(ALICE)),
        scope=ALICE,
        text=text,
        kind=kind,
        units=embedded,
        sources=tuple(SourceSpan(message_id=s) for s in sources),
    )


def say(memory: Memory, text: str, **fields: Any) -> str:
    """Add a turn of Alice, and return the id of its memory."""
    scope = {"user_id": "alice"} | {k: fields.pop(k) for k in ("user_id", "run_id") if k in fields}
    outer = {k: fields.pop(k) for k in ("metadata", "expires_at") if k in fields}
    return memory.add({"content": text, **fields}, **scope, **outer).memories[0].id


def fate(memory: Memory, expect: str, question: str = QUESTION, **arguments: Any) -> Expected:
    """Trace one expected id, and return what became of it."""
    found = memory.trace(question, expect=expect, **({"user_id": "alice"} | arguments))
    assert isinstance(found, Trace)
    (entry,) = found.expected
    assert entry.id == expect
    assert f"{expect}: {entry.stage.value}" in str(found)
    assert found.losses == (() if entry.stage is Stage.FOUND else (entry,))
    assert found.to_dict()["expected"][0]["stage"] == entry.stage.value
    return entry


def crowd(memory: Memory, count: int) -> None:
    """Add turns that have all the words of the question."""
    turns = [f"The canoe number {i} is moored where the canoe number {i + 1} is" for i in range(count)]
    memory.add([{"content": t} for t in turns], user_id="alice")


def test_found(memory: Memory) -> None:
    id = say(memory, "The canoe is moored at the old mill.", id="m1")
    for expect in (id, "m1"):
        entry = fate(memory, expect)
        assert (entry.stage, entry.memory_id, entry.place, entry.in_context) == (Stage.FOUND, id, 1, True)
        assert entry.text == "The canoe is moored at the old mill."
    found = memory.search(QUESTION, user_id="alice", explain=True)[0]
    assert found.explanation is not None
    assert (entry.score, entry.fused) == (found.score, found.explanation.fused)
    assert entry.signals == found.explanation.signals


def test_it_shows_what_search_and_context_show(memory: Memory) -> None:
    crowd(memory, 70)
    say(memory, "周末去河边划独木舟")
    for question in (QUESTION, "周末做什么？", ""):
        found = memory.trace(question, user_id="alice", limit=4, min_score=0.05, max_tokens=120)
        hits = memory.search(question, user_id="alice", limit=4, min_score=0.05)
        assert [(h.id, h.score) for h in found.hits] == [(h.id, h.score) for h in hits]
        assert found.context == memory.context(question, user_id="alice", min_score=0.05, max_tokens=120)
        counts = found.counts
        assert counts.shown == len(hits)
        assert counts.in_context == len(found.context.citations)
        if question:
            assert counts.units == 71 >= counts.candidates >= counts.ranked >= counts.scored >= counts.shown
        assert found.question.text == question
        assert found.expected == ()


def test_terms_that_no_memory_has(memory: Memory) -> None:
    say(memory, "The canoe is at the mill.")
    say(memory, "The moored ferry is Bob's.", user_id="bob")
    found = memory.trace(QUESTION, user_id="alice")
    assert found.terms == ("cano", "moor")
    assert found.unknown == ("moor",)
    assert "moor" in str(found)
    assert memory.trace("独木舟在哪里", user_id="alice").unknown[:2] == ("独", "木")


def test_never_stored(memory: Memory) -> None:
    say(memory, "The canoe is moored at the old mill.")
    assert fate(memory, "nothing-like-it").stage is Stage.NEVER_STORED


def test_what_the_scope_does_not_see_was_never_stored(memory: Memory, open_memory: Open) -> None:
    say(memory, "The canoe is moored at the old mill.")
    foreign = say(memory, "The canoe is moored at the harbour.", id="b1", user_id="bob")
    other_run = say(memory, "The canoe is moored at the weir.", id="r1", run_id="two")
    retired = say(memory, "The canoe is moored at the ford.", id="b2", user_id="bob")
    memory.delete(retired)
    tenant = open_memory(store=memory.store, tenant="other")
    theirs = tenant.add({"content": "The canoe is moored at the lock.", "id": "t1"}, user_id="alice").memories[0].id
    absent = memory.trace(QUESTION, expect="00000000-0000-7000-8000-000000000000", user_id="alice", run_id="one")
    for id in (foreign, "b1", retired, "b2", other_run, "r1", theirs, "t1"):
        found = memory.trace(QUESTION, expect=id, user_id="alice", run_id="one")
        told, known = found.to_dict(), absent.to_dict()
        del told["timings_ms"], known["timings_ms"]
        assert told == known | {"expected": [known["expected"][0] | {"id": id}]}
        assert (
            str(found).replace(id, "").splitlines()[:-1]
            == (str(absent).replace(absent.expected[0].id, "").splitlines()[:-1])
        )
    assert fate(memory, "r1").stage is Stage.FOUND


def test_retired(memory: Memory) -> None:
    id = say(memory, "The canoe is moored at the old mill.", id="m1")
    change = memory.delete(id, reason="sold it")
    for expect in (id, "m1"):
        entry = fate(memory, expect)
        assert (entry.stage, entry.memory_id, entry.text) == (Stage.RETIRED, id, None)
        assert entry.change is not None
        assert (entry.change.id, entry.change.action, entry.change.actor) == (change.id, Action.DELETE, "api")
        assert "sold it" in entry.reason
        assert "mill" not in str(entry.to_dict())
    memory.undo(change.id)
    assert fate(memory, id).stage is Stage.FOUND


def test_retired_by_a_request(memory: Memory) -> None:
    id = say(memory, "The canoe is moored at the old mill.")
    forgotten = memory.add("Please forget that the canoe is moored at the old mill.", user_id="alice").forgotten
    changes = {f.memory_id: f.change_id for f in forgotten}
    entry = fate(memory, id)
    assert entry.stage is Stage.RETIRED
    assert entry.change is not None
    assert entry.change.id == changes[id]


def test_erased(memory: Memory) -> None:
    id = say(memory, "The canoe is moored at the old mill.", id="m1")
    memory.erase(id, reason="by law")
    entry = fate(memory, id)
    assert entry.stage is Stage.ERASED
    assert entry.change is not None
    assert entry.change.action is Action.ERASE
    # The ledger does not know it any more.
    assert fate(memory, "m1").stage is Stage.NEVER_STORED


def test_a_message_that_only_repeats(memory: Memory) -> None:
    id = say(memory, "The canoe is moored at the old mill.")
    memory.search(QUESTION, user_id="alice")
    said = "As you told me, the canoe is moored at the old mill."
    again = memory.add({"content": said, "role": "assistant", "id": "e1"}, user_id="alice")
    assert [d.reason for d in again.duplicates] == ["echo"]
    entry = fate(memory, "e1")
    assert (entry.stage, entry.memory_id, entry.other_id) == (Stage.NO_MEMORY, None, id)
    assert id in entry.reason


def test_a_trace_is_no_recall(memory: Memory) -> None:
    say(memory, "The canoe is moored at the old mill.")
    memory.trace(QUESTION, user_id="alice")
    said = "As you told me, the canoe is moored at the old mill."
    assert memory.add({"content": said, "role": "assistant"}, user_id="alice").memories


def test_superseded(memory: Memory) -> None:
    old, new = statement("The canoe is moored at the mill"), statement("The canoe is moored at the weir")
    write(memory, AddMemory(memory=old), AddMemory(memory=new), Supersede(memory_id=old.id, by=new.id))
    entry = fate(memory, old.id, include_superseded=False)
    assert (entry.stage, entry.other_id) == (Stage.SUPERSEDED, new.id)
    assert entry.change is not None
    assert entry.change.reason == "said otherwise"
    lower = fate(memory, old.id, limit=1)
    assert (lower.stage, lower.place, lower.other_id) == (Stage.BELOW_THE_CUT, 2, new.id)
    assert "superseded took" in lower.reason
    assert lower.gaps[0].name == "superseded"


def test_expired(memory: Memory, clock: FakeClock) -> None:
    id = say(memory, "The canoe is moored at the old mill.", expires_at=clock() + timedelta(hours=1))
    assert fate(memory, id).stage is Stage.FOUND
    clock.advance(timedelta(hours=2))
    entry = fate(memory, id)
    assert (entry.stage, entry.text) == (Stage.EXPIRED, "The canoe is moored at the old mill.")
    shown = fate(memory, id, include_expired=True)
    assert (shown.stage, shown.place, shown.in_context) == (Stage.NOT_IN_CONTEXT, 1, False)
    assert "expired" in shown.reason


def test_filtered(memory: Memory) -> None:
    id = say(memory, "The canoe is moored at the old mill.", metadata={"topic": "boats", "year": 3})
    where = {"topic": "boats", "or": [{"year": {"gt": 3}}, {"open": True}]}
    entry = fate(memory, id, filters=where)
    assert entry.stage is Stage.FILTERED
    assert entry.condition == {"or": [{"metadata.year": {"gt": 3}}, {"metadata.open": {"eq": True}}]}
    kinds = fate(memory, id, kinds=["fact", "profile"], filters={"topic": "boats"})
    assert (kinds.stage, kinds.condition) == (Stage.FILTERED, {"kind": {"in": ["fact", "profile"]}})
    assert fate(memory, id, filters={"topic": "boats"}).stage is Stage.FOUND


def test_not_a_candidate(memory: Memory) -> None:
    id = say(memory, "My brother-in-law paints porcelain birds in winter.", run_id="other")
    crowd(memory, 60)
    found = memory.trace(QUESTION, expect=id, user_id="alice", limit=5)
    (entry,) = found.expected
    assert (entry.stage, entry.in_context) == (Stage.NOT_A_CANDIDATE, False)
    assert entry.place is not None
    assert entry.place > 5
    assert entry.fused is not None
    assert found.hits[-1].explanation is not None
    assert entry.fused < found.hits[-1].explanation.fused
    gaps = {g.name: g for g in entry.gaps}
    assert gaps["cosine"].own is not None
    assert gaps["cosine"].last is not None
    assert gaps["cosine"].own <= gaps["cosine"].last
    assert gaps["bm25"].own == 0
    assert "no word of the question" in entry.reason
    assert entry.place == found.counts.ranked + 1
    # With lists that are long enough, it is a candidate with the same signals.
    wide = fate(memory, id, limit=61)
    assert (wide.place, wide.score, wide.fused) == (61, entry.score, entry.fused)


def test_below_the_cut(memory: Memory) -> None:
    crowd(memory, 20)
    id = say(memory, "The canoe has a new paddle.")
    found = memory.trace(QUESTION, expect=id, user_id="alice", limit=3)
    (entry,) = found.expected
    assert entry.stage is Stage.BELOW_THE_CUT
    everything = [h.id for h in memory.search(QUESTION, user_id="alice", limit=25)]
    assert entry.place == everything.index(id) + 1 > 3
    last = found.hits[-1].explanation
    assert last is not None
    assert entry.fused is not None
    differences = [(g.own or 0) - (g.last or 0) for g in entry.gaps]
    assert differences == sorted(differences)
    assert sum(differences) == pytest.approx(entry.fused - last.fused)
    # The context looks further than the hits.
    assert entry.in_context
    assert "context" in entry.reason


def test_below_min_score(memory: Memory) -> None:
    id = say(memory, "The canoe is moored at the old mill.")
    score = memory.search(QUESTION, user_id="alice")[0].score
    entry = fate(memory, id, min_score=score + 0.001)
    assert (entry.stage, entry.score, entry.place) == (Stage.BELOW_MIN_SCORE, score, 1)
    assert fate(memory, id, min_score=score).stage is Stage.FOUND


def test_not_in_context(memory: Memory) -> None:
    crowd(memory, 8)
    id = say(memory, "The canoe is moored at the old mill.")
    entry = fate(memory, id, max_tokens=3)
    assert (entry.stage, entry.in_context) == (Stage.NOT_IN_CONTEXT, False)
    assert entry.place is not None
    assert "no room in 3 tokens" in entry.reason


@pytest.mark.parametrize("question", [QUESTION, "独木舟停在哪里？", "Where was I rowing before?"])
def test_every_memory_is_where_search_and_context_have_it(memory: Memory, question: str) -> None:
    crowd(memory, 55)
    memory.add(
        [{"content": t} for t in ("独木舟停在旧磨坊旁边。", "我去年划船去小岛。", "今天下雨。")], user_id="alice"
    )
    ids = [r.id for r in memory.get_all(user_id="alice").items]
    for limit, least, most in ((1, 0.0, 60), (5, 0.2, 30), (58, 0.0, 200)):
        shared: dict[str, Any] = {"user_id": "alice", "min_score": least}
        shown = [h.id for h in memory.search(question, limit=limit, **shared)]
        cited = {c.memory_id for c in memory.context(question, max_tokens=most, **shared).citations}
        entries = memory.trace(question, expect=ids, limit=limit, max_tokens=most, **shared).expected
        assert [e.memory_id for e in entries] == ids
        for entry in entries:
            assert entry.in_context == (entry.memory_id in cited)
            assert (entry.stage in (Stage.FOUND, Stage.NOT_IN_CONTEXT)) == (entry.memory_id in shown)
            if entry.memory_id in shown:
                assert entry.place == shown.index(entry.memory_id) + 1
                assert (entry.stage is Stage.FOUND) == entry.in_context
            else:
                assert entry.stage in (Stage.BELOW_THE_CUT, Stage.BELOW_MIN_SCORE, Stage.NOT_A_CANDIDATE)


def test_a_message_has_an_entry_for_each_memory(memory: Memory) -> None:
    id = say(memory, "I moored the canoe at the old mill.", id="m1")
    message = asyncio.run(memory.store.neighbours([id], ALICE, 0, 0))[0]
    fact = statement("Alice moored the canoe at the old mill", message.id)
    write(memory, AddMemory(memory=fact))
    for expect in ("m1", message.id):
        entries = memory.trace(QUESTION, expect=expect, user_id="alice").expected
        assert [e.memory_id for e in entries] == [id, fact.id]
        assert [(e.stage, e.hit_id, e.place) for e in entries] == [(Stage.FOUND, fact.id, 1)] * 2
    said_again = memory.trace(QUESTION, expect=[fact.id, "m1", fact.id], user_id="alice").expected
    assert [e.memory_id for e in said_again] == [fact.id, id, fact.id]


@pytest.mark.parametrize("rows", [1, 3, 4])
def test_messages_are_looked_for_page_by_page(memory: Memory, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keepstone.tracing.ROWS_AT_ONCE", rows)
    texts = ["Porcelain birds", "The canoe is moored at the mill.", "独木舟在河边", "It rains."]
    added = memory.add([{"content": t, "id": f"m{i}"} for i, t in enumerate(texts)], user_id="alice")
    memory.delete(added.memories[2].id)
    asked = ["m3", "nobody", "m0", "m2", "m1"]
    entries = memory.trace(QUESTION, expect=asked, user_id="alice").expected
    assert [e.id for e in entries] == asked
    wanted = [3, None, 0, 2, 1]
    assert [e.memory_id for e in entries] == [None if i is None else added.memories[i].id for i in wanted]
    assert [e.stage for e in entries[1:4:2]] == [Stage.NEVER_STORED, Stage.RETIRED]


def test_an_empty_question(memory: Memory) -> None:
    id = say(memory, "The canoe is moored at the old mill.")
    found = memory.trace("", expect=id, user_id="alice")
    assert (found.hits, found.terms, found.counts.candidates) == ((), (), 0)
    assert found.expected[0].stage is Stage.NOT_A_CANDIDATE
    assert "empty" in found.expected[0].reason


def test_without_an_embedder(open_memory: Open) -> None:
    memory = open_memory(embedder="none")
    id = say(memory, "Porcelain birds in winter")
    crowd(memory, 3)
    entry = fate(memory, id)
    assert (entry.stage, entry.place, entry.signals) == (Stage.NOT_A_CANDIDATE, None, ())
    assert [g.name for g in entry.gaps] == ["bm25"]


def test_all_scopes(memory: Memory) -> None:
    id = say(memory, "The canoe is moored at the harbour.", user_id="bob")
    assert memory.trace(QUESTION, expect=id, all_scopes=True).expected[0].stage is Stage.FOUND
    with pytest.raises(ScopeError):
        memory.trace(QUESTION, expect=id)


@pytest.mark.parametrize(
    "arguments", [{"limit": 0}, {"expect": []}, {"expect": 7}, {"expect": [""]}, {"max_tokens": 0}, {"min_score": 2}]
)
def test_bad_input(memory: Memory, arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError):
        memory.trace(QUESTION, user_id="alice", **arguments)


def test_the_question_is_embedded_once(open_memory: Open) -> None:
    embedder = HashingEmbedder()
    memory = open_memory(store=InMemoryStore(), embedder=embedder)
    id = say(memory, "The canoe is moored at the old mill.")
    before = embedder.calls
    memory.trace(QUESTION, expect=id, user_id="alice")
    assert embedder.calls == before + 1
