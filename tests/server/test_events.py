"""Events over REST: pages, and streams that resume, stay within their scope, and end with the server."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Queue
from typing import Any

import httpx2
import pytest

from keepstone.server import streams, tailing
from keepstone.stores.sqlite import SqliteStore
from tests.server.serving import Serving, serving

API = "/api/v1"
STREAM = {"Accept": "text/event-stream"}


@pytest.fixture(scope="module")
def shared() -> Iterator[Serving]:
    with serving() as found:
        yield found


class Reading:
    """A stream of events that is being read in a thread."""

    def __init__(self, client: httpx2.Client, path: str, headers: dict[str, str]) -> None:
        self.items: Queue[dict[str, Any] | None] = Queue()
        self._client, self._path, self._headers = client, path, {**STREAM, **headers}
        self._socket: socket.socket | None = None
        self._open = threading.Event()
        self.status = 0
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()
        assert self._open.wait(20)

    def next(self) -> dict[str, Any] | None:
        return self.items.get(timeout=20)

    def ended(self) -> bool:
        self._thread.join(20)
        return not self._thread.is_alive()

    def close(self) -> None:
        """Leave, as a client that ends does."""
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        assert self.ended()

    def _read(self) -> None:
        with suppress(httpx2.HTTPError), self._client.stream("GET", self._path, headers=self._headers) as response:
            self.status, data = response.status_code, {}
            self._socket = response.extensions["network_stream"].get_extra_info("socket")
            for line in response.iter_lines():
                # The first line comes when the stream is being watched for.
                self._open.set()
                name, _, value = line.partition(": ")
                if line:
                    data[name] = value
                elif "data" in data:
                    self.items.put({"id": int(data["id"]), "event": data["event"], **json.loads(data["data"])})
                    data = {}
        self._open.set()
        self.items.put(None)


@contextmanager
def reading(server: Serving, query: str = "", secret: str | None = None, **headers: str) -> Iterator[Reading]:
    with server.client(secret) as client:
        stream = Reading(client, f"{API}/events{query}", headers)
        try:
            yield stream
        finally:
            stream.close()


def add(server: Serving, text: str, user: str) -> dict[str, Any]:
    with server.client() as client:
        found: dict[str, Any] = client.post(f"{API}/memories", json={"messages": text, "user_id": user}).json()
        return found


def test_a_stream_tells_what_is_written_without_its_words(shared: Serving) -> None:
    with reading(shared, "?user_id=ann") as stream:
        add(shared, "I keep heliotrope.", "somebody")
        added = add(shared, "I keep hens.", "ann")
        event = stream.next()
        assert event is not None
        assert (event["event"], event["kind"], event["batch_id"]) == ("changes", "changes", added["batch_id"])
        assert [c["memory_id"] for c in event["changes"]] == [m["id"] for m in added["memories"]]
        assert "hens" not in json.dumps(event)
        assert event["id"] == event["sequence"]


def test_a_stream_goes_on_where_another_one_stopped(shared: Serving) -> None:
    first, second, third = (add(shared, f"Step {n}.", "beth") for n in range(3))
    with shared.client() as client:
        page = client.get(f"{API}/events", params={"user_id": "beth", "texts": "true"}).json()["items"]
    assert [e["batch_id"] for e in page] == [first["batch_id"], second["batch_id"], third["batch_id"]]
    assert page[0]["changes"][0]["new_text"] == "Step 0."
    known = {"Last-Event-ID": str(page[0]["sequence"])}
    sent = [second["batch_id"], third["batch_id"]]
    for query, headers in ((f"&after={page[0]['sequence']}", {}), ("&after=0", known)):
        with reading(shared, f"?user_id=beth&texts=true{query}", **headers) as stream:
            for batch_id in sent:
                found = stream.next()
                assert found is not None
                assert found["batch_id"] == batch_id
            fourth = add(shared, f"Step {query}.", "beth")
            found = stream.next()
            assert found is not None
            assert found["changes"][0]["new_text"] == fourth["memories"][0]["text"]
            sent.append(fourth["batch_id"])


def test_only_the_kinds_that_are_wanted_come(shared: Serving) -> None:
    with reading(shared, "?user_id=cleo&kinds=erased") as stream, shared.client() as client:
        add(shared, "I keep a diary.", "cleo")
        client.post(f"{API}/erase", json={"user_id": "cleo"})
        event = stream.next()
        assert event is not None
        assert event["kind"] == "erased"
        page = client.get(f"{API}/events", params={"user_id": "cleo", "kinds": "erased", "limit": 1}).json()
        assert [e["kind"] for e in page["items"]] == ["erased"]
        assert client.get(f"{API}/events", params={"kinds": "gossip"}).status_code == 422


def test_a_pinned_key_hears_of_its_scope_alone(shared: Serving) -> None:
    with reading(shared, secret=shared.key("read", user_id="dora")) as stream:
        for user in ("evil", "dora", "evil", "dora"):
            add(shared, f"{user} was here, said {user}.", user)
        for _ in range(1):
            event = stream.next()
            assert event is not None
            assert event["scope"]["user_id"] == "dora"
    with shared.client(shared.key("read", user_id="dora")) as client:
        assert client.get(f"{API}/events", params={"user_id": "evil"}, headers=STREAM).status_code == 403


def test_what_another_process_writes_is_told_too(tmp_path: Path) -> None:
    with (
        serving(store=SqliteStore(tmp_path / "memory.db")) as one,
        serving(store=SqliteStore(tmp_path / "memory.db")) as two,
        reading(one, "?user_id=fay") as stream,
    ):
        added = add(two, "I sail on Sundays.", "fay")
        event = stream.next()
        assert event is not None
        assert event["batch_id"] == added["batch_id"]


def test_a_reader_that_is_far_behind_misses_nothing(shared: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tailing, "WAITING_MAX", 2)
    with reading(shared, "?user_id=gwen") as stream:
        sent = [add(shared, f"Line {n} of many.", "gwen")["batch_id"] for n in range(12)]
        found = [stream.next() for _ in range(12)]
        assert [e["batch_id"] for e in found if e is not None] == sent


def test_a_key_has_so_many_streams_and_no_more(shared: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "STREAMS_OF_A_KEY_MAX", 2)
    secret = shared.key("read")
    with reading(shared, secret=secret), reading(shared, secret=secret), shared.client(secret) as client:
        assert client.get(f"{API}/events", headers=STREAM).status_code == 429
        assert client.get(f"{API}/events").status_code == 200
        with reading(shared) as other:
            assert other.status == 200


def test_a_stream_ends_with_its_key(shared: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 0.1)
    key, secret = shared.made_key("read")
    with reading(shared, secret=secret) as stream:
        shared.run(shared.service.keys.revoke("", key.id))
        assert stream.next() is None
        assert stream.ended()


def test_a_server_that_stops_ends_its_streams() -> None:
    with serving() as server:
        client = server.client()
        stream = Reading(client, f"{API}/events", {})
    # The block above ends when the server has stopped.
    assert stream.next() is None
    assert stream.ended()
    client.close()


def test_pages_are_complete_and_turn_around(shared: Serving) -> None:
    sent = [add(shared, f"Page {n}.", "hope")["batch_id"] for n in range(5)]
    with shared.client() as client:
        seen, after = [], 0
        while True:
            page = client.get(f"{API}/events?user_id=hope&limit=2&kinds=changes&after={after}").json()
            seen += [e["batch_id"] for e in page["items"]]
            if page["next_after"] is None:
                break
            after = page["next_after"]
        assert seen == sent
        newest = client.get(f"{API}/events", params={"user_id": "hope", "limit": 2, "newest_first": "true"}).json()
        assert [e["batch_id"] for e in newest["items"]] == sent[:2:-1]
