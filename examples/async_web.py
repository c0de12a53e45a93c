"""Many requests at once on one event loop, as in a web application.

Run it with `python examples/async_web.py`.

One `AsyncMemory` serves the whole process. Writes that wait together are committed together, and each is on the disk
when its `add` returns.
"""

import asyncio
import tempfile
import time
from pathlib import Path

from keepstone import AsyncMemory

USERS = 5
COLOURS = ("red", "green", "blue", "yellow", "purple")


async def handle(memory: AsyncMemory, number: int) -> str:
    """Serve one request: keep what was said, then look something up for the answer."""
    user = f"user-{number}"
    await memory.add(f"My favourite colour is {COLOURS[number]}.", user_id=user, idempotency_key=f"request-{number}")
    hits = await memory.search("favourite colour", user_id=user, limit=1)
    return hits[0].text


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncMemory(Path(folder) / "web.db") as memory:
            began = time.perf_counter()
            answers = await asyncio.gather(*(handle(memory, number) for number in range(USERS)))
            print(f"{USERS} requests in {time.perf_counter() - began:.2f} s")
            assert answers == [f"My favourite colour is {colour}." for colour in COLOURS]

            # A request that was sent twice, since its answer was lost, is done once.
            await asyncio.gather(*(handle(memory, 0) for _ in range(3)))
            counts = await memory.stats()
            print(f"{counts.memories} memories of {counts.partitions} users")
            assert counts.memories == counts.partitions == USERS


if __name__ == "__main__":
    asyncio.run(main())
