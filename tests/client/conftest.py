from collections.abc import Iterator

import pytest

from keepstone import Memory
from keepstone.testing import FakeClock, HashingEmbedder
from tests.client.serving import remote
from tests.server.serving import Serving, serving


@pytest.fixture(scope="session")
def shared() -> Iterator[Serving]:
    """One running server for all tests; `tests.client.serving` puts what each needs behind it."""
    with serving() as found:
        yield found


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def embedder() -> HashingEmbedder:
    return HashingEmbedder()


@pytest.fixture
def memory(shared: Serving, clock: FakeClock, embedder: HashingEmbedder) -> Iterator[Memory]:
    """An empty memory that a server keeps."""
    with remote(shared, clock=clock, embedder=embedder) as found:
        yield found
