"""Jobs: who waits and who does not, in which order, how often, and what becomes of one that is left in the middle."""

import asyncio
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from keepstone.chat import ChatRequest
from keepstone.contract import Job
from keepstone.errors import ProviderError, RateLimitError, StoreFullError
from keepstone.stores.inmemory import InMemoryStore
from keepstone.stores.sqlite import SqliteStore
from keepstone.testing import FakeClock, ScriptedChatModel
from keepstone.types import Scope
from tests.distillation.speaking import STORES, change, facts, heard, opened, repeated, reply, still

ROOT = Path(__file__).resolve().parents[2]
ONE, TWO = "The brass key is in drawer 1.", "The brass key is in drawer 2."
DOWN = ProviderError("scripted", "down", retryable=True)


class Gated:
    """A model that repeats what it hears once it is let; `asked` is set when it was asked."""

    name = "gated"

    def __init__(self, answer: Callable[[ChatRequest], Any] = repeated) -> None:
        self.asked, self.let = asyncio.Event(), asyncio.Event()
        self.heard: list[str] = []
        self._script = ScriptedChatModel(answer)

    async def reply(self, request: ChatRequest) -> Any:
        self.heard.append(heard(request))
        self.asked.set()
        await self.let.wait()
        return await self._script.reply(request)


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("seconds", [0, 0.05])
async def test_who_does_not_wait_gets_pending_and_the_work_goes_on(seconds: float, store: str, tmp_path: Path) -> None:
    model = Gated()
    memory = opened(STORES[store](tmp_path / "m.db"), model)
    result = await memory.add(ONE, user_id="u", wait=seconds)
    assert result.distilled is not None
    assert (result.distilled.status, result.distilled.changes) == ("pending", ())
    await model.asked.wait()
    assert [j.state for j in await memory.jobs()] == ["running"]
    model.let.set()
    assert await memory.flush() == []
    assert await facts(memory, user_id="u") == [ONE]
    assert model.heard == [ONE]
    await memory.close()


@pytest.mark.parametrize("store", STORES)
async def test_adds_of_one_user_are_read_in_their_order(store: str, tmp_path: Path) -> None:
    model = ScriptedChatModel(repeated, delay=0.001)
    memory = opened(STORES[store](tmp_path / "m.db"), model)
    texts = [f"The brass key number {n} is in the drawer." for n in range(8)]
    results = await asyncio.gather(*(memory.add(t, user_id="u", run_id=f"r{n % 3}") for n, t in enumerate(texts)))
    assert {r.distilled.status for r in results if r.distilled} == {"done"}
    order = sorted(results, key=lambda r: r.memories[0].sequence)
    assert [heard(c) for c in model.calls] == [r.memories[0].text for r in order]
    await memory.close()


async def test_two_users_are_served_side_by_side() -> None:
    both = asyncio.Barrier(2)

    class Together(Gated):
        async def reply(self, request: ChatRequest) -> Any:
            await both.wait()
            return await self._script.reply(request)

    memory = opened(InMemoryStore(), Together())
    async with asyncio.timeout(20):
        await asyncio.gather(memory.add(ONE, user_id="u"), memory.add(TWO, user_id="v"))
    assert (await facts(memory, user_id="u"), await facts(memory, user_id="v")) == ([ONE], [TWO])


@pytest.mark.parametrize("store", STORES)
async def test_a_job_that_fails_waits_longer_each_time_and_steps_aside_in_the_end(store: str, tmp_path: Path) -> None:
    clock = still()
    memory = opened(STORES[store](tmp_path / "m.db"), lambda r: DOWN if heard(r) == ONE else repeated(r), clock=clock)
    result = await memory.add(ONE, user_id="u")
    assert result.distilled is not None
    assert result.distilled.status == "pending"
    assert "down" in (result.distilled.reason or "")
    waits = []
    for attempt in range(1, 8):
        (job,) = await memory.flush()
        assert (job.state, job.attempts) == ("waiting", attempt)
        assert job.due_at is not None
        waits.append((job.due_at - clock()).total_seconds())
        clock.advance(job.due_at - clock())
    assert waits == [2, 4, 8, 16, 32, 64, 128]
    (job,) = await memory.flush()
    assert (job.state, job.attempts, job.due_at) == ("dead", 8, None)
    assert job.error == "ProviderError: scripted: down"
    after = await memory.add(TWO, user_id="u")
    assert after.distilled is not None
    assert after.distilled.status == "done"
    assert await facts(memory, user_id="u") == [TWO]
    await memory.close()


@pytest.mark.parametrize(
    ("told", "waits"), [(None, 2), (0.0, 2), (1.5, 2), (100.0, 100), (1e300, 86_400), (math.inf, 2), (math.nan, 2)]
)
async def test_a_provider_says_when_to_come_back(told: float | None, waits: float) -> None:
    clock = still()
    error = RateLimitError("scripted", "slow down", retryable=True, retry_after=told)
    memory = opened(InMemoryStore(), lambda _: error, clock=clock)
    await memory.add(ONE, user_id="u")
    (job,) = await memory.jobs()
    assert job.due_at == clock() + timedelta(seconds=waits)


async def test_what_failed_is_tried_again_when_it_is_due_though_nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keepstone.jobs.FIRST_WAIT_SECONDS", 0.05)
    calls, again = [], asyncio.Event()

    def once_down(request: ChatRequest) -> Any:
        calls.append(request)
        if len(calls) == 1:
            return DOWN
        again.set()
        return repeated(request)

    memory = opened(InMemoryStore(), once_down)
    result = await memory.add(ONE, user_id="u")
    assert result.distilled is not None
    assert result.distilled.status == "pending"
    async with asyncio.timeout(20):
        await again.wait()
    assert await memory.flush() == []
    assert await facts(memory, user_id="u") == [ONE]
    await memory.close()


async def test_what_cannot_be_tried_again_steps_aside_at_once() -> None:
    memory = opened(InMemoryStore(), lambda _: ProviderError("scripted", "no such model", retryable=False))
    result = await memory.add(ONE, user_id="u")
    assert result.distilled is not None
    assert (result.distilled.status, result.distilled.reason) == ("failed", "ProviderError: scripted: no such model")
    assert [(j.state, j.attempts) for j in await memory.jobs()] == [("dead", 1)]


async def test_a_caller_who_goes_away_stops_nothing() -> None:
    model = Gated()
    memory = opened(InMemoryStore(), model)
    adding = asyncio.create_task(memory.add(ONE, user_id="u"))
    await model.asked.wait()
    adding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await adding
    assert [j.state for j in await memory.jobs()] == ["running"]
    model.let.set()
    assert await memory.flush() == []
    assert (await facts(memory, user_id="u"), model.heard) == ([ONE], [ONE])


async def test_closing_in_the_middle_gives_the_job_back_and_lets_the_caller_go(tmp_path: Path) -> None:
    model = Gated()
    memory = opened(SqliteStore(tmp_path / "m.db"), model)
    adding = asyncio.create_task(memory.add(ONE, user_id="u"))
    await model.asked.wait()
    async with asyncio.timeout(20):
        await memory.close()
        result = await adding
    assert result.distilled is not None
    assert result.distilled.status == "pending"
    after = opened(SqliteStore(tmp_path / "m.db"), repeated)
    assert [j.state for j in await after.jobs()] == ["waiting"]
    assert await after.flush() == []
    assert await facts(after, user_id="u") == [ONE]
    await after.close()


def ahead(clock: FakeClock) -> FakeClock:
    """Return a clock for which the leases that *clock* gave have run out."""
    return FakeClock(clock() + timedelta(minutes=5), step=timedelta(0))


@pytest.mark.parametrize("store", STORES)
async def test_what_another_did_meanwhile_is_not_done_again(store: str, tmp_path: Path) -> None:
    clock, model = still(), Gated()
    shared = STORES[store](tmp_path / "m.db")
    slow = opened(shared, model, clock=clock)
    adding = asyncio.create_task(slow.add(ONE, user_id="u"))
    await model.asked.wait()
    quick = opened(shared, repeated, clock=ahead(clock))
    assert await quick.flush() == []
    history = [await quick.history(r.id) for r in (await quick.get_all(user_id="u")).items]
    model.let.set()
    result = await adding
    assert result.distilled is not None
    assert result.distilled.status == "done"
    assert [c.text for c in result.distilled.changes] == [ONE]
    assert [await quick.history(r.id) for r in (await quick.get_all(user_id="u")).items] == history
    await slow.close()


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("late", ["fails", "is stopped"])
async def test_a_dead_letter_of_another_stays_one(late: str, store: str, tmp_path: Path) -> None:
    """Who lost its lease must not bring back a job that another buried with what was good of it."""
    clock, model = still(), Gated(lambda _: DOWN)
    shared = STORES[store](tmp_path / "m.db")
    slow = opened(shared, model, clock=clock)
    adding = asyncio.create_task(slow.add(ONE, user_id="u"))
    await model.asked.wait()
    half = reply(change("add", ONE), change("add", "Clara has the brass key in drawer 1."))
    quick = opened(shared, lambda _: half, clock=ahead(clock))
    (before,) = await quick.flush()
    assert (before.state, await facts(quick, user_id="u")) == ("dead", [ONE])
    if late == "fails":
        model.let.set()
        result = await adding
        assert result.distilled is not None
        assert (result.distilled.status, result.distilled.reason) == ("failed", before.error)
    else:
        assert slow._queue_worker is not None
        await slow._queue_worker.close()
        await adding
    assert await quick.jobs() == [before]
    await slow.close()


@pytest.mark.parametrize("store", STORES)
async def test_a_batch_that_was_undone_and_tried_anew_can_be_undone_again(store: str, tmp_path: Path) -> None:
    half = reply(change("add", ONE), change("add", "Clara has the brass key in drawer 1."))
    memory = opened(STORES[store](tmp_path / "m.db"), lambda _: half)
    first = await memory.add(ONE, user_id="u")
    assert first.distilled is not None
    await memory.undo(first.distilled.batch_ids[0])
    assert await facts(memory, user_id="u") == []
    assert await memory.retry() == 1
    await memory.flush()
    (fact,) = list((await memory.get_all(user_id="u", kinds=["fact"])).items)
    (made,) = await memory.history(fact.id)
    await memory.undo(made.batch_id)
    assert await facts(memory, user_id="u") == []
    await memory.close()


class Full(InMemoryStore):
    """A store on a device that is full by the time a job is to be leased."""

    async def claim(
        self, kinds: Sequence[str], limit: int, at: datetime, lease_until: datetime, *, scope: Scope | None = None
    ) -> list[Job]:
        raise StoreFullError("The device is full.")


async def test_a_queue_that_breaks_holds_nobody_up() -> None:
    memory = opened(Full(), repeated)
    async with asyncio.timeout(20):
        result = await memory.add(ONE, user_id="u")
        assert result.distilled is not None
        assert (result.distilled.status, result.distilled.reason) == ("pending", "StoreFullError: The device is full.")
        with pytest.raises(StoreFullError):
            await memory.flush()


def test_one_memory_in_one_loop_after_the_other(tmp_path: Path) -> None:
    memory = opened(SqliteStore(tmp_path / "m.db"), ScriptedChatModel(repeated, delay=0.05))
    for text in (ONE, TWO):
        result = asyncio.run(memory.add(text, user_id="u", wait=0))
        assert result.distilled is not None
        assert result.distilled.status == "pending"
    # The end of a loop frees what was leased in it, at once but behind the back of the loop.
    for _ in range(500):
        states = [j.state for j in asyncio.run(memory.jobs())]
        if "running" not in states:
            break
        time.sleep(0.01)
    assert states == ["waiting", "waiting"]
    assert asyncio.run(memory.flush()) == []
    assert asyncio.run(facts(memory, user_id="u")) == [ONE, TWO]
    asyncio.run(memory.close())


def begun(name: str, path: Path, *more: str) -> "subprocess.Popen[str]":
    """Start a child of these tests."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.distillation.children", name, str(path), *more],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(*children: "subprocess.Popen[str]") -> None:
    """Assert that children end well and say nothing."""
    for process in children:
        said, _ = process.communicate(timeout=120)
        assert (process.returncode, said) == (0, "")


async def test_two_processes_on_one_file_apply_each_fact_once(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    ended(*[begun("write", path, who) for who in "ab"])
    memory = opened(SqliteStore(path), repeated)
    expected = sorted(f"The brass key of {who} is in drawer {n}." for who in "ab" for n in range(12))
    assert await memory.jobs() == []
    assert await facts(memory, user_id="u") == expected
    assert (await memory.usage()).calls == len(expected)
    await memory.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
async def test_a_child_forked_after_use_does_its_own_jobs(tmp_path: Path) -> None:
    path = tmp_path / "m.db"
    ended(begun("fork", path))
    memory = opened(SqliteStore(path), repeated)
    texts = sorted(f"The brass key of {who} is in drawer 1." for who in ("before", "child", "parent"))
    assert (await memory.jobs(), await facts(memory, user_id="u")) == ([], texts)
    await memory.close()
