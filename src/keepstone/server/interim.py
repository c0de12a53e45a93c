# ruff: noqa: D102
"""Stands in for the stores' control plane until they have one: keys in memory, no listings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from keepstone.control import ApiKey, AuditEntry, AuditFilter, BrowserSession
from keepstone.types import Listing


class InterimControl:
    """Keys, sessions and audit in memory."""

    def __init__(self) -> None:
        self._keys: dict[bytes, ApiKey] = {}
        self._sessions: dict[bytes, BrowserSession] = {}
        self._audit: list[AuditEntry] = []

    async def put_key(self, key: ApiKey, digest: bytes) -> None:
        self._keys[digest] = key

    async def key(self, digest: bytes) -> ApiKey | None:
        return self._keys.get(digest)

    async def keys(self, tenant: str | None, *, cursor: str | None = None, limit: int = 50) -> Listing[ApiKey]:
        return Listing(items=tuple(k for k in self._keys.values() if tenant in (None, k.tenant)), next_cursor=None)

    async def touch_keys(self, used: Mapping[str, datetime]) -> None:
        return

    async def put_session(self, session: BrowserSession, digest: bytes) -> None:
        self._sessions[digest] = session

    async def session(self, digest: bytes) -> tuple[BrowserSession, ApiKey] | None:
        found = self._sessions.get(digest)
        return None if found is None else (found, next(k for k in self._keys.values() if k.id == found.key_id))

    async def drop_session(self, digest: bytes) -> None:
        self._sessions.pop(digest, None)

    async def enter_audit(self, entries: Sequence[AuditEntry]) -> None:
        self._audit.extend(entries)

    async def audit(
        self, tenant: str | None, where: AuditFilter, *, cursor: str | None = None, limit: int = 50
    ) -> Listing[AuditEntry]:
        return Listing(items=tuple(reversed(self._audit)), next_cursor=None)

    async def last_event(self) -> int:
        return 0

    def __getattr__(self, name: str) -> Any:
        raise NotImplementedError(name)
