"""What no client sends, on the wire and at MCP: refused or hung up on, never a 5xx, and the server goes on."""

from collections.abc import Iterator

import pytest

from benchmarks.fuzzing import rpc, wire
from tests.server.serving import Serving, serving


@pytest.fixture(scope="module")
def shared() -> Iterator[Serving]:
    with serving(requests_a_minute=0, proxy_upstream="http://127.0.0.1:9/v1") as found:
        with found.client() as client:
            client.post("/api/v1/memories", json={"messages": "I live in Lyon.", "user_id": "alice"})
        yield found


@pytest.mark.parametrize("count", [60, pytest.param(3_000, marks=pytest.mark.slow)])
def test_what_is_not_http_is_refused(shared: Serving, count: int) -> None:
    answers, wrong = wire.run(shared.url, shared.secret, count, seed=count)
    print(dict(answers))
    assert not wrong, "\n".join(wrong[:10])
    assert answers["400"] > 0
    assert answers["200"] > 0


@pytest.mark.parametrize("count", [200, pytest.param(10_000, marks=pytest.mark.slow)])
def test_what_is_not_mcp_is_refused(shared: Serving, count: int) -> None:
    answers, wrong = rpc.run(shared.url, shared.secret, count, seed=count)
    print(dict(answers))
    assert not wrong, "\n".join(wrong[:10])
    assert any(answer.startswith("400") for answer in answers)
    assert answers["200"] > 0
