"""Planted faults of time and of statements: stores that mistake what held, what was known, or what says what."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from keepstone.contract import CandidateQuery, Candidates, ListQuery
from keepstone.filters import matches
from keepstone.logic.validity import began
from keepstone.protocols import Store
from keepstone.testing._passing import PassingStore
from keepstone.types import MemoryRecord, Page, Scope, Status


class _EndlessTruth(PassingStore):
    """What held once is taken to hold for ever."""

    async def get_all(self, query: ListQuery) -> Page:
        if query.as_of is None:
            return await self.inner.get_all(query)
        found = await self.inner.get_all(replace(query, as_of=None))
        return replace(found, items=tuple(r for r in found.items if began(r) <= (query.as_of or began(r))))

    async def candidates(self, query: CandidateQuery) -> Candidates:
        if query.as_of is None:
            return await self.inner.candidates(query)
        found = await self.inner.candidates(replace(query, as_of=None))
        records = await self.inner.get([c.memory_id for c in found.items], query.scope, known_at=query.known_at)
        held = {r.id for r in records if began(r) <= query.as_of}
        items = tuple(replace(c, status=Status.CURRENT) for c in found.items if c.memory_id in held)
        return replace(found, items=items)


class _KnownTooEarly(PassingStore):
    """What was stored later than the moment asked about is shown too."""

    async def get_all(self, query: ListQuery) -> Page:
        found = await self.inner.get_all(replace(query, known_at=None))
        return replace(found, items=await self._then(found.items, query.scope, query.known_at))

    async def get(self, ids: Sequence[str], scope: Scope, *, known_at: datetime | None = None) -> list[MemoryRecord]:
        return list(await self._then(await self.inner.get(ids, scope), scope, known_at))

    async def candidates(self, query: CandidateQuery) -> Candidates:
        return await self.inner.candidates(replace(query, known_at=None))

    async def _then(
        self, records: Sequence[MemoryRecord], scope: Scope, known_at: datetime | None
    ) -> tuple[MemoryRecord, ...]:
        then = {r.id: r for r in await self.inner.get([r.id for r in records], scope, known_at=known_at)}
        return tuple(then.get(r.id, r) for r in records)


class _LaterText(PassingStore):
    """What was known at a moment is shown as it reads now."""

    async def get_all(self, query: ListQuery) -> Page:
        found = await self.inner.get_all(query)
        return replace(found, items=tuple(await self._as_now(found.items, query.scope)))

    async def get(self, ids: Sequence[str], scope: Scope, *, known_at: datetime | None = None) -> list[MemoryRecord]:
        return await self._as_now(await self.inner.get(ids, scope, known_at=known_at), scope)

    async def _as_now(self, records: Sequence[MemoryRecord], scope: Scope) -> list[MemoryRecord]:
        now = {r.id: r.text for r in await self.inner.get([r.id for r in records], scope)}
        return [replace(r, text=now.get(r.id, r.text)) for r in records]


class _LaterIndex(PassingStore):
    """What was known at a moment is found by the words that it has now."""

    async def candidates(self, query: CandidateQuery) -> Candidates:
        found = await self.inner.candidates(replace(query, known_at=None))
        records = await self.inner.get([c.memory_id for c in found.items], query.scope, known_at=query.known_at)
        known = {r.id for r in records if matches(query.where, r)}
        return replace(found, items=tuple(c for c in found.items if c.memory_id in known))


class _SilentStatements(PassingStore):
    """Only statements that are current come with an episode."""

    async def candidates(self, query: CandidateQuery) -> Candidates:
        found = await self.inner.candidates(query)
        current = {id: tuple(s for s in each if s[1] is Status.CURRENT) for id, each in found.statements.items()}
        return replace(found, statements=current)


MOMENT_FAULTS: Mapping[str, Callable[[Store], Store]] = {
    "endless truth": _EndlessTruth,
    "known too early": _KnownTooEarly,
    "later text shown": _LaterText,
    "later words indexed": _LaterIndex,
    "silent about what was superseded": _SilentStatements,
}
