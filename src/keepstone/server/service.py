"""What every surface works with: the store, a memory for each tenant, who may do what, and the work behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextvars import ContextVar
from datetime import timedelta

from keepstone import config, learning, providers, telemetry
from keepstone.contract import Clock, Job, NewId
from keepstone.errors import ConfigError
from keepstone.ids import IdSource
from keepstone.jobs import WorkerPool
from keepstone.memory import AsyncMemory
from keepstone.protocols import Catalogue, ChatModel, ControlPlane, Embedder, JobQueue, Store
from keepstone.queueing import DISTIL
from keepstone.results import Distillation
from keepstone.server.access import ROOT_TENANT, Principal
from keepstone.server.auditing import Auditor
from keepstone.server.drafts import Drafts
from keepstone.server.keys import KeyRing
from keepstone.server.limiting import Limiter
from keepstone.server.metrics import Metrics
from keepstone.server.permitted import permitted
from keepstone.server.reembedder import Progress, Reembedder
from keepstone.server.repeating import Repeating
from keepstone.server.settings import Settings
from keepstone.server.streams import Streams
from keepstone.server.tailing import Tail
from keepstone.server.webhooks import Dispatcher

TRIM_SECONDS = 3_600.0

# Who makes changes: set for the time of a request, and for a job from whoever asked for it.
actor: ContextVar[str] = ContextVar("keepstone_actor", default="server")


class Service:
    """The parts of a running server. `start` and `stop` are called in the event loop that serves.

    *store*, *embedder* and *chat_model* take objects in the place of what *settings* name. *sources* say where each
    setting came from, by its name.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        store: Store | None = None,
        embedder: Embedder | None = None,
        chat_model: ChatModel | None = None,
        clock: Clock = config.utc_now,
        new_id: NewId | None = None,
        sources: Mapping[str, str] | None = None,
    ) -> None:
        self.sources: Mapping[str, str] = sources or {}
        self.settings, self.clock, self.new_id = settings, clock, new_id or IdSource()
        self.store = store if store is not None else providers.store(settings.store, self.new_id)
        self.control: ControlPlane = _control(self.store)
        self.catalogue: Catalogue = _catalogue(self.store)
        self.embedder = embedder or providers.embedder(settings.embedder)
        self.chat_model = chat_model or providers.chat_model(settings.chat_model)
        self.keys = KeyRing(self.control, clock, self.new_id)
        self.limiter = Limiter(settings)
        self.metrics = Metrics()
        self.drafts = Drafts(clock, self.new_id)
        self.reembedder = Reembedder(self._move)
        self.tail = Tail(self.control, self.store)
        self.tail.add(self.drafts)
        self.streams = Streams(self.control, self.tail)
        self.dispatcher = Dispatcher(
            self.control, self.store, clock, self.metrics, to_private_hosts=settings.webhooks_to_private_hosts
        )
        self.tail.when_grown(self.dispatcher.grown)
        self._trimming = Repeating("trim", self._trim, TRIM_SECONDS)
        self.auditor = Auditor(self.control, with_reads=settings.audit_reads)
        self.pool = WorkerPool(_queue(self.store), (DISTIL,), self._work, clock, concurrency=settings.workers)
        self._memories: dict[str, AsyncMemory] = {}
        self._starting: list[Callable[[], None]] = []
        self._stopping: list[Callable[[], Awaitable[None]]] = []
        self._background: set[asyncio.Task[None]] = set()

    def memory(self, principal: Principal) -> AsyncMemory:
        """Return the memory of the tenant of *principal*, held to what *principal* may do."""
        return permitted(self.memory_of(principal.tenant), principal)

    def memory_of(self, tenant: str) -> AsyncMemory:
        """Return the memory of a tenant, held to nothing: for the server's own work."""
        found = self._memories.get(tenant)
        if found is None:
            found = self._memories[tenant] = AsyncMemory(
                store=self.store,
                embedder=self.embedder if self.embedder is not None else "none",
                chat_model=self.chat_model if self.chat_model is not None else "none",
                tenant=tenant,
                actor=actor.get,
                clock=self.clock,
                new_id=self.new_id,
                instructions=self.settings.instructions,
                strategy=self.settings.strategy,
                worker=self.pool,
            )
            if self.settings.otel:
                telemetry.instrument(found, content=self.settings.otel_content)
        return found

    async def forget_memory(self, tenant: str) -> None:
        """Erase everything that a tenant has in memory."""
        await self.memory_of(tenant).reset(confirm=True)
        del self._memories[tenant]

    async def start(self) -> None:
        """Begin the work behind: jobs, audit, and what `in_background` was given."""
        if self.chat_model is not None:
            self.pool.start()
        self.auditor.start()
        self.keys.start()
        await self.tail.start()
        self.dispatcher.start()
        self._trimming.start()
        for begin in self._starting:
            begin()

    def ending(self) -> None:
        """End what would go on for ever: called when the process is to stop, before connections are waited for."""
        self.streams.end()

    def at_start(self, begin: Callable[[], None]) -> None:
        """Call *begin* in the loop that serves, when it starts."""
        self._starting.append(begin)

    def at_stop(self, end: Callable[[], Awaitable[None]]) -> None:
        """Wait for *end* when the server stops, before the store is closed."""
        self._stopping.append(end)

    def in_background(self, work: Coroutine[None, None, None]) -> None:
        """Do *work*, which raises nothing, beside all requests; `stop` waits for it."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def stop(self) -> None:
        """Finish or give back what is being done, write what was put off, and close the store."""
        self.ending()
        if self._background:
            await asyncio.wait(self._background, timeout=self.settings.drain_seconds)
        for end in self._stopping:
            await end()
        await self.dispatcher.close()
        await self.tail.close()
        await self._trimming.close()
        await self.pool.close(self.settings.drain_seconds)
        await self.reembedder.close()
        await self.keys.close()
        await self.auditor.close()
        for memory in self._memories.values():
            await memory.close()
        await self.store.close()

    async def _trim(self) -> None:
        """Remove what is older than the settings say."""
        now, settings = self.clock(), self.settings
        await self.control.trim(
            now - timedelta(days=settings.events_days), audit_before=now - timedelta(days=settings.audit_days)
        )
        self.drafts.trim()

    async def _move(self, progress: Progress) -> int:
        made = await self.memory_of(ROOT_TENANT).reembed(progress=progress)
        # The others agree anew with what the store holds now.
        self._memories.clear()
        return made

    async def _work(self, job: Job) -> Distillation:
        actor.set("worker")
        return await learning.work(self.memory_of(job.scope.tenant), job)


def _control(store: Store) -> ControlPlane:
    if not isinstance(store, ControlPlane):
        raise ConfigError(f"{type(store).__name__} keeps no keys: a server needs a store with a control plane.")
    return store


def _catalogue(store: Store) -> Catalogue:
    if not isinstance(store, Catalogue):
        raise ConfigError(f"{type(store).__name__} has no listings: a server needs a store with a catalogue.")
    return store


def _queue(store: Store) -> JobQueue:
    if not isinstance(store, JobQueue):
        raise ConfigError(f"{type(store).__name__} keeps no jobs: a server needs a store with a queue.")
    return store
