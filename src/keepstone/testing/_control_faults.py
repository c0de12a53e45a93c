"""Planted faults of listings and of a server's own business."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from keepstone.control import ApiKey, Day, Delivery, Event, Owner, StoredReply, Webhook
from keepstone.operations import Applied, Batch
from keepstone.protocols import Store
from keepstone.testing._passing import PassingStore
from keepstone.testing._script import catalogue_of, control_of
from keepstone.types import Change, ErasureReceipt, Listing, Scope


class _ForeignKeyEnded(PassingStore):
    """Whoever knows the id of a key ends it."""

    async def end_key(self, tenant: str | None, key_id: str, at: datetime) -> ApiKey | None:
        return await super().end_key(None, key_id, at)


class _EventsUnpinned(PassingStore):
    """Events are told to everybody in the tenant."""

    async def events(
        self, scope: Scope, *, after: int = 0, limit: int = 100, newest_first: bool = False
    ) -> list[Event]:
        whole = Scope(tenant=scope.tenant)
        return await super().events(whole, after=after, limit=limit, newest_first=newest_first)


class _EventsOnce(PassingStore):
    """Of a batch that changed several scopes, one is told."""

    async def events(
        self, scope: Scope, *, after: int = 0, limit: int = 100, newest_first: bool = False
    ) -> list[Event]:
        found = await super().events(scope, after=after, limit=limit, newest_first=newest_first)
        first = {(e.kind, e.batch_id, e.job_id): e for e in reversed(found)}
        return [e for e in found if first[e.kind, e.batch_id, e.job_id] is e]


class _FannedOutTwice(PassingStore):
    """Each event is made a delivery of twice."""

    async def due_deliveries(self, at: datetime, lease_until: datetime, limit: int) -> list[tuple[Webhook, Delivery]]:
        due = await super().due_deliveries(at, lease_until, limit)
        return [*due, *((webhook, replace(delivery, id=delivery.id[::-1])) for webhook, delivery in due)]


class _RepliesShared(PassingStore):
    """A stored reply is given to other tenants."""

    async def begin_reply(
        self, tenant: str, key: bytes, fingerprint: bytes, at: datetime, expires_at: datetime
    ) -> StoredReply | None:
        return await super().begin_reply("", key, fingerprint, at, expires_at)


class _RepliesSurvive(PassingStore):
    """What was answered before an erase is answered after it."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.kept: dict[tuple[str, bytes], StoredReply] = {}
        self.gone: dict[tuple[str, bytes], StoredReply] = {}

    async def keep_reply(self, tenant: str, key: bytes, reply: StoredReply | None) -> None:
        if reply is not None:
            self.kept[tenant, key] = reply
        await super().keep_reply(tenant, key, reply)

    async def erase(self, scope: Scope, ids: Sequence[str] | None, batch: Batch) -> ErasureReceipt:
        self.gone = dict(self.kept)
        return await super().erase(scope, ids, batch)

    async def begin_reply(
        self, tenant: str, key: bytes, fingerprint: bytes, at: datetime, expires_at: datetime
    ) -> StoredReply | None:
        found = await super().begin_reply(tenant, key, fingerprint, at, expires_at)
        return found or self.gone.get((tenant, key))


class _OwnersOfAll(PassingStore):
    """The owners of other tenants are listed too."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.written_to = {""}

    async def apply(self, batch: Batch) -> Applied:
        self.written_to.add(batch.tenant)
        return await super().apply(batch)

    async def owners(
        self, tenant: str, *, kind: str | None = None, prefix: str = "", cursor: str | None = None, limit: int = 50
    ) -> Listing[Owner]:
        found: list[Owner] = []
        for one in sorted(self.written_to):
            page = await catalogue_of(self.inner).owners(one, kind=kind, prefix=prefix, limit=1_000)
            found += page.items
        return Listing(items=tuple(found), next_cursor=None)


class _PrefixPattern(PassingStore):
    """A prefix is taken for a pattern."""

    async def owners(
        self, tenant: str, *, kind: str | None = None, prefix: str = "", cursor: str | None = None, limit: int = 50
    ) -> Listing[Owner]:
        return await super().owners(tenant, kind=kind, prefix=prefix.rstrip("%_"), cursor=cursor, limit=limit)


class _LogWithTexts(PassingStore):
    """The log quotes what was taken back."""

    async def log(self, scope: Scope, *, cursor: str | None = None, limit: int = 50) -> Listing[Change]:
        page = await super().log(scope, cursor=cursor, limit=limit)
        return replace(page, items=tuple([(await self.inner.changes(c.id, scope))[0] for c in page.items]))


class _DaysOfAll(PassingStore):
    """The days of an owner are those of the tenant."""

    async def days(self, scope: Scope, since: datetime, until: datetime) -> list[Day]:
        return await super().days(Scope(tenant=scope.tenant), since, until)


class _SettledLate(PassingStore):
    """What a lost lease brings is kept."""

    async def settle_delivery(self, delivery: Delivery) -> bool:
        settled = await super().settle_delivery(delivery)
        return settled or bool(await control_of(self.inner).redeliver("", delivery.id, delivery.updated_at))


CONTROL_FAULTS: Mapping[str, Callable[[Store], Store]] = {
    "key ended by a stranger": _ForeignKeyEnded,
    "pin ignored in events": _EventsUnpinned,
    "scope left out of events": _EventsOnce,
    "fanned out twice": _FannedOutTwice,
    "reply of another tenant": _RepliesShared,
    "reply survives an erase": _RepliesSurvive,
    "owners of another tenant": _OwnersOfAll,
    "prefix taken for a pattern": _PrefixPattern,
    "log quotes the retired": _LogWithTexts,
    "days of everybody": _DaysOfAll,
    "late delivery settled": _SettledLate,
}
