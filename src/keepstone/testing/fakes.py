"""Offline stand-ins for what the product reaches over a network or asks of its machine: a chat model, a clock."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from keepstone.errors import BadReplyError


class ScriptedChatModel:
    """A `ChatModel` that gives *replies* in order; one that is an exception is raised instead.

    Each reply is given after *delay* seconds. `calls` holds the messages of every call. When the replies run out,
    a call fails as a provider would, for good.
    """

    def __init__(self, replies: Iterable[Any] = (), *, delay: float = 0.0, name: str = "scripted") -> None:
        self.calls: list[list[dict[str, str]]] = []
        self._replies = list(replies)
        self._delay = delay
        self._name = name

    @property
    def name(self) -> str:
        """The name it was given."""
        return self._name

    async def reply(self, messages: Sequence[Mapping[str, str]], schema: Mapping[str, Any]) -> Any:
        """Return the next reply, whatever *schema* says.

        Raises:
            BadReplyError: there is no reply left.
        """
        self.calls.append([dict(m) for m in messages])
        number = len(self.calls)
        if self._delay:
            await asyncio.sleep(self._delay)
        if number > len(self._replies):
            raise BadReplyError(self._name, f"the script has no reply number {number}", retryable=False)
        reply = self._replies[number - 1]
        if isinstance(reply, BaseException):
            raise reply
        return reply


class FakeClock:
    """A clock that starts at *start* and moves by *step* with each reading; `advance` moves it further."""

    def __init__(
        self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC), step: timedelta = timedelta(seconds=1)
    ) -> None:
        if start.tzinfo is None:
            raise ValueError("A clock needs a zone.")
        self._next, self._step = start, step

    def __call__(self) -> datetime:
        """Return the time, which no later reading repeats unless *step* is zero."""
        now = self._next
        self._next += self._step
        return now

    def advance(self, by: timedelta) -> None:
        """Let *by* pass."""
        self._next += by
