"""Planted faults of durable work and of distilled memories."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from keepstone.contract import Job
from keepstone.errors import NotFoundError
from keepstone.operations import AddMemory, Applied, Batch, Disjoin, Enqueue, Feedback, Finish, Join, Outcome
from keepstone.protocols import Store
from keepstone.results import Usage
from keepstone.testing._passing import PassingStore
from keepstone.testing._script import jobs_of
from keepstone.types import Change, ErasureReceipt, MemoryRecord, Scope


class _LaneIgnored(PassingStore):
    """Two jobs of one lane are leased at once."""

    async def apply(self, batch: Batch) -> Applied:
        operations = tuple(replace(o, lane="") if isinstance(o, Enqueue) else o for o in batch.operations)
        return await self.inner.apply(replace(batch, operations=operations))


class _LeaseForever(PassingStore):
    """A lease does not run out."""

    async def claim(
        self, kinds: Sequence[str], limit: int, at: datetime, lease_until: datetime, *, scope: Scope | None = None
    ) -> list[Job]:
        claimed = await super().claim(kinds, limit, at, datetime.max.replace(tzinfo=at.tzinfo), scope=scope)
        return [replace(job, lease_until=lease_until) for job in claimed]


class _ClaimedTwice(PassingStore):
    """A lease is given although another worker holds it."""

    async def claim(
        self, kinds: Sequence[str], limit: int, at: datetime, lease_until: datetime, *, scope: Scope | None = None
    ) -> list[Job]:
        claimed = await super().claim(kinds, limit, at, at, scope=scope)
        return [replace(job, lease_until=lease_until) for job in claimed]


class _ClaimedForAnybody(PassingStore):
    """A worker for one scope is given the jobs of all."""

    async def claim(
        self, kinds: Sequence[str], limit: int, at: datetime, lease_until: datetime, *, scope: Scope | None = None
    ) -> list[Job]:
        return await super().claim(kinds, limit, at, lease_until)


class _FinishedByAnybody(PassingStore):
    """A job is finished by whoever had it once, although another has it by now."""

    async def apply(self, batch: Batch) -> Applied:
        finished = [o for o in batch.operations if isinstance(o, Finish)]
        rest = tuple(o for o in batch.operations if not isinstance(o, Finish))
        applied = await self.inner.apply(replace(batch, operations=rest))
        for operation in finished:
            await jobs_of(self.inner).finish(operation.job_id)
        return replace(applied, outcomes=(*applied.outcomes, *(Outcome(kind="stored") for _ in finished)))


class _DedupeIgnored(PassingStore):
    """A job is entered again while one with its dedupe key waits."""

    async def apply(self, batch: Batch) -> Applied:
        operations = tuple(replace(o, dedupe=None) if isinstance(o, Enqueue) else o for o in batch.operations)
        return await self.inner.apply(replace(batch, operations=operations))


class _LostReply(PassingStore):
    """Of a dead letter the raw reply is thrown away."""

    async def retry(self, job_id: str, error: str, due: datetime | None, reply: str | None = None) -> None:
        await super().retry(job_id, error, due)


class _UsageOfAll(PassingStore):
    """What others spent is counted too."""

    async def usage(self, scope: Scope, since: datetime | None, until: datetime | None) -> Usage:
        return await self.inner.usage(Scope(tenant=scope.tenant), since, until)


class _JoinedInName(PassingStore):
    """A Join makes its memory the newest and forgets the sources."""

    async def apply(self, batch: Batch) -> Applied:
        applied = await self.inner.apply(batch)
        for operation, outcome in zip(batch.operations, applied.outcomes, strict=False):
            if isinstance(operation, Join) and outcome.kind == "stored":
                ids = tuple(s.message_id for s in operation.sources)
                undone = Disjoin(memory_id=operation.memory_id, message_ids=ids)
                await self.inner.apply(replace(batch, operations=(undone,), details={}, idempotency_key=None))
        return applied


class _Unbounded(PassingStore):
    """Feedback adds up without end."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.over: dict[str, float] = {}

    async def apply(self, batch: Batch) -> Applied:
        for operation in batch.operations:
            if isinstance(operation, Feedback):
                self.over[operation.memory_id] = self.over.get(operation.memory_id, 0.0) + operation.value
        return await self.inner.apply(batch)

    async def get(self, ids: Sequence[str], scope: Scope, **more: Any) -> list[MemoryRecord]:
        found = await self.inner.get(ids, scope, **more)
        return [replace(r, strength=self.over.get(r.id, r.strength)) for r in found]


class _ParentsOnly(PassingStore):
    """Of what fell, only what a memory rests on directly is told."""

    async def get(self, ids: Sequence[str], scope: Scope, **more: Any) -> list[MemoryRecord]:
        found = await self.inner.get(ids, scope, **more)
        return [replace(r, review=tuple(i for i in r.review if i in r.derived_from)) for r in found]


class _ForeignGround(PassingStore):
    """What a memory rests on is shown to those who do not see it."""

    async def get(self, ids: Sequence[str], scope: Scope, **more: Any) -> list[MemoryRecord]:
        found = await self.inner.get(ids, scope, **more)
        whole = {r.id: r for r in await self.inner.get(ids, replace(scope, run_id=None), **more)}
        return [replace(r, derived_from=whole[r.id].derived_from) for r in found]


class _NoDetails(PassingStore):
    """Where a change came from is dropped."""

    async def apply(self, batch: Batch) -> Applied:
        return await self.inner.apply(replace(batch, details={}))


class _DetailsSurvive(PassingStore):
    """What details quote of the words is still told after those were erased."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.kept: dict[str, Change] = {}

    async def history(self, memory_id: str, scope: Scope) -> list[Change]:
        changes = await self.inner.history(memory_id, scope)
        return [replace(c, details=self.kept[c.id].details) if c.id in self.kept else c for c in changes]

    async def erase(self, scope: Scope, ids: Sequence[str] | None, batch: Batch) -> ErasureReceipt:
        for record in await self.inner.said_in(ids or [], scope):
            for message in record.sources:
                for other in await self.inner.said_in([message], scope):
                    self.kept |= {c.id: c for c in await self.inner.history(other.id, scope)}
        return await self.inner.erase(scope, ids, batch)


class _AnyGround(PassingStore):
    """What a memory is said to rest on is not looked for."""

    async def apply(self, batch: Batch) -> Applied:
        try:
            return await self.inner.apply(batch)
        except NotFoundError:
            operations = [
                replace(o, memory=replace(o.memory, derived_from=())) if isinstance(o, AddMemory) else o
                for o in batch.operations
            ]
            return await self.inner.apply(replace(batch, operations=tuple(operations)))


class _NearDependants(PassingStore):
    """Only what was derived directly is found."""

    async def dependants(self, ids: Sequence[str], scope: Scope) -> list[MemoryRecord]:
        return [r for r in await self.inner.dependants(ids, scope) if not set(ids).isdisjoint(r.derived_from)]


LATER_FAULTS: Mapping[str, Callable[[Store], Store]] = {
    "ignored lane": _LaneIgnored,
    "endless lease": _LeaseForever,
    "lease given twice": _ClaimedTwice,
    "claimed for anybody": _ClaimedForAnybody,
    "finished without the lease": _FinishedByAnybody,
    "ignored dedupe key": _DedupeIgnored,
    "lost raw reply": _LostReply,
    "usage of everybody": _UsageOfAll,
    "join that forgets its sources": _JoinedInName,
    "feedback out of bounds": _Unbounded,
    "review without grandparents": _ParentsOnly,
    "dependants of one step": _NearDependants,
    "ground shown to strangers": _ForeignGround,
    "ground not looked for": _AnyGround,
    "dropped details": _NoDetails,
    "details survive an erase": _DetailsSurvive,
}
