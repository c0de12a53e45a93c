"""The parts of `SqliteStore` that are a `Catalogue` and a `ControlPlane`: one line a method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

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
from keepstone.stores.sqlite import catalogue, events, jobs, keys, webhooks
from keepstone.stores.sqlite.opened import Opened
from keepstone.types import Change, LedgerMessage, Listing, Scope


class CatalogueDoor(Opened):
    """Listings for people to look through."""

    async def owners(
        self, tenant: str, *, kind: str | None = None, prefix: str = "", cursor: str | None = None, limit: int = 50
    ) -> Listing[Owner]:
        """Return the owners of a tenant by kind and id; with *prefix*, those whose id begins so."""
        return await self._read(lambda db: catalogue.owners(db, tenant, kind, prefix, cursor, limit))

    async def conversations(self, scope: Scope, *, cursor: str | None = None, limit: int = 50) -> Listing[Conversation]:
        """Return the conversations that *scope* sees, those of the newest scopes first."""
        return await self._read(lambda db: catalogue.conversations(db, scope, cursor, limit))

    async def transcript(
        self, scope: Scope, *, cursor: str | None = None, limit: int = 50, newest_first: bool = False
    ) -> Listing[LedgerMessage]:
        """Return the messages that *scope* sees, partition by partition in the order of their sequence."""
        return await self._read(lambda db: catalogue.transcript(db, scope, cursor, limit, newest_first=newest_first))

    async def log(self, scope: Scope, *, cursor: str | None = None, limit: int = 50) -> Listing[Change]:
        """Return the changes that *scope* sees, the newest first."""
        return await self._read(lambda db: catalogue.log(db, scope, cursor, limit))

    async def days(self, scope: Scope, since: datetime, until: datetime) -> list[Day]:
        """Return what was written for the owner of *scope* (without one, for its tenant), by day, oldest first."""
        return await self._read(lambda db: catalogue.days(db, scope, since, until))

    async def queue_counts(self, scope: Scope, at: datetime) -> QueueCounts:
        """Return how many jobs that *scope* sees wait, run or are dead."""
        return await self._read(lambda db: jobs.counts(db, scope, at))


class ControlDoor(Opened):
    """A server's own business."""

    async def put_tenant(self, tenant: Tenant) -> None:
        """Keep a new tenant."""
        await self._write(lambda db: keys.put_tenant(db, tenant))

    async def tenants(self, *, cursor: str | None = None, limit: int = 50) -> Listing[Tenant]:
        """Return the tenants by id; the one without a name of its own, `""`, is always there."""
        return await self._read(lambda db: keys.tenants(db, cursor, limit))

    async def drop_tenant(self, tenant: str) -> bool:
        """Remove a tenant's record, keys, sessions, webhooks and replies (`Store.reset` removes its memory)."""
        return await self._write(lambda db: keys.drop_tenant(db, tenant))

    async def put_key(self, key: ApiKey, digest: bytes) -> None:
        """Keep a new key."""
        await self._write(lambda db: keys.put_key(db, key, digest))

    async def key(self, digest: bytes) -> ApiKey | None:
        """Return the key with this digest, valid or not."""
        return await self._read(lambda db: keys.key(db, digest))

    async def keys(self, tenant: str | None, *, cursor: str | None = None, limit: int = 50) -> Listing[ApiKey]:
        """Return the keys of a tenant (None: of all), the oldest first."""
        return await self._read(lambda db: keys.keys(db, tenant, cursor, limit))

    async def end_key(self, tenant: str | None, key_id: str, at: datetime) -> ApiKey | None:
        """Let a key (of *tenant*, or of any) be revoked from *at*, unless it is already; None if there is none."""
        return await self._write(lambda db: keys.end_key(db, tenant, key_id, at))

    async def touch_keys(self, used: Mapping[str, datetime]) -> None:
        """Enter when keys, by id, were last used."""
        await self._write(lambda db: keys.touch_keys(db, used))

    async def put_session(self, session: BrowserSession, digest: bytes) -> None:
        """Keep a session of a browser; those that have expired when it was made go."""
        await self._write(lambda db: keys.put_session(db, session, digest))

    async def session(self, digest: bytes) -> tuple[BrowserSession, ApiKey] | None:
        """Return the session with this digest, and its key; neither need be valid still."""
        return await self._read(lambda db: keys.session(db, digest))

    async def drop_session(self, digest: bytes) -> None:
        """End a session."""
        await self._write(lambda db: keys.drop_session(db, digest))

    async def enter_audit(self, entries: Sequence[AuditEntry]) -> None:
        """Append to the audit."""
        await self._write(lambda db: keys.enter_audit(db, entries))

    async def audit(
        self, tenant: str | None, where: AuditFilter, *, cursor: str | None = None, limit: int = 50
    ) -> Listing[AuditEntry]:
        """Return the audit of a tenant (None: of all), the newest first."""
        return await self._read(lambda db: keys.audit(db, tenant, where, cursor, limit))

    async def put_webhook(self, webhook: Webhook) -> None:
        """Keep a webhook, or put it in the place of the one with its id."""
        await self._write(lambda db: webhooks.put_webhook(db, webhook))

    async def webhooks(self, tenant: str) -> list[Webhook]:
        """Return the webhooks of a tenant, the oldest first."""
        return await self._read(lambda db: webhooks.webhooks(db, tenant))

    async def drop_webhook(self, tenant: str, id: str) -> bool:
        """Remove a webhook with its deliveries."""
        return await self._write(lambda db: webhooks.drop_webhook(db, tenant, id))

    async def fan_out(self, at: datetime, limit: int) -> int:
        """Make deliveries for up to *limit* events that no call looked at before; return how many events it was."""
        return await self._write(lambda db: webhooks.fan_out(db, at, limit, self._new_id))

    async def due_deliveries(self, at: datetime, lease_until: datetime, limit: int) -> list[tuple[Webhook, Delivery]]:
        """Lease deliveries that are due, with the attempt counted; nobody else gets them before *lease_until*."""
        return await self._write(lambda db: webhooks.due_deliveries(db, at, lease_until, limit))

    async def settle_delivery(self, delivery: Delivery) -> bool:
        """Keep what came of an attempt; False if it was settled, leased again or removed since."""
        return await self._write(lambda db: webhooks.settle_delivery(db, delivery))

    async def deliveries(
        self, tenant: str, webhook_id: str, *, cursor: str | None = None, limit: int = 50
    ) -> Listing[Delivery]:
        """Return the deliveries of a webhook, the newest first."""
        return await self._read(lambda db: webhooks.deliveries(db, tenant, webhook_id, cursor, limit))

    async def redeliver(self, tenant: str, delivery_id: str, due: datetime) -> bool:
        """Let a delivery that is sent or dead be tried anew; False if there is none."""
        return await self._write(lambda db: webhooks.redeliver(db, tenant, delivery_id, due))

    async def begin_reply(
        self, tenant: str, key: bytes, fingerprint: bytes, at: datetime, expires_at: datetime
    ) -> StoredReply | None:
        """Reserve the place of a reply, and return None; or return what is there already."""
        return await self._write(lambda db: webhooks.begin_reply(db, tenant, key, fingerprint, at, expires_at))

    async def keep_reply(self, tenant: str, key: bytes, reply: StoredReply | None) -> None:
        """Fill the place that was reserved; None gives it free. `Store.erase` and `reset` drop a tenant's replies."""
        await self._write(lambda db: webhooks.keep_reply(db, tenant, key, reply))

    async def events(
        self, scope: Scope, *, after: int = 0, limit: int = 100, newest_first: bool = False
    ) -> list[Event]:
        """Return the events that *scope* sees with a sequence above *after*; newest first, below *after* (0: all)."""
        return await self._read(lambda db: events.events(db, scope, after, limit, newest_first=newest_first))

    async def event_of(self, scope: Scope, id: str) -> list[Event]:
        """Return the events that *scope* sees of the batch or job with this id, oldest first."""
        return await self._read(lambda db: events.event_of(db, scope, id))

    async def last_event(self) -> int:
        """Return the highest sequence of an event, 0 if there is none."""
        return await self._read(lambda db: events.last_event(db))

    async def trim(self, before: datetime, *, audit_before: datetime | None = None) -> int:
        """Remove events, sent and dead deliveries, audit entries and replies from before; return how many."""
        return await self._write(lambda db: webhooks.trim(db, before, audit_before or before))
