"""The tests of this folder run over every store that an archive can be moved between."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from keepstone import AsyncMemory
from keepstone.embedders.hashing import HashingEmbedder
from keepstone.protocols import Store
from keepstone.stores.inmemory import InMemoryStore
from keepstone.stores.sqlite import SqliteStore

NewStore = Callable[[str], Store]


@pytest.fixture(params=["inmemory", "sqlite"])
async def new_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[NewStore]:
    """Make empty stores by name, all of one engine, and close them afterwards."""
    made: list[Store] = []

    def make(name: str) -> Store:
        store: Store = InMemoryStore() if request.param == "inmemory" else SqliteStore(tmp_path / f"{name}.db")
        made.append(store)
        return store

    yield make
    for store in made:
        await store.close()


@pytest.fixture
def memory(new_store: NewStore) -> AsyncMemory:
    return AsyncMemory(store=new_store("first"), embedder=HashingEmbedder())
