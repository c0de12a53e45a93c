"""Waiting for a model's work ends where nothing will happen soon, and work that is stopped is free for others."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from keepstone import AsyncMemory, InvalidRequestError, Scope
from keepstone.chat import ChatRequest
from keepstone.contract import Job
from keepstone.errors import ProviderError
from keepstone.stores.sqlite import SqliteStore
from keepstone.testing import FakeClock, InMemoryStore, ScriptedChatModel
from keepstone.testing.fakes import Answer


async def test_an_add_does_not_wait_for_an_earlier_job_that_is_tried_again_later() -> None:
    clock = FakeClock(step=timedelta(0))
    is_down = True

    def reply(request: ChatRequest) -> Answer:
        return ProviderError("scripted", "down", retryable=True) if is_down else {"changes": []}

    memory = AsyncMemory(store=InMemoryStore(), embedder="none", chat_model=ScriptedChatModel(reply), clock=clock)
    async with asyncio.timeout(20):
        first = await memory.add("I keep bees on the roof.", user_id="ren")
        second = await memory.add("我在学拉大提琴。", user_id="ren")
        other = await memory.add("I repair clocks.", user_id="kim")
    assert [r.distilled.status for r in (first, second, other) if r.distilled] == ["pending"] * 3
    assert [j.attempts for j in await memory.jobs(user_id="ren")] == [1, 0]
    is_down = False
    clock.advance(timedelta(hours=1))
    assert await memory.flush(20) == []
    await memory.close()


async def test_a_flush_waits_no_longer_than_it_may_however_many_owners_there_are() -> None:
    silent = ScriptedChatModel(delay=3_600)
    memory = AsyncMemory(store=InMemoryStore(), embedder="none", chat_model=silent)
    owners = [f"owner-{n}" for n in range(50)]
    for owner in owners:
        await memory.add("I keep bees on the roof.", user_id=owner, wait=0)
    async with asyncio.timeout(10):
        left = await memory.flush(0.3)
    assert [job.scope.user_id for job in left] == owners
    with pytest.raises(InvalidRequestError):
        await memory.flush(-1, user_id="nobody")
    await memory.close()


class SlowClaims(SqliteStore):
    """A store that takes its time to say which job was leased."""

    leased: asyncio.Event

    async def claim(
        self, kinds: Sequence[str], limit: int, at: datetime, lease_until: datetime, *, scope: Scope | None = None
    ) -> list[Job]:
        claimed = await super().claim(kinds, limit, at, lease_until, scope=scope)
        self.leased.set()
        await asyncio.sleep(0.1)
        return claimed


async def test_a_job_that_was_leased_while_the_memory_closed_is_free_at_once(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    store = SlowClaims(path)
    store.leased = asyncio.Event()
    model = ScriptedChatModel()
    memory = AsyncMemory(store=store, embedder="none", chat_model=model)
    await memory.add("I keep bees on the roof.", user_id="ren", wait=0)
    await store.leased.wait()
    await memory.close()
    async with AsyncMemory(path, embedder="none") as after:
        (job,) = await after.jobs(user_id="ren")
    assert (job.state, job.error, model.calls) == ("waiting", "interrupted", [])
