"""What a server counts, and moving its store to another embedder."""

import re
import time
from pathlib import Path

from keepstone.stores.sqlite import SqliteStore
from keepstone.testing import HashingEmbedder
from tests.server.serving import Serving, serving

API = "/api/v1"


def test_requests_are_counted_by_operation_and_never_by_who(server: Serving) -> None:
    with server.client() as client:
        client.post(f"{API}/memories", json={"messages": "I keep heliotrope.", "user_id": "wilhelmina"})
        client.post(f"{API}/search", json={"query": "heliotrope", "user_id": "wilhelmina"})
        client.post(f"{API}/search", json={"query": 1})
        client.get(f"{API}/memories/nobody")
        found = client.get("/metrics")
    assert found.headers["content-type"].startswith("text/plain")
    for line in (
        'keepstone_requests_total{operation="add",status="201",surface="rest"} 1.0',
        'keepstone_requests_total{operation="search",status="200",surface="rest"} 1.0',
        'keepstone_requests_total{operation="search",status="422",surface="rest"} 1.0',
        'keepstone_requests_total{operation="get",status="404",surface="rest"} 1.0',
        'keepstone_request_seconds_count{operation="add",surface="rest"} 1.0',
        "keepstone_last_event 1.0",
        "keepstone_jobs_waiting 0.0",
    ):
        assert line in found.text
    assert not re.search("wilhelmina|heliotrope|test admin", found.text)


def test_metrics_want_a_key_of_the_tenant_that_runs_the_server(server: Serving) -> None:
    with server.client("") as nobody, server.client(server.key("read")) as reader:
        assert nobody.get("/metrics").status_code == 401
        assert reader.get("/metrics").status_code == 200
    with server.client(server.key("read", user_id="alice")) as pinned:
        assert pinned.get("/metrics").status_code == 403


def test_a_store_moves_to_the_embedder_of_the_server(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    search = {"query": "the lake", "user_id": "alice"}
    with serving(store=SqliteStore(path), embedder=HashingEmbedder(64)) as server, server.client() as client:
        for n in range(3):
            client.post(f"{API}/memories", json={"messages": f"The lake has {n} boats.", "user_id": "alice"})
    with serving(store=SqliteStore(path), embedder=HashingEmbedder(128)) as server, server.client() as client:
        assert client.post(f"{API}/search", json=search).status_code == 409
        assert client.get(f"{API}/reembed").json()["state"] == "idle"
        assert client.post(f"{API}/reembed").status_code == 202
        deadline = time.monotonic() + 20
        while client.get(f"{API}/reembed").json()["state"] == "running" and time.monotonic() < deadline:
            pass
        assert client.get(f"{API}/reembed").json() == {"state": "done", "done": 3, "total": 3, "error": None}
        assert len(client.post(f"{API}/search", json=search).json()["items"]) == 3
