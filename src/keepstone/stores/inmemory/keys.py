"""Tenants, keys, browser sessions and the audit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from keepstone.control import ApiKey, AuditEntry, AuditFilter, BrowserSession, Tenant
from keepstone.errors import ConflictError, NotFoundError
from keepstone.stores.inmemory.catalogue import paged
from keepstone.stores.inmemory.server import Server
from keepstone.types import Listing


def put_tenant(server: Server, tenant: Tenant) -> None:
    """Keep a new tenant."""
    if tenant.id in server.tenants:
        raise ConflictError(f"There is a tenant {tenant.id!r} already.", blocking=(tenant.id,))
    server.tenants[tenant.id] = tenant


def tenants(server: Server, cursor: str | None, limit: int) -> Listing[Tenant]:
    """Return the tenants by id."""
    return paged([((id,), tenant) for id, tenant in server.tenants.items()], cursor, limit)


def drop_tenant(server: Server, tenant: str) -> bool:
    """Remove a tenant and what it owns; the one that is always there stays."""
    if tenant == "" or tenant not in server.tenants:
        return False
    del server.tenants[tenant]
    server.keys = {id: key for id, key in server.keys.items() if key.tenant != tenant}
    server.digests = {digest: id for digest, id in server.digests.items() if id in server.keys}
    server.sessions = {digest: s for digest, s in server.sessions.items() if s.key_id in server.keys}
    server.webhooks = {place: w for place, w in server.webhooks.items() if place[0] != tenant}
    server.forget_memory(tenant)
    return True


def put_key(server: Server, key: ApiKey, digest: bytes) -> None:
    """Keep a new key."""
    if key.tenant not in server.tenants:
        raise NotFoundError(f"There is no tenant {key.tenant!r}.")
    if key.id in server.keys or digest in server.digests:
        raise ConflictError(f"There is a key {key.id!r}, or one with this secret, already.", blocking=(key.id,))
    server.keys[key.id] = replace(key, pin=replace(key.pin, tenant=key.tenant))
    server.digests[digest] = key.id


def key(server: Server, digest: bytes) -> ApiKey | None:
    """Return the key with this digest."""
    return server.keys[server.digests[digest]] if digest in server.digests else None


def keys(server: Server, tenant: str | None, cursor: str | None, limit: int) -> Listing[ApiKey]:
    """Return the keys of a tenant, or of all, the oldest first."""
    found = [((n,), k) for n, k in enumerate(server.keys.values()) if tenant in (None, k.tenant)]
    return paged(found, cursor, limit)


def end_key(server: Server, tenant: str | None, key_id: str, at: datetime) -> ApiKey | None:
    """Let a key be revoked from *at*, unless it is by then."""
    found = server.keys.get(key_id)
    if found is None or tenant not in (None, found.tenant):
        return None
    if found.revoked_at is None or found.revoked_at > at:
        server.keys[key_id] = replace(found, revoked_at=at)
    return server.keys[key_id]


def touch_keys(server: Server, used: Mapping[str, datetime]) -> None:
    """Enter when keys were last used; what is newer stays."""
    for id, at in used.items():
        if id in server.keys:
            before = server.keys[id].last_used_at
            server.keys[id] = replace(server.keys[id], last_used_at=at if before is None else max(before, at))


def put_session(server: Server, session: BrowserSession, digest: bytes) -> None:
    """Keep a session, and drop those that have expired."""
    if session.key_id not in server.keys:
        raise NotFoundError(f"There is no key {session.key_id!r}.")
    server.sessions = {d: s for d, s in server.sessions.items() if s.expires_at > session.created_at}
    server.sessions[digest] = session


def session(server: Server, digest: bytes) -> tuple[BrowserSession, ApiKey] | None:
    """Return the session with this digest, and its key."""
    found = server.sessions.get(digest)
    return None if found is None else (found, server.keys[found.key_id])


def drop_session(server: Server, digest: bytes) -> None:
    """End a session."""
    server.sessions.pop(digest, None)


def enter_audit(server: Server, entries: Sequence[AuditEntry]) -> None:
    """Append to the audit."""
    for entry in entries:
        server.last_entry += 1
        scope = replace(entry.scope, tenant=entry.tenant)
        server.audit.append(replace(entry, sequence=server.last_entry, scope=scope))


def audit(
    server: Server, tenant: str | None, where: AuditFilter, cursor: str | None, limit: int
) -> Listing[AuditEntry]:
    """Return the audit of a tenant, or of all, the newest first."""
    found = [
        e
        for e in server.audit
        if tenant in (None, e.tenant)
        and where.key_id in (None, e.key_id)
        and where.operation in (None, e.operation)
        and (where.since is None or e.at >= where.since)
        and (where.until is None or e.at < where.until)
    ]
    return paged([((e.sequence,), e) for e in found], cursor, limit, newest_first=True)
