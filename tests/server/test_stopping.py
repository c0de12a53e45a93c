"""What reads events in the background ends when it is told to, whatever comes at the same moment."""

import asyncio

import pytest

from keepstone.server.tailing import Tail
from keepstone.testing import InMemoryStore


@pytest.mark.parametrize("steps", range(4))
async def test_a_tail_that_is_poked_as_it_closes_ends(steps: int) -> None:
    store = InMemoryStore()
    tail = Tail(store, store)
    await tail.start()
    for _ in range(2):
        await asyncio.sleep(0)
    tail.poke()
    for _ in range(steps):
        await asyncio.sleep(0)
    await asyncio.wait_for(tail.close(), 10)
