"""`AsyncClient`: the verbs of `AsyncMemory`, done by a server."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from keepstone.client.administering import Administering
from keepstone.client.connection import Connection
from keepstone.client.remote import WAIT_SECONDS_MAX, verb
from keepstone.memory import AsyncMemory
from keepstone.results import JobStatus


class AsyncClient(Administering):
    """A memory that a Keepstone server keeps: the verbs, results and errors of `AsyncMemory`.

    *url* is that of the server, by default `KEEPSTONE_URL` or http://127.0.0.1:8765, *api_key* its key, by default
    `KEEPSTONE_API_KEY`. A request is tried up to *attempts* times, each of them for *timeout* seconds beside what the
    server is asked to wait, all together for *deadline* seconds (None: no such end).

    Every verb also raises AuthenticationError for a key that is not valid, PermissionDeniedError for one that may not
    do it, and ProviderError (RateLimitError, TimedOutError) if the server cannot be reached or is too busy.

    Nothing is opened before the first verb. May be used from any event loop, and after a fork.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = 60.0,
        deadline: float | None = None,
        attempts: int = 4,
    ) -> None:
        self.connection = Connection(url, api_key, timeout=timeout, deadline=deadline, attempts=attempts)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def url(self) -> str:
        """Where the server is."""
        return self.connection.url

    add = verb(AsyncMemory.add, "POST", "/memories", waits="wait")
    search = verb(AsyncMemory.search, "POST", "/search")
    context = verb(AsyncMemory.context, "POST", "/context")
    trace = verb(AsyncMemory.trace, "POST", "/trace")
    get = verb(AsyncMemory.get, "GET", "/memories/{id}")
    get_all = verb(AsyncMemory.get_all, "GET", "/memories")
    update = verb(AsyncMemory.update, "PATCH", "/memories/{id}")
    delete = verb(AsyncMemory.delete, "DELETE", "/memories/{id}")
    delete_all = verb(AsyncMemory.delete_all, "DELETE", "/memories")
    history = verb(AsyncMemory.history, "GET", "/memories/{id}/history")
    undo = verb(AsyncMemory.undo, "POST", "/undo")
    erase = verb(AsyncMemory.erase, "POST", "/erase")
    reset = verb(AsyncMemory.reset, "POST", "/reset")
    feedback = verb(AsyncMemory.feedback, "POST", "/memories/{id}/feedback")
    profile = verb(AsyncMemory.profile, "GET", "/profile")
    entities = verb(AsyncMemory.entities, "GET", "/entities")
    merge_entities = verb(AsyncMemory.merge_entities, "POST", "/entities/{id}/merge")
    split_entity = verb(AsyncMemory.split_entity, "POST", "/entities/{id}/split")
    stats = verb(AsyncMemory.stats, "GET", "/stats")
    usage = verb(AsyncMemory.usage, "GET", "/usage")
    jobs = verb(AsyncMemory.jobs, "GET", "/jobs")
    retry = verb(AsyncMemory.retry, "POST", "/jobs/retry")
    discard = verb(AsyncMemory.discard, "POST", "/jobs/discard")
    consolidate = verb(AsyncMemory.consolidate, "POST", "/consolidate")
    _flush = verb(AsyncMemory.flush, "POST", "/flush", waits="timeout")

    async def flush(
        self,
        timeout: float | None = None,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
    ) -> list[JobStatus]:
        """Do what is due in the queue of a scope, without one of everything, and return what is still there.

        Waits at most *timeout* seconds, None until all is done; dead letters, and jobs that wait for a later time,
        are not waited for.

        Raises:
            ConfigError: there is no chat model to do it with.
        """
        loop = asyncio.get_running_loop()
        until = None if timeout is None else loop.time() + timeout
        while True:
            seconds = WAIT_SECONDS_MAX if until is None else min(WAIT_SECONDS_MAX, max(0.0, until - loop.time()))
            begun = loop.time()
            left = await self._flush(seconds, user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id)
            # A server that answers before its time has nothing more to wait for.
            if loop.time() - begun < seconds or (until is not None and loop.time() >= until):
                return left

    async def close(self) -> None:
        """Close the connections of the running event loop; the server goes on."""
        await self.connection.close()
