"""The laws of erasing, moving and searching: erase, reset, archive, re-embedding, ranking, jobs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from keepstone.errors import ConflictError, EmbedderMismatchError, NotFoundError
from keepstone.operations import AppendMessage, ArchivedMemory, Enqueue, Restore, Retire, Supersede
from keepstone.protocols import Store
from keepstone.testing._agreement import archive_row, observed, same, same_candidates
from keepstone.testing._script import (
    ALICE,
    OTHER_SPACE,
    MakeStore,
    Script,
    archived,
    found,
    jobs_of,
    listed,
    reference,
    refused,
    vector,
)
from keepstone.types import Action, Change, LedgerMessage, Scope, Status, plain

SECRET = "My bank code is tangerine-4711"


async def erasing_leaves_nothing(make_store: MakeStore) -> None:
    """Of what is erased, only the id stays, with one ERASE without text; every verb has forgotten the rest."""
    async with make_store() as store:
        script = Script()
        secret, kept = script.say(SECRET, id="m-1"), script.say("I like tea very much")
        first = script.batch(secret, kept, scope=ALICE, idempotency_key="k", fingerprint=b"one")
        await store.apply(first)
        id = secret.memory.id
        only = script.fact("The code is tangerine-4711", [secret.id])
        both = script.fact("Likes tea and has a code", [secret.id, kept.id])
        await store.apply(script.batch(only, both))
        job = Enqueue(id=script.id(), scope=ALICE, kind="test", payload={"deep": [{"memory": id}]})
        other = Enqueue(id=script.id(), scope=ALICE, kind="test", payload={"memory": kept.memory.id})
        await store.apply(script.batch(script.revise(id, SECRET + "!"), job, other))
        before = await observed(store, script)
        await refused(store.erase(ALICE, [kept.memory.id, "unknown"], script.batch()), NotFoundError)
        await refused(store.erase(Scope(user_id="bob"), [id], script.batch()), NotFoundError)
        same(await observed(store, script), before, "after an erase that was refused")
        receipt = await store.erase(ALICE, [id], script.batch(reason="asked"))
        assert (receipt.memories, receipt.messages, receipt.verified, receipt.residue) == (2, 1, True, 0)
        assert receipt.changes == 3
        await _forgotten(store, script, [id, only.memory.id], secret)
        (left,) = await store.get([both.memory.id], ALICE)
        assert left.sources == (kept.id,), "a memory with another source stays, without the erased one"
        claimed = await jobs_of(store).claim(["test"], 9, script.now, script.now + timedelta(seconds=1))
        assert [j.id for j in claimed] == [other.id], "a job that names the erased goes with it"
        assert await store.batch(ALICE, "k") is None
        await refused(store.erase(ALICE, [id], script.batch()), NotFoundError)
        anew = await store.apply(script.batch(script.say("Something else", id="m-1")))
        assert anew.outcomes[0].kind == "stored", "the caller's id is free again"


async def _forgotten(store: Store, script: Script, ids: Sequence[str], said: AppendMessage) -> None:
    assert await store.get(ids, ALICE) == []
    assert await store.messages([said.id], ALICE) == []
    assert await store.neighbours(ids, ALICE, 3, 3) == []
    assert not set(ids) & await found(store, script, SECRET)
    for id in ids:
        changes = await store.history(id, ALICE)
        assert [(c.action, c.old_text, c.new_text) for c in changes] == [(Action.ERASE, None, None)], id
    shown = [json.dumps(plain(r)) for r in await archived(store, ALICE, include_retired=True)]
    shown += [json.dumps(r.to_dict()) for r in await listed(store, script)]
    assert not [s for s in shown if "tangerine" in s], "erased text is still shown"
    assert (await store.stats(ALICE)).erased == len(ids)


async def erasing_by_message(make_store: MakeStore) -> None:
    """A message is erased by our id or the caller's, retired or not, with what came from it alone."""
    async with make_store() as store:
        script = Script()
        said = [script.say(SECRET, id="m-1"), script.say("I like tea"), script.say("I play the piano")]
        await store.apply(script.batch(*said))
        await store.apply(script.batch(Retire(memory_id=said[2].memory.id)))
        assert (await store.erase(ALICE, ["m-1"], script.batch())).memories == 1
        assert [r.text for r in await listed(store, script)] == ["I like tea"]
        assert (await store.erase(ALICE, [said[2].id], script.batch())).messages == 1
        receipt = await store.erase(Scope(), None, script.batch())
        assert (receipt.memories, receipt.messages) == (1, 1)
        assert (await store.erase(Scope(), None, script.batch())).memories == 0
        counted = await store.stats(Scope())
        assert (counted.memories, counted.messages, counted.retired, counted.erased) == (0, 0, 0, 3)


async def resetting_empties(make_store: MakeStore) -> None:
    """After a reset a tenant is as new, and its ids are free."""
    async with make_store() as store:
        script = Script()
        said = script.say(SECRET, id="m-1")
        await store.apply(script.batch(said, Enqueue(id=script.id(), scope=ALICE, kind="test", payload={})))
        await store.erase(ALICE, [said.id], script.batch())
        await store.reset("")
        counted = await store.stats(Scope())
        assert (counted.messages, counted.memories, counted.erased, counted.changes, counted.units) == (0, 0, 0, 0, 0)
        assert await archived(store, Scope(), include_retired=True) == []
        assert await jobs_of(store).claim(["test"], 9, script.now, script.now) == []
        await store.apply(script.batch(said))
        assert [r.sequence for r in await listed(store, script)] == [1]


async def archives_move(make_store: MakeStore) -> None:
    """What is dumped and loaded elsewhere, twice even, is the same there: texts, history, search, replays."""
    async with make_store() as store, make_store() as target:
        script = Script()
        await _varied(store, script)
        rows = await archived(store, Scope(), include_retired=True, limit=3)
        for tenant in ("", "copy"):
            mover = Script(Scope(tenant=tenant, user_id="alice"), seed=3)
            for _ in range(2):
                for row in rows:
                    scope = await _owner(store, row)
                    await target.apply(mover.batch(mover.load(row, replace(scope, tenant=tenant))))
            moved = await archived(target, Scope(tenant=tenant), include_retired=True)
            same([_moved(r) for r in moved], [_moved(r) for r in rows], f"archive loaded into tenant {tenant!r}")
            hits = await found(target, mover, "tea with Marta in the garden")
            assert hits == await found(store, script, "tea with Marta in the garden")
            again = await target.apply(mover.batch(mover.say("Tea in the garden", id="m-1")))
            assert again.outcomes[0].kind == "replay", "a message that was loaded is known"
            new = mover.say("Tea on the train")
            await target.apply(mover.batch(new))
            recency = {c.memory_id: c.recency for c in (await target.candidates(mover.ask("tea"))).items}
            assert max(recency, key=lambda id: recency[id]) == new.memory.id, "what is said now is the newest"
        await _moved_without_the_retired(store, target)
        missing = Script(seed=4)
        history = next(r for r in rows if isinstance(r, Change))
        async with make_store() as empty:
            await refused(empty.apply(missing.batch(missing.load(history, ALICE))), NotFoundError)


async def _moved_without_the_retired(store: Store, target: Store) -> None:
    """The archive that leaves out what was taken back can be loaded, and cannot bring it back."""
    mover = Script(Scope(tenant="without", user_id="alice"), seed=5)
    retired = ""
    for row in await archived(store, Scope()):
        if isinstance(row, ArchivedMemory) and row.record.status is Status.RETIRED:
            retired = row.record.id
        scope = await _owner(store, row)
        await target.apply(mover.batch(mover.load(row, replace(scope, tenant="without"))))
    there = Scope(tenant="without")
    assert (await target.stats(there)).retired == 1
    await refused(target.apply(mover.batch(Restore(memory_id=retired))), ConflictError)
    assert {c.new_text for c in await target.history(retired, there)} == {None}


async def _varied(store: Store, script: Script) -> None:
    said = [
        script.say("Tea in the garden", id="m-1"),
        script.say("Marta is a sister"),
        script.say("The piano is blue"),
        script.say("Tea with bob", scope=Scope(user_id="bob", run_id="monday")),
        script.say(SECRET),
    ]
    await store.apply(script.batch(*said))
    fact = script.fact("Marta likes tea", [said[0].id, said[1].id], derived_from=(said[1].memory.id,))
    await store.apply(script.batch(fact))
    await store.apply(script.batch(script.revise(said[2].memory.id, "The piano is small")))
    await store.apply(script.batch(Supersede(memory_id=said[1].memory.id, by=fact.memory.id)))
    await store.apply(script.batch(Retire(memory_id=said[2].memory.id), script.say("Tea in the garden")))
    await store.erase(ALICE, [said[4].id], script.batch())


async def _owner(store: Store, row: Any) -> Scope:
    if isinstance(row, LedgerMessage):
        return row.scope
    if isinstance(row, ArchivedMemory):
        return row.record.scope
    rows = await archived(store, Scope(), include_retired=True)
    return next(r.record.scope for r in rows if isinstance(r, ArchivedMemory) and r.record.id == row.memory_id)


def _moved(row: Any) -> Any:
    """Return a row without what a load gives anew."""
    if isinstance(row, LedgerMessage):
        return ("message", row.to_dict() | {"sequence": 0, "position": 0, "scope": row.scope.ids})
    if isinstance(row, ArchivedMemory):
        if row.record.status is Status.ERASED:
            return archive_row(replace(row, record=replace(row.record, scope=Scope())))
        loaded = plain(row) | {"recency": 0}
        loaded["record"] |= {"sequence": 0, "scope": row.record.scope.ids}
        return ("memory", loaded)
    return ("change", row.to_dict() | {"sequence": 0})


async def engines_rank_alike(make_store: MakeStore) -> None:
    """The signals and the ranking of a query are those of the reference, in one partition and over many."""
    async with make_store() as store, reference() as other:
        script = Script()
        said = [script.say(t, scope=Scope(user_id=u, agent_id="coach")) for u in ("alice", "bob") for t in SPEECH]
        for batch in [script.batch(*said[i : i + 9]) for i in range(0, len(said), 9)]:
            await store.apply(batch)
            await other.apply(batch)
        narrowings: tuple[dict[str, Any], ...] = ({}, {"limit": 5}, {"vector": None}, {"terms": {}})
        for query in (*SPEECH[::3], "Where does Marta live now?", "茶", "nothing of the sort", ""):
            for scope in (ALICE, Scope(agent_id="coach")):
                for fields in narrowings:
                    asked = script.ask(query, scope=scope, **fields)
                    await same_candidates(store, other, asked, f"{query!r} in {scope} with {fields}")
        gone = [Retire(memory_id=s.memory.id) for s in said[::4]]
        changed = script.revise(said[1].memory.id, "Marta sold the piano and bought a drum")
        batch = script.batch(*gone, changed, Supersede(memory_id=said[2].memory.id))
        for one in (store, other):
            await one.apply(batch)
        for query in SPEECH[::4]:
            await same_candidates(store, other, script.ask(query), f"{query!r} after some were retired")


SPEECH = (
    "Marta lives in Lyon and plays the piano every evening",
    "I moved from Paris to Lyon in March, the flat is small but bright",
    "My sister Marta bought a small blue piano",
    "Tea, never coffee, after lunch",
    "The dentist is on Tuesday at nine. Bring the card. Ask about the small tooth. Then take the train to Lyon.",
    "We went hiking along the river with the children and a dog that hates rain",
    "Coffee coffee coffee",
    "妹妹喜欢喝茶，不喜欢咖啡",
    "她去年搬到了上海，在浦东工作",
    "上海的冬天很冷，喝茶很舒服",
    "The code review is due on Friday",
    "Bob thinks that the garden needs water",
    "piano",
    "Marta lives in Lyon",
)


async def reembedding_changes_over(make_store: MakeStore) -> None:
    """New vectors gather beside the old ones, which serve until no unit lacks one; then the store changes over."""
    async with make_store() as store:
        script, other = Script(), Script(space=OTHER_SPACE, seed=1)
        said = [script.say(t) for t in SPEECH]
        await store.apply(script.batch(*said))
        await store.apply(
            script.batch(script.revise(said[0].memory.id, "Marta lives in Nice"), Retire(memory_id=said[1].memory.id))
        )
        assert await store.pending(await _space(store), 0, 99) == []
        todo = await store.pending(OTHER_SPACE, -1, 5)
        keys = [u.key for u in todo]
        assert len(todo) == 5
        assert keys == sorted(set(keys))
        passages = {s.content[u.span.start : u.span.end] for s in said for u in s.memory.units}
        assert {u.text for u in todo} <= passages | {"Marta lives in Nice"}
        await store.store_vectors(OTHER_SPACE, {u.key: vector(u.text, OTHER_SPACE) for u in todo})
        assert not await store.adopt(OTHER_SPACE)
        assert await store.embedder() == script.space
        assert len(await found(store, script, "piano")) == len(SPEECH) - 1
        after = -1
        while units := await store.pending(OTHER_SPACE, after, 4):
            after = units[-1].key
            await store.store_vectors(OTHER_SPACE, {u.key: vector(u.text, OTHER_SPACE) for u in units})
        late = script.say("Said in between")
        await store.apply(script.batch(late))
        assert not await store.adopt(OTHER_SPACE), "a unit that came meanwhile has no vector yet"
        (unit,) = await store.pending(OTHER_SPACE, -1, 9)
        await store.store_vectors(OTHER_SPACE, {unit.key: vector(unit.text, OTHER_SPACE)})
        assert await store.adopt(OTHER_SPACE)
        assert await store.embedder() == OTHER_SPACE
        await refused(store.apply(script.batch(script.say("In the old space"))), EmbedderMismatchError)
        await refused(store.candidates(script.ask("piano")), EmbedderMismatchError)
        candidates = await store.candidates(other.ask("Said in between"))
        best = max(candidates.items, key=lambda c: c.cosine or 0.0)
        assert best.memory_id == late.memory.id
        assert best.cosine is not None
        assert abs(best.cosine - 1) < 0.01
        assert (await store.stats(ALICE)).unembedded == 0


async def _space(store: Store) -> Any:
    space = await store.embedder()
    assert space is not None
    return space


async def jobs_are_leased(make_store: MakeStore) -> None:
    """A due job goes to one worker at a time, in order in its lane, and again if the lease runs out."""
    async with make_store() as store:
        script, queue = Script(), jobs_of(store)
        bob = Scope(user_id="bob")
        jobs = [
            Enqueue(id=script.id(), scope=ALICE, kind="extract", payload={"n": [1, "二"]}, lane="alice"),
            Enqueue(id=script.id(), scope=ALICE, kind="extract", payload={"n": 2}, lane="alice"),
            Enqueue(id=script.id(), scope=bob, kind="extract", payload={"n": 3}, lane="bob"),
            Enqueue(id=script.id(), scope=bob, kind="merge", payload={}),
            Enqueue(id=script.id(), scope=bob, kind="merge", payload={}),
        ]
        batch = script.batch(*jobs)
        await store.apply(batch)
        a1, a2, b3, m4, m5 = (j.id for j in jobs)
        now, later = batch.at, batch.at + timedelta(seconds=60)
        claimed = await queue.claim(["extract"], 9, now, later)
        assert [(j.id, j.attempts) for j in claimed] == [(a1, 1), (b3, 1)], "one of each lane, oldest first"
        assert (claimed[0].scope, claimed[0].kind, claimed[0].lane, claimed[0].payload, claimed[0].lease_until) == (
            ALICE, "extract", "alice", {"n": [1, "二"]}, later,
        )  # fmt: skip
        assert await queue.claim(["extract"], 9, now, later) == []
        assert [j.id for j in await queue.claim(["merge", "extract"], 1, now, later)] == [m4], "no more than the limit"
        assert [j.id for j in await queue.claim(["merge"], 9, now, later)] == [m5], (
            "jobs without a lane are independent"
        )
        await queue.finish(a1)
        assert [j.id for j in await queue.claim(["extract"], 9, now, later)] == [a2]
        a6 = Enqueue(id=script.id(), scope=ALICE, kind="extract", payload={"n": 6}, lane="alice")
        await store.apply(script.batch(a6))
        await queue.retry(a2, "the model was down", later)
        assert await queue.claim(["extract"], 9, script.now, later) == [], (
            "what waits to be tried again keeps its place"
        )
        end = later + timedelta(seconds=60)
        again = {j.id: j.attempts for j in await queue.claim(["extract", "merge"], 9, later, end)}
        assert again == {a2: 2, b3: 2, m4: 2, m5: 2}, "leases ran out"
        await queue.retry(a2, "bad reply", None)
        for id in (b3, m4, m5, "unknown"):
            await queue.finish(id)
        left = await queue.claim(["extract", "merge"], 9, end, end + timedelta(seconds=60))
        assert [j.id for j in left] == [a6.id], "a dead letter stays where it is, out of the way"
