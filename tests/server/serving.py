"""A real server on loopback, in a thread of the test's process: what every surface is tested against."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI

from keepstone import config
from keepstone.contract import Clock
from keepstone.control import ApiKey, Role, Tenant
from keepstone.errors import ConflictError
from keepstone.protocols import ChatModel, Embedder, Store
from keepstone.server.app import create_app
from keepstone.server.service import Service
from keepstone.server.settings import Settings
from keepstone.testing import HashingEmbedder, InMemoryStore
from keepstone.types import Scope

START_SECONDS_MAX = 20


@dataclass
class Serving:
    """A running server; `secret` is that of an admin key of the root tenant."""

    url: str
    service: Service
    loop: asyncio.AbstractEventLoop
    secret: str
    app: FastAPI

    def client(self, secret: str | None = None, **options: Any) -> httpx2.Client:
        """An HTTP client with a key, by default the admin's; "" sends none."""
        given = self.secret if secret is None else secret
        headers = {"Authorization": f"Bearer {given}"} if given else {}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=30, **options)

    def run(self, coroutine: Any) -> Any:
        """Run a coroutine in the server's loop, and return what it returns."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    def key(self, role: Role | str = Role.ADMIN, *, tenant: str = "", name: str = "test", **pin: str) -> str:
        """Make a key, and return its secret."""
        return str(self.made_key(role, tenant=tenant, name=name, **pin)[1])

    def made_key(
        self, role: Role | str = Role.ADMIN, *, tenant: str = "", name: str = "test", **pin: str
    ) -> tuple[ApiKey, str]:
        if tenant:
            self.run(_there(self.service, tenant))
        made: tuple[ApiKey, str] = self.run(
            self.service.keys.create(tenant, name, Role(role), pin=Scope(tenant=tenant, **pin))
        )
        return made


async def _there(service: Service, tenant: str) -> None:
    with suppress(ConflictError):
        await service.control.put_tenant(Tenant(id=tenant, name=tenant, created_at=service.clock()))


class _Server(uvicorn.Server):
    """Ends what streams before it waits for connections, as the real one does."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._service.ending()
        await super().shutdown(sockets)


def _await_start(servers: list[uvicorn.Server], failed: list[BaseException]) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while not failed and not servers[0].started and time.monotonic() < deadline:
        time.sleep(0.005)
    if failed:
        raise failed[0]


@contextmanager
def serving(
    *,
    store: Store | None = None,
    embedder: Embedder | None = None,
    chat_model: ChatModel | None = None,
    clock: Clock = config.utc_now,
    **settings: Any,
) -> Iterator[Serving]:
    """Serve a store (by default an empty one in memory) until the block ends."""
    # With the protocol stated, the event loop turns the delay of small packets off.
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        port = listening.getsockname()[1]
        given = Settings(port=port, **settings)
        started: list[tuple[Service, asyncio.AbstractEventLoop, FastAPI]] = []
        failed: list[BaseException] = []
        ready = threading.Event()
        servers: list[uvicorn.Server] = []

        async def serve() -> None:
            service = Service(
                given,
                store=store if store is not None else InMemoryStore(),
                embedder=embedder or HashingEmbedder(),
                chat_model=chat_model,
                clock=clock,
            )
            app = create_app(service)
            running = uvicorn.Config(app, log_config=None, lifespan="on", ws="none")
            server = _Server(running, service)
            servers.append(server)
            started.append((service, asyncio.get_running_loop(), app))
            ready.set()
            await server.serve(sockets=[listening])

        def run() -> None:
            try:
                asyncio.run(serve())
            except BaseException as error:
                # Whatever it was, the test must hear of it.
                failed.append(error)
            finally:
                ready.set()

        thread = threading.Thread(target=run, name="test server", daemon=True)
        thread.start()
        ready.wait(START_SECONDS_MAX)
        _await_start(servers, failed)
        service, loop, app = started[0]
        _, secret = asyncio.run_coroutine_threadsafe(service.keys.create("", "test admin", Role.ADMIN), loop).result(10)
        try:
            yield Serving(f"http://127.0.0.1:{port}", service, loop, secret, app)
        finally:
            servers[0].should_exit = True
            thread.join(30)
        if failed:
            raise failed[0]
