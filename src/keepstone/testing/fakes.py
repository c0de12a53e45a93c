"""Offline stand-ins for what the product reaches over a network or asks of its machine: a chat model, a clock."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import repeat
from typing import Any, TypeAlias

from keepstone.chat import ChatReply, ChatRequest
from keepstone.errors import BadReplyError
from keepstone.logic.counting import count_tokens

# What a script may give: the reply, its text, what its text is the JSON of, an error to raise, or what makes one.
Answer: TypeAlias = ChatReply | str | Mapping[str, Any] | Sequence[Any] | BaseException
Scripted: TypeAlias = Answer | Callable[[ChatRequest], Answer]


class ScriptedChatModel:
    """A `ChatModel` that gives *replies* in order, or asks *replies* for each if it is a function of the request.

    A reply is a `ChatReply`, its text, a dict or list whose JSON is the text, an exception, which is raised, or a
    function of the `ChatRequest` that returns one of these. It is given after *delay* seconds. `calls` holds every
    request. Tokens that a reply does not state are estimated. When the replies run out, a call fails as a provider
    would, for good.
    """

    def __init__(
        self,
        replies: Iterable[Scripted] | Callable[[ChatRequest], Answer] = (),
        *,
        delay: float = 0.0,
        name: str = "scripted",
    ) -> None:
        self.calls: list[ChatRequest] = []
        self._replies: Iterator[Scripted] = repeat(replies) if callable(replies) else iter(replies)
        # Served over HTTP, it is asked from several threads.
        self._lock = threading.Lock()
        self._delay = delay
        self._name = name

    @property
    def name(self) -> str:
        """The name it was given."""
        return self._name

    async def reply(self, request: ChatRequest) -> ChatReply:
        """Return the next reply, whatever is asked for.

        Raises:
            BadReplyError: there is no reply left.
        """
        self.calls.append(request)
        number = len(self.calls)
        if self._delay:
            await asyncio.sleep(self._delay)
        nothing = BadReplyError(self._name, f"the script has no reply number {number}", retryable=False)
        with self._lock:
            scripted = next(self._replies, nothing)
        answer = scripted(request) if callable(scripted) else scripted
        if isinstance(answer, BaseException):
            raise answer
        return _counted(request, _as_reply(answer, self._name))


def _as_reply(answer: ChatReply | str | Mapping[str, Any] | Sequence[Any], model: str) -> ChatReply:
    if isinstance(answer, ChatReply):
        return answer
    text = answer if isinstance(answer, str) else json.dumps(answer, ensure_ascii=False)
    return ChatReply(text=text, model=model)


def _counted(request: ChatRequest, reply: ChatReply) -> ChatReply:
    if reply.input_tokens is None:
        reply = replace(reply, input_tokens=sum(count_tokens(m.content) for m in request.messages))
    if reply.output_tokens is None:
        written = [reply.text, *(call.arguments for call in reply.tool_calls)]
        reply = replace(reply, output_tokens=sum(map(count_tokens, written)))
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
