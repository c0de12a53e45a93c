"""A memory over each store, through each face."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from keepstone import Memory
from keepstone.embedders.hashing import HashingEmbedder
from keepstone.testing import FakeClock
from tests.pipeline.opening import FACES, STORES, Open, opener


@pytest.fixture(params=[(s, f) for s in STORES for f in FACES], ids="-".join)
def open_memory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Return what opens a memory of one store through one face."""
    yield from opener(request.param[0], request.param[1], tmp_path)


@pytest.fixture
def clock() -> FakeClock:
    """Return the clock of `memory`."""
    return FakeClock()


@pytest.fixture
def embedder() -> HashingEmbedder:
    """Return the embedder of `memory`, which counts its calls."""
    return HashingEmbedder()


@pytest.fixture
def memory(open_memory: Open, clock: FakeClock, embedder: HashingEmbedder) -> Memory:
    """Return an empty memory."""
    return open_memory(clock=clock, embedder=embedder)
