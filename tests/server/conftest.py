from collections.abc import Iterator

import pytest

from tests.server.serving import Serving, serving


@pytest.fixture
def server() -> Iterator[Serving]:
    with serving() as found:
        yield found
