"""Tenants, keys, browser sessions and the audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import apsw

from keepstone.control import ApiKey, AuditEntry, AuditFilter, BrowserSession, Role, Tenant
from keepstone.errors import ConflictError, InvalidRequestError, NotFoundError
from keepstone.stores.sqlite import encoding as enc
from keepstone.stores.sqlite.catalogue import paged
from keepstone.stores.sqlite.reading import cursor_key, cursor_of
from keepstone.types import Listing, Scope

_LAST = (1 << 63) - 1
_KEY_COLUMNS = (
    "id, tenant, name, role, prefix, user_id, agent_id, app_id, run_id, created_at, expires_at, revoked_at,"
    " last_used_at, replaces"
)
_KEY = f"SELECT key, {_KEY_COLUMNS} FROM api_keys"


def put_tenant(db: apsw.Connection, tenant: Tenant) -> None:
    """Keep a new tenant."""
    if _has_tenant(db, tenant.id):
        raise ConflictError(f"There is a tenant {tenant.id!r} already.", blocking=(tenant.id,))
    db.execute("INSERT INTO tenants VALUES(?,?,?)", (tenant.id, tenant.name, enc.micros(tenant.created_at)))


def _has_tenant(db: apsw.Connection, id: str) -> bool:
    return next(iter(db.execute("SELECT 1 FROM tenants WHERE id = ?", (id,))), None) is not None


def tenants(db: apsw.Connection, cursor: str | None, limit: int) -> Listing[Tenant]:
    """Return the tenants by id."""
    sql = "SELECT id, name, created_at FROM tenants WHERE id > ? ORDER BY id"
    if cursor is None:
        rows = db.execute("SELECT id, name, created_at FROM tenants ORDER BY id")
    else:
        if not cursor.startswith("t"):
            raise InvalidRequestError("The cursor is not one of this store; start again without it.")
        rows = db.execute(sql, (cursor[1:],))
    return paged((("t" + id, Tenant(id=id, name=name, created_at=enc.instant(at))) for id, name, at in rows), limit)


def drop_tenant(db: apsw.Connection, tenant: str) -> bool:
    """Remove a tenant and what it owns of the server's; the one that is always there stays, with all it has."""
    if tenant == "" or not _has_tenant(db, tenant):
        return False
    db.execute("DELETE FROM browser_sessions WHERE key_id IN (SELECT id FROM api_keys WHERE tenant = ?)", (tenant,))
    db.execute("DELETE FROM deliveries WHERE webhook IN (SELECT key FROM webhooks WHERE tenant = ?)", (tenant,))
    for table in ("api_keys", "webhooks", "replies"):
        db.execute(f"DELETE FROM {table} WHERE tenant = ?", (tenant,))
    db.execute("DELETE FROM tenants WHERE id = ?", (tenant,))
    return True


def put_key(db: apsw.Connection, key: ApiKey, digest: bytes) -> None:
    """Keep a new key."""
    if not _has_tenant(db, key.tenant):
        raise NotFoundError(f"There is no tenant {key.tenant!r}.")
    if next(iter(db.execute("SELECT 1 FROM api_keys WHERE id = ? OR digest = ?", (key.id, digest))), None) is not None:
        raise ConflictError(f"There is a key {key.id!r}, or one with this secret, already.", blocking=(key.id,))
    pin = [i or "" for i in key.pin.ids]
    times = map(enc.micros, (key.created_at, key.expires_at, key.revoked_at, key.last_used_at))
    row = (digest, key.id, key.tenant, key.name, key.role.value, key.prefix, *pin, *times, key.replaces)
    db.execute(f"INSERT INTO api_keys(digest, {_KEY_COLUMNS}) VALUES({enc.places(row)})", row)


def _key(row: Sequence[Any]) -> ApiKey:
    id, tenant, name, role, prefix, user, agent, app, run, created, expires, revoked, used, replaces = row
    return ApiKey(
        id=id,
        tenant=tenant,
        name=name,
        role=Role(role),
        prefix=prefix,
        pin=enc.scope_of(tenant, (user, agent, app, run)),
        created_at=enc.instant(created),
        expires_at=enc.moment(expires),
        revoked_at=enc.moment(revoked),
        last_used_at=enc.moment(used),
        replaces=replaces,
    )


def key(db: apsw.Connection, digest: bytes) -> ApiKey | None:
    """Return the key with this digest."""
    row = next(iter(db.execute(f"{_KEY} WHERE digest = ?", (digest,))), None)
    return None if row is None else _key(row[1:])


def keys(db: apsw.Connection, tenant: str | None, cursor: str | None, limit: int) -> Listing[ApiKey]:
    """Return the keys of a tenant, or of all, the oldest first."""
    whose = "1" if tenant is None else "tenant = :tenant"
    values = {"tenant": tenant, "after": cursor_key(cursor)}
    rows = db.execute(f"{_KEY} WHERE key > :after AND {whose} ORDER BY key", values)
    return paged(((cursor_of(row[0]), _key(row[1:])) for row in rows), limit)


def end_key(db: apsw.Connection, tenant: str | None, key_id: str, at: datetime) -> ApiKey | None:
    """Let a key be revoked from *at*, unless it is by then."""
    found = next(iter(db.execute(f"{_KEY} WHERE id = ?", (key_id,))), None)
    if found is None or tenant not in (None, found[2]):
        return None
    sql = "UPDATE api_keys SET revoked_at = :at WHERE id = :id AND (revoked_at IS NULL OR revoked_at > :at)"
    db.execute(sql, {"at": enc.micros(at), "id": key_id})
    return _key(next(iter(db.execute(f"{_KEY} WHERE id = ?", (key_id,))))[1:])


def touch_keys(db: apsw.Connection, used: Mapping[str, datetime]) -> None:
    """Enter when keys were last used; what is newer stays."""
    sql = "UPDATE api_keys SET last_used_at = max(ifnull(last_used_at, :at), :at) WHERE id = :id"
    db.executemany(sql, [{"id": id, "at": enc.micros(at)} for id, at in used.items()])


def put_session(db: apsw.Connection, session: BrowserSession, digest: bytes) -> None:
    """Keep a session, and drop those that have expired."""
    if next(iter(db.execute("SELECT 1 FROM api_keys WHERE id = ?", (session.key_id,))), None) is None:
        raise NotFoundError(f"There is no key {session.key_id!r}.")
    created, expires = enc.micros(session.created_at), enc.micros(session.expires_at)
    db.execute("DELETE FROM browser_sessions WHERE expires_at <= ?", (created,))
    row = (digest, session.key_id, session.csrf_token, created, expires)
    db.execute("INSERT OR REPLACE INTO browser_sessions VALUES(?,?,?,?,?)", row)


def session(db: apsw.Connection, digest: bytes) -> tuple[BrowserSession, ApiKey] | None:
    """Return the session with this digest, and its key."""
    sql = "SELECT key_id, csrf_token, created_at, expires_at FROM browser_sessions WHERE digest = ?"
    found = next(iter(db.execute(sql, (digest,))), None)
    if found is None:
        return None
    key_id, token, created, expires = found
    owner = next(iter(db.execute(f"{_KEY} WHERE id = ?", (key_id,))))
    made = BrowserSession(
        key_id=key_id, csrf_token=token, created_at=enc.instant(created), expires_at=enc.instant(expires)
    )
    return made, _key(owner[1:])


def drop_session(db: apsw.Connection, digest: bytes) -> None:
    """End a session."""
    db.execute("DELETE FROM browser_sessions WHERE digest = ?", (digest,))


def enter_audit(db: apsw.Connection, entries: Sequence[AuditEntry]) -> None:
    """Append to the audit."""
    rows = [
        (enc.micros(e.at), e.tenant, e.key_id, e.operation, e.surface, e.status, *(i or "" for i in e.scope.ids),
         e.target, e.request_id)
        for e in entries
    ]  # fmt: skip
    db.executemany(
        "INSERT INTO audit(at, tenant, key_id, operation, surface, status, user_id, agent_id, app_id, run_id, target,"
        " request_id) VALUES(?,?,?,?,?,?,?,?,?,?,?,?)",
        rows,
    )


def audit(
    db: apsw.Connection, tenant: str | None, where: AuditFilter, cursor: str | None, limit: int
) -> Listing[AuditEntry]:
    """Return the audit of a tenant, or of all, the newest first."""
    wanted = {
        "tenant = :tenant": tenant,
        "key_id = :key": where.key_id,
        "operation = :operation": where.operation,
        "at >= :since": where.since,
        "at < :until": where.until,
    }
    asked = " AND ".join(condition for condition, value in wanted.items() if value is not None) or "1"
    values = {
        "before": _LAST if cursor is None else cursor_key(cursor),
        "tenant": tenant,
        "key": where.key_id,
        "operation": where.operation,
        "since": enc.micros(where.since),
        "until": enc.micros(where.until),
    }
    # Clocks are not asked for the order: the sequence is.
    rows = db.execute(f"SELECT * FROM audit WHERE sequence < :before AND {asked} ORDER BY sequence DESC", values)
    return paged(((cursor_of(row[0]), _entry(row)) for row in rows), limit)


def _entry(row: Sequence[Any]) -> AuditEntry:
    sequence, at, tenant, key_id, operation, surface, status, user, agent, app, run, target, request_id = row
    return AuditEntry(
        sequence=sequence,
        at=enc.instant(at),
        tenant=tenant,
        key_id=key_id,
        operation=operation,
        surface=surface,
        status=status,
        scope=Scope(
            tenant=tenant, user_id=user or None, agent_id=agent or None, app_id=app or None, run_id=run or None
        ),
        target=target,
        request_id=request_id,
    )
