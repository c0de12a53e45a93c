"""Webhooks: events on their way to other servers, signed, tried again, and visible.

Requests follow Standard Webhooks 1.0: headers `webhook-id`, `webhook-timestamp` and `webhook-signature`, an HMAC-SHA256
over the three parts `id.timestamp.body`. Bodies hold ids, kinds and the scope, nothing of what was said.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import logging
import random
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import httpx2
import orjson

from keepstone.contract import Clock
from keepstone.control import Delivery, Webhook
from keepstone.errors import InvalidRequestError, StoreError
from keepstone.protocols import ControlPlane, Store
from keepstone.server.addresses import RefusedAddressError, check_url, resolve
from keepstone.server.metrics import Metrics

log = logging.getLogger("keepstone.server")

SECRET_PREFIX = "whsec_"
SECRET_BYTES = 32
LOOK_SECONDS = 1.0
LEASE = timedelta(seconds=60)
TIMEOUT_SECONDS = 10.0
AT_ONCE = 16
EVENTS_AT_ONCE = 500
CHANGES_MAX = 100
GONE = 410
# How long after each attempt the next one comes; after the last, the delivery is dead. About three days in all.
RETRIES = tuple(timedelta(seconds=s) for s in (5, 60, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400))


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one attempt: the HTTP status, or what went wrong before there was one."""

    status: int | None = None
    error: str | None = None

    @property
    def is_success(self) -> bool:
        """Whether the other server took it."""
        return self.status is not None and 200 <= self.status < 300


def new_secret() -> str:
    """Return a secret to sign with."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def check_secret(given: str) -> str:
    """Return a secret that a caller brings.

    Raises:
        InvalidRequestError: it is not `whsec_` and 24 to 64 bytes in Base64.
    """
    if given.startswith(SECRET_PREFIX) and 24 <= len(_key(given)) <= 64:
        return given
    raise InvalidRequestError("secret is `whsec_` and 24 to 64 random bytes in Base64.")


def sign(secret: str, id: str, timestamp: int, body: bytes) -> str:
    """Return the value of the header `webhook-signature`."""
    digest = hmac.digest(_key(secret), f"{id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(digest).decode()}"


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return b""


class Sender:
    """Posts to other servers: to the address that was looked up and let pass, and to no other by redirects."""

    def __init__(self, *, to_private_hosts: bool) -> None:
        self._to_private_hosts = to_private_hosts
        self._client: httpx2.AsyncClient | None = None

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        """Send *body*, and return what came of it; nothing of the answer but its status is read."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return await self._post(url, headers, body)
        except TimeoutError:
            return Outcome(error=f"no answer in {TIMEOUT_SECONDS:.0f} s")
        except (InvalidRequestError, RefusedAddressError) as error:
            return Outcome(error=str(error))
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            return Outcome(error=type(error).__name__)

    async def close(self) -> None:
        """Close what is open."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _post(self, url: str, headers: Mapping[str, str], body: bytes) -> Outcome:
        parts = check_url(url, to_private_hosts=self._to_private_hosts)
        host = parts.hostname or ""
        port = parts.port or (443 if parts.scheme == "https" else 80)
        address = await resolve(host, port, to_private_hosts=self._to_private_hosts)
        target = httpx2.URL(url).copy_with(host=address)
        sent = {**headers, "Host": parts.netloc}
        # The certificate is that of the name, though the connection goes to the address.
        extensions = {"sni_hostname": host}
        async with self._connected().stream(
            "POST", target, headers=sent, content=body, extensions=extensions
        ) as response:
            return Outcome(status=response.status_code)

    def _connected(self) -> httpx2.AsyncClient:
        if self._client is None:
            # A kept connection belongs to an address, not to a name: it must not serve another one.
            limits = httpx2.Limits(max_keepalive_connections=0)
            self._client = httpx2.AsyncClient(
                trust_env=False, follow_redirects=False, timeout=TIMEOUT_SECONDS, limits=limits
            )
        return self._client


class Dispatcher:
    """Takes events to webhooks, a few at once, from whatever process wrote them."""

    def __init__(
        self, control: ControlPlane, store: Store, clock: Clock, metrics: Metrics, *, to_private_hosts: bool
    ) -> None:
        self._control, self._store, self._clock, self._metrics = control, store, clock, metrics
        self._sender = Sender(to_private_hosts=to_private_hosts)
        self._wake = asyncio.Event()
        self._has_grown = True
        self._task: asyncio.Task[None] | None = None
        self._running: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to deliver, in the running loop."""
        self._task = asyncio.create_task(self._run(), name="keepstone webhooks")

    def grown(self) -> None:
        """Look soon: there are new events."""
        self._has_grown = True
        self._wake.set()

    async def close(self) -> None:
        """Deliver nothing more; what is under way is tried again by whoever comes next."""
        running = [t for t in (self._task, *self._running) if t is not None]
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)
        self._task = None
        await self._sender.close()

    async def test(self, webhook: Webhook) -> Outcome:
        """Send an event of the type `test`, once, and return what came of it."""
        now = self._clock()
        body = orjson.dumps({"type": "test", "timestamp": now, "data": {"webhook_id": webhook.id}})
        return await self._send(webhook, f"test-{secrets.token_hex(8)}", now, body)

    async def _run(self) -> None:
        while True:
            try:
                busy = await self._once()
            except StoreError as error:
                # What cannot be read or settled now is leased again.
                log.warning("Webhooks cannot be served now: %s", type(error).__name__)
                busy = False
            if not busy:
                # Not `wait_for`, which before Python 3.12 can lose a cancellation that comes with the event.
                with suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_SECONDS):
                        await self._wake.wait()
            self._wake.clear()

    async def _once(self) -> bool:
        """Begin what is due; return whether there may be more at once."""
        now = self._clock()
        if self._has_grown:
            looked = await self._control.fan_out(now, EVENTS_AT_ONCE)
            self._has_grown = looked == EVENTS_AT_ONCE
        free = AT_ONCE - len(self._running)
        due = await self._control.due_deliveries(now, now + LEASE, free) if free > 0 else []
        for webhook, delivery in due:
            task = asyncio.create_task(self._deliver(webhook, delivery), name="keepstone delivery")
            self._running.add(task)
            task.add_done_callback(self._finished)
        return self._has_grown or (bool(due) and len(due) == free)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("A delivery to a webhook could not be settled: %s", type(error).__name__)
        self._wake.set()

    async def _deliver(self, webhook: Webhook, delivery: Delivery) -> None:
        body = await self._body(delivery)
        outcome = await self._send(webhook, delivery.id, self._clock(), body)
        settled = settle(delivery, outcome, self._clock())
        self._metrics.count_delivery("failed" if settled.state == "waiting" else settled.state)
        await self._control.settle_delivery(settled)

    async def _send(self, webhook: Webhook, id: str, at: datetime, body: bytes) -> Outcome:
        timestamp = int(at.timestamp())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Keepstone",
            "webhook-id": id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(webhook.secret, id, timestamp, body),
        }
        return await self._sender.post(webhook.url, headers, body)

    async def _body(self, delivery: Delivery) -> bytes:
        event, changes = delivery.event, []
        if event.kind == "changes" and event.batch_id is not None:
            changes = await self._store.changes(event.batch_id, event.scope)
        told: list[dict[str, Any]] = [
            {"id": c.id, "memory_id": c.memory_id, "action": c.action} for c in changes[:CHANGES_MAX]
        ]
        data = {**event.to_dict(), "changes": told, "changes_left_out": max(0, len(changes) - CHANGES_MAX)}
        return orjson.dumps({"type": event.kind, "timestamp": event.at, "data": data})


def settle(delivery: Delivery, outcome: Outcome, now: datetime) -> Delivery:
    """Return a delivery after an attempt: sent, waiting for the next one, or dead after the last."""
    error = outcome.error or (None if outcome.is_success else f"answered {outcome.status}")
    told = replace(delivery, updated_at=now, due_at=None, status=outcome.status, error=error)
    if outcome.is_success:
        return replace(told, state="sent")
    if outcome.status == GONE or delivery.attempts > len(RETRIES):
        return replace(told, state="dead")
    wait = RETRIES[delivery.attempts - 1]
    return replace(told, state="waiting", due_at=now + wait * (1 + random.random() / 10))
