"""The parts of `InMemoryStore` that are a `Catalogue` and a `ControlPlane`: one line a method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime

from keepstone.contract import NewId
from keepstone.control import (
    ApiKey,
    AuditEntry,
    AuditFilter,
    BrowserSession,
    Conversation,
    Day,
    Delivery,
    Event,
    Owner,
    QueueCounts,
    StoredReply,
    Tenant,
    Webhook,
)
from keepstone.stores.inmemory import catalogue, keys, queueing, webhooks
from keepstone.stores.inmemory.server import Server
from keepstone.stores.inmemory.state import State
from keepstone.types import Change, LedgerMessage, Listing, Scope


class Opened:
    """What the parts share: the state under its lock, the server's rows, the source of ids."""

    _server: Server
    _new_id: NewId

    def _opened(self) -> AbstractContextManager[State]:
        raise NotImplementedError


class CatalogueDoor(Opened):
    """Listings for people to look through."""

    async def owners(
        self, tenant: str, *, kind: str | None = None, prefix: str = "", cursor: str | None = None, limit: int = 50
    ) -> Listing[Owner]:
        """Return the owners of a tenant by kind and id; with *prefix*, those whose id begins so."""
        with self._opened() as state:
            return catalogue.owners(state.tenant(tenant), kind, prefix, cursor, limit)

    async def conversations(self, scope: Scope, *, cursor: str | None = None, limit: int = 50) -> Listing[Conversation]:
        """Return the conversations that *scope* sees, those of the newest scopes first."""
        with self._opened() as state:
            return catalogue.conversations(state.tenant(scope.tenant), scope, cursor, limit)

    async def transcript(
        self, scope: Scope, *, cursor: str | None = None, limit: int = 50, newest_first: bool = False
    ) -> Listing[LedgerMessage]:
        """Return the messages that *scope* sees, partition by partition in the order of their sequence."""
        with self._opened() as state:
            return catalogue.transcript(state.tenant(scope.tenant), scope, cursor, limit, newest_first=newest_first)

    async def log(self, scope: Scope, *, cursor: str | None = None, limit: int = 50) -> Listing[Change]:
        """Return the changes that *scope* sees, the newest first."""
        with self._opened() as state:
            return catalogue.log(state.tenant(scope.tenant), scope, cursor, limit)

    async def days(self, scope: Scope, since: datetime, until: datetime) -> list[Day]:
        """Return what was written for the owner of *scope* (without one, for its tenant), by day, oldest first."""
        with self._opened() as state:
            return catalogue.days(state, scope, since, until)

    async def queue_counts(self, scope: Scope, at: datetime) -> QueueCounts:
        """Return how many jobs that *scope* sees wait, run or are dead."""
        with self._opened() as state:
            return queueing.counts(state.tenant(scope.tenant), scope, at)


class ControlDoor(Opened):
    """A server's own business."""

    async def put_tenant(self, tenant: Tenant) -> None:
        """Keep a new tenant."""
        with self._opened():
            keys.put_tenant(self._server, tenant)

    async def tenants(self, *, cursor: str | None = None, limit: int = 50) -> Listing[Tenant]:
        """Return the tenants by id; the one without a name of its own, `""`, is always there."""
        with self._opened():
            return keys.tenants(self._server, cursor, limit)

    async def drop_tenant(self, tenant: str) -> bool:
        """Remove a tenant's record, keys, sessions, webhooks and replies (`Store.reset` removes its memory)."""
        with self._opened():
            return keys.drop_tenant(self._server, tenant)

    async def put_key(self, key: ApiKey, digest: bytes) -> None:
        """Keep a new key."""
        with self._opened():
            keys.put_key(self._server, key, digest)

    async def key(self, digest: bytes) -> ApiKey | None:
        """Return the key with this digest, valid or not."""
        with self._opened():
            return keys.key(self._server, digest)

    async def keys(self, tenant: str | None, *, cursor: str | None = None, limit: int = 50) -> Listing[ApiKey]:
        """Return the keys of a tenant (None: of all), the oldest first."""
        with self._opened():
            return keys.keys(self._server, tenant, cursor, limit)

    async def end_key(self, tenant: str | None, key_id: str, at: datetime) -> ApiKey | None:
        """Let a key (of *tenant*, or of any) be revoked from *at*, unless it is already; None if there is none."""
        with self._opened():
            return keys.end_key(self._server, tenant, key_id, at)

    async def touch_keys(self, used: Mapping[str, datetime]) -> None:
        """Enter when keys, by id, were last used."""
        with self._opened():
            keys.touch_keys(self._server, used)

    async def put_session(self, session: BrowserSession, digest: bytes) -> None:
        """Keep a session of a browser; those that have expired when it was made go."""
        with self._opened():
            keys.put_session(self._server, session, digest)

    async def session(self, digest: bytes) -> tuple[BrowserSession, ApiKey] | None:
        """Return the session with this digest, and its key; neither need be valid still."""
        with self._opened():
            return keys.session(self._server, digest)

    async def drop_session(self, digest: bytes) -> None:
        """End a session."""
        with self._opened():
            keys.drop_session(self._server, digest)

    async def enter_audit(self, entries: Sequence[AuditEntry]) -> None:
        """Append to the audit."""
        with self._opened():
            keys.enter_audit(self._server, entries)

    async def audit(
        self, tenant: str | None, where: AuditFilter, *, cursor: str | None = None, limit: int = 50
    ) -> Listing[AuditEntry]:
        """Return the audit of a tenant (None: of all), the newest first."""
        with self._opened():
            return keys.audit(self._server, tenant, where, cursor, limit)

    async def put_webhook(self, webhook: Webhook) -> None:
        """Keep a webhook, or put it in the place of the one with its id."""
        with self._opened() as state:
            webhooks.put_webhook(state, self._server, webhook)

    async def webhooks(self, tenant: str) -> list[Webhook]:
        """Return the webhooks of a tenant, the oldest first."""
        with self._opened():
            return webhooks.webhooks(self._server, tenant)

    async def drop_webhook(self, tenant: str, id: str) -> bool:
        """Remove a webhook with its deliveries."""
        with self._opened():
            return webhooks.drop_webhook(self._server, tenant, id)

    async def fan_out(self, at: datetime, limit: int) -> int:
        """Make deliveries for up to *limit* events that no call looked at before; return how many events it was."""
        with self._opened() as state:
            return webhooks.fan_out(state, self._server, at, limit, self._new_id)

    async def due_deliveries(self, at: datetime, lease_until: datetime, limit: int) -> list[tuple[Webhook, Delivery]]:
        """Lease deliveries that are due, with the attempt counted; nobody else gets them before *lease_until*."""
        with self._opened():
            return webhooks.due_deliveries(self._server, at, lease_until, limit)

    async def settle_delivery(self, delivery: Delivery) -> bool:
        """Keep what came of an attempt; False if it was settled, leased again or removed since."""
        with self._opened():
            return webhooks.settle_delivery(self._server, delivery)

    async def deliveries(
        self, tenant: str, webhook_id: str, *, cursor: str | None = None, limit: int = 50
    ) -> Listing[Delivery]:
        """Return the deliveries of a webhook, the newest first."""
        with self._opened():
            return webhooks.deliveries(self._server, tenant, webhook_id, cursor, limit)

    async def redeliver(self, tenant: str, delivery_id: str, due: datetime) -> bool:
        """Let a delivery that is sent or dead be tried anew; False if there is none."""
        with self._opened():
            return webhooks.redeliver(self._server, tenant, delivery_id, due)

    async def begin_reply(
        self, tenant: str, key: bytes, fingerprint: bytes, at: datetime, expires_at: datetime
    ) -> StoredReply | None:
        """Reserve the place of a reply, and return None; or return what is there already."""
        with self._opened():
            return webhooks.begin_reply(self._server, tenant, key, fingerprint, at, expires_at)

    async def keep_reply(self, tenant: str, key: bytes, reply: StoredReply | None) -> None:
        """Fill the place that was reserved; None gives it free. `Store.erase` and `reset` drop a tenant's replies."""
        with self._opened():
            webhooks.keep_reply(self._server, tenant, key, reply)

    async def events(
        self, scope: Scope, *, after: int = 0, limit: int = 100, newest_first: bool = False
    ) -> list[Event]:
        """Return the events that *scope* sees with a sequence above *after*; newest first, below *after* (0: all)."""
        with self._opened() as state:
            return webhooks.events(state, scope, after, limit, newest_first=newest_first)

    async def event_of(self, scope: Scope, id: str) -> list[Event]:
        """Return the events that *scope* sees of the batch or job with this id, oldest first."""
        with self._opened() as state:
            return webhooks.event_of(state, scope, id)

    async def last_event(self) -> int:
        """Return the highest sequence of an event, 0 if there is none."""
        with self._opened() as state:
            return webhooks.last_event(state)

    async def trim(self, before: datetime, *, audit_before: datetime | None = None) -> int:
        """Remove events, sent and dead deliveries, audit entries and replies from before; return how many."""
        with self._opened() as state:
            return webhooks.trim(state, self._server, before, audit_before or before)
