"""The laws of listings and events: complete pages, nothing of others, nothing taken back, counts that add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, TypeVar

from keepstone.control import Day, Event
from keepstone.errors import InvalidRequestError, KeepstoneError
from keepstone.logic.ids import partition
from keepstone.operations import Applied, ArchivedMemory, Batch, Enqueue, Finish, Retire
from keepstone.protocols import JobQueue, Store
from keepstone.testing._agreement import outcome, same
from keepstone.testing._chaos import BATCHES, JOBS, SCOPES, VIEWS, Chaos
from keepstone.testing._script import (
    ALICE,
    START,
    MakeStore,
    Script,
    archived,
    catalogue_of,
    control_of,
    jobs_of,
    reference,
    refused,
)
from keepstone.types import Action, LedgerMessage, Listing, Scope

T = TypeVar("T")

ACME = Scope(tenant="acme", user_id="alice")
MONDAY = Scope(user_id="alice", run_id="monday")
MINUTE = timedelta(seconds=60)
SEQUENCES = 16


async def pages(page: Callable[[str | None], Awaitable[Listing[T]]]) -> list[T]:
    """Return what a listing gives, page after page."""
    found: list[T] = []
    cursor = None
    while True:
        listing = await page(cursor)
        found += listing.items
        cursor = listing.next_cursor
        if cursor is None:
            return found


async def owners_are_listed(make_store: MakeStore) -> None:
    """Owners come by kind and id, begin with the prefix as it is written, and count what they have, of one tenant."""
    async with make_store() as store:
        ids = ("a", "a%", "a%b", "a_", "ab", "b", "z\U0010ffff", "z\U0010ffff!", "张三", "张伟")
        script, catalogue = Script(), catalogue_of(store)
        for id in ids:
            await store.apply(script.batch(script.say(f"I am {id}", scope=Scope(user_id=id, run_id="one"))))
        await store.apply(script.batch(script.say("A coach", scope=Scope(agent_id="coach"))))
        other = Script(ACME)
        await store.apply(other.batch(other.say("In another tenant")))

        async def listed(prefix: str = "", kind: str | None = None, limit: int = 3) -> list[str]:
            found = await pages(lambda c: catalogue.owners("", kind=kind, prefix=prefix, cursor=c, limit=limit))
            return [o.id for o in found]

        assert await listed() == ["coach", *ids]
        assert await listed(kind="agent") == ["coach"]
        for prefix in ("a%", "a_", "张", "z\U0010ffff", "\U0010ffff", "coach", "A"):
            assert await listed(prefix) == [i for i in ("coach", *ids) if i.startswith(prefix)], prefix
            assert await listed(prefix, limit=1) == await listed(prefix), prefix
        assert [o.id for o in (await catalogue.owners("acme")).items] == ["alice"]
        assert (await catalogue.owners("nobody")).items == ()
        await refused(catalogue.owners("", cursor="?!"), InvalidRequestError)


async def owners_are_counted(make_store: MakeStore) -> None:
    """An owner has its visible memories, the messages of the ledger, and the time of its last change, until erased."""
    async with make_store() as store:
        script, catalogue = Script(), catalogue_of(store)
        first, second = script.say("I have a boat"), script.say("I have a bicycle", scope=MONDAY)
        await store.apply(script.batch(first, second, script.fact("Alice has a boat", [first.id])))

        async def owner() -> tuple[int, int, object]:
            (found,) = (await catalogue.owners("")).items
            stats = await store.stats(ALICE)
            assert (found.memories, found.messages) == (stats.memories, stats.messages)
            return found.memories, found.messages, found.last_at

        assert await owner() == (3, 2, script.now)
        await store.apply(script.batch(Retire(memory_id=second.memory.id)))
        assert await owner() == (2, 2, script.now)
        await store.erase(ALICE, [first.id], script.batch())
        assert await owner() == (0, 1, script.now), "what came from the message goes along"
        await store.erase(ALICE, None, script.batch())
        assert (await catalogue.owners("")).items == (), "of whom nothing is left, nobody is listed"


async def conversations_are_listed(make_store: MakeStore) -> None:
    """Each exact scope with a message that may be shown is a conversation, the newest first; nobody sees others'."""
    async with make_store() as store:
        script, catalogue = Script(), catalogue_of(store)
        runs = [Scope(user_id="alice", agent_id="coach" if n % 2 else None, run_id=f"run {n}") for n in range(5)]
        said = [script.say(f"Number {n} begins", scope=run) for n, run in enumerate(runs)]
        for one in said:
            await store.apply(script.batch(one))
            await store.apply(script.batch(script.say("And goes on", scope=one.scope)))
        bob = Scope(user_id="bob", agent_id="coach")
        await store.apply(script.batch(script.say("Bob speaks", scope=bob)))
        other = Script(ACME)
        await store.apply(other.batch(other.say("In another tenant")))

        async def seen(scope: Scope, limit: int = 2) -> list[Scope]:
            found = await pages(lambda c: catalogue.conversations(scope, cursor=c, limit=limit))
            return [c.scope for c in found]

        assert await seen(ALICE) == runs[::-1]
        assert await seen(Scope(user_id="alice", agent_id="coach")) == [runs[3], runs[1]]
        assert await seen(Scope(agent_id="coach")) == [bob, runs[3], runs[1]]
        assert await seen(Scope(), 1) == [bob, *runs[::-1]]
        assert await seen(Scope(user_id="carol")) == []
        (first,) = (await catalogue.conversations(runs[0])).items
        assert (first.messages, first.first_at, first.last_at) == (2, START, START + timedelta(seconds=1))
        await store.erase(runs[0], None, script.batch())
        there = await store.get_all(script.listing(scope=runs[1]))
        await store.apply(script.batch(*(Retire(memory_id=r.id) for r in there.items)))
        assert await seen(ALICE) == [runs[4], runs[3], runs[2]], "erased, and hidden by what was taken back"
        await refused(catalogue.conversations(ALICE, cursor="nonsense"), InvalidRequestError)


async def transcripts_are_complete(make_store: MakeStore) -> None:
    """The pages of a transcript have every message once, in order or against it, but for what was taken back."""
    async with make_store() as store:
        script, catalogue = Script(), catalogue_of(store)
        for n in range(9):
            scope = (ALICE, MONDAY, Scope(user_id="bob", run_id="monday"))[n % 3]
            await store.apply(script.batch(script.say(f"Sentence {n}", scope=scope)))
        gone = script.say("Not this one")
        await store.apply(script.batch(gone))
        await store.apply(script.batch(Retire(memory_id=gone.memory.id)))
        other = Script(ACME)
        await store.apply(other.batch(other.say("In another tenant")))

        async def said(scope: Scope, limit: int, *, newest_first: bool = False) -> list[str]:
            page = await pages(lambda c: catalogue.transcript(scope, cursor=c, limit=limit, newest_first=newest_first))
            assert [m.id for m in await store.messages([m.id for m in page], scope)] == [m.id for m in page]
            return [m.content.removeprefix("Sentence ") for m in page]

        for limit in (1, 2, 50):
            assert await said(ALICE, limit) == ["0", "1", "3", "4", "6", "7"]
            assert await said(MONDAY, limit) == ["1", "4", "7"]
            assert await said(Scope(run_id="monday"), limit) == ["1", "4", "7", "2", "5", "8"]
            assert await said(Scope(), limit) == ["0", "1", "3", "4", "6", "7", "2", "5", "8"]
            for scope in (ALICE, MONDAY, Scope(run_id="monday"), Scope()):
                forward = await said(scope, limit)
                assert await said(scope, limit, newest_first=True) == forward[::-1]
        await refused(catalogue.transcript(ALICE, cursor="nonsense"), InvalidRequestError)


async def the_log_is_newest_first(make_store: MakeStore) -> None:
    """The log has every change that the scope sees, the newest first, and no text of what was taken back."""
    async with make_store() as store:
        script, catalogue = Script(), catalogue_of(store)
        said = [script.say(f"Sentence {n}", scope=(ALICE, MONDAY, Scope(user_id="bob"))[n % 3]) for n in range(9)]
        for one in said:
            await store.apply(script.batch(one))
        await store.apply(script.batch(script.revise(said[0].memory.id, "Another sentence")))
        await store.apply(script.batch(Retire(memory_id=said[1].memory.id)))
        await store.erase(ALICE, [said[3].memory.id], script.batch())
        other = Script(ACME)
        await store.apply(other.batch(other.say("In another tenant")))

        async def log(scope: Scope, limit: int) -> list[tuple[int, Action]]:
            page = await pages(lambda c: catalogue.log(scope, cursor=c, limit=limit))
            for entry in page:
                (known,) = await store.changes(entry.id, scope)
                hidden = entry.memory_id in (said[1].memory.id, said[3].memory.id)
                texts = (None, None) if hidden else (known.old_text, known.new_text)
                assert replace(known, old_text=texts[0], new_text=texts[1]) == entry
            number = {one.memory.id: n for n, one in enumerate(said)}
            return [(number[e.memory_id], e.action) for e in page]

        alices = [(n, Action.ADD) for n in (7, 6, 4, 1, 0)]
        last = [(3, Action.ERASE), (1, Action.DELETE), (0, Action.UPDATE)]
        every = [(n, Action.ADD) for n in (8, 7, 6, 5, 4, 2, 1, 0)]
        for limit in (1, 4, 50):
            assert await log(ALICE, limit) == [*last, *alices]
            assert await log(MONDAY, limit) == [(1, Action.DELETE), *((n, Action.ADD) for n in (7, 4, 1))]
            assert await log(Scope(run_id="monday"), limit) == await log(MONDAY, limit)
            assert await log(Scope(), limit) == [*last, *every]
        await refused(catalogue.log(ALICE, cursor="nonsense"), InvalidRequestError)


async def events_name_every_batch(make_store: MakeStore) -> None:
    """Each batch with changes has one event for each scope that it changed, in the order of commits, and no other."""
    for seed in range(SEQUENCES):
        async with make_store() as store:
            chaos, control, expected, past = Chaos(seed), control_of(store), list[tuple[str, frozenset[Scope]]](), 0
            for step in range(BATCHES):
                batch = replace(chaos.batch(), at=START + timedelta(hours=9 * step))
                if await _done(store, batch, chaos) is None:
                    continue
                changed = await _scopes_of(store, batch.id)
                expected += [(batch.id, changed)] if changed else []
                if chaos.random.random() < 0.1:
                    scope, ids, erasure = chaos.erasure()
                    try:
                        receipt = await store.erase(scope, ids, erasure)
                    except KeepstoneError:
                        continue
                    erased = await _scopes_of(store, erasure.id)
                    named = frozenset(e.scope for e in await control.event_of(Scope(), erasure.id))
                    assert erased <= named, "every scope in which memories went is told"
                    assert bool(named) == bool(receipt.memories or receipt.messages)
                    expected += [(erasure.id, named)] if named else []
            seen: list[Event] = []
            while True:
                new = await control.events(Scope(), after=past, limit=3)
                seen += new
                if not new:
                    break
                past = new[-1].sequence
            assert [e.sequence for e in seen] == sorted({e.sequence for e in seen}), "in order, each once"
            assert past == await control.last_event()
            told = [e for e in seen if e.kind in ("changes", "erased")]
            same(_by_batch(told), expected, f"events, sequence {seed}")
            for event in told:
                assert event in await control.event_of(event.scope, event.batch_id or "")


def _by_batch(events: list[Event]) -> list[tuple[str, frozenset[Scope]]]:
    """The batches in order, each with the scopes that its events name; a scope that comes twice would come again."""
    found: list[tuple[str, frozenset[Scope]]] = []
    for event in events:
        id = event.batch_id or ""
        if found and found[-1][0] == id and event.scope not in found[-1][1]:
            found[-1] = (id, found[-1][1] | {event.scope})
        else:
            found.append((id, frozenset({event.scope})))
    return found


async def _done(store: Store, batch: Batch, chaos: Chaos) -> Applied | None:
    try:
        applied = await store.apply(batch)
    except KeepstoneError:
        chaos.forget(batch)
        return None
    return None if applied.replayed else applied


async def _scopes_of(store: Store, batch_id: str) -> frozenset[Scope]:
    changed = {c.memory_id for c in await store.changes(batch_id, Scope())}
    rows = await archived(store, Scope(), include_retired=True)
    return frozenset(r.record.scope for r in rows if isinstance(r, ArchivedMemory) and r.record.id in changed)


async def days_add_up(make_store: MakeStore) -> None:
    """What was written on each day is what the batches of the day wrote, for each owner and for the tenant."""
    for seed in range(SEQUENCES):
        async with make_store() as store:
            chaos, catalogue = Chaos(seed), catalogue_of(store)
            written: Counter[tuple[Scope, str, str]] = Counter()
            for step in range(BATCHES):
                batch = replace(chaos.batch(), at=START + timedelta(hours=9 * step))
                applied = await _done(store, batch, chaos)
                if applied is not None:
                    written += await _written(store, applied, batch.at.date().isoformat())
            ends = START - timedelta(days=1), START + timedelta(days=30)
            for owner in {scope.of_owner for scope in SCOPES}:
                mine = Counter({what: n for what, n in written.items() if what[0] == owner})
                same(_counted(await catalogue.days(owner, *ends)), _summed(mine), f"days of {owner}, sequence {seed}")
            every = await catalogue.days(Scope(), *ends)
            same(_counted(every), _summed(written), f"days, sequence {seed}")
            assert [d.day for d in every] == sorted({d.day for d in every})
            noon = START + timedelta(days=1, hours=3)
            some = [d.day for d in await catalogue.days(Scope(), noon, noon + timedelta(days=1))]
            assert some == [d.day for d in every if d.day in ("2026-03-02", "2026-03-03")]
            assert await catalogue.days(ACME, *ends) == [] == await catalogue.days(Scope(tenant="acme"), *ends)


async def days_outlive_what_is_erased(make_store: MakeStore) -> None:
    """An erase is counted and takes nothing back from the counts; what an archive brings counts when it comes."""
    async with make_store() as store, make_store() as other:
        script, since, until = Script(), START - timedelta(days=1), START + timedelta(days=9)
        said = script.say("I have a boat")
        await store.apply(script.batch(said, script.say("And a bicycle")))
        rows = await archived(store, Scope())
        await store.erase(ALICE, [said.id], script.batch())
        (day,) = await catalogue_of(store).days(ALICE, since, until)
        assert (day.messages, day.changes) == (2, {"ADD": 2, "ERASE": 1})
        await store.reset("")
        assert await catalogue_of(store).days(Scope(), since, until) == []
        later = START + timedelta(days=3)
        await other.apply(replace(script.batch(*(script.load(row, ALICE) for row in rows)), at=later))
        (day,) = await catalogue_of(other).days(Scope(), since, until)
        assert (day.day, day.messages, day.changes) == ("2026-03-04", 2, {"ADD": 2})


async def _written(store: Store, applied: Applied, day: str) -> Counter[tuple[Scope, str, str]]:
    rows = await archived(store, Scope(), include_retired=True)
    memories = {r.record.id: r.record.scope for r in rows if isinstance(r, ArchivedMemory)}
    ids = {o.message_id for o in applied.outcomes if o.message_id and o.kind != "replay"}
    messages = [r.scope for r in rows if isinstance(r, LedgerMessage) and r.id in ids]
    found = Counter((scope.of_owner, day, "messages") for scope in messages)
    changes = await store.changes(applied.batch_id, Scope())
    return found + Counter((memories[c.memory_id].of_owner, day, c.action.value) for c in changes)


def _summed(written: Counter[tuple[Scope, str, str]]) -> dict[tuple[str, str], int]:
    found: Counter[tuple[str, str]] = Counter()
    for (_, day, what), count in written.items():
        found[day, what] += count
    return dict(sorted(found.items()))


def _counted(days: list[Day]) -> dict[tuple[str, str], int]:
    found = {(d.day, "messages"): d.messages for d in days if d.messages}
    found |= {(d.day, action): n for d in days for action, n in d.changes.items()}
    return dict(sorted(found.items()))


async def ended_jobs_are_told(make_store: MakeStore) -> None:
    """A job that is done or dead is an event; what it did in the same batch names it. Dead letters are discarded."""
    async with make_store() as store:
        script, queue, control, catalogue = Script(), jobs_of(store), control_of(store), catalogue_of(store)
        scopes = (ALICE, MONDAY, Scope(user_id="bob"), ALICE)
        jobs = [Enqueue(id=script.id(), scope=s, kind="distil", payload={"messages": []}) for s in scopes]
        await store.apply(script.batch(*jobs))
        counts = await catalogue.queue_counts(Scope(), script.now)
        assert (counts.waiting, counts.running, counts.dead, counts.oldest_at) == (4, 0, 0, script.now)
        assert await control.events(Scope()) == []
        now = script.now
        claimed = await queue.claim(["distil"], 3, now, now + MINUTE)
        counts = await catalogue.queue_counts(Scope(user_id="alice"), now)
        assert (counts.waiting, counts.running, counts.dead) == (1, 2, 0)
        said = script.say("What the job made")
        done = script.batch(said, Finish(job_id=jobs[0].id, attempts=claimed[0].attempts))
        await store.apply(done)
        failed = script.batch(Finish(job_id=jobs[1].id, attempts=1, error="no JSON", reply="{"))
        await store.apply(failed)
        await queue.retry(jobs[2].id, "the model was down", now)
        await queue.retry(jobs[2].id, "the model was down", None)
        await queue.retry(jobs[2].id, "the model was down", None)
        await queue.finish(jobs[3].id)
        await queue.finish(jobs[3].id)
        told = [(e.kind, e.scope, e.batch_id, e.job_id) for e in await control.events(Scope())]
        assert told == [
            ("changes", ALICE, done.id, jobs[0].id),
            ("job.done", ALICE, done.id, jobs[0].id),
            ("job.dead", MONDAY, failed.id, jobs[1].id),
            ("job.dead", Scope(user_id="bob"), None, jobs[2].id),
            ("job.done", ALICE, None, jobs[3].id),
        ]
        assert [e.kind for e in await control.event_of(ALICE, jobs[0].id)] == ["changes", "job.done"]
        assert await control.event_of(Scope(user_id="bob"), jobs[0].id) == []
        counts = await catalogue.queue_counts(Scope(), now)
        assert (counts.waiting, counts.running, counts.dead, counts.oldest_at) == (0, 0, 2, None)
        assert await queue.discard(Scope(user_id="bob"), jobs[1].id) == 0
        assert await queue.discard(ACME, None) == 0
        assert await queue.discard(Scope(user_id="bob"), None) == 1
        assert [j.id for j in await queue.jobs(Scope(), at=now)] == [jobs[1].id]


async def catalogues_agree(make_store: MakeStore) -> None:
    """After generated batches, erasures and leases, every listing and every event is that of the in-memory store."""
    for seed in range(SEQUENCES):
        async with make_store() as store, reference() as other:
            chaos = Chaos(seed)
            for step in range(BATCHES):
                batch, where = chaos.batch(), f"sequence {seed}, step {step}"
                done = await outcome(store.apply(batch)), await outcome(other.apply(batch))
                same(done[0], done[1], f"outcomes of {batch}, {where}")
                if isinstance(done[1], str):
                    chaos.forget(batch)
                if chaos.random.random() < 0.15:
                    erasure = chaos.erasure()
                    gone = await outcome(store.erase(*erasure)), await outcome(other.erase(*erasure))
                    same(gone[0], gone[1], f"erase, {where}")
                if chaos.random.random() < 0.3:
                    at, end = chaos.script.now, chaos.random.choice(("done", "dead", "again"))
                    for one in (store, other):
                        await _one_job(jobs_of(one), at, end)
            views = chaos.random.sample(VIEWS, 4)
            seen = await catalogued(store, chaos.script, views), await catalogued(other, chaos.script, views)
            for what in seen[1]:
                same(seen[0][what], seen[1][what], f"{what}, sequence {seed}")


async def _one_job(queue: JobQueue, at: datetime, end: str) -> None:
    for job in await queue.claim(JOBS, 1, at, at + MINUTE):
        if end == "done":
            await queue.finish(job.id)
        else:
            await queue.retry(job.id, "the model was down", None if end == "dead" else at)


async def catalogued(store: Store, script: Script, views: Sequence[Scope]) -> dict[str, Any]:
    """Return what a store lists and tells, without what it may choose: ids of changes, the order of partitions."""
    catalogue, control, tenant = catalogue_of(store), control_of(store), script.scope.tenant
    ends = START - timedelta(days=9), START + timedelta(days=900)
    owners = await pages(lambda c: catalogue.owners(tenant, cursor=c, limit=2))
    seen: dict[str, Any] = {"owners": [o.to_dict() for o in owners]}
    for scope in views:
        view = replace(scope, tenant=tenant)
        spoken_in = await pages(lambda c, view=view: catalogue.conversations(view, cursor=c, limit=2))  # type: ignore[misc]
        seen[f"conversations of {view}"] = sorted(map(str, spoken_in))
        said = await pages(lambda c, view=view: catalogue.transcript(view, cursor=c, limit=3))  # type: ignore[misc]
        seen[f"transcript of {view}"] = sorted(said, key=lambda m: partition(m.scope))
        log = await pages(lambda c, view=view: catalogue.log(view, cursor=c, limit=3))  # type: ignore[misc]
        entries = [entry.to_dict() | {"id": None, "related_id": None, "inverse_of": None} for entry in log]
        seen[f"log of {view}"] = entries if view.user_id is not None else sorted(entries, key=str)
        seen[f"days of {view}"] = await catalogue.days(view, *ends)
        seen[f"queue of {view}"] = await catalogue.queue_counts(view, script.now)
        events = await control.events(view, limit=1_000)
        seen[f"events of {view}"] = sorted(str(replace(e, sequence=0)) for e in events)
        # Batches come in the order of commits; the scopes of one, and the sequences, in any.
        seen[f"batches of {view}"] = [id for id, _ in groupby(e.batch_id for e in events if e.batch_id)]
    return seen
