"""The part of a passing store that is a `Catalogue` and a `ControlPlane`."""

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
from keepstone.protocols import Store
from keepstone.testing._script import catalogue_of, control_of
from keepstone.types import Change, LedgerMessage, Listing, Scope


class PassingServer:
    """A `Catalogue` and `ControlPlane` that does what *inner* does."""

    def __init__(self, inner: Store) -> None:
        self.inner = inner

    async def owners(
        self, tenant: str, *, kind: str | None = None, prefix: str = "", cursor: str | None = None, limit: int = 50
    ) -> Listing[Owner]:
        """Pass the call on."""
        return await catalogue_of(self.inner).owners(tenant, kind=kind, prefix=prefix, cursor=cursor, limit=limit)

    async def conversations(self, scope: Scope, *, cursor: str | None = None, limit: int = 50) -> Listing[Conversation]:
        """Pass the call on."""
        return await catalogue_of(self.inner).conversations(scope, cursor=cursor, limit=limit)

    async def transcript(
        self, scope: Scope, *, cursor: str | None = None, limit: int = 50, newest_first: bool = False
    ) -> Listing[LedgerMessage]:
        """Pass the call on."""
        return await catalogue_of(self.inner).transcript(scope, cursor=cursor, limit=limit, newest_first=newest_first)

    async def log(self, scope: Scope, *, cursor: str | None = None, limit: int = 50) -> Listing[Change]:
        """Pass the call on."""
        return await catalogue_of(self.inner).log(scope, cursor=cursor, limit=limit)

    async def days(self, scope: Scope, since: datetime, until: datetime) -> list[Day]:
        """Pass the call on."""
        return await catalogue_of(self.inner).days(scope, since, until)

    async def queue_counts(self, scope: Scope, at: datetime) -> QueueCounts:
        """Pass the call on."""
        return await catalogue_of(self.inner).queue_counts(scope, at)

    async def put_tenant(self, tenant: Tenant) -> None:
        """Pass the call on."""
        await control_of(self.inner).put_tenant(tenant)

    async def tenants(self, *, cursor: str | None = None, limit: int = 50) -> Listing[Tenant]:
        """Pass the call on."""
        return await control_of(self.inner).tenants(cursor=cursor, limit=limit)

    async def drop_tenant(self, tenant: str) -> bool:
        """Pass the call on."""
        return await control_of(self.inner).drop_tenant(tenant)

    async def put_key(self, key: ApiKey, digest: bytes) -> None:
        """Pass the call on."""
        await control_of(self.inner).put_key(key, digest)

    async def key(self, digest: bytes) -> ApiKey | None:
        """Pass the call on."""
        return await control_of(self.inner).key(digest)

    async def keys(self, tenant: str | None, *, cursor: str | None = None, limit: int = 50) -> Listing[ApiKey]:
        """Pass the call on."""
        return await control_of(self.inner).keys(tenant, cursor=cursor, limit=limit)

    async def end_key(self, tenant: str | None, key_id: str, at: datetime) -> ApiKey | None:
        """Pass the call on."""
        return await control_of(self.inner).end_key(tenant, key_id, at)

    async def touch_keys(self, used: Mapping[str, datetime]) -> None:
        """Pass the call on."""
        await control_of(self.inner).touch_keys(used)

    async def put_session(self, session: BrowserSession, digest: bytes) -> None:
        """Pass the call on."""
        await control_of(self.inner).put_session(session, digest)

    async def session(self, digest: bytes) -> tuple[BrowserSession, ApiKey] | None:
        """Pass the call on."""
        return await control_of(self.inner).session(digest)

    async def drop_session(self, digest: bytes) -> None:
        """Pass the call on."""
        await control_of(self.inner).drop_session(digest)

    async def enter_audit(self, entries: Sequence[AuditEntry]) -> None:
        """Pass the call on."""
        await control_of(self.inner).enter_audit(entries)

    async def audit(
        self, tenant: str | None, where: AuditFilter, *, cursor: str | None = None, limit: int = 50
    ) -> Listing[AuditEntry]:
        """Pass the call on."""
        return await control_of(self.inner).audit(tenant, where, cursor=cursor, limit=limit)

    async def put_webhook(self, webhook: Webhook) -> None:
        """Pass the call on."""
        await control_of(self.inner).put_webhook(webhook)

    async def webhooks(self, tenant: str) -> list[Webhook]:
        """Pass the call on."""
        return await control_of(self.inner).webhooks(tenant)

    async def drop_webhook(self, tenant: str, id: str) -> bool:
        """Pass the call on."""
        return await control_of(self.inner).drop_webhook(tenant, id)

    async def fan_out(self, at: datetime, limit: int) -> int:
        """Pass the call on."""
        return await control_of(self.inner).fan_out(at, limit)

    async def due_deliveries(self, at: datetime, lease_until: datetime, limit: int) -> list[tuple[Webhook, Delivery]]:
        """Pass the call on."""
        return await control_of(self.inner).due_deliveries(at, lease_until, limit)

    async def settle_delivery(self, delivery: Delivery) -> bool:
        """Pass the call on."""
        return await control_of(self.inner).settle_delivery(delivery)

    async def deliveries(
        self, tenant: str, webhook_id: str, *, cursor: str | None = None, limit: int = 50
    ) -> Listing[Delivery]:
        """Pass the call on."""
        return await control_of(self.inner).deliveries(tenant, webhook_id, cursor=cursor, limit=limit)

    async def redeliver(self, tenant: str, delivery_id: str, due: datetime) -> bool:
        """Pass the call on."""
        return await control_of(self.inner).redeliver(tenant, delivery_id, due)

    async def begin_reply(
        self, tenant: str, key: bytes, fingerprint: bytes, at: datetime, expires_at: datetime
    ) -> StoredReply | None:
        """Pass the call on."""
        return await control_of(self.inner).begin_reply(tenant, key, fingerprint, at, expires_at)

    async def keep_reply(self, tenant: str, key: bytes, reply: StoredReply | None) -> None:
        """Pass the call on."""
        await control_of(self.inner).keep_reply(tenant, key, reply)

    async def events(
        self, scope: Scope, *, after: int = 0, limit: int = 100, newest_first: bool = False
    ) -> list[Event]:
        """Pass the call on."""
        return await control_of(self.inner).events(scope, after=after, limit=limit, newest_first=newest_first)

    async def event_of(self, scope: Scope, id: str) -> list[Event]:
        """Pass the call on."""
        return await control_of(self.inner).event_of(scope, id)

    async def last_event(self) -> int:
        """Pass the call on."""
        return await control_of(self.inner).last_event()

    async def trim(self, before: datetime, *, audit_before: datetime | None = None) -> int:
        """Pass the call on."""
        return await control_of(self.inner).trim(before, audit_before=audit_before)
