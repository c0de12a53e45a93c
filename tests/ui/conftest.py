from collections.abc import Iterator

import pytest

from tests.server.serving import Serving, serving


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    """One server for the tests of a file: what they do to it is apart by session, key and user."""
    with serving() as found:
        yield found
