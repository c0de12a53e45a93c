"""Rate limits, and bodies whose shape costs more than they may."""

import gzip
import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.errors import ConfigError
from keepstone.server import bodies
from keepstone.server.limiting import FAILURES_A_MINUTE, Limiter
from keepstone.server.problems import RefusedError
from keepstone.server.settings import Settings
from tests.server.serving import Serving, serving

JSON = {"Content-Type": "application/json"}
SEARCH = "/api/v1/search"


@pytest.fixture(scope="module")
def limited() -> Iterator[Serving]:
    with serving(requests_a_minute=5) as found:
        yield found


@pytest.fixture(scope="module")
def shared() -> Iterator[Serving]:
    with serving() as found:
        yield found


def test_a_key_has_its_requests_and_no_more(limited: Serving) -> None:
    with limited.client(limited.key("read")) as client, limited.client(limited.key("read")) as other:
        left = []
        for _ in range(5):
            found = client.get("/api/v1/whoami")
            assert found.status_code == 200
            assert found.headers["RateLimit-Policy"] == '"key";q=5;w=60'
            left.append(found.headers["RateLimit"].split(";")[1])
        assert left == ["r=4", "r=3", "r=2", "r=1", "r=0"]
        # A body that cannot be read is not looked at any more.
        refused = client.post(SEARCH, content=b"{", headers=JSON)
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
        assert refused.headers["content-type"] == "application/problem+json"
        assert other.get("/api/v1/whoami").status_code == 200


def test_errors_tell_what_is_left_too(limited: Serving) -> None:
    with limited.client(limited.key("read")) as client:
        assert "RateLimit" in client.get("/api/v1/memories/nobody").headers


def test_whoever_tries_keys_is_slowed_down_and_others_are_not(limited: Serving) -> None:
    with limited.client("") as client, limited.client(limited.key("read")) as known:
        seen = [client.get("/api/v1/whoami").status_code for _ in range(FAILURES_A_MINUTE + 1)]
        assert set(seen[:FAILURES_A_MINUTE]) == {401}
        assert seen[-1] == 429
        assert known.get("/api/v1/whoami").status_code == 200


def test_a_store_of_counts_that_is_none_is_refused_without_its_password() -> None:
    with pytest.raises(ConfigError) as raised:
        Limiter(Settings(requests_a_minute_store="nothing://user:hunter2@localhost"))
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[" * 100_000, 413),
        (b'{"a":' * 65 + b"1" + b"}" * 65, 413),
        (b'{"query":"' + b'\\"' * 1_000_000, 422),
        (b"{" + b'"a":1,' * 100_001 + b'"b":1}', 413),
        (b"[" + b"1," * 1_000_001 + b"1]", 413),
        (b"[" + b"{}," * 100_000 + b"{}]", 413),
        ('{"query": "x"}'.encode("utf-16"), 400),
        (b'{"query": "x\x00", "user_id": "a"}', 400),
        (b'{"query": "x", "user_id": "a", "limit": 1e999}', 422),
        (b'{"query": "x", "user_id": "a", "limit": NaN}', 422),
        (b'{"query": "x", "user_id": "a", "min_score": NaN}', 422),
        (b'{"query": "x", "user_id": "a", "limit": ' + b"9" * 5_000 + b"}", 400),
        (b'{"query": "\\ud800", "user_id": "a"}', (200, 400, 422)),
        (b'{"query": "\\u0000", "user_id": "a"}', 200),
        (b'{"query": "x", "user_id": "\\ud800"}', (400, 422)),
        (b'{"query": "x", "user_id": "a", "filters": {"n": 1e999}}', (200, 400, 422)),
        (b'"\xff\xfe"', (400, 422)),
        (b"", 422),
    ],
)
def test_hostile_bodies_are_refused(shared: Serving, body: bytes, status: int | tuple[int, ...]) -> None:
    with shared.client() as client:
        found = client.post(SEARCH, content=body, headers=JSON)
        assert found.status_code in ((status,) if isinstance(status, int) else status), found.text


def test_a_body_that_is_larger_than_it_says_is_cut_off() -> None:
    with serving(body_bytes_max=1_000) as server, server.client() as client:
        pieces = (b" " * 100 for _ in range(20))
        assert client.post(SEARCH, content=pieces, headers=JSON).status_code == 413
        assert client.post(SEARCH, content=b" " * 1_001, headers=JSON).status_code == 413


def test_a_packed_body_is_not_unpacked(shared: Serving) -> None:
    with shared.client() as client:
        packed = gzip.compress(b'{"query": "x", "user_id": "a"}')
        assert client.post(SEARCH, content=packed, headers={**JSON, "Content-Encoding": "gzip"}).status_code in (
            400,
            422,
        )


nested = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=30,
)


@given(nested)
def test_what_is_within_bounds_passes(value: object) -> None:
    bodies.check_shape(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass").replace(b"\0", b""))


@given(st.text(alphabet='[]{}"\\,:a', max_size=200))
def test_the_depth_is_that_outside_of_strings(text: str) -> None:
    body = "[" * bodies.DEPTH_MAX + json.dumps(text) + "]" * bodies.DEPTH_MAX
    bodies.check_shape(body.encode())
    with pytest.raises(RefusedError):
        bodies.check_shape(f"[{body}]".encode())
