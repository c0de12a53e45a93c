"""Asks a server, as everybody, for what is of somebody else, and looks for it in every answer.

    python -m benchmarks.probes
    python -m benchmarks.probes --count 1000000 --seconds 900

Every text of the store holds a word of its owner. No answer may hold a word of an owner that the key does not see,
and a foreign id must be answered as one that nobody has. Requests are drawn from all routes and tools that there are:
tenant x role x pin x route x id x filter x scope. Every world has 10,000 probes; every second one is a file.
Ends with 1 if anything was wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.probing import oracle
from benchmarks.probing.oracle import Found
from benchmarks.probing.world import made

OF_A_WORLD = 10_000
SHOWN = 20
WRONG_CHARS = 1_000


async def campaign(count: int, seconds: float, seed: int) -> Found:
    """Probe world after world, until there were *count* probes or the time is over."""
    total, end, round_ = Found(), time.monotonic() + seconds, 0
    while total.probes < count and time.monotonic() < end:
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "memory.db" if round_ % 2 else None
            async with made(seed + round_, path) as world:
                found = await oracle.run(world, seed + round_, min(OF_A_WORLD, count - total.probes))
        total.probes += found.probes
        total.pairs += found.pairs
        total.answers += found.answers
        total.wrong += found.wrong
        round_ += 1
        rate = found.probes / (time.monotonic() - began)
        print(f"world {round_}: {found.probes} probes, {rate:.0f} a second, {len(found.wrong)} wrong", flush=True)
    return total


def main() -> int:
    """Run it, and say what came of it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=20_000, help="how many probes")
    parser.add_argument("--seconds", type=float, default=600.0, help="begin no world after so many seconds")
    parser.add_argument("--seed", type=int, default=1, help="what the worlds and the probes follow from")
    given = parser.parse_args()
    logging.getLogger("keepstone").setLevel(logging.CRITICAL)
    found = asyncio.run(campaign(given.count, given.seconds, given.seed))
    print(found.tell())
    for wrong in found.wrong[:SHOWN]:
        print(wrong[:WRONG_CHARS])
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
