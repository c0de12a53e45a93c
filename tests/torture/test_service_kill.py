"""`kill -9` of a server under load: nothing acknowledged is lost, keys open, events keep their numbers and are sent."""

import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.server.process import Process, started

CYCLES = int(os.environ.get("KEEPSTONE_TORTURE_CYCLES", "20"))
SEED = int(os.environ.get("KEEPSTONE_TORTURE_SEED", "20260618"))
CLIENTS = 8
ADMIN = "ks_" + "a" * 43
SETTINGS = {
    "KEEPSTONE_ADMIN_KEY": ADMIN,
    "KEEPSTONE_REQUESTS_A_MINUTE": "0",
    "KEEPSTONE_WEBHOOKS_TO_PRIVATE_HOSTS": "true",
}
# Whoever was killed while it delivered holds its deliveries for a minute.
PATIENCE_SECONDS = 90


@dataclass
class Truth:
    """What was acknowledged in all lives: texts by id, batches, keys; events by sequence; what webhooks brought."""

    texts: dict[str, str] = field(default_factory=dict)
    batches: set[str] = field(default_factory=set)
    keys: list[str] = field(default_factory=list)
    events: dict[int, str] = field(default_factory=dict)
    # The receiver writes from threads of its own.
    brought: list[str] = field(default_factory=list)
    unanswered: int = 0


@contextmanager
def receiving(truth: Truth) -> Iterator[str]:
    """Listen for webhooks, and give the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if len(body) < int(self.headers["Content-Length"]):
                # Whoever sent it was killed.
                return
            told = json.loads(body)
            truth.brought.append(told["data"]["batch_id"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/hook"
        server.shutdown()
        thread.join()


def write(url: str, truth: Truth, life: int, name: int, secret: str) -> None:
    """Add until the server is gone; only what was answered counts."""
    with httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {secret}"}, timeout=20) as http:
        for number in range(10_000):
            text = f"Life {life}, client {name}, note {number} 关于茶壶."
            try:
                answer = http.post("/api/v1/memories", json={"messages": text, "user_id": f"user-{name % 3}"})
            except httpx2.TransportError:
                truth.unanswered += 1
                return
            assert answer.status_code == 201, answer.text
            told = answer.json()
            truth.texts[told["memories"][0]["id"]] = text
            truth.batches.add(told["batch_id"])


def live(server: Process, truth: Truth, life: int, chance: random.Random) -> None:
    """Write with several clients, and kill the server in the midst of it."""
    with server.client(ADMIN) as http:
        made = http.post("/api/v1/keys", json={"name": f"life {life}", "role": "write"})
        assert made.status_code == 201
        truth.keys.append(made.json()["secret"])
    before = len(truth.texts)
    # Each client has a key of any life by now.
    arguments = [(server.url, truth, life, n, chance.choice(truth.keys)) for n in range(CLIENTS)]
    threads = [threading.Thread(target=write, args=a, daemon=True) for a in arguments]
    for thread in threads:
        thread.start()
    end = time.monotonic() + 20
    while len(truth.texts) == before and time.monotonic() < end:
        time.sleep(0.01)
    time.sleep(chance.uniform(0.05, 1.0))
    assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    for thread in threads:
        thread.join(30)
    assert len(truth.texts) > before


def check(server: Process, truth: Truth) -> None:
    """Compare a new life with what the ones before acknowledged."""
    for secret in truth.keys:
        with server.client(secret) as http:
            assert http.get("/api/v1/whoami").json()["role"] == "write"
    with server.client(ADMIN) as http:
        there = {m["id"]: m["text"] for m in paged(http, "/api/v1/memories", all_scopes="true", limit="1000")}
        assert not {id for id, text in truth.texts.items() if there.get(id) != text}
        events = {e["sequence"]: e["batch_id"] for e in told(http)}
    assert truth.batches <= set(events.values())
    assert {s: events.get(s) for s in truth.events} == truth.events, "an event has another number, or is gone"
    assert len(set(events.values())) == len(events)
    truth.events = events


def paged(http: httpx2.Client, path: str, **query: str) -> Iterator[dict[str, Any]]:
    while True:
        page = http.get(path, params=query).raise_for_status().json()
        yield from page["items"]
        if page["next_cursor"] is None:
            return
        query["cursor"] = page["next_cursor"]


def told(http: httpx2.Client) -> Iterator[dict[str, Any]]:
    """Every event of the store, in order."""
    after, last = 0, 0
    while True:
        page = http.get("/api/v1/events", params={"after": after, "limit": 1_000}).raise_for_status().json()
        for event in page["items"]:
            assert event["sequence"] > last
            last = event["sequence"]
            yield event
        if page["next_after"] is None:
            return
        after = page["next_after"]


def campaign(path: Path, cycles: int, patience: float) -> Truth:
    """Kill a server again and again, and check each next one; then wait for the webhooks."""
    truth, chance, hook = Truth(), random.Random(SEED), ""
    settings: dict[str, Any] = {**SETTINGS, "KEEPSTONE_STORE": str(path)}
    with receiving(truth) as address:
        for life in range(cycles):
            with started("serve", "--port", "0", **settings) as server:
                if not hook:
                    with server.client(ADMIN) as http:
                        hook = http.post("/api/v1/webhooks", json={"url": address}).raise_for_status().json()["id"]
                check(server, truth)
                live(server, truth, life, chance)
        with started("serve", "--port", "0", **settings) as server:
            check(server, truth)
            waiting = delivered(server, hook, truth, patience)
            assert server.stop() == 0
    twice = len(truth.brought) - len(set(truth.brought))
    print(
        f"{cycles} kills, seed {SEED}: {len(truth.texts)} acknowledged adds, {truth.unanswered} cut off, "
        f"{len(truth.events)} events, {len(set(truth.brought))} delivered, {twice} of them twice, {waiting} still wait"
    )
    return truth


def delivered(server: Process, hook: str, truth: Truth, patience: float) -> int:
    """Wait for the deliveries of all batches; return how many wait for their time, none may be missing."""
    end = time.monotonic() + patience
    while not truth.batches <= set(truth.brought) and time.monotonic() < end:
        time.sleep(0.1)
    with server.client(ADMIN) as http:
        waiting = {
            d["event"]["batch_id"]
            for d in paged(http, f"/api/v1/webhooks/{hook}/deliveries", limit="1000")
            if d["state"] == "waiting"
        }
    missing = truth.batches - set(truth.brought) - waiting
    assert not missing, f"{len(missing)} deliveries are lost"
    return len(truth.batches - set(truth.brought))


def test_a_killed_server_loses_nothing(tmp_path: Path) -> None:
    truth = campaign(tmp_path / "memory.db", 1, patience=1)
    assert truth.brought


@pytest.mark.slow
def test_a_server_that_is_killed_again_and_again_loses_nothing(tmp_path: Path) -> None:
    truth = campaign(tmp_path / "memory.db", CYCLES, patience=PATIENCE_SECONDS)
    assert truth.batches <= set(truth.brought)
