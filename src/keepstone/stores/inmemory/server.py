"""What the in-memory store holds of a server's own business: rows in dicts, in the order in which they were made."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from keepstone.control import ApiKey, AuditEntry, BrowserSession, Delivery, StoredReply, Tenant, Webhook


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredWebhook:
    """A webhook, and the last event before it was made."""

    webhook: Webhook
    since: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredDelivery:
    """A delivery, whose it is, and whether its attempt is under way."""

    tenant: str
    delivery: Delivery
    leased: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptReply:
    """A reply or its reserved place, when it was made and until when it counts."""

    reply: StoredReply
    at: datetime
    expires_at: datetime


def _first() -> dict[str, Tenant]:
    # It was never made, and is there from the start.
    return {"": Tenant(id="", name="", created_at=datetime(1970, 1, 1, tzinfo=UTC))}


@dataclass(slots=True, kw_only=True)
class Server:
    """All of it: tenants and keys by id, digests of keys, sessions by digest, and the rest as it came.

    Webhooks stand by tenant and id, replies by tenant and request; `looked` is the last event that was fanned out.
    """

    tenants: dict[str, Tenant] = field(default_factory=_first)
    keys: dict[str, ApiKey] = field(default_factory=dict)
    digests: dict[bytes, str] = field(default_factory=dict)
    sessions: dict[bytes, BrowserSession] = field(default_factory=dict)
    audit: list[AuditEntry] = field(default_factory=list)
    last_entry: int = 0
    webhooks: dict[tuple[str, str], StoredWebhook] = field(default_factory=dict)
    deliveries: dict[str, StoredDelivery] = field(default_factory=dict)
    looked: int = 0
    replies: dict[tuple[str, bytes], KeptReply] = field(default_factory=dict)

    def drop_replies(self, tenant: str) -> None:
        """Drop the stored replies of a tenant."""
        self.replies = {place: kept for place, kept in self.replies.items() if place[0] != tenant}

    def forget_memory(self, tenant: str) -> None:
        """Drop what tells of a tenant's memory."""
        self.drop_replies(tenant)
        self.deliveries = {id: d for id, d in self.deliveries.items() if d.tenant != tenant}
