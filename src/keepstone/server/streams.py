"""Streams of events to clients, as server-sent events: resumed by sequence, ended when the server stops."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import orjson
from fastapi.responses import StreamingResponse
from starlette.types import Message, Send

from keepstone.control import Event, EventKind
from keepstone.protocols import ControlPlane
from keepstone.server.problems import RefusedError
from keepstone.server.tailing import PAGE, Tail, Told, Waiting
from keepstone.types import Scope

log = logging.getLogger("keepstone.server")

MEDIA_TYPE = "text/event-stream"
STREAMS_OF_A_KEY_MAX = 20
HEARTBEAT_SECONDS = 15.0
# A reader that takes nothing for so long is cut off; it resumes where it was.
SEND_SECONDS_MAX = 30.0
RETRY_MILLISECONDS = 3_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a client wants: events of a scope after a sequence (None: from now on), of some kinds or (empty) all."""

    scope: Scope
    after: int | None
    kinds: frozenset[EventKind]
    texts: bool


class Streams:
    """The open streams of a server. *is_valid* tells of a key by its secret, now and then."""

    def __init__(self, control: ControlPlane, tail: Tail) -> None:
        self._control, self._tail = control, tail
        self._of_key: Counter[str] = Counter()
        self._open: set[Waiting] = set()
        self.is_ending = False

    @property
    def count(self) -> int:
        """How many are open."""
        return len(self._open)

    def end(self) -> None:
        """End all of them, and refuse new ones: the server stops."""
        self.is_ending = True
        for waiting in self._open:
            waiting.wake()

    def open(self, key_id: str, wish: Wish, is_valid: Callable[[], Awaitable[bool]]) -> EventStream:
        """Return the answer that streams what *wish* says for as long as the key is valid.

        Raises:
            RefusedError: the key has too many streams open, or the server stops.
        """
        if self.is_ending:
            raise RefusedError(503, "The server stops.", headers={"Retry-After": "1"})
        if self._of_key[key_id] >= STREAMS_OF_A_KEY_MAX:
            detail = f"This key has {STREAMS_OF_A_KEY_MAX} streams of events open; close one."
            raise RefusedError(429, detail, headers={"Retry-After": "60"})
        return EventStream(self._written(key_id, wish, is_valid))

    async def _written(self, key_id: str, wish: Wish, is_valid: Callable[[], Awaitable[bool]]) -> AsyncIterator[bytes]:
        waiting = Waiting(wish.scope)
        self._of_key[key_id] += 1
        self._open.add(waiting)
        try:
            with self._tail.watched_by(waiting):
                async for part in self._parts(waiting, wish, is_valid):
                    yield part
        finally:
            self._open.discard(waiting)
            self._of_key[key_id] -= 1
            self._of_key += Counter()

    async def _parts(
        self, waiting: Waiting, wish: Wish, is_valid: Callable[[], Awaitable[bool]]
    ) -> AsyncIterator[bytes]:
        # Whoever watches before looking misses nothing between.
        position = await self._control.last_event() if wish.after is None else wish.after
        yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
        waiting.is_behind = True
        loop = asyncio.get_running_loop()
        checked = loop.time()
        while not self.is_ending:
            if waiting.is_behind:
                waiting.is_behind = False
                async for told in self._stored(wish.scope, position):
                    position = told.event.sequence
                    if _is_wanted(told.event, wish):
                        yield _part(told, wish)
                    if self.is_ending:
                        return
            told_now = await waiting.next(HEARTBEAT_SECONDS)
            if told_now is not None and told_now.event.sequence > position:
                position = told_now.event.sequence
                if _is_wanted(told_now.event, wish):
                    yield _part(told_now, wish)
            if loop.time() - checked >= HEARTBEAT_SECONDS:
                checked = loop.time()
                if not await is_valid():
                    return
                yield b": still here\n\n"

    async def _stored(self, scope: Scope, after: int) -> AsyncIterator[Told]:
        while found := await self._control.events(scope, after=after, limit=PAGE):
            for event in found:
                yield await self._tail.told(event)
            after = found[-1].sequence


class EventStream(StreamingResponse):
    """Server-sent events to a client that reads them."""

    media_type = MEDIA_TYPE

    async def stream_response(self, send: Send) -> None:
        """Send what there is, as it comes; a reader that does not take it is cut off."""

        async def sent(message: Message) -> None:
            async with asyncio.timeout(SEND_SECONDS_MAX):
                await send(message)

        try:
            await super().stream_response(sent)
        except TimeoutError:
            log.info("A stream of events was cut off: nobody read it.")
        finally:
            close = getattr(self.body_iterator, "aclose", None)
            if close is not None:
                await close()


def _is_wanted(event: Event, wish: Wish) -> bool:
    return not wish.kinds or event.kind in wish.kinds


def _part(told: Told, wish: Wish) -> bytes:
    data = orjson.dumps(told.to_dict(texts=wish.texts))
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (told.event.sequence, told.event.kind.encode(), data)
