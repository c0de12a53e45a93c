"""Measures the server under load: what a request costs above an empty one, and how long it takes under clients.

    python -m benchmarks.service [--folder DIR] [--memories 100000] [--users 1000] [--markdown]
        [--peer-python PYTHON --peer-script peer_mem0.py]

A process of its own serves a store of equal users with the hashing embedder; this one is a closed loop of clients on
loopback. CPU is the server's, user and system, of all threads. With a peer, Mem0's library over its default store
answers the same searches in an application that does nothing else, in the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import workload
from benchmarks.closed_loop import Measured, Request, request, run

CLIENTS = (1, 8, 64)
EMPTY, ALONE, MIXED, PEER = 4_000, 3_000, 4_000, 30


@dataclass(frozen=True)
class Server:
    """A server under load."""

    port: int
    pid: int
    key: str
    users: int

    def empty(self, number: int) -> Request:
        """A request that does nothing."""
        return request("empty", "GET", "/healthz", headers=self._headers())

    def search(self, number: int) -> Request:
        """Search in one user's memories."""
        body = {"query": workload.query(number), "user_id": f"u{number * 7 % self.users}", "limit": 10}
        return self._post("search", "/api/v1/search", body)

    def add(self, number: int) -> Request:
        """Add one message to one user's memories."""
        user = f"u{number * 11 % self.users}"
        return self._post("add", "/api/v1/memories", {"messages": workload.text(10_000_000 + number), "user_id": user})

    def mixed(self, number: int) -> Request:
        """Three searches, then an add."""
        return self.add(number) if number % 4 == 3 else self.search(number)

    def _post(self, name: str, path: str, body: dict[str, Any]) -> Request:
        return request(name, "POST", path, json.dumps(body).encode(), self._headers())

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}


@contextmanager
def serving(python: str, side: str, folder: Path, options: list[str], users: int) -> Iterator[Server]:
    """Run a server until the block ends."""
    command = [python, "-m", "benchmarks.service_app", side, str(folder), "--users", str(users), *options]
    root = Path(__file__).resolve().parents[1]
    process = subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        while line and not line.startswith("{"):
            line = process.stdout.readline()
        started = json.loads(line)
        yield Server(started["port"], started["pid"], started["key"], users)
    finally:
        process.stdin.close()
        process.wait(60)


def cpu_each(measured: Measured) -> float:
    """Milliseconds of the server's CPU a request."""
    return measured.cpu / measured.count * 1000


def share(seconds: list[float], part: float) -> float:
    """The quantile of some times, in milliseconds."""
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] * 1000


async def measure(server: Server) -> dict[str, Any]:
    """Return all figures of one server."""
    found: dict[str, Any] = {"cpu_ms": {}, "load": []}
    for make in (server.empty, server.add):
        await run(server.port, server.pid, 1, 200, make)
    # Seven and the number of users have no common divisor, so that every user is searched once.
    first = await run(server.port, server.pid, 1, server.users, server.search)
    found["cpu_ms"]["first search of a user"] = cpu_each(first)
    for name, make, count in (
        ("empty", server.empty, EMPTY),
        ("search", server.search, ALONE),
        ("add", server.add, ALONE),
    ):
        found["cpu_ms"][name] = cpu_each(await run(server.port, server.pid, 1, count, partial(_from, make, 1_000_000)))
    for place, clients in enumerate(CLIENTS):
        make = partial(_from, server.mixed, 2_000_000 + place * MIXED)
        loaded = await run(server.port, server.pid, clients, MIXED, make, keep="add")
        found["load"].append(
            {
                "clients": clients,
                "a_second": loaded.count / loaded.wall,
                "ms": {n: [share(s, p) for p in (0.5, 0.95, 0.99)] for n, s in sorted(loaded.seconds.items())},
                "failed": loaded.count - loaded.statuses.get(200, 0) - loaded.statuses.get(201, 0),
                "lost": await lost(server, loaded),
            }
        )
    return found


def _from(make: Callable[[int], Request], first: int, number: int) -> Request:
    return make(first + number)


async def lost(server: Server, loaded: Measured) -> int:
    """How many memories whose adding was acknowledged cannot be got."""
    ids = [m["id"] for body in loaded.kept for m in json.loads(body)["memories"]]
    headers = {"Authorization": f"Bearer {server.key}"}

    def get(number: int) -> Request:
        return request("get", "GET", f"/api/v1/memories/{ids[number]}", headers=headers)

    looked = await run(server.port, server.pid, 8, len(ids), get)
    return len(ids) - looked.statuses.get(200, 0)


async def searches(server: Server, count: int) -> Measured:
    """Search *count* times, one after the other."""
    await run(server.port, server.pid, 1, 2, server.search)
    return await run(server.port, server.pid, 1, count, server.search)


def main() -> None:
    """Measure, and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--folder", type=Path)
    arguments.add_argument("--memories", type=int, default=100_000)
    arguments.add_argument("--users", type=int, default=1_000)
    arguments.add_argument("--peer-python")
    arguments.add_argument("--peer-script")
    arguments.add_argument("--markdown", action="store_true")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = given.folder or Path(made)
        options = ["--memories", str(given.memories)]
        with serving(sys.executable, "keepstone", folder / "keepstone", options, given.users) as server:
            found = asyncio.run(measure(server))
            ours = asyncio.run(searches(server, 300))
        found["searches_a_second"] = ours.count / ours.wall
        if given.peer_python:
            options += ["--script", given.peer_script]
            with serving(given.peer_python, "mem0", folder / "mem0", options, given.users) as server:
                peer = asyncio.run(searches(server, PEER))
            found["peer_searches_a_second"] = peer.count / peer.wall
            found["peer_cpu_ms"] = cpu_each(peer)
    print(_markdown(found) if given.markdown else json.dumps(found, indent=2))


def _markdown(found: dict[str, Any]) -> str:
    cpu = found["cpu_ms"]
    lines = ["| request | server CPU, ms | above an empty one |", "|---|---|---|"]
    lines += [f"| {name} | {each:.2f} | {each - cpu['empty']:.2f} |" for name, each in cpu.items()]
    lines += [
        "",
        "| clients | requests a second | search p50, p95, p99 (ms) | add p50, p95, p99 (ms) | failed | lost |",
        "|---|---|---|---|---|---|",
    ]
    for row in found["load"]:
        times = [", ".join(f"{t:.1f}" for t in row["ms"][n]) for n in ("search", "add")]
        lines.append(
            f"| {row['clients']} | {row['a_second']:.0f} | {times[0]} | {times[1]} | {row['failed']} | {row['lost']} |"
        )
    if "peer_searches_a_second" in found:
        ratio = found["searches_a_second"] / found["peer_searches_a_second"]
        lines += [
            "",
            f"Searches a second, one client: {found['searches_a_second']:.0f}, "
            f"Mem0 {found['peer_searches_a_second']:.2f} ({ratio:.0f} times).",
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
