"""Work that a server does again and again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

log = logging.getLogger("keepstone.server")


class Repeating:
    """Does *work* every *seconds* until it is closed; closing waits for what is being done, and cancels nothing."""

    def __init__(self, name: str, work: Callable[[], Awaitable[object]], seconds: float) -> None:
        self._name, self._work, self._seconds = name, work, seconds
        self._stopping = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, in the running loop."""
        self._stopping.clear()
        self._task = asyncio.create_task(self._run(), name=f"keepstone {self._name}")

    async def close(self) -> None:
        """Do nothing more."""
        self._stopping.set()
        if self._task is not None:
            await self._task
            self._task = None

    async def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                await asyncio.wait_for(self._stopping.wait(), self._seconds)
            except TimeoutError:
                await self._once()

    async def _once(self) -> None:
        try:
            await self._work()
        except Exception as error:
            # What fails now may work the next time: the server must not lose this work for ever.
            log.warning("The server's work %r failed: %s", self._name, type(error).__name__)
