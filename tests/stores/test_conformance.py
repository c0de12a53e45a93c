"""Every store keeps every law of `keepstone.testing`."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from keepstone.protocols import Store
from keepstone.stores.inmemory import InMemoryStore
from keepstone.stores.sqlite import SqliteStore
from keepstone.testing import CATALOGUE_LAWS, CONTROL_LAWS, LAWS, Law, MakeStore, check

Open = Callable[[Path], Store]

STORES: dict[str, Open] = {"inmemory": lambda _: InMemoryStore(), "sqlite": SqliteStore}


@pytest.fixture(params=STORES)
def make_store(request: pytest.FixtureRequest, tmp_path: Path) -> MakeStore:
    """Return what opens a fresh store of one engine, in a folder of its own if it needs one."""
    open_store, count = STORES[request.param], iter(range(1_000_000))

    @asynccontextmanager
    async def make() -> AsyncIterator[Store]:
        store = open_store(tmp_path / f"{next(count)}.db")
        yield store
        await store.close()

    return make


EVERY_LAW = (*LAWS, *CATALOGUE_LAWS, *CONTROL_LAWS)


@pytest.mark.parametrize("law", EVERY_LAW, ids=lambda law: law.__name__)
async def test_law(law: Law, make_store: MakeStore) -> None:
    await law(make_store)


async def test_check_names_the_law_that_is_broken() -> None:
    class Forgetful(InMemoryStore):
        async def get(self, ids: object, scope: object) -> list[object]:  # type: ignore[override]
            return []

    @asynccontextmanager
    async def make() -> AsyncIterator[Store]:
        yield Forgetful()  # type: ignore[misc]

    with pytest.raises(AssertionError, match="'round_trip' is broken"):
        await check(make)


def test_laws_have_names_of_their_own() -> None:
    names = [getattr(law, "__name__", "") for law in EVERY_LAW]
    assert len(set(names)) == len(names)
    assert all(law.__doc__ for law in EVERY_LAW), "a law says what it holds"
