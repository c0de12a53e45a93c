"""The laws of durable work: leases that fence, dead letters that wait, dedupe keys, receipts."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from keepstone.errors import ConflictError
from keepstone.operations import Enqueue, EnterCall, Finish
from keepstone.protocols import Store
from keepstone.results import Receipt
from keepstone.testing._script import ALICE, START, MakeStore, Script, jobs_of, listed, refused
from keepstone.types import Scope

BOB = Scope(user_id="bob")
MINUTE = timedelta(seconds=60)


async def leases_fence(make_store: MakeStore) -> None:
    """Only who holds the lease of a job prolongs it, or finishes it together with what it did; and that once."""
    async with make_store() as store:
        script, queue = Script(), jobs_of(store)
        job = _job(script)
        await store.apply(script.batch(job))
        now = script.now
        await refused(
            store.apply(script.batch(script.say("Too early"), Finish(job_id=job.id, attempts=0))), ConflictError
        )
        (first,) = await queue.claim(["distil"], 9, now, now + MINUTE)
        assert await queue.heartbeat(job.id, first.attempts, now + 2 * MINUTE)
        assert await queue.claim(["distil"], 9, now + MINUTE, now + 3 * MINUTE) == [], "a heartbeat prolongs the lease"
        (second,) = await queue.claim(["distil"], 9, now + 2 * MINUTE, now + 9 * MINUTE)
        assert (first.attempts, second.attempts) == (1, 2)
        assert not await queue.heartbeat(job.id, first.attempts, now + 99 * MINUTE)
        assert not await queue.heartbeat("unknown", 1, now + 99 * MINUTE)
        late = script.batch(script.say("Done by the first"), Finish(job_id=job.id, attempts=first.attempts))
        await refused(store.apply(late), ConflictError)
        assert await listed(store, script) == [], "nothing that a lost lease did is kept"
        other = Script(Scope(tenant="other", user_id="alice"), seed=1)
        await refused(store.apply(other.batch(Finish(job_id=job.id, attempts=second.attempts))), ConflictError)
        done = script.batch(script.say("Done by the second"), Finish(job_id=job.id, attempts=second.attempts))
        assert [o.kind for o in (await store.apply(done)).outcomes] == ["stored", "stored"]
        assert await queue.jobs(ALICE, at=script.now) == []
        await refused(store.apply(script.batch(Finish(job_id=job.id, attempts=second.attempts))), ConflictError)
        await _buried(store, script, now)
        returned = _job(script)
        await store.apply(script.batch(returned))
        (leased,) = await queue.claim(["distil"], 9, now + MINUTE, now + 9 * MINUTE)
        await queue.retry(returned.id, "later", now + MINUTE)
        await refused(store.apply(script.batch(Finish(job_id=returned.id, attempts=leased.attempts))), ConflictError)
        assert not await queue.heartbeat(returned.id, leased.attempts, now + 9 * MINUTE), "it was given back"


async def _buried(store: Store, script: Script, now: datetime) -> None:
    """What a job did is kept although the job itself ends as a dead letter, if that was said with it."""
    queue, job = jobs_of(store), _job(script)
    await store.apply(script.batch(job))
    (held,) = await queue.claim(["distil"], 9, now + MINUTE, now + 9 * MINUTE)
    finish = Finish(job_id=job.id, attempts=held.attempts, error="half of it was refused", reply="[…")
    await refused(store.apply(script.batch(replace(finish, attempts=7))), ConflictError)
    await store.apply(script.batch(script.say("The good half"), finish))
    (dead,) = await queue.jobs(ALICE, [job.id], at=now + MINUTE)
    assert (dead.state, dead.error, dead.reply) == ("dead", "half of it was refused", "[…")
    assert "The good half" in {r.text for r in await listed(store, script)}
    await queue.finish(job.id)


async def jobs_tell_their_state(make_store: MakeStore) -> None:
    """A scope sees its jobs, waiting, running, or dead with error and raw reply, and it alone revives them."""
    async with make_store() as store:
        script, queue = Script(), jobs_of(store)
        jobs = [
            _job(script, lane="alice", payload={"messages": ["一"]}),
            _job(script, lane="alice"),
            _job(script, scope=BOB),
            _job(script, kind="merge"),
        ]
        batch = script.batch(*jobs)
        await store.apply(batch)
        first, second, bobs, merge = (j.id for j in jobs)
        now, until = batch.at, batch.at + MINUTE
        claimed = await queue.claim(["distil"], 9, now, until, scope=ALICE)
        assert [j.id for j in claimed] == [first], "what another owns is not claimed for this scope"

        async def states(at: Any = now, **only: Any) -> dict[str, str]:
            return {j.id: j.state for j in await queue.jobs(ALICE, at=at, **only)}

        assert await states() == {first: "running", second: "waiting", merge: "waiting"}
        assert await states(until) == {first: "waiting", second: "waiting", merge: "waiting"}, "the lease ran out"
        assert await states(kinds=["merge"]) == {merge: "waiting"}
        assert await states(ids=[second, bobs, "unknown"]) == {second: "waiting"}
        assert await states(ids=[]) == {}
        named = await queue.jobs(ALICE, [merge, first, merge], at=now)
        assert [j.id for j in named] == [first, merge], "oldest first, whatever order they are named in"
        await queue.retry(first, "no JSON in the reply", None, reply="Sorry, 我不能。")
        (dead, *_) = await queue.jobs(ALICE, at=now)
        assert (dead.id, dead.state, dead.error, dead.reply, dead.attempts, dead.due_at, dead.payload) == (
            first, "dead", "no JSON in the reply", "Sorry, 我不能。", 1, None, {"messages": ["一"]},
        )  # fmt: skip
        assert (dead.kind, dead.scope, dead.created_at) == ("distil", ALICE, batch.at)
        assert [j.id for j in await queue.claim(["distil"], 9, now, until, scope=ALICE)] == [second]
        assert [await queue.revive(s, i, now) for s, i in ((BOB, None), (BOB, first), (ALICE, second))] == [0, 0, 0]
        assert await queue.revive(ALICE, first, now) == 1
        assert await queue.claim(["distil"], 9, now, until, scope=ALICE) == [], "its lane is held by what runs"
        await queue.finish(second)
        (again,) = await queue.claim(["distil"], 9, now, until, scope=ALICE)
        assert (again.id, again.attempts) == (first, 1), "revived, it is tried as if for the first time"
        (running, *_) = await queue.jobs(ALICE, at=now)
        assert (running.state, running.error, running.reply) == ("running", None, None)
        await queue.retry(first, "again", None)
        assert await queue.revive(ALICE, None, until) == 1
        assert [j.due_at for j in await queue.jobs(ALICE, [first], at=now)] == [until]


async def jobs_are_claimed_once(make_store: MakeStore) -> None:
    """Of many workers that claim at once, each job goes to one, and each lane to one worker at a time."""
    async with make_store() as store:
        script, queue = Script(), jobs_of(store)
        jobs = [_job(script, lane=f"lane {n % 4}" if n < 12 else "") for n in range(16)]
        await store.apply(script.batch(*jobs))
        now = script.now
        taken = await asyncio.gather(*(queue.claim(["distil"], 3, now, now + MINUTE) for _ in range(8)))
        ids = [j.id for some in taken for j in some]
        assert sorted(ids) == sorted(j.id for n, j in enumerate(jobs) if n < 4 or n >= 12)


async def jobs_are_deduped(make_store: MakeStore) -> None:
    """With a dedupe key a job is entered once while it waits or runs, by kind and tenant; a dead letter is no bar."""
    async with make_store() as store:
        script, queue = Script(), jobs_of(store)

        async def entered(**fields: Any) -> str:
            maker = Script(Scope(tenant=fields.pop("tenant", ""), user_id="alice"), seed=next(seeds))
            outcomes = (await store.apply(maker.batch(_job(maker, scope=maker.scope, **fields)))).outcomes
            return outcomes[0].kind

        seeds = iter(range(1, 99))
        assert [await entered(dedupe="k") for _ in range(2)] == ["stored", "replay"]
        assert await entered(dedupe="other") == "stored"
        assert await entered(dedupe="k", kind="merge") == "stored"
        assert await entered(dedupe="k", tenant="other") == "stored"
        assert [await entered() for _ in range(2)] == ["stored", "stored"]
        jobs = await queue.jobs(ALICE, at=script.now)
        assert len(jobs) == 5
        (running,) = await queue.claim(["distil"], 1, START + MINUTE, START + 2 * MINUTE)
        assert (running.id, await entered(dedupe="k")) == (jobs[0].id, "replay")
        await queue.retry(running.id, "bad", None)
        assert [await entered(dedupe="k") for _ in range(2)] == ["stored", "replay"]
        twice = _job(script, dedupe="new")
        done = await store.apply(script.batch(twice, _job(script, dedupe="new"), twice))
        assert [o.kind for o in done.outcomes] == ["stored", "replay", "replay"]


async def calls_are_counted(make_store: MakeStore) -> None:
    """Usage sums the receipts of what a scope sees, from a moment to before another, with what has no price apart."""
    async with make_store() as store:
        script = Script()
        monday = Scope(user_id="alice", run_id="monday")
        entered = [
            (monday, receipt(script, model="laws:one", price_usd=0.25, at=START)),
            (ALICE, receipt(script, model="laws:one", price_usd=0.5, at=START + MINUTE)),
            (ALICE, receipt(script, model="laws:two", at=START + 2 * MINUTE)),
            (BOB, receipt(script, model="laws:two", price_usd=4.0, at=START + MINUTE)),
            (Scope(tenant="other", user_id="alice"), receipt(script, price_usd=8.0)),
        ]
        for scope, one in entered:
            maker = Script(scope, seed=script.now.second + entered.index((scope, one)) + 1)
            call = EnterCall(id=maker.id(), scope=scope, receipt=one)
            kinds = [(await store.apply(maker.batch(call))).outcomes[0].kind for _ in range(2)]
            assert kinds == ["stored", "replay"], "a receipt counts once"
        used = await store.usage(ALICE, None, None)
        assert (used.calls, used.input_tokens, used.output_tokens) == (3, 30, 21)
        assert (used.price_usd, used.unpriced, used.models) == (0.75, 1, {"laws:one": 2, "laws:two": 1})
        assert (await store.usage(monday, None, None)).price_usd == 0.25
        assert (await store.usage(Scope(), None, None)).price_usd == 4.75
        part = await store.usage(ALICE, START + MINUTE, START + 2 * MINUTE)
        assert (part.calls, part.since, part.until) == (1, START + MINUTE, START + 2 * MINUTE)
        assert (await store.usage(Scope(user_id="carol"), None, None)).calls == 0


def receipt(script: Script, **fields: Any) -> Receipt:
    """Return what a call cost."""
    values: dict[str, Any] = {
        "model": "laws:one", "purpose": "distil", "prompt": "single_pass/1/en", "input_tokens": 10, "output_tokens": 7,
        "milliseconds": 12.5, "at": script.now, **fields,
    }  # fmt: skip
    return Receipt(**values)


def _job(script: Script, **fields: Any) -> Enqueue:
    values: dict[str, Any] = {"id": script.id(), "scope": ALICE, "kind": "distil", "payload": {}, **fields}
    return Enqueue(**values)
