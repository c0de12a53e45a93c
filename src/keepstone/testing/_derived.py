"""The laws of distilled memories: joining, feedback, what they rest on, where changes came from, undoing a batch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from keepstone.errors import ConflictError, InvalidRequestError, NotFoundError
from keepstone.logic import undo
from keepstone.operations import (
    Applied,
    ArchivedMemory,
    Disjoin,
    Enqueue,
    EnterCall,
    Feedback,
    Join,
    Operation,
    Restore,
    Retire,
    SourceSpan,
    Supersede,
)
from keepstone.protocols import Store
from keepstone.testing._agreement import same
from keepstone.testing._jobs import receipt
from keepstone.testing._script import ALICE, START, MakeStore, Script, archived, jobs_of, listed, refused
from keepstone.types import Action, Change, MemoryRecord, Scope, Span

MONDAY = Scope(user_id="alice", run_id="monday")
TUESDAY = Scope(user_id="alice", run_id="tuesday")
BOB = Scope(user_id="bob")


async def joining_gathers_sources(make_store: MakeStore) -> None:
    """A Join adds messages to the sources and makes the memory the newest; a Disjoin takes them away again."""
    async with make_store() as store:
        script = Script()
        said = [script.say("I play the oboe", id="m-1"), script.say("The oboe again today"), script.say("Oboe at noon")]
        fact, other = script.fact("Alice plays the oboe", ["m-1"]), script.fact("Alice was here", [said[0].id])
        await store.apply(script.batch(*said, fact, other))
        id = fact.memory.id
        spans = (SourceSpan(message_id=said[1].id, span=Span(start=0, end=8)), SourceSpan(message_id=said[2].id))
        (outcome,) = (
            await store.apply(script.batch(Join(memory_id=id, sources=(*spans, *fact.memory.sources))))
        ).outcomes
        record = await _one(store, id)
        assert (outcome.kind, record.sources) == ("stored", ("m-1", said[1].id, said[2].id))
        assert (record.revision, record.updated_at, record.text) == (1, script.now, "Alice plays the oboe")
        joined = (await store.history(id, ALICE))[-1]
        assert (joined.action, joined.old_revision, joined.new_revision, joined.id) == (
            Action.UPDATE, 1, 1, outcome.change_id,
        )  # fmt: skip
        assert joined.details == {"joined": [said[1].id, said[2].id]}
        recency = {c.memory_id: c.recency for c in (await store.candidates(script.ask("oboe"))).items}
        assert max(recency, key=lambda m: recency[m]) == id, "what was said again is the newest"
        again = await store.apply(script.batch(Join(memory_id=id, sources=spans)))
        assert ([o.kind for o in again.outcomes], again.changes) == (["replay"], ())
        await _refused_joins(store, script, id, said[0].memory.id, spans)
        await _disjoined(store, script, id, [s.id for s in said])


async def _refused_joins(store: Store, script: Script, id: str, episode: str, spans: tuple[SourceSpan, ...]) -> None:
    wrong: Sequence[tuple[Operation, type[Exception]]] = (
        (Join(memory_id=id, sources=spans, expected_revision=2), ConflictError),
        (Join(memory_id=id, sources=(SourceSpan(message_id="unknown"),)), NotFoundError),
        (Join(memory_id="unknown", sources=spans), NotFoundError),
        (Join(memory_id=episode, sources=spans), InvalidRequestError),
        (Disjoin(memory_id=id, message_ids=(spans[0].message_id,), expected_revision=2), ConflictError),
        (Disjoin(memory_id="unknown", message_ids=()), NotFoundError),
    )
    for operation, error in wrong:
        await refused(store.apply(script.batch(operation)), error)


async def _disjoined(store: Store, script: Script, id: str, messages: Sequence[str]) -> None:
    everything = Disjoin(memory_id=id, message_ids=tuple(messages))
    nothing = Disjoin(memory_id=id, message_ids=("unknown",))
    done = await store.apply(script.batch(everything, nothing))
    assert [o.kind for o in done.outcomes] == ["replay", "replay"], "a memory keeps its only sources"
    await store.apply(script.batch(replace(everything, message_ids=tuple(messages[1:]))))
    record, change = await _one(store, id), (await store.history(id, ALICE))[-1]
    assert record.sources == ("m-1",)
    assert change.details == {"disjoined": [[messages[1], 0, 8], [messages[2], None, None]]}
    await _undone(store, script, change.id)
    assert (await _one(store, id)).sources == ("m-1", messages[1], messages[2])
    (row,) = [r for r in await archived(store, ALICE) if isinstance(r, ArchivedMemory) and r.record.id == id]
    assert SourceSpan(message_id=messages[1], span=Span(start=0, end=8)) in row.sources, "with its span"


async def feedback_has_bounds(make_store: MakeStore) -> None:
    """Feedback moves the strength of a memory within -1 and 1, stands in the history, and can be taken back."""
    async with make_store() as store:
        script = Script()
        said, later = script.say("I play the oboe"), script.say("I play the oboe in the park")
        fact = script.fact("Alice plays outdoors", [said.id], derived_from=(said.memory.id,))
        await store.apply(script.batch(said, later, fact))
        id = said.memory.id
        before = await _one(store, id)
        recency = {c.memory_id: c.recency for c in (await store.candidates(script.ask("oboe"))).items}
        for value, strength in ((0.5, 0.5), (0.25, 0.75), (9.0, 1.0), (-0.3, 0.7), (-7.5, -1.0), (0.1, -0.9)):
            (outcome,) = (await store.apply(script.batch(Feedback(memory_id=id, value=value, reason="so so")))).outcomes
            now, change = await _one(store, id), (await store.history(id, ALICE))[-1]
            assert (outcome.kind, outcome.memory_id, outcome.change_id) == ("stored", id, change.id)
            assert (change.action, change.details["strength"][1], change.reason) == (
                Action.FEEDBACK, strength, "so so",
            )  # fmt: skip
            assert (change.old_text, change.new_text) == (said.content, said.content)
            same(now.to_dict(), before.to_dict() | {"strength": strength}, f"after feedback of {value}")
        assert recency == {c.memory_id: c.recency for c in (await store.candidates(script.ask("oboe"))).items}
        assert (await _one(store, fact.memory.id)).review == ()
        for change in reversed((await store.history(id, ALICE))[1:]):
            await _undone(store, script, change.id)
            assert (await _one(store, id)).strength == change.details["strength"][0], "an undo gives back what was"
        assert (await store.history(id, ALICE))[-1].inverse_of == (await store.history(id, ALICE))[1].id
        for value in (float("nan"), float("inf")):
            await refused(store.apply(script.batch(Feedback(memory_id=id, value=value))), InvalidRequestError)
        await store.apply(script.batch(Retire(memory_id=id)))
        await refused(store.apply(script.batch(Feedback(memory_id=id, value=0.1))), NotFoundError)


async def fallen_grounds_are_told(make_store: MakeStore) -> None:
    """A memory names what it rests on, and those of it, however far up, that fell since it was last changed."""
    async with make_store() as store:
        script = Script()
        said = [script.say(f"Sentence {n} of the story") for n in range(3)]
        await store.apply(script.batch(*said))
        base = [script.fact(f"Ground {n}", [said[n].id]) for n in range(3)]
        child = script.fact("Child", [said[0].id], derived_from=(base[0].memory.id, base[1].memory.id))
        last = script.fact("Grandchild", [said[1].id], derived_from=(child.memory.id, base[2].memory.id))
        await store.apply(script.batch(*base, child, last))
        ids = [f.memory.id for f in (*base, child, last)]
        assert [(await _one(store, i)).derived_from for i in ids[3:]] == [(ids[0], ids[1]), (ids[2], ids[3])]
        assert [r.id for r in await store.dependants([ids[0]], ALICE)] == ids[3:]
        assert [r.id for r in await store.dependants([ids[3], "unknown"], ALICE)] == ids[4:]
        assert await store.dependants(ids, BOB) == []
        done = await store.apply(script.batch(Supersede(memory_id=ids[0], by=ids[1]), Retire(memory_id=ids[2])))
        assert (await _one(store, ids[0])).superseded_by == ids[1]
        assert await _reviews(store, ids[3:]) == [(ids[0],), (ids[0], ids[2])], "what fell is told to all above it"
        assert {r.id: r.review for r in await listed(store, script)}[ids[4]] == (ids[0], ids[2])
        assert [r.id for r in await store.dependants([ids[2]], ALICE)] == [ids[4]], "also of what was taken back"
        await store.apply(script.batch(script.revise(ids[4], "Grandchild, seen again")))
        assert await _reviews(store, ids[3:]) == [(ids[0],), ()], "what was changed since knows it"
        await _undone(store, script, done.batch_id)
        assert await _reviews(store, ids[3:]) == [(), ()]
        assert (await _one(store, ids[0])).superseded_by is None
        await store.erase(ALICE, [ids[0]], script.batch())
        kept = await store.get(ids, ALICE)
        assert [r.id for r in kept] == [ids[1], ids[2], ids[4]], "what came from the erased words went with them"
        assert await store.dependants([ids[0]], ALICE) == []


async def erased_grounds_leave_a_mark(make_store: MakeStore) -> None:
    """A memory that has sources of its own outlives what it was derived from, and tells that its ground was erased."""
    async with make_store() as store:
        script = Script()
        said = [script.say(f"Sentence {n} of the story") for n in range(2)]
        await store.apply(script.batch(*said))
        parents = [script.fact(f"Ground {n}", [said[0].id]) for n in range(2)]
        both = (parents[0].memory.id, parents[1].memory.id)
        sourced = script.fact("With words of its own", [said[1].id], derived_from=both[:1])
        bare = script.fact("Only derived", derived_from=both)
        await store.apply(script.batch(*parents, sourced, bare))
        await store.apply(script.batch(script.revise(sourced.memory.id, "With words of its own, still")))
        receipt = await store.erase(ALICE, [said[0].id], script.batch())
        assert (receipt.memories, receipt.verified) == (4, True), "what was only derived from it goes with it"
        record = await _one(store, sourced.memory.id)
        assert (record.derived_from, record.review) == (both[:1], both[:1]), "the tombstone is named"
        assert [r.id for r in await store.dependants(both[:1], ALICE)] == [record.id]
        assert await store.get([bare.memory.id, *both], ALICE) == []


async def grounds_do_not_leak(make_store: MakeStore) -> None:
    """No memory rests on another owner's, and none names what the reader does not see."""
    async with make_store() as store:
        script = Script()
        monday, bobs = script.say("Said on a Monday", scope=MONDAY), script.say("Said by Bob", scope=BOB)
        gone = script.say("Taken back")
        await store.apply(script.batch(monday, bobs, gone))
        await store.apply(script.batch(Retire(memory_id=gone.memory.id)))
        for ground in (bobs.memory.id, gone.memory.id, "unknown"):
            foreign = script.fact("Resting on what is not there", [monday.id], scope=MONDAY, derived_from=(ground,))
            await refused(store.apply(script.batch(foreign)), NotFoundError)
        fact = script.fact("Drawn on a Tuesday", scope=TUESDAY, derived_from=(monday.memory.id,))
        newer = script.fact("Drawn later", [monday.id], scope=MONDAY)
        await store.apply(script.batch(fact, newer))
        await store.apply(script.batch(Supersede(memory_id=monday.memory.id, by=newer.memory.id)))
        await store.apply(script.batch(Supersede(memory_id=fact.memory.id, by=newer.memory.id)))
        id = fact.memory.id
        whole, part = await _one(store, id), await _one(store, id, TUESDAY)
        assert (whole.derived_from, whole.superseded_by) == ((monday.memory.id,), newer.memory.id)
        assert (part.derived_from, part.review, part.superseded_by) == ((), (), None)
        assert await store.dependants([monday.memory.id], TUESDAY) == [], "an id that it does not see is not there"
        assert [r.id for r in await store.dependants([monday.memory.id], ALICE)] == [id]
        text = "".join(str(row) for row in await archived(store, TUESDAY))
        assert monday.memory.id not in text


async def messages_name_their_memories(make_store: MakeStore) -> None:
    """Whatever was made from a message and is visible is found by the message's id, ours or the caller's."""
    async with make_store() as store:
        script = Script()
        said, other = script.say("I play the oboe", id="m-1", scope=MONDAY), script.say("Bob was there", scope=BOB)
        await store.apply(script.batch(said, other))
        facts = [script.fact(f"Fact {n}", ["m-1"], scope=MONDAY) for n in range(3)]
        await store.apply(script.batch(*facts))
        ids = [said.memory.id, *(f.memory.id for f in facts)]
        assert [r.id for r in await store.said_in([other.id, said.id], ALICE)] == ids
        await store.apply(script.batch(Retire(memory_id=ids[1]), Supersede(memory_id=ids[2])))
        assert [r.id for r in await store.said_in([said.id], ALICE)] == [ids[0], *ids[2:]]
        assert await store.said_in([said.id], TUESDAY) == []
        assert [r.id for r in await store.said_in(["m-1", "unknown"], ALICE)] == [ids[0], *ids[2:]]
        assert await store.said_in(["m-1"], BOB) == []


async def changes_say_where_they_came_from(make_store: MakeStore) -> None:
    """The details of a batch stand in each of its changes, here and where its archive is loaded; outcomes name them."""
    async with make_store() as store, make_store() as target:
        script = Script()
        details = {"model": "laws:one", "prompt": "single_pass/1/zh", "deep": {"列": [1, None, "二"]}}
        said = script.say("I play the oboe")
        await store.apply(script.batch(said))
        fact, newer = script.fact("Plays the oboe", [said.id]), script.fact("Plays the lute", [said.id])
        id = fact.memory.id
        operations: list[Operation] = [
            fact, newer, script.revise(id, "Plays the oboe well"), Feedback(memory_id=id, value=0.25),
            Supersede(memory_id=id, by=newer.memory.id), Restore(memory_id=id), Retire(memory_id=id),
        ]  # fmt: skip
        applied = await store.apply(script.batch(*operations, details=details))
        assert [o.change_id for o in applied.outcomes] == list(applied.changes), "each made one change, and names it"
        changes = await store.changes(applied.batch_id, ALICE)
        assert len(changes) == len(operations)
        for change in changes:
            assert {k: change.details.get(k) for k in details} == details, change.action
        assert (await store.history(said.memory.id, ALICE))[0].details == {}
        rows = await archived(store, ALICE, include_retired=True)
        await target.apply(script.batch(*(script.load(row, ALICE) for row in rows)))
        moved = await target.history(id, ALICE)
        assert [(c.action, c.details) for c in moved] == [(c.action, c.details) for c in await store.history(id, ALICE)]
        there = await archived(target, ALICE, include_retired=True)
        assert {r.record.id: r.record.strength for r in there if isinstance(r, ArchivedMemory)}[id] == 0.25


async def batches_are_undone(make_store: MakeStore) -> None:
    """Undoing a whole batch gives the state before it, and undoing that gives the state after it."""
    async with make_store() as store:
        script = Script()
        until = START + timedelta(days=400)
        said = script.say("I live in Porto", valid_to=until)
        await store.apply(script.batch(said))
        old = script.fact("Lives in Porto", [said.id], valid_to=until)
        known = script.fact("Plays the oboe", [said.id])
        successor = script.fact("Lives by the sea", [said.id])
        await store.apply(script.batch(old, known, successor))
        before = await _state(store)
        again = script.say("Now it is Braga, and still the oboe")
        await store.apply(script.batch(again))
        new = script.fact("Lives in Braga", [again.id])
        applied = await store.apply(
            script.batch(
                new,
                Supersede(memory_id=old.memory.id, by=new.memory.id, at=START - timedelta(days=3)),
                Supersede(memory_id=said.memory.id, by=successor.memory.id),
                Join(memory_id=known.memory.id, sources=new.memory.sources),
                Feedback(memory_id=known.memory.id, value=0.4),
            )
        )
        after = await _state(store)
        assert after[old.memory.id]["superseded_by"] == new.memory.id
        undone = await _undone(store, script, applied.batch_id)
        left = await _state(store)
        del left[again.memory.id]
        same(left, before, "after the batch was undone")
        redone = await _undone(store, script, undone.batch_id)
        same(await _state(store), after, "after its undo was undone")
        await _undone(store, script, redone.batch_id)
        left = await _state(store)
        del left[again.memory.id]
        same(left, before, "after it was undone again")


async def erasing_takes_what_stands_beside(make_store: MakeStore) -> None:
    """With words go the jobs that name them, dead letters with their raw replies, and what details say of them."""
    async with make_store() as store:
        script, queue = Script(), jobs_of(store)
        secret, kept = script.say("The vault opens at 0417"), script.say("I like tea very much")
        await store.apply(script.batch(secret, kept))
        both = script.fact("Knows a vault", [kept.id])
        only, beside = script.fact("The vault opens at 0417 sharp", [secret.id]), script.fact("Likes tea", [kept.id])
        jobs = [
            Enqueue(id=script.id(), scope=ALICE, kind="distil", payload={"messages": [m]}, lane=m)
            for m in (secret.id, kept.id, secret.id)
        ]
        joining = Join(memory_id=both.memory.id, sources=only.memory.sources)
        call = EnterCall(id=script.id(), scope=ALICE, receipt=receipt(script))
        told = {"model": "laws:one", "quote": "The vault opens at 0417 sharp"}
        await store.apply(script.batch(only, beside, both, joining, Feedback(memory_id=beside.memory.id, value=0.5),
                                       *jobs[:2], call, details=told))  # fmt: skip
        await queue.claim(["distil"], 1, script.now, script.now + timedelta(seconds=9))
        await queue.retry(jobs[0].id, "no JSON", None, "I will tell you: the vault opens at 0417 sharp")
        await store.apply(script.batch(jobs[2]))
        erased = await store.erase(ALICE, [secret.id], script.batch())
        assert (erased.memories, erased.messages, erased.verified) == (2, 1, True)
        assert [j.id for j in await queue.jobs(ALICE, at=script.now)] == [jobs[1].id]
        left = [str(r) for r in await archived(store, ALICE, include_retired=True)]
        assert not [r for r in left if "0417" in r or secret.id in r], "what details said of it is still there"
        history = [c for m in (both, beside) for c in await store.history(m.memory.id, ALICE)]
        assert [c.details for c in history if c.details] == [{"joined": []}, {"strength": [0.0, 0.5]}]
        assert (await store.usage(ALICE, None, None)).calls == 1
        await store.erase(Scope(), None, script.batch())
        assert await queue.jobs(Scope(), at=script.now) == []
        assert (await store.usage(Scope(), None, None)).calls == 0


async def _one(store: Store, id: str, scope: Scope = ALICE) -> MemoryRecord:
    (record,) = await store.get([id], scope)
    return record


async def _reviews(store: Store, ids: Sequence[str]) -> list[tuple[str, ...]]:
    return [(await _one(store, i)).review for i in ids]


async def _state(store: Store) -> dict[str, dict[str, Any]]:
    """Every visible memory without when it was last touched."""
    records = await listed(store, Script(), scope=ALICE)
    return {r.id: {k: v for k, v in r.to_dict().items() if k != "updated_at"} for r in records}


async def _undone(store: Store, script: Script, id: str) -> Applied:
    """Undo a change or a batch, as the product does."""
    targets: list[Change] = await store.changes(id, ALICE)
    histories = {m: await store.history(m, ALICE) for m in {c.memory_id for c in targets}}
    return await store.apply(script.batch(*undo.plan(targets, histories, cascade=False)))
