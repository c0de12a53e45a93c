"""Memories that a running server keeps, one after the other: a fresh service and key for each, over one server."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

from keepstone import Memory
from keepstone.client import AsyncClient, Client
from keepstone.control import Role
from keepstone.protocols import Embedder, Store
from keepstone.server.service import Service
from keepstone.server.settings import Settings
from keepstone.testing import HashingEmbedder, InMemoryStore
from keepstone.types import Scope
from tests.server.serving import Serving

UNLIMITED = Settings(requests_a_minute=0)


class Remote:
    """The verbs of a client, blocking, and the store that its server keeps, as `Memory` has both."""

    def __init__(self, client: Client | AsyncClient, store: Store, runner: asyncio.Runner) -> None:
        self._client, self.store, self._runner = client, store, runner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        if isinstance(self._client, Client):
            return found
        return lambda *args, **named: self._runner.run(found(*args, **named))


@contextmanager
def remote(server: Serving, face: str = "Client", *, store: Store | None = None, **parts: Any) -> Iterator[Memory]:
    """Give a memory behind *server*, which serves nothing else meanwhile, with *parts* of a `Service`."""
    with service(server, store=store, **parts) as (made, secret), asyncio.Runner() as runner:
        kind = Client if face == "Client" else AsyncClient
        memory = Remote(kind(server.url, secret, timeout=30), made.store, runner)
        try:
            yield cast(Memory, memory)
        finally:
            memory.close()


@contextmanager
def service(
    server: Serving, *, store: Store | None = None, embedder: Embedder | None = None, **parts: Any
) -> Iterator[tuple[Service, str]]:
    """Put a service of its own behind *server* for a while, and give it with the secret of an admin key."""
    before: Service = server.app.state.service

    async def start() -> tuple[Service, str]:
        made = Service(UNLIMITED, store=store or InMemoryStore(), embedder=embedder or HashingEmbedder(), **parts)
        await made.start()
        _, secret = await made.keys.create("", "admin", Role.ADMIN, pin=Scope())
        return made, secret

    made, secret = server.run(start())
    server.app.state.service = made
    try:
        yield made, secret
    finally:
        server.app.state.service = before
        server.run(made.stop())
