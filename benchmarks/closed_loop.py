"""A closed loop of HTTP requests on loopback: each client sends its next request when it has the answer to the last.

Plain sockets, so that the load takes little of the machine that the server also runs on.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Request:
    """One request, ready to be sent; `name` groups it with its like."""

    name: str
    raw: bytes


@dataclass(slots=True)
class Measured:
    """What a run gave: seconds of each request by name, answers by status, and bodies that were asked for."""

    wall: float = 0.0
    cpu: float = 0.0
    seconds: dict[str, list[float]] = field(default_factory=dict)
    statuses: dict[int, int] = field(default_factory=dict)
    kept: list[bytes] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many requests were answered."""
        return sum(self.statuses.values())


def request(name: str, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Request:
    """Return a request to this machine."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    if body:
        lines.append("Content-Type: application/json")
    lines += [f"{k}: {v}" for k, v in (headers or {}).items()]
    return Request(name, "\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has taken so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def run(
    port: int, pid: int, clients: int, count: int, make: Callable[[int], Request], *, keep: str | None = None
) -> Measured:
    """Send *count* requests from *clients* connections, and return what was measured.

    *make* gives request number i. Bodies of the answers to requests named *keep* are kept.
    """
    found = Measured()
    numbers = iter(range(count))
    started, cpu = time.perf_counter(), cpu_seconds(pid)

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in numbers:
            asked = make(number)
            begun = time.perf_counter()
            writer.write(asked.raw)
            status, body = await _answer(reader)
            found.seconds.setdefault(asked.name, []).append(time.perf_counter() - begun)
            found.statuses[status] = found.statuses.get(status, 0) + 1
            if asked.name == keep:
                found.kept.append(body)
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    found.wall = time.perf_counter() - started
    found.cpu = cpu_seconds(pid) - cpu
    return found


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    status = int(head.split(" ", 2)[1])
    length = next((int(line[15:]) for line in head.split("\r\n") if line.startswith("content-length:")), 0)
    return status, await reader.readexactly(length)
