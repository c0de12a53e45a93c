"""What every surface works with: the store, a memory for each tenant, who may do what, and the work behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import ContextVar

from keepstone import config, learning, providers, telemetry
from keepstone.contract import Clock, Job, NewId
from keepstone.errors import ConfigError
from keepstone.ids import IdSource
from keepstone.jobs import WorkerPool
from keepstone.memory import AsyncMemory
from keepstone.protocols import Catalogue, ChatModel, ControlPlane, Embedder, JobQueue, Store
from keepstone.queueing import DISTIL
from keepstone.results import Distillation
from keepstone.server.access import Principal
from keepstone.server.auditing import Auditor
from keepstone.server.keys import KeyRing
from keepstone.server.permitted import permitted
from keepstone.server.settings import Settings

# Who makes changes: set for the time of a request, and for a job from whoever asked for it.
actor: ContextVar[str] = ContextVar("keepstone_actor", default="server")


class Service:
    """The parts of a running server. `start` and `stop` are called in the event loop that serves.

    *store*, *embedder* and *chat_model* take objects in the place of what *settings* name.
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
    ) -> None:
        self.settings, self.clock, self.new_id = settings, clock, new_id or IdSource()
        self.store = store if store is not None else providers.store(settings.store, self.new_id)
        self.control: ControlPlane = _control(self.store)
        self.catalogue: Catalogue = _catalogue(self.store)
        self.embedder = embedder or providers.embedder(settings.embedder)
        self.chat_model = chat_model or providers.chat_model(settings.chat_model)
        self.keys = KeyRing(self.control, clock, self.new_id)
        self.auditor = Auditor(self.control, with_reads=settings.audit_reads)
        self.pool = WorkerPool(_queue(self.store), (DISTIL,), self._work, clock, concurrency=settings.workers)
        self._memories: dict[str, AsyncMemory] = {}
        self._starting: list[Callable[[], None]] = []
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

    async def start(self) -> None:
        """Begin the work behind: jobs, audit, and what `in_background` was given."""
        if self.chat_model is not None:
            self.pool.start()
        self.auditor.start()
        self.keys.start()
        for begin in self._starting:
            begin()

    def at_start(self, begin: Callable[[], None]) -> None:
        """Call *begin* in the loop that serves, when it starts."""
        self._starting.append(begin)

    async def stop(self) -> None:
        """Finish or give back what is being done, write what was put off, and close the store."""
        await self.pool.close(self.settings.drain_seconds)
        await self.keys.close()
        await self.auditor.close()
        for memory in self._memories.values():
            await memory.close()
        await self.store.close()

    async def _work(self, job: Job) -> Distillation:
        actor.set("worker")
        return await learning.work(self.memory_of(job.scope.tenant), job)


def _control(store: Store) -> ControlPlane:
    if not isinstance(store, ControlPlane):
        from keepstone.server.interim import InterimControl

        return InterimControl()
    return store


def _catalogue(store: Store) -> Catalogue:
    if not isinstance(store, Catalogue):
        from keepstone.server.interim import InterimControl

        return InterimControl()
    return store


def _queue(store: Store) -> JobQueue:
    if not isinstance(store, JobQueue):
        raise ConfigError(f"{type(store).__name__} keeps no jobs: a server needs a store with a queue.")
    return store
