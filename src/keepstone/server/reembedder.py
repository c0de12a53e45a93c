"""Moving the store to the server's embedder, in the background, one move at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Literal

from keepstone.errors import ConflictError, KeepstoneError
from keepstone.types import Value

log = logging.getLogger("keepstone.server")

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reembedding(Value):
    """How far a move is. `done` and `total` count vectors; `error` is the kind of what went wrong."""

    state: Literal["idle", "running", "done", "failed"] = "idle"
    done: int = 0
    total: int = 0
    error: str | None = None


class Reembedder:
    """Runs *move*, and tells how far it is. What was made before a failure or a stop is kept by the store."""

    def __init__(self, move: Callable[[Progress], Awaitable[int]]) -> None:
        self._move = move
        self._task: asyncio.Task[None] | None = None
        self.progress = Reembedding()

    def begin(self) -> None:
        """Start to move.

        Raises:
            ConflictError: a move is under way in this process.
        """
        if self._task is not None and not self._task.done():
            raise ConflictError("The store is being moved already; GET /reembed tells how far it is.")
        self.progress = Reembedding(state="running")
        self._task = asyncio.create_task(self._run(), name="keepstone reembed")

    async def close(self) -> None:
        """Stop; the next move goes on there."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            made = await self._move(self._tell)
        except KeepstoneError as error:
            log.warning("Moving to another embedder stopped: %s", type(error).__name__)
            self.progress = replace(self.progress, state="failed", error=type(error).__name__)
        else:
            self.progress = replace(self.progress, state="done", done=made, total=max(made, self.progress.total))

    def _tell(self, done: int, total: int) -> None:
        self.progress = replace(self.progress, done=done, total=total)
