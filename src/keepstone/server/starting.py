"""From settings to a running process: who may come in, where it listens, what it says first, how it stops."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

import uvicorn

from keepstone.control import Role
from keepstone.errors import ConfigError
from keepstone.server import tracing
from keepstone.server.access import ROOT_TENANT
from keepstone.server.app import create_app
from keepstone.server.service import Service
from keepstone.server.settings import Settings

BACKLOG = 2_048
# Longer than clients and proxies keep idle connections, so that none of them sends into one that is just being closed.
KEEP_ALIVE_SECONDS = 75
STOPPED_AT_ONCE = 130
FIRST_KEY_NAME = "first admin"
OWN_KEY_NAME = "from settings"
WILDCARDS = ("0.0.0.0", "::", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """A server that listens: its address, and the admin key that was made for its first start, shown once."""

    url: str
    settings: Settings
    secret: str | None


def serve(settings: Settings, announce: Callable[[Started], None], *, sources: Mapping[str, str] | None = None) -> None:
    """Serve until SIGINT or SIGTERM; *announce* is called once when requests are accepted.

    *sources* say where each setting came from, for people to see.

    A signal ends it in order: nothing new is accepted, requests and jobs have `drain_seconds`, and jobs that are not
    done by then go back to the queue. A second signal ends the process at once.

    Raises:
        ConfigError: it may not be reached from beyond this machine, the address is not free, a setting contradicts
            another, or the store's vectors are of another embedder (EmbedderMismatchError).
        StoreError: the store cannot be opened.
    """
    factory = uvicorn.Config("", log_config=None).get_loop_factory()
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_serve(settings, announce, sources or {}))


async def _serve(settings: Settings, announce: Callable[[Started], None], sources: Mapping[str, str]) -> None:
    _check_tls(settings)
    if settings.otel:
        tracing.export()
    service = Service(settings, sources=sources)
    try:
        # Opens the store, and compares its embedder: what is wrong there is said before anybody connects.
        await service.memory_of(ROOT_TENANT).__aenter__()
        await check_reach(service)
        listening = listen(settings)
    except BaseException:
        # The store was opened to look for keys.
        await service.stop()
        raise
    url = address(settings, listening.getsockname()[1])

    async def ready() -> None:
        secret = await first_key(service)
        announce(Started(url=url, settings=settings, secret=secret))

    server = _Server(_uvicorn_config(service), ready, service.ending)
    await server.serve(sockets=[listening])


async def work(settings: Settings, ready: Callable[[], None]) -> None:
    """Do jobs until SIGINT or SIGTERM, which stop it as they stop a server; *ready* is called once it has begun.

    Raises:
        ConfigError: there is no chat model, without which there are no jobs to do.
        StoreError: the store cannot be opened.
    """
    if settings.otel:
        tracing.export()
    service = Service(settings)
    try:
        if service.chat_model is None:
            raise ConfigError("A worker needs a chat model: name one with --chat-model or KEEPSTONE_CHAT_MODEL.")
        await service.memory_of(ROOT_TENANT).__aenter__()
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        with _signals(lambda number, frame: _stop_or_end(stopping, loop)):
            service.pool.start()
            ready()
            await stopping.wait()
    finally:
        await service.stop()


async def check_reach(service: Service) -> None:
    """Enter the admin key of the settings, and let pass what listens on this machine, or has a key and TLS.

    Raises:
        ConfigError: others could reach it without a key, or read on the wire what is said; it says what to do.
    """
    settings = service.settings
    if settings.admin_key is not None:
        await service.keys.enter(settings.admin_key, OWN_KEY_NAME)
    if settings.is_loopback:
        return
    if not await service.keys.has_any():
        raise ConfigError(
            f"{settings.host} can be reached from other machines, and there is no key yet: make one with "
            "`keepstone keys create --role admin`, or give your own in KEEPSTONE_ADMIN_KEY_FILE."
        )
    if not settings.speaks_tls:
        raise ConfigError(
            f"{settings.host} can be reached from other machines, where keys and memories would travel in clear text: "
            "give --tls-certificate and --tls-key, or state with --tls-terminated that a proxy in front speaks TLS."
        )


async def first_key(service: Service) -> str | None:
    """Make an admin key if there is no valid one, and return its secret, which is shown once."""
    if await service.keys.has_any():
        return None
    _, secret = await service.keys.create(ROOT_TENANT, FIRST_KEY_NAME, Role.ADMIN)
    return secret


def listen(settings: Settings) -> socket.socket:
    """Return a socket that listens at the address of *settings*.

    Raises:
        ConfigError: the address is taken, or is not one of this machine.
    """
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, where = found[0]
        return socket.create_server((str(where[0]), settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"Cannot listen at {settings.host}, port {settings.port}: {error.strerror}. "
            "Another one may run there; --port 0 takes a free port."
        ) from error


def address(settings: Settings, port: int) -> str:
    """Return the address to reach a server at, from this machine."""
    host = "localhost" if settings.host in WILDCARDS else settings.host
    scheme = "https" if settings.tls_certificate is not None else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def _check_tls(settings: Settings) -> None:
    if settings.tls_key is not None and settings.tls_certificate is None:
        raise ConfigError("There is a tls_key, but no tls_certificate that it belongs to.")
    for path in (settings.tls_certificate, settings.tls_key):
        if path is not None and not path.expanduser().is_file():
            raise ConfigError(f"There is no file {path}.")


def _uvicorn_config(service: Service) -> uvicorn.Config:
    settings = service.settings
    certificate, key = (p and p.expanduser() for p in (settings.tls_certificate, settings.tls_key))
    return uvicorn.Config(
        create_app(service),
        lifespan="on",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=settings.tls_terminated,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, round(settings.drain_seconds)),
    )


class _Server(uvicorn.Server):
    """Says when it listens, ends with 0 after a signal, and at once after a second one."""

    def __init__(
        self, config: uvicorn.Config, ready: Callable[[], Awaitable[None]], ending: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._ready, self._ending = ready, ending

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        await self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop; streams are ended first, for connections are waited for."""
        self._ending()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop in order at a signal, which is not raised again afterwards: this end was asked for."""
        with _signals(self.handle_exit):
            yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Stop; the second time, end."""
        if self.should_exit:
            os._exit(STOPPED_AT_ONCE)
        self.should_exit = True


@contextmanager
def _signals(handle: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop_or_end(stopping: asyncio.Event, loop: asyncio.AbstractEventLoop) -> None:
    if stopping.is_set():
        os._exit(STOPPED_AT_ONCE)
    loop.call_soon_threadsafe(stopping.set)
