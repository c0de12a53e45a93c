"""Webhooks, deliveries to them, stored replies, events, and what is trimmed of all that."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from keepstone.contract import NewId
from keepstone.control import EVENT_KINDS, Delivery, Event, StoredReply, Webhook
from keepstone.logic.ids import bucket
from keepstone.stores.inmemory.catalogue import paged
from keepstone.stores.inmemory.server import KeptReply, Server, StoredDelivery, StoredWebhook
from keepstone.stores.inmemory.state import State
from keepstone.types import Listing, Scope


def put_webhook(state: State, server: Server, webhook: Webhook) -> None:
    """Keep a webhook; one in the place of another goes on from where that one stood."""
    place = (webhook.tenant, webhook.id)
    since = server.webhooks[place].since if place in server.webhooks else last_event(state)
    kinds = tuple(k for k in EVENT_KINDS if k in webhook.kinds)
    kept = replace(webhook, pin=replace(webhook.pin, tenant=webhook.tenant), kinds=kinds)
    server.webhooks[place] = StoredWebhook(webhook=kept, since=since)


def webhooks(server: Server, tenant: str) -> list[Webhook]:
    """Return the webhooks of a tenant, the oldest first."""
    return [w.webhook for place, w in server.webhooks.items() if place[0] == tenant]


def drop_webhook(server: Server, tenant: str, id: str) -> bool:
    """Remove a webhook with its deliveries."""
    if server.webhooks.pop((tenant, id), None) is None:
        return False
    server.deliveries = {
        key: d for key, d in server.deliveries.items() if (d.tenant, d.delivery.webhook_id) != (tenant, id)
    }
    return True


def fan_out(state: State, server: Server, at: datetime, limit: int, new_id: NewId) -> int:
    """Make deliveries for the events that come next, and move on behind them."""
    new = [e for e in state.events if e.sequence > server.looked][:limit]
    for event in new:
        for place, stored in server.webhooks.items():
            webhook = stored.webhook
            wanted = place[0] == event.scope.tenant and webhook.is_active and event.kind in webhook.kinds
            if wanted and webhook.pin.sees(event.scope) and event.sequence > stored.since:
                made = Delivery(
                    id=new_id(at, bucket(event.scope)),
                    webhook_id=webhook.id,
                    event=event,
                    state="waiting",
                    attempts=0,
                    due_at=at,
                    updated_at=at,
                )
                server.deliveries[made.id] = StoredDelivery(tenant=webhook.tenant, delivery=made)
    server.looked = max([server.looked, *(e.sequence for e in new)])
    return len(new)


def due_deliveries(server: Server, at: datetime, lease_until: datetime, limit: int) -> list[tuple[Webhook, Delivery]]:
    """Lease what is due of active webhooks, the longest due first."""
    due = [
        (d.delivery.due_at, stored, d)
        for d in server.deliveries.values()
        if d.delivery.state == "waiting"
        and d.delivery.due_at is not None
        and d.delivery.due_at <= at
        and (stored := server.webhooks[d.tenant, d.delivery.webhook_id]).webhook.is_active
    ]
    leased = []
    for _, stored, found in sorted(due, key=lambda w: w[0])[:limit]:
        before = found.delivery
        delivery = replace(before, attempts=before.attempts + 1, due_at=lease_until, updated_at=at)
        server.deliveries[delivery.id] = replace(found, delivery=delivery, leased=True)
        leased.append((stored.webhook, delivery))
    return leased


def settle_delivery(server: Server, delivery: Delivery) -> bool:
    """Keep what came of an attempt, while its lease is the last one."""
    stored = server.deliveries.get(delivery.id)
    if stored is None or not stored.leased or stored.delivery.attempts != delivery.attempts:
        return False
    settled = replace(
        stored.delivery,
        state=delivery.state,
        due_at=delivery.due_at if delivery.state == "waiting" else None,
        updated_at=delivery.updated_at,
        status=delivery.status,
        error=delivery.error,
    )
    server.deliveries[delivery.id] = replace(stored, delivery=settled, leased=False)
    return True


def deliveries(server: Server, tenant: str, webhook_id: str, cursor: str | None, limit: int) -> Listing[Delivery]:
    """Return the deliveries of a webhook, those of the newest events first."""
    whose = (tenant, webhook_id)
    found = [d.delivery for d in server.deliveries.values() if (d.tenant, d.delivery.webhook_id) == whose]
    return paged([((d.event.sequence,), d) for d in found], cursor, limit, newest_first=True)


def redeliver(server: Server, tenant: str, delivery_id: str, due: datetime) -> bool:
    """Let a delivery that ended be tried anew, as if for the first time."""
    stored = server.deliveries.get(delivery_id)
    if stored is None or stored.tenant != tenant or stored.delivery.state == "waiting":
        return False
    again = replace(stored.delivery, state="waiting", attempts=0, due_at=due, status=None, error=None)
    server.deliveries[delivery_id] = replace(stored, delivery=again, leased=False)
    return True


def begin_reply(
    server: Server, tenant: str, key: bytes, fingerprint: bytes, at: datetime, expires_at: datetime
) -> StoredReply | None:
    """Reserve the place of a reply, or return what is there."""
    server.replies = {place: kept for place, kept in server.replies.items() if kept.expires_at > at}
    if (tenant, key) in server.replies:
        return server.replies[tenant, key].reply
    reserved = StoredReply(fingerprint=fingerprint, status=0)
    server.replies[tenant, key] = KeptReply(reply=reserved, at=at, expires_at=expires_at)
    return None


def keep_reply(server: Server, tenant: str, key: bytes, reply: StoredReply | None) -> None:
    """Fill a place that is still reserved, or give it free; after an erase there is none, and nothing is kept."""
    kept = server.replies.get((tenant, key))
    if kept is None or kept.reply.status != 0:
        return
    if reply is None:
        del server.replies[tenant, key]
    elif reply.fingerprint == kept.reply.fingerprint:
        server.replies[tenant, key] = replace(kept, reply=replace(reply, headers=dict(reply.headers)))


def events(state: State, scope: Scope, after: int, limit: int, *, newest_first: bool) -> list[Event]:
    """Return the events that *scope* sees after a sequence; newest first, before it (0: all)."""
    seen = [e for e in state.events if scope.sees(e.scope)]
    if newest_first:
        return [e for e in reversed(seen) if not after or e.sequence < after][:limit]
    return [e for e in seen if e.sequence > after][:limit]


def event_of(state: State, scope: Scope, id: str) -> list[Event]:
    """Return the events that *scope* sees of the batch or the job with this id, oldest first."""
    return [e for e in state.events if scope.sees(e.scope) and id in (e.batch_id, e.job_id)]


def last_event(state: State) -> int:
    """Return the highest sequence of an event, 0 if there is none."""
    return max((e.sequence for e in state.events), default=0)


def last_moment(state: State, tenant: str) -> datetime:
    """Return the last moment that is known of a tenant: nobody says when it is emptied."""
    rows = state.tenant(tenant)
    moments = [e.at for e in state.events if e.scope.tenant == tenant]
    moments += [c.at for c in rows.changes.values()] + [m.message.recorded_at for m in rows.messages.values()]
    return max(moments, default=datetime(1970, 1, 1, tzinfo=UTC))


def trim(state: State, server: Server, before: datetime, audit_before: datetime) -> int:
    """Remove what is older; deliveries that wait stay, and the last event."""
    held = _count(state, server)
    state.events = tuple(e for e in state.events if e.at >= before or e.sequence == last_event(state))
    server.deliveries = {
        id: d for id, d in server.deliveries.items() if d.delivery.state == "waiting" or d.delivery.updated_at >= before
    }
    server.audit = [e for e in server.audit if e.at >= audit_before]
    server.replies = {place: kept for place, kept in server.replies.items() if kept.at >= before}
    return held - _count(state, server)


def _count(state: State, server: Server) -> int:
    return len(state.events) + len(server.deliveries) + len(server.audit) + len(server.replies)
