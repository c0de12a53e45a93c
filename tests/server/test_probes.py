"""Nobody is told what is of somebody else, on any surface; and whatever would tell it is found by the same probes."""

import logging
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from benchmarks.probing import drawing, oracle
from benchmarks.probing.world import made
from keepstone import NotFoundError
from keepstone.memory import AsyncMemory
from keepstone.server.access import Principal, ScopeIds
from keepstone.testing import InMemoryStore
from keepstone.types import MemoryRecord, Scope

PROBES = 600
SEED = 20260618


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    logger = logging.getLogger("keepstone")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(before)


@pytest.mark.parametrize("kept", ["in memory", "in a file"])
async def test_no_answer_tells_what_its_asker_does_not_see(kept: str, tmp_path: Path) -> None:
    async with made(SEED, tmp_path / "memory.db" if kept == "in a file" else None) as world:
        found = await oracle.run(world, SEED + len(kept), PROBES)
    assert not found.wrong, "\n".join(found.wrong[:5])
    assert found.pairs > PROBES / 20
    assert {"rest", "mem0", "mem0-oss", "mcp", "ui"} <= {surface for surface, _ in found.answers}
    assert all(found.answers[surface, 200] > 0 for surface in ("rest", "mem0", "mem0-oss", "mcp", "ui"))


async def test_every_way_in_is_asked() -> None:
    async with made(SEED, None) as world:
        drawn = drawing.Drawing(world, SEED)
        doors = {(d.surface, d.method, d.path) for d in drawing.doors(world.app)}
        for _ in range(30_000):
            door = drawn.probe().door
            doors.discard((door.surface, door.method, door.path))
            if not doors:
                break
    assert not doors


def forget_pins(patch: pytest.MonkeyPatch) -> None:
    def ids(self: Principal, **given: str | None) -> ScopeIds:
        return ScopeIds(**{"user_id": None, "agent_id": None, "app_id": None, "run_id": None, **given})  # type: ignore[typeddict-item]

    patch.setattr(Principal, "ids", ids)


def read_any_id(patch: pytest.MonkeyPatch) -> None:
    original = InMemoryStore.get

    async def get(
        self: InMemoryStore, ids: list[str], scope: Scope, *, known_at: datetime | None = None
    ) -> list[MemoryRecord]:
        return await original(self, ids, Scope(tenant=scope.tenant), known_at=known_at)

    patch.setattr(InMemoryStore, "get", get)


def tell_foreign_from_unknown(patch: pytest.MonkeyPatch) -> None:
    original: Any = AsyncMemory._record

    async def record(self: AsyncMemory, id: str, scope: Scope) -> MemoryRecord:
        if await self.store.get([id], Scope(tenant=scope.tenant)) and not await self.store.get([id], scope):
            raise NotFoundError(f"{id} is of somebody else.")
        found: MemoryRecord = await original(self, id, scope)
        return found

    patch.setattr(AsyncMemory, "_record", record)


def forget_the_tenant(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Principal, "tenant", property(lambda self: "acme"))


@pytest.mark.parametrize(
    ("plant", "says"),
    [
        (forget_pins, "leak"),
        (read_any_id, "leak|foreign id"),
        (forget_the_tenant, "leak|foreign id"),
        (tell_foreign_from_unknown, "foreign id"),
    ],
)
async def test_a_planted_leak_is_found(plant: Any, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with made(SEED, None) as world:
        plant(monkeypatch)
        found = await oracle.run(world, SEED, 5 * PROBES, until_wrong=True)
    assert any(part in wrong for wrong in found.wrong for part in says.split("|")), found.wrong
