from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.server.serving import Serving, serving
from tests.ui.browsing import launched
from tests.ui.demo import demonstration


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    """One server for the tests of a file: what they do to it is apart by session, key and user."""
    with serving() as found:
        yield found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with launched() as found:
        yield found


@pytest.fixture(scope="session")
def demo() -> Iterator[Serving]:
    """A filled store that no test changes."""
    with demonstration() as found:
        yield found
