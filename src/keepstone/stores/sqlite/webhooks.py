"""Webhooks, deliveries to them, stored replies, and what is trimmed of all that."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import apsw

from keepstone.contract import NewId
from keepstone.control import EVENT_KINDS, Delivery, StoredReply, Webhook
from keepstone.logic.ids import bucket
from keepstone.stores.sqlite import encoding as enc
from keepstone.stores.sqlite import events
from keepstone.stores.sqlite.catalogue import paged
from keepstone.stores.sqlite.reading import cursor_key, cursor_of
from keepstone.types import Listing

_STATES: tuple[Literal["waiting", "sent", "dead"], ...] = ("waiting", "sent", "dead")
_STATE_NUMBERS = {state: number for number, state in enumerate(_STATES)}
_LAST = (1 << 63) - 1
_LOOKED = "looked_at_events"
_WEBHOOK = "id, tenant, name, url, secret, kinds, user_id, agent_id, app_id, run_id, created_at, is_active"
_DELIVERY = """
SELECT d.key, d.event, d.kind, d.batch, d.job, d.at, d.tenant, d.user_id, d.agent_id, d.app_id, d.run_id,
       d.id, w.id, d.state, d.attempts, d.due_at, d.updated_at, d.status, d.error
FROM deliveries d JOIN webhooks w ON w.key = d.webhook
"""


def put_webhook(db: apsw.Connection, webhook: Webhook) -> None:
    """Keep a webhook; one in the place of another goes on from where that one stood."""
    pin = [i or "" for i in webhook.pin.ids]
    row = (
        webhook.id, webhook.tenant, webhook.name, webhook.url, webhook.secret, "\n".join(webhook.kinds), *pin,
        enc.micros(webhook.created_at), webhook.is_active, events.last_event(db),
    )  # fmt: skip
    changed = ", ".join(f"{c} = excluded.{c}" for c in _WEBHOOK.split(", ")[2:])
    db.execute(
        f"INSERT INTO webhooks({_WEBHOOK}, since) VALUES({enc.places(row)})"
        f" ON CONFLICT(tenant, id) DO UPDATE SET {changed}",
        row,
    )


def _webhook(row: Sequence[Any]) -> Webhook:
    id, tenant, name, url, secret, kinds, user, agent, app, run, created, is_active = row
    return Webhook(
        id=id,
        tenant=tenant,
        name=name,
        url=url,
        secret=secret,
        kinds=tuple(k for k in EVENT_KINDS if k in kinds.split("\n")),
        pin=enc.scope_of(tenant, (user, agent, app, run)),
        created_at=enc.instant(created),
        is_active=bool(is_active),
    )


def webhooks(db: apsw.Connection, tenant: str) -> list[Webhook]:
    """Return the webhooks of a tenant, the oldest first."""
    return [
        _webhook(r) for r in db.execute(f"SELECT {_WEBHOOK} FROM webhooks WHERE tenant = ? ORDER BY key", (tenant,))
    ]


def drop_webhook(db: apsw.Connection, tenant: str, id: str) -> bool:
    """Remove a webhook with its deliveries."""
    found = next(iter(db.execute("DELETE FROM webhooks WHERE tenant = ? AND id = ? RETURNING key", (tenant, id))), None)
    if found is not None:
        db.execute("DELETE FROM deliveries WHERE webhook = ?", found)
    return found is not None


def fan_out(db: apsw.Connection, at: datetime, limit: int, new_id: NewId) -> int:
    """Make deliveries for the events that come next, and move on behind them."""
    looked = next(iter(db.execute("SELECT value FROM meta WHERE name = ?", (_LOOKED,))), ("0",))
    sql = f"{events.EVENT} WHERE e.sequence > ? ORDER BY e.sequence LIMIT ?"
    new = [events.event(row) for row in db.execute(sql, (int(looked[0]), limit))]
    if not new:
        return 0
    wanted: dict[str, list[tuple[int, int, Webhook]]] = {}
    for tenant in {e.scope.tenant for e in new}:
        rows = db.execute(f"SELECT key, since, {_WEBHOOK} FROM webhooks WHERE tenant = ? AND is_active", (tenant,))
        wanted[tenant] = [(row[0], row[1], _webhook(row[2:])) for row in rows]
    now = enc.micros(at)
    for one in new:
        for key, since, webhook in wanted[one.scope.tenant]:
            if one.sequence > since and one.kind in webhook.kinds and webhook.pin.sees(one.scope):
                db.execute(
                    """INSERT INTO deliveries(id, webhook, event, kind, tenant, user_id, agent_id, app_id, run_id,
                           batch, job, at, state, due_at, updated_at) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,0,?,?)""",
                    (
                        new_id(at, bucket(one.scope)), key, one.sequence, events.KIND_NUMBERS[one.kind],
                        one.scope.tenant, *(i or "" for i in one.scope.ids), enc.raw_id(one.batch_id or "") or None,
                        enc.raw_id(one.job_id or "") or None, enc.micros(one.at), now, now,
                    ),
                )  # fmt: skip
    db.execute("INSERT OR REPLACE INTO meta VALUES(?,?)", (_LOOKED, str(new[-1].sequence)))
    return len(new)


def _delivery(row: Sequence[Any]) -> Delivery:
    id, webhook, state, attempts, due, updated, status, error = row[11:]
    return Delivery(
        id=id,
        webhook_id=webhook,
        event=events.event(row[1:11]),
        state=_STATES[state],
        attempts=attempts,
        due_at=enc.moment(due),
        updated_at=enc.instant(updated),
        status=status,
        error=error,
    )


def due_deliveries(
    db: apsw.Connection, at: datetime, lease_until: datetime, limit: int
) -> list[tuple[Webhook, Delivery]]:
    """Lease what is due of active webhooks, the longest due first."""
    sql = f"{_DELIVERY} WHERE d.state = 0 AND d.due_at <= ? AND w.is_active ORDER BY d.due_at, d.key LIMIT ?"
    leased = []
    for row in list(db.execute(sql, (enc.micros(at), limit))):
        db.execute(
            "UPDATE deliveries SET leased = 1, attempts = attempts + 1, due_at = ?, updated_at = ? WHERE key = ?",
            (enc.micros(lease_until), enc.micros(at), row[0]),
        )
        leased.append(row[0])
    found = []
    for key in leased:
        delivery = _delivery(next(iter(db.execute(f"{_DELIVERY} WHERE d.key = ?", (key,)))))
        whose = f"SELECT {_WEBHOOK} FROM webhooks WHERE key = (SELECT webhook FROM deliveries WHERE key = ?)"
        found.append((_webhook(next(iter(db.execute(whose, (key,))))), delivery))
    return found


def settle_delivery(db: apsw.Connection, delivery: Delivery) -> bool:
    """Keep what came of an attempt, while its lease is the last one."""
    due = delivery.due_at if delivery.state == "waiting" else None
    db.execute(
        """UPDATE deliveries SET leased = 0, state = ?, due_at = ?, updated_at = ?, status = ?, error = ?
           WHERE id = ? AND attempts = ? AND leased""",
        (
            _STATE_NUMBERS[delivery.state], enc.micros(due), enc.micros(delivery.updated_at), delivery.status,
            delivery.error, delivery.id, delivery.attempts,
        ),
    )  # fmt: skip
    return bool(db.changes())


def deliveries(db: apsw.Connection, tenant: str, webhook_id: str, cursor: str | None, limit: int) -> Listing[Delivery]:
    """Return the deliveries of a webhook, those of the newest events first."""
    before = _LAST if cursor is None else cursor_key(cursor)
    sql = f"{_DELIVERY} WHERE w.tenant = ? AND w.id = ? AND d.event < ? ORDER BY d.event DESC"
    rows = db.execute(sql, (tenant, webhook_id, before))
    return paged(((cursor_of(row[1]), _delivery(row)) for row in rows), limit)


def redeliver(db: apsw.Connection, tenant: str, delivery_id: str, due: datetime) -> bool:
    """Let a delivery that ended be tried anew, as if for the first time."""
    db.execute(
        """UPDATE deliveries SET state = 0, due_at = ?, attempts = 0, leased = 0, status = NULL, error = NULL
           WHERE id = ? AND tenant = ? AND state <> 0""",
        (enc.micros(due), delivery_id, tenant),
    )
    return bool(db.changes())


def begin_reply(
    db: apsw.Connection, tenant: str, key: bytes, fingerprint: bytes, at: datetime, expires_at: datetime
) -> StoredReply | None:
    """Reserve the place of a reply, or return what is there."""
    now = enc.micros(at)
    db.execute("DELETE FROM replies WHERE expires_at <= ?", (now,))
    sql = "SELECT fingerprint, status, headers, body FROM replies WHERE tenant = ? AND request = ?"
    found = next(iter(db.execute(sql, (tenant, key))), None)
    if found is not None:
        return StoredReply(
            fingerprint=bytes(found[0]), status=found[1], headers=enc.load_json(found[2]), body=bytes(found[3])
        )
    db.execute(
        "INSERT INTO replies(tenant, request, fingerprint, at, expires_at) VALUES(?,?,?,?,?)",
        (tenant, key, fingerprint, now, enc.micros(expires_at)),
    )
    return None


def keep_reply(db: apsw.Connection, tenant: str, key: bytes, reply: StoredReply | None) -> None:
    """Fill a place that is still reserved, or give it free; after an erase there is none, and nothing is kept."""
    if reply is None:
        db.execute("DELETE FROM replies WHERE tenant = ? AND request = ? AND status = 0", (tenant, key))
        return
    db.execute(
        """UPDATE replies SET status = ?, headers = ?, body = ?
           WHERE tenant = ? AND request = ? AND status = 0 AND fingerprint = ?""",
        (reply.status, json.dumps(dict(reply.headers)), reply.body, tenant, key, reply.fingerprint),
    )


def trim(db: apsw.Connection, before: datetime, audit_before: datetime) -> int:
    """Remove what is older; deliveries that wait stay, and the last event, so that its number is not given again."""
    count = 0
    for table, moment, end in (
        ("events", "sequence < (SELECT max(sequence) FROM events) AND at", before),
        ("deliveries", "state <> 0 AND updated_at", before),
        ("audit", "at", audit_before),
        ("replies", "at", before),
    ):
        db.execute(f"DELETE FROM {table} WHERE {moment} < ?", (enc.micros(end),))
        count += db.changes()
    return count
