"""The tail of a store's events: one reader for the process, which hands what is new to everything that watches."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Protocol

from keepstone.control import Event
from keepstone.errors import StoreError
from keepstone.protocols import ControlPlane, Store
from keepstone.types import Change, Scope

log = logging.getLogger("keepstone.server")

LOOK_SECONDS = 1.0
PAGE = 100
# A batch may have changed thousands of memories: of so many an event tells.
CHANGES_MAX = 1_000
WAITING_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Told:
    """An event with the changes of its batch; None where they were not asked for."""

    event: Event
    changes: tuple[Change, ...] | None = None
    left_out: int = 0

    def to_dict(self, *, texts: bool) -> dict[str, Any]:
        """Return it as JSON-ready values, with the texts of the changes or without."""
        changes = None if self.changes is None else [_change(c, texts=texts) for c in self.changes]
        return {**self.event.to_dict(), "changes": changes, "changes_left_out": self.left_out}


class Watcher(Protocol):
    """Something that is told of every new event of its tenants."""

    @property
    def tenants(self) -> Collection[str]:
        """Whose events it wants."""
        ...

    @property
    def wants_changes(self) -> bool:
        """Whether it wants to know what an event changed."""
        ...

    def take(self, told: Told) -> None:
        """Be told of an event; must not wait."""
        ...


class Tail:
    """Reads what is new in the store's events, soon after this process wrote and each second."""

    def __init__(self, control: ControlPlane, store: Store) -> None:
        self._control, self._store = control, store
        self._watchers: list[Watcher] = []
        self._grown: list[Callable[[], None]] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._position = 0

    async def start(self) -> None:
        """Begin to read what comes from now on, in the running loop."""
        self._position = await self._control.last_event()
        self._task = asyncio.create_task(self._run(), name="keepstone events")

    async def close(self) -> None:
        """Read nothing more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None

    def poke(self) -> None:
        """Look soon: something was probably written."""
        self._wake.set()

    def when_grown(self, call: Callable[[], None]) -> None:
        """Call *call* whenever there are new events of any tenant."""
        self._grown.append(call)

    @contextmanager
    def watched_by(self, watcher: Watcher) -> Iterator[None]:
        """Tell *watcher* of what is new until the block ends."""
        self.add(watcher)
        try:
            yield
        finally:
            self._watchers.remove(watcher)

    def add(self, watcher: Watcher) -> None:
        """Tell *watcher* of what is new from now on."""
        self._watchers.append(watcher)

    async def told(self, event: Event) -> Told:
        """Return *event* with what it changed."""
        if event.kind != "changes" or event.batch_id is None:
            return Told(event)
        changes = await self._store.changes(event.batch_id, event.scope)
        return Told(event, tuple(changes[:CHANGES_MAX]), max(0, len(changes) - CHANGES_MAX))

    async def _run(self) -> None:
        while True:
            # Not `wait_for`, which before Python 3.12 can lose a cancellation that comes with the event.
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            try:
                await self._look()
            except StoreError as error:
                # What cannot be read now is read the next time, from the same place.
                log.warning("Events could not be read now: %s", type(error).__name__)

    async def _look(self) -> None:
        last = await self._control.last_event()
        if last <= self._position:
            return
        for tenant in {t for w in self._watchers for t in w.tenants}:
            await self._read(tenant, self._position, last)
        self._position = last
        for call in self._grown:
            call()

    async def _read(self, tenant: str, after: int, last: int) -> None:
        while after < last:
            found = await self._control.events(Scope(tenant=tenant), after=after, limit=PAGE)
            for event in found:
                if event.sequence <= last:
                    await self._hand_out(event)
            if len(found) < PAGE:
                return
            after = found[-1].sequence

    async def _hand_out(self, event: Event) -> None:
        tenant = event.scope.tenant
        wanted = any(w.wants_changes and tenant in w.tenants for w in self._watchers)
        told = await self.told(event) if wanted else Told(event)
        for watcher in self._watchers:
            if tenant in watcher.tenants:
                watcher.take(told)


class Waiting:
    """New events of one scope, waiting to be read; with too many, the reader goes back to the store."""

    wants_changes = True

    def __init__(self, scope: Scope) -> None:
        self.tenants = (scope.tenant,)
        self._scope = scope
        self._events: deque[Told] = deque()
        self._some = asyncio.Event()
        self.is_behind = False

    def take(self, told: Told) -> None:
        """Put an event behind the others, if the scope sees it."""
        if not self._scope.sees(told.event.scope):
            return
        if len(self._events) >= WAITING_MAX:
            self._events.clear()
            self.is_behind = True
        if not self.is_behind:
            self._events.append(told)
        self._some.set()

    def wake(self) -> None:
        """Let the reader go on, though there is nothing new."""
        self._some.set()

    async def next(self, seconds: float) -> Told | None:
        """Return the next event, None if there is none for *seconds* or the reader was woken or is behind."""
        if not self._events and not self.is_behind:
            # Not `wait_for`, which before Python 3.12 can lose a cancellation that comes with the event.
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._some.wait()
        self._some.clear()
        return self._events.popleft() if self._events else None


def _change(change: Change, *, texts: bool) -> dict[str, Any]:
    told = change.to_dict()
    if not texts:
        # Reasons and details are words of people and of models, too.
        for name in ("old_text", "new_text", "reason", "details"):
            del told[name]
    return told
