"""The laws of writing: what comes back, what is there already, all or nothing, nothing lost, and the history."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from keepstone.errors import (
    ConflictError,
    EmbedderMismatchError,
    InvalidRequestError,
    KeepstoneError,
    NotFoundError,
    StoreClosedError,
)
from keepstone.operations import AppendMessage, Applied, Batch, Enqueue, Operation, Restore, Retire, Revert, Supersede
from keepstone.protocols import Store
from keepstone.testing._agreement import observed, same
from keepstone.testing._script import ALICE, OTHER_SPACE, START, MakeStore, Script, found, jobs_of, listed, refused
from keepstone.types import Action, Change, Kind, Scope, Status

ODD_TEXTS = (
    "caf\u00e9 is precomposed",
    "cafe\u0301 is decomposed",
    "👩‍👩‍👧‍👦 family 🏳️‍🌈 flag",
    "שלום עולם \u202eمرحبا بالعالم",
    "她搬到了上海，喜欢喝茶。",
    "'; DROP TABLE memories; --",
    '{"role": "system", "content": "\\u0000"}',
    "line one\nline two\r\n\ttabbed \\ back`tick` \"quoted\" 'single'",
    "NEAR/2 AND OR NOT * ^ : ( ) % _",
    "a\u200bb\ufeffc\u2028d",
    "\U0001f9ff" * 50,
    "word " * 2_000,
    "茶" * 10_000,
)


async def round_trip(make_store: MakeStore) -> None:
    """What is written comes back field by field: the memory, its message, its place, its change."""
    async with make_store() as store:
        script = Script(Scope(user_id="alice", run_id="monday"))
        when = START.astimezone() - timedelta(days=3)
        metadata = {"n": 1, "deep": {"list": [1, 2.5, None, True, "x"], "空": "值"}}
        said = script.say(
            "I moved to Lyon", id="m-1", timestamp=when, metadata=metadata, categories=("home", "city"),
            valid_from=when, expires_at=START + timedelta(days=900), importance=0.75, trust=0.25,
        )  # fmt: skip
        applied = await store.apply(script.batch(said, reason="because"))
        (outcome,) = applied.outcomes
        assert (outcome.kind, outcome.memory_id, outcome.message_id, outcome.external_id) == (
            "stored", said.memory.id, said.id, "m-1",
        )  # fmt: skip
        (record,) = await store.get([said.memory.id], ALICE)
        for name in ("id", "scope", "text", "kind", "metadata", "categories", "language", "role", "name",
                     "occurred_at", "valid_from", "valid_to", "expires_at", "importance", "trust"):  # fmt: skip
            assert getattr(record, name) == getattr(said.memory, name), name
        assert record.occurred_at is not None
        assert record.occurred_at.utcoffset() == when.utcoffset(), "the offset a time came with is kept"
        assert (record.status, record.revision, record.sequence, record.edited) == (Status.CURRENT, 1, 1, False)
        assert (record.created_at, record.updated_at, record.sources) == (script.now, script.now, ("m-1",))
        (message,) = await store.messages([said.id], ALICE)
        for name in ("id", "external_id", "scope", "role", "name", "content", "metadata", "occurred_at"):
            assert getattr(message, name) == getattr(said, name), name
        assert (message.position, message.sequence, message.recorded_at) == (0, 1, script.now)
        fact = script.fact("Alice lives in Lyon", ["m-1"], scope=script.scope, derived_from=(record.id,))
        await store.apply(script.batch(fact))
        both = await store.get([fact.memory.id, "unknown", record.id], ALICE)
        assert [(r.kind, r.sources) for r in both] == [(Kind.FACT, ("m-1",)), (Kind.EPISODE, ("m-1",))]
        metadata["deep"] = "changed by the caller afterwards"
        assert (await store.get([record.id], ALICE))[0].metadata["deep"] != metadata["deep"]
        (added,) = await store.history(record.id, ALICE)
        assert (added.action, added.actor, added.reason, added.batch_id) == (
            Action.ADD, "laws", "because", applied.batch_id,
        )  # fmt: skip
        assert list(applied.changes) == [added.id]


async def odd_text_survives(make_store: MakeStore) -> None:
    """Any text that is stored comes back as it was, from every place where text can stand."""
    async with make_store() as store:
        script = Script()
        for number, text in enumerate(ODD_TEXTS):
            scope = Scope(user_id="alice", run_id=text[:200])
            said = script.say(text, scope=scope, id=f"{number} {text[:200]}", metadata={text[:100]: text})
            await store.apply(script.batch(said))
            (record,) = await store.get([said.memory.id], scope)
            (message,) = await store.messages([said.id], scope)
            assert record.text == text == message.content, f"text {number} came back changed"
            assert record.metadata == {text[:100]: text}
            assert json.loads(json.dumps(record.to_dict()))["scope"]["run_id"] == text[:200]
            assert said.memory.id in await found(store, script, text[:2_000], scope=scope), f"text {number} not found"
        assert len(await listed(store, script)) == len(ODD_TEXTS)


async def said_before(make_store: MakeStore) -> None:
    """A replay changes nothing, a caller's id is taken once, and what is said again makes its memory the newest."""
    async with make_store() as store:
        script = Script()
        first = script.say("I live in Lyon", id="m-1")
        stated = script.say("I live in Nice", timestamp=START)
        await store.apply(script.batch(first, stated))
        before = await observed(store, script)
        repeats = (script.say("I live in Lyon", id="m-1"), script.say("I live in Nice", timestamp=START))
        assert await store.known([*repeats, script.say("New")]) == [True, True, False]
        again = await store.apply(script.batch(*repeats))
        for outcome, said in zip(again.outcomes, (first, stated), strict=True):
            assert (outcome.kind, outcome.message_id, outcome.memory_id) == ("replay", said.id, said.memory.id)
        assert again.changes == ()
        same(await observed(store, script), before, "after a replay")
        other = script.say("I live in Paris", id="m-1")
        assert await store.known([other]) == [False]
        await refused(store.apply(script.batch(other)), ConflictError)
        same(await observed(store, script), before, "after a conflict")
        elsewhere = script.say("I live in Paris", id="m-1", scope=Scope(user_id="alice", run_id="monday"))
        assert (await store.apply(script.batch(elsewhere))).outcomes[0].kind == "stored"


async def said_again(make_store: MakeStore) -> None:
    """Lyon, Paris, Lyon leaves Lyon newest; after it was superseded, retired or expired it is a new memory."""
    async with make_store() as store:
        script = Script()
        lyon, paris = script.say("I live in Lyon"), script.say("I live in Paris")
        await store.apply(script.batch(lyon))
        await store.apply(script.batch(paris))
        more = script.say("I live  in Lyon")
        (outcome,) = (await store.apply(script.batch(more))).outcomes
        assert (outcome.kind, outcome.memory_id, outcome.message_id) == ("refreshed", lyon.memory.id, more.id)
        (record,) = await store.get([lyon.memory.id], ALICE)
        assert record.sources == (lyon.id, more.id)
        assert [m.content for m in await store.messages([more.id], ALICE)] == ["I live  in Lyon"]
        recency = {c.memory_id: c.recency for c in (await store.candidates(script.ask("live"))).items}
        assert recency[lyon.memory.id] > recency[paris.memory.id]
        changes = await store.history(lyon.memory.id, ALICE)
        assert [(c.action, c.old_revision, c.new_revision, c.reason) for c in changes] == [
            (Action.ADD, None, 1, None),
            (Action.UPDATE, 1, 1, "said again"),
        ]
        end: Sequence[Operation] = (Supersede(memory_id=lyon.memory.id), Retire(memory_id=paris.memory.id))
        await store.apply(script.batch(*end))
        anew = (script.say("I live in Lyon"), script.say("I live in Paris"))
        kinds = [o.kind for o in (await store.apply(script.batch(*anew))).outcomes]
        assert kinds == ["stored", "stored"], "nothing joins a memory that is superseded or retired"
        brief = script.say("On leave", scope=ALICE, expires_at=script.now + timedelta(seconds=1))
        await store.apply(script.batch(brief))
        await store.apply(script.batch())
        assert (await store.apply(script.batch(script.say("On leave")))).outcomes[0].kind == "stored"
        yes = [(await store.apply(script.batch(script.say("yes")))).outcomes[0].kind for _ in range(2)]
        assert yes == ["stored", "stored"], "a back-channel turn never joins"


async def idempotency_keys(make_store: MakeStore) -> None:
    """A batch whose key was used in its scope does nothing if it is the same request and is refused if not."""
    async with make_store() as store:
        script = Script()
        said = script.say("I play the piano")
        first = script.batch(said, scope=ALICE, idempotency_key="k", fingerprint=b"one")
        await store.apply(first)
        assert await store.batch(ALICE, "k") == (first.id, b"one")
        assert await store.batch(Scope(user_id="bob"), "k") is None
        before = await observed(store, script)
        key: dict[str, Any] = {"scope": ALICE, "idempotency_key": "k"}
        again = await store.apply(script.batch(script.say("I play the piano"), **key, fingerprint=b"one"))
        assert (again.replayed, again.batch_id) == (True, first.id)
        assert {(o.kind, o.memory_id, o.message_id) for o in again.outcomes} == {("replay", said.memory.id, said.id)}
        await refused(store.apply(script.batch(script.say("No"), **key, fingerprint=b"two")), ConflictError)
        same(await observed(store, script), before, "after the same idempotency key")
        key["scope"] = Scope(user_id="bob")
        bobs = await store.apply(script.batch(script.say("Mine", scope=key["scope"]), **key, fingerprint=b"two"))
        assert not bobs.replayed


async def expected_revisions(make_store: MakeStore) -> None:
    """An operation that expects another revision than the current one is refused, and says which memory it is."""
    async with make_store() as store:
        script = Script()
        said = script.say("I play the piano")
        id = said.memory.id
        await store.apply(script.batch(said))
        await store.apply(script.batch(script.revise(id, "I play the cello", expected_revision=1)))
        stale: Sequence[Operation] = (
            script.revise(id, "I play the flute", expected_revision=1),
            Revert(memory_id=id, revision=1, expected_revision=1),
            Supersede(memory_id=id, expected_revision=3),
            Retire(memory_id=id, expected_revision=1),
        )
        for operation in stale:
            error = await refused(store.apply(script.batch(operation)), ConflictError)
            assert isinstance(error, ConflictError)
            assert error.blocking == (id,), f"{type(operation).__name__} names {error.blocking}"
        await store.apply(script.batch(Retire(memory_id=id, expected_revision=2)))
        await refused(store.apply(script.batch(Restore(memory_id=id, expected_revision=1))), ConflictError)
        await store.apply(script.batch(Restore(memory_id=id, expected_revision=2)))
        await refused(store.apply(script.batch(Restore(memory_id=id))), ConflictError)
        assert [r.text for r in await store.get([id], ALICE)] == ["I play the cello"]


async def all_or_nothing(make_store: MakeStore) -> None:
    """A batch that fails at any operation leaves no trace of the others."""
    async with make_store() as store:
        script = Script()
        base = [script.say("I play the piano", id="m-1"), script.say("I live in Lyon")]
        await store.apply(script.batch(*base))
        ids = [b.memory.id for b in base]
        failing: Sequence[tuple[Operation, type[KeepstoneError]]] = (
            (script.revise("unknown", "Nothing"), NotFoundError),
            (script.revise(ids[0], "Nothing", expected_revision=7), ConflictError),
            (script.say("Something else", id="m-1"), ConflictError),
            (script.fact("Nothing", ["unknown"]), NotFoundError),
            (Restore(memory_id=ids[0]), ConflictError),
            (Revert(memory_id=ids[0], revision=5), NotFoundError),
            (Supersede(memory_id=ids[0], by="unknown"), NotFoundError),
        )
        before = await observed(store, script)
        for bad, error in failing:
            good = _good(script, ids)
            for place in range(len(good) + 1):
                operations = (*good[:place], bad, *good[place:])
                await refused(store.apply(script.batch(*operations)), error)
                same(await observed(store, script), before, f"after {type(bad).__name__} failed at {place}")
        assert await jobs_of(store).claim(["test"], 10, script.now, script.now) == []
        applied = await store.apply(script.batch(*_good(script, ids)))
        assert len(applied.outcomes) == 5
        assert (await store.stats(ALICE)).messages == 3


def _good(script: Script, ids: Sequence[str]) -> list[Operation]:
    said = script.say("My sister is Marta")
    return [
        said,
        script.fact("Marta is a sister", [said.id]),
        script.revise(ids[0], "I play the cello"),
        Retire(memory_id=ids[1]),
        Enqueue(id=script.id(), scope=ALICE, kind="test", payload={}),
    ]


async def history_is_complete(make_store: MakeStore) -> None:
    """Every change of a memory is in its history, in order, with the texts before and after."""
    async with make_store() as store:
        script = Script()
        said, newer = script.say("I play the piano"), script.say("I play the flute")
        id, since = said.memory.id, START - timedelta(days=30)
        batches = [script.batch(said, newer)]
        steps: Sequence[Operation] = (
            script.revise(id, "I play the cello", metadata={"n": 1}),
            Supersede(memory_id=id, by=newer.memory.id, at=since),
            Restore(memory_id=id),
            Retire(memory_id=id),
            Restore(memory_id=id),
            Revert(memory_id=id, revision=1),
            script.revise(id, "I play the drums"),
        )
        done = [await store.apply(batches[0])]
        for step in steps:
            if isinstance(step, Restore):
                step = replace(step, inverse_of=done[-1].changes[0])
            batches.append(script.batch(step, reason=f"step {len(batches)}"))
            done.append(await store.apply(batches[-1]))
        changes = await store.history(id, ALICE)
        assert [c.action.value for c in changes] == (
            ["ADD", "UPDATE", "SUPERSEDE", "RESTORE", "DELETE", "RESTORE", "UPDATE", "UPDATE"]
        )
        assert [c.batch_id for c in changes] == [b.id for b in batches]
        assert [c.at for c in changes] == [b.at for b in batches]
        assert [c.reason for c in changes] == [b.reason for b in batches]
        sequences = [c.sequence for c in changes]
        assert sequences == sorted(set(sequences)), "sequences rise"
        updates = [(c.old_text, c.new_text) for c in changes if c.action is Action.UPDATE]
        assert updates == [
            ("I play the piano", "I play the cello"),
            ("I play the cello", "I play the piano"),
            ("I play the piano", "I play the drums"),
        ]
        assert changes[2].related_id == newer.memory.id
        assert (changes[3].inverse_of, changes[5].inverse_of) == (changes[2].id, changes[4].id)
        assert (changes[4].old_text, changes[4].new_text) == ("I play the cello", None)
        await _found_by_id(store, changes, batches)
        (record,) = await store.get([newer.memory.id], ALICE)
        assert record.valid_from == since, "what supersedes holds from then on"


async def _found_by_id(store: Store, changes: Sequence[Change], batches: Sequence[Batch]) -> None:
    for change, batch in zip(changes[1:], batches[1:], strict=True):
        assert await store.changes(change.id, ALICE) == [change]
        assert await store.changes(batch.id, ALICE) == [change]
    assert len(await store.changes(batches[0].id, ALICE)) == 2
    assert await store.changes(changes[0].id, Scope(user_id="bob")) == []
    assert await store.changes("unknown", ALICE) == []


async def undoing_restores(make_store: MakeStore) -> None:
    """Restore and Revert bring back text, status, validity and what can be found, as if nothing had been."""
    async with make_store() as store:
        script = Script()
        said, newer = script.say("I play the piano", metadata={"n": 1}), script.say("I play the flute")
        await store.apply(script.batch(said, newer))
        id = said.memory.id
        (before,) = await store.get([id], ALICE)
        await store.apply(script.batch(script.revise(id, "Rivers run north", metadata={"n": 2})))
        assert (await store.get([id], ALICE))[0].edited
        assert await _by_words(store, script, "piano") == set()
        assert await _by_words(store, script, "rivers") == {id}
        await store.apply(script.batch(Revert(memory_id=id, revision=1)))
        assert await _by_words(store, script, "piano") == {id}
        assert await _by_words(store, script, "rivers") == set()
        await store.apply(script.batch(Supersede(memory_id=id, by=newer.memory.id)))
        (old,) = await store.get([id], ALICE)
        assert (old.status, old.valid_to) == (Status.SUPERSEDED, script.now)
        assert id not in {r.id for r in await listed(store, script, include_superseded=False)}
        await store.apply(script.batch(Retire(memory_id=id)))
        await store.apply(script.batch(Restore(memory_id=id, status=Status.SUPERSEDED, valid_to=old.valid_to)))
        (again,) = await store.get([id], ALICE)
        assert (again.status, again.valid_to) == (Status.SUPERSEDED, old.valid_to)
        await store.apply(script.batch(Restore(memory_id=id)))
        (after,) = await store.get([id], ALICE)
        want = before.to_dict() | {"updated_at": after.to_dict()["updated_at"]}
        same(after.to_dict(), want, "after everything was undone")


async def _by_words(store: Store, script: Script, text: str) -> set[str]:
    found = await store.candidates(script.ask(text, vector=None))
    return {c.memory_id for c in found.items if c.bm25 > 0}


async def parallel_writes_lose_nothing(make_store: MakeStore) -> None:
    """Batches applied at once, from tasks and from threads with loops of their own, are all there, in one order."""
    async with make_store() as store:
        script = Script()
        batches = [script.batch(script.say(f"Sentence number {n}")) for n in range(24)]
        await asyncio.gather(*(store.apply(b) for b in batches[:12]))
        await asyncio.gather(*(asyncio.to_thread(_in_a_loop_of_its_own, store, b) for b in batches[12:]))
        records = await listed(store, script, limit=5)
        assert sorted(r.text for r in records) == sorted(f"Sentence number {n}" for n in range(24))
        assert [r.sequence for r in records] == list(range(1, 25)), "sequences have no gap and no twin"
        around = await store.neighbours([records[0].id], ALICE, 30, 30)
        assert [m.position for m in around] == list(range(24)), "positions have no gap and no twin"
        changes = [c for r in records for c in await store.history(r.id, ALICE)]
        assert sorted(c.sequence for c in changes) == list(range(1, 25))
        await _race(store, script, records[0].id)


async def _race(store: Store, script: Script, id: str) -> None:
    """Of writes that exclude each other, one wins; of those that join each other, none is lost."""
    revisions = [script.batch(script.revise(id, f"Version {n}", expected_revision=1)) for n in range(8)]
    won = await asyncio.gather(*(store.apply(b) for b in revisions), return_exceptions=True)
    assert sum(isinstance(w, Applied) for w in won) == 1, "one of eight that expect revision 1"
    assert all(isinstance(w, Applied | ConflictError) for w in won), won
    same_id = [script.batch(script.say("Once and only once", id="m-1")) for _ in range(8)]
    joined = [script.batch(script.say("Over and over again")) for _ in range(8)]
    kinds: dict[str, list[str]] = {"id": [], "again": []}
    applied = await asyncio.gather(*(store.apply(b) for b in same_id + joined))
    for number, done in enumerate(applied):
        kinds["id" if number < 8 else "again"].append(done.outcomes[0].kind)
    assert sorted(kinds["id"]) == ["replay"] * 7 + ["stored"]
    assert sorted(kinds["again"]) == ["refreshed"] * 7 + ["stored"]
    (over,) = [r for r in await listed(store, script) if r.text == "Over and over again"]
    assert len(over.sources) == 8


def _in_a_loop_of_its_own(store: Store, batch: Batch) -> Applied:
    return asyncio.run(_apply(store, batch))


async def _apply(store: Store, batch: Batch) -> Applied:
    return await store.apply(batch)


async def pages_are_complete(make_store: MakeStore) -> None:
    """Pages taken while others write hold everything that was there all along, once, in order."""
    async with make_store() as store:
        script = Script()
        scopes = [Scope(user_id="alice", run_id=r) for r in "abc"] + [Scope(user_id="bob"), Scope(agent_id="coach")]
        said: list[AppendMessage] = [script.say(f"Sentence {n}", scope=scopes[n % 5]) for n in range(40)]
        await store.apply(script.batch(*said))
        everyone = {"scope": Scope(), "at": script.now}
        paged, cursor, touched = [], None, set[str]()
        for turn in range(100):
            page = await store.get_all(script.listing(**everyone, limit=3, cursor=cursor))
            paged += [r.id for r in page.items]
            cursor = page.next_cursor
            if cursor is None:
                break
            fresh = script.say(f"New {turn}", scope=scopes[turn % 5])
            retired, revised = paged[turn], said[(7 * turn) % 40].memory.id
            touched |= {retired, fresh.memory.id}
            await store.apply(script.batch(fresh, Retire(memory_id=retired)))
            if revised not in touched:
                await store.apply(script.batch(script.revise(revised, f"Revised {turn}")))
        assert len(paged) == len(set(paged)), "a memory stands on two pages"
        missed = {s.memory.id for s in said} - set(paged)
        assert missed == set(), f"{len(missed)} memories that were there all along stand on no page"
        whole = [(r.scope, r.sequence) for r in await listed(store, script, **everyone, limit=4)]
        by_user = [sequence for scope, sequence in whole if scope.user_id == "alice"]
        assert by_user == sorted(by_user), "pages follow the sequence"
        for cursor in ("nonsense", "", "9" * 400, "1.x", "'; --"):
            await refused(store.get_all(script.listing(cursor=cursor)), InvalidRequestError)


async def embedders_do_not_mix(make_store: MakeStore) -> None:
    """The first vectors set the store's space; a batch or a query of another space is refused."""
    async with make_store() as store:
        plain, script, other = Script(space=None), Script(seed=1), Script(space=OTHER_SPACE, seed=2)
        await store.apply(plain.batch(plain.say("Words alone")))
        assert await store.embedder() is None
        await store.apply(script.batch(script.say("I play the piano")))
        assert await store.embedder() == script.space
        await refused(store.apply(other.batch(other.say("I play the flute"))), EmbedderMismatchError)
        error = await refused(store.candidates(other.ask("piano")), EmbedderMismatchError)
        assert isinstance(error, EmbedderMismatchError)
        assert "version 1" in error.stored
        assert "version 2" in error.given
        assert len(await listed(store, script)) == 2
        items = (await store.candidates(script.ask("piano words"))).items
        assert {c.cosine is None for c in items} == {True, False}, "a unit without vector is found by its words"
        assert (await store.stats(ALICE)).unembedded == 1


async def closing_ends(make_store: MakeStore) -> None:
    """A closed store says so; closing twice is nothing."""
    async with make_store() as store:
        script = Script()
        await store.apply(script.batch(script.say("I play the piano")))
        await store.close()
        await store.close()
        await refused(store.apply(script.batch(script.say("More"))), StoreClosedError)
        await refused(store.get_all(script.listing()), StoreClosedError)
