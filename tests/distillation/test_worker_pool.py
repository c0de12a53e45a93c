"""A pool does the jobs of all tenants of a store: what others left, side by side, one at a time for each owner."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from keepstone import AsyncMemory, learning
from keepstone.chat import ChatRequest
from keepstone.config import utc_now
from keepstone.contract import Job
from keepstone.embedders.hashing import HashingEmbedder
from keepstone.errors import StoreFullError
from keepstone.jobs import WorkerPool
from keepstone.queueing import DISTIL
from keepstone.results import Distillation
from keepstone.stores.inmemory import InMemoryStore
from keepstone.testing import ScriptedChatModel
from tests.distillation.speaking import STORES, facts, heard, repeated

ONE, TWO = "The brass key is in drawer 1.", "The brass key is in drawer 2."


class Office:
    """Several tenants' memories over one store, whose jobs one pool does."""

    def __init__(self, store: Any, model: Any, *, concurrency: int = 4) -> None:
        self.store, self.model = store, model
        self.memories: dict[str, AsyncMemory] = {}
        self.pool = WorkerPool(store, (DISTIL,), self._work, utc_now, concurrency=concurrency, look_seconds=0.02)

    def memory(self, tenant: str = "") -> AsyncMemory:
        return self.memories.setdefault(
            tenant,
            AsyncMemory(
                store=self.store, embedder=HashingEmbedder(), chat_model=self.model, tenant=tenant, worker=self.pool
            ),
        )

    async def _work(self, job: Job) -> Distillation:
        return await learning.work(self.memory(job.scope.tenant), job)


@asynccontextmanager
async def office(store: Any, model: Any, *, concurrency: int = 4) -> AsyncIterator[Office]:
    made = Office(store, model, concurrency=concurrency)
    made.pool.start()
    yield made
    await made.pool.close()


@pytest.mark.parametrize("store", STORES)
async def test_what_nobody_waits_for_is_done_for_every_tenant(store: str, tmp_path: Path) -> None:
    async with office(STORES[store](tmp_path / "m.db"), ScriptedChatModel(repeated)) as found:
        for tenant in ("", "acme"):
            result = await found.memory(tenant).add(f"{ONE} {tenant}", user_id="u", wait=0)
            assert result.distilled is not None
            assert result.distilled.status == "pending"
        for tenant in ("", "acme"):
            assert await found.memory(tenant).flush(20) == []
            assert await facts(found.memory(tenant), user_id="u") == [f"{ONE} {tenant}".strip()]
        await found.store.close()


@pytest.mark.parametrize("store", STORES)
async def test_who_waits_gets_what_came_of_it(store: str, tmp_path: Path) -> None:
    async with office(STORES[store](tmp_path / "m.db"), ScriptedChatModel(repeated)) as found:
        result = await found.memory().add(ONE, user_id="u", wait=20)
        assert result.distilled is not None
        assert (result.distilled.status, [c.text for c in result.distilled.changes]) == ("done", [ONE])
        await found.store.close()


async def test_what_another_process_left_is_found(tmp_path: Path) -> None:
    left = Office(STORES["sqlite"](tmp_path / "m.db"), ScriptedChatModel(()), concurrency=0)
    left.pool.start()
    await left.memory().add(ONE, user_id="u", wait=0.05)
    assert [j.state for j in await left.memory().jobs()] == ["waiting"]
    await left.store.close()
    async with office(STORES["sqlite"](tmp_path / "m.db"), ScriptedChatModel(repeated)) as found:
        assert await found.memory().flush(20) == []
        assert await facts(found.memory(), user_id="u") == [ONE]
        await found.store.close()


async def test_owners_side_by_side_and_each_in_its_order() -> None:
    at_once: list[int] = [0, 0]
    order: list[str] = []

    class Counting:
        name = "counting"
        script = ScriptedChatModel(repeated)

        async def reply(self, request: ChatRequest) -> Any:
            order.append(heard(request))
            at_once[0] += 1
            at_once[1] = max(at_once)
            await asyncio.sleep(0.01)
            at_once[0] -= 1
            return await self.script.reply(request)

    async with office(InMemoryStore(), Counting(), concurrency=3) as found:
        memory = found.memory()
        for number in range(4):
            for user in ("a", "b", "c", "d", "e"):
                await memory.add(f"The brass key of {user} is in drawer {number}.", user_id=user, wait=0)
        assert await memory.flush(30) == []
    assert at_once[1] == 3
    for user in ("a", "b", "c", "d", "e"):
        mine = [said for said in order if f" of {user} " in said]
        assert mine == [f"The brass key of {user} is in drawer {n}." for n in range(4)]


async def test_what_is_under_way_at_the_end_is_given_back() -> None:
    begun, store = asyncio.Event(), InMemoryStore()

    class Endless:
        name = "endless"

        async def reply(self, request: ChatRequest) -> Any:
            begun.set()
            await asyncio.Event().wait()

    first = Office(store, Endless())
    first.pool.start()
    await first.memory().add(ONE, user_id="u", wait=0)
    await asyncio.wait_for(begun.wait(), 10)
    assert first.pool.running == 1
    await first.pool.close(0.01)
    assert [j.state for j in await first.memory().jobs()] == ["waiting"]
    async with office(store, ScriptedChatModel(repeated)) as found:
        assert await found.memory().flush(20) == []
        assert await facts(found.memory(), user_id="u") == [ONE]


async def test_closing_waits_for_what_is_nearly_done() -> None:
    store = InMemoryStore()
    begun = asyncio.Event()

    def slowly(request: ChatRequest) -> Any:
        begun.set()
        return repeated(request)

    class Slow(ScriptedChatModel):
        async def reply(self, request: ChatRequest) -> Any:
            answer = await super().reply(request)
            await asyncio.sleep(0.2)
            return answer

    found = Office(store, Slow(slowly))
    found.pool.start()
    await found.memory().add(ONE, user_id="u", wait=0)
    await asyncio.wait_for(begun.wait(), 10)
    await found.pool.close(20)
    assert await facts(found.memory(), user_id="u") == [ONE]
    assert await found.memory().jobs() == []


async def test_a_store_that_fails_for_a_while_does_not_end_the_pool() -> None:
    class Failing(InMemoryStore):
        broken = 3

        async def claim(self, *given: Any, **options: Any) -> Any:
            if self.broken:
                self.broken -= 1
                raise StoreFullError("no room")
            return await super().claim(*given, **options)

    async with office(Failing(), ScriptedChatModel(repeated)) as found:
        await found.memory().add(TWO, user_id="u", wait=0)
        assert await found.memory().flush(20) == []
        assert found.store.broken == 0
