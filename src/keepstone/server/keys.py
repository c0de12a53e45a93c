"""Keys: made, looked up, rotated and revoked. Only the SHA-256 of a secret is stored, and it is shown once."""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from collections import OrderedDict
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from keepstone.contract import Clock, NewId
from keepstone.control import ApiKey, Role
from keepstone.errors import ConflictError, NotFoundError, StoreError
from keepstone.logic.ids import bucket
from keepstone.protocols import ControlPlane
from keepstone.server.repeating import Repeating
from keepstone.types import Scope

log = logging.getLogger("keepstone.server")

PREFIX = "ks_"
SECRET_BYTES = 32
SHOWN_CHARS = 10
# A key revoked by another process works here for so long at most.
CACHED_SECONDS = 2.0
CACHED_MAX = 10_000
# How often the times of last use are written.
TOUCH_SECONDS = 30.0
KEY_CHARS_MAX = 200


def digest(secret: str) -> bytes:
    """Return what is stored of a secret. It is random and long, so that a plain hash is enough."""
    return hashlib.sha256(secret.encode()).digest()


class KeyRing:
    """The keys of a server, with those in use kept at hand for a moment."""

    def __init__(self, control: ControlPlane, clock: Clock, new_id: NewId) -> None:
        self._control, self._clock, self._new_id = control, clock, new_id
        self._cached: OrderedDict[bytes, tuple[datetime, ApiKey | None]] = OrderedDict()
        self._used: dict[str, datetime] = {}
        self._touching = Repeating("keys", self._touch, TOUCH_SECONDS)

    async def find(self, secret: str) -> ApiKey | None:
        """Return the valid key with this secret, None if there is none."""
        if not secret.startswith(PREFIX) or len(secret) > KEY_CHARS_MAX:
            return None
        wanted, now = digest(secret), self._clock()
        key = await self._looked_up(wanted, now)
        if key is None or not key.is_valid(now):
            return None
        self._used[key.id] = now
        return key

    async def create(
        self,
        tenant: str,
        name: str,
        role: Role,
        *,
        pin: Scope | None = None,
        expires_at: datetime | None = None,
        replaces: str | None = None,
    ) -> tuple[ApiKey, str]:
        """Make a key, and return it with its secret, which nobody can get again.

        Raises:
            NotFoundError: there is no such tenant.
        """
        secret = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
        now = self._clock()
        held_to = pin if pin is not None else Scope(tenant=tenant)
        key = ApiKey(
            id=self._new_id(now, bucket(Scope(tenant=tenant))),
            tenant=tenant,
            name=name,
            role=role,
            prefix=secret[:SHOWN_CHARS],
            pin=replace(held_to, tenant=tenant),
            created_at=now,
            expires_at=expires_at,
            replaces=replaces,
        )
        await self._control.put_key(key, digest(secret))
        # It may have been asked for before it was there.
        self._cached.pop(digest(secret), None)
        return key, secret

    async def enter(self, secret: str, name: str) -> None:
        """Keep an admin key of the tenant that runs the server, whose secret was made elsewhere, unless it is there."""
        if await self._control.key(digest(secret)) is not None:
            return
        now = self._clock()
        key = ApiKey(
            id=self._new_id(now, bucket(Scope())),
            tenant="",
            name=name,
            role=Role.ADMIN,
            prefix=secret[:SHOWN_CHARS],
            pin=Scope(),
            created_at=now,
        )
        # Another process of the same deployment may have been faster.
        with suppress(ConflictError):
            await self._control.put_key(key, digest(secret))
        self._cached.pop(digest(secret), None)

    async def revoke(self, tenant: str | None, key_id: str, at: datetime | None = None) -> ApiKey:
        """Let a key end, now or *at* a later time, and return it.

        Raises:
            NotFoundError: the tenant has no such key.
        """
        ended = await self._control.end_key(tenant, key_id, at or self._clock())
        if ended is None:
            raise NotFoundError(f"No key {key_id}.")
        self._cached.clear()
        return ended

    async def rotate(self, tenant: str | None, key_id: str, *, overlap: timedelta) -> tuple[ApiKey, str]:
        """Make a key in the place of another, which ends after *overlap*; return it with its secret.

        Raises:
            NotFoundError: the tenant has no such key.
            ConflictError: it has ended, or ends before that.
        """
        now = self._clock()
        old = await self.revoke(tenant, key_id, now + overlap)
        if old.revoked_at != now + overlap or (old.expires_at is not None and old.expires_at <= now):
            raise ConflictError(f"The key {key_id} has ended or was rotated already; make a new one.")
        return await self.create(
            old.tenant, old.name, old.role, pin=old.pin, expires_at=old.expires_at, replaces=old.id
        )

    def forget(self) -> None:
        """Look every key up anew."""
        self._cached.clear()

    async def has_any(self) -> bool:
        """Whether the server has a valid key with the role admin of the tenant that runs it."""
        cursor = None
        while True:
            page = await self._control.keys("", cursor=cursor)
            if any(k.role is Role.ADMIN and k.is_valid(self._clock()) for k in page.items):
                return True
            cursor = page.next_cursor
            if cursor is None:
                return False

    def start(self) -> None:
        """Begin to write when keys were last used."""
        self._touching.start()

    async def close(self) -> None:
        """Write what was put off."""
        await self._touching.close()
        await self._touch()

    async def _looked_up(self, wanted: bytes, now: datetime) -> ApiKey | None:
        kept = self._cached.get(wanted)
        if kept is not None and now - kept[0] < timedelta(seconds=CACHED_SECONDS):
            # Found by an equal digest; this comparison tells nothing by its time.
            return kept[1]
        key = await self._control.key(wanted)
        self._cached[wanted] = (now, key)
        while len(self._cached) > CACHED_MAX:
            self._cached.popitem(last=False)
        return key

    async def _touch(self) -> None:
        used, self._used = self._used, {}
        if not used:
            return
        try:
            await self._control.touch_keys(used)
        except StoreError as error:
            # When a key was last used is not worth failing for.
            log.warning("The times of last use could not be written: %s", type(error).__name__)


def is_same(one: str, other: str) -> bool:
    """Whether two secrets are equal, in a time that does not tell how far they are."""
    return hmac.compare_digest(one.encode(), other.encode())
