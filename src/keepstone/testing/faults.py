"""Planted faults: stores that are wrong in one way each, by which the laws prove that they can fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from keepstone.contract import CandidateQuery, Candidates, EmbedderKey, ListQuery
from keepstone.errors import KeepstoneError
from keepstone.operations import (
    AppendEcho,
    AppendMessage,
    Applied,
    ArchivedMemory,
    Batch,
    Forget,
    NewUnit,
    Operation,
    Outcome,
    Retire,
    Revise,
)
from keepstone.protocols import Store
from keepstone.testing._control_faults import CONTROL_FAULTS
from keepstone.testing._entity_faults import ENTITY_FAULTS
from keepstone.testing._later_faults import LATER_FAULTS
from keepstone.testing._moment_faults import MOMENT_FAULTS
from keepstone.testing._passing import PassingStore
from keepstone.testing._script import START, archived
from keepstone.types import Change, ErasureReceipt, LedgerMessage, MemoryRecord, Page, Scope, Status

__all__ = ["FAULTS"]


class _LeakyScope(PassingStore):
    """A search of one session finds the memories of all sessions."""

    async def candidates(self, query: CandidateQuery) -> Candidates:
        return await self.inner.candidates(replace(query, scope=replace(query.scope, run_id=None)))


class _LeakyTenant(PassingStore):
    """A read by id finds what another tenant has under that id."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.written_to = {""}

    async def apply(self, batch: Batch) -> Applied:
        self.written_to.add(batch.tenant)
        return await self.inner.apply(batch)

    async def get(self, ids: Sequence[str], scope: Scope, *, known_at: datetime | None = None) -> list[MemoryRecord]:
        scopes = [replace(scope, tenant=t) for t in sorted(self.written_to)]
        found = [r for s in scopes for r in await self.inner.get(ids, s, known_at=known_at)]
        return sorted(found, key=lambda r: list(ids).index(r.id))


class _StaleCache(PassingStore):
    """What a search found is kept until something is written; a retirement is not taken for a write."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.kept: dict[str, Candidates] = {}

    async def apply(self, batch: Batch) -> Applied:
        if not all(isinstance(operation, Retire) for operation in batch.operations):
            self.kept.clear()
        return await self.inner.apply(batch)

    async def candidates(self, query: CandidateQuery) -> Candidates:
        key = repr(replace(query, at=START))
        if key not in self.kept:
            self.kept[key] = await self.inner.candidates(query)
        return self.kept[key]


def _with_units(operation: Operation, change: Callable[[NewUnit], NewUnit]) -> Operation:
    if isinstance(operation, AppendMessage):
        units = tuple(map(change, operation.memory.units))
        return replace(operation, memory=replace(operation.memory, units=units))
    return operation


class _LostPosting(PassingStore):
    """One term of each passage does not reach the index."""

    async def apply(self, batch: Batch) -> Applied:
        operations = tuple(_with_units(o, self._lose_one) for o in batch.operations)
        return await self.inner.apply(replace(batch, operations=operations))

    def _lose_one(self, unit: NewUnit) -> NewUnit:
        lost = max(unit.terms, default=None) if len(unit.terms) > 1 else None
        return replace(unit, terms={term: n for term, n in unit.terms.items() if term != lost})


class _WrongLength(PassingStore):
    """Passages are counted one token too long, which shifts every BM25 a little."""

    async def apply(self, batch: Batch) -> Applied:
        operations = tuple(_with_units(o, lambda u: replace(u, length=u.length + 1)) for o in batch.operations)
        return await self.inner.apply(replace(batch, operations=operations))


class _HalfBatch(PassingStore):
    """What precedes the operation that fails is written."""

    async def apply(self, batch: Batch) -> Applied:
        try:
            return await self.inner.apply(batch)
        except KeepstoneError:
            for operation in batch.operations:
                await self.inner.apply(replace(batch, operations=(operation,), idempotency_key=None))
            raise


class _WrongStatistics(PassingStore):
    """The mean is taken over what was found instead of over the partition."""

    async def candidates(self, query: CandidateQuery) -> Candidates:
        found = await self.inner.candidates(query)
        corpora = {}
        for name, corpus in found.corpora.items():
            values = [c.bm25 for c in found.items if c.partition == name and c.bm25 > 0]
            corpora[name] = replace(corpus, bm25_mean=sum(values) / len(values) if values else 0.0)
        return replace(found, corpora=corpora)


class _LostWrite(PassingStore):
    """A batch that arrives while another is being written is acknowledged and forgotten."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.writing = False

    async def apply(self, batch: Batch) -> Applied:
        if self.writing:
            return Applied(
                batch_id=batch.id, outcomes=tuple(Outcome(kind="stored") for _ in batch.operations), changes=()
            )
        self.writing = True
        try:
            await asyncio.sleep(0)
            return await self.inner.apply(batch)
        finally:
            self.writing = False


class _DisorderedHistory(PassingStore):
    """The newest change comes first."""

    async def history(self, memory_id: str, scope: Scope) -> list[Change]:
        return (await self.inner.history(memory_id, scope))[::-1]


class _ForgetfulHistory(PassingStore):
    """Of a restored memory, the history no longer says that it was ever taken back."""

    async def history(self, memory_id: str, scope: Scope) -> list[Change]:
        changes = await self.inner.history(memory_id, scope)
        restored = any(c.action.value == "RESTORE" for c in changes)
        return [c for c in changes if not (restored and c.action.value == "DELETE")]


class _SkippingPages(PassingStore):
    """A cursor counts memories from the start, so that a page moves when one before it goes."""

    async def get_all(self, query: ListQuery) -> Page:
        whole = await self.inner.get_all(replace(query, cursor=None, limit=1_000_000))
        if query.cursor is not None and not query.cursor.isdigit():
            return await self.inner.get_all(query)
        start = int((query.cursor or "0")[:9])
        end = start + query.limit
        more = end < len(whole.items)
        return Page(items=whole.items[start:end], next_cursor=str(end) if more else None)


class _IgnoredFilter(PassingStore):
    """A search pays no heed to its filter."""

    async def candidates(self, query: CandidateQuery) -> Candidates:
        return await self.inner.candidates(replace(query, where=None))


class _IgnoredExpiry(PassingStore):
    """A search finds what has expired."""

    async def candidates(self, query: CandidateQuery) -> Candidates:
        return await self.inner.candidates(replace(query, include_expired=True))


class _RetiredListed(PassingStore):
    """A list still holds what was taken back."""

    async def get_all(self, query: ListQuery) -> Page:
        page = await self.inner.get_all(query)
        if page.next_cursor is not None:
            return page
        rows = await archived(self.inner, query.scope, include_retired=True)
        memories = [row.record for row in rows if isinstance(row, ArchivedMemory)]
        retired = [record for record in memories if record.status is Status.RETIRED]
        return replace(page, items=(*page.items, *retired))


class _RetiredSpoken(PassingStore):
    """The neighbours of a memory include the messages of what was taken back."""

    async def neighbours(self, ids: Sequence[str], scope: Scope, before: int, after: int) -> list[LedgerMessage]:
        shown = await self.inner.neighbours(ids, scope, before, after)
        rows = await archived(self.inner, scope, include_retired=True)
        said = {row.id: row for row in rows if isinstance(row, LedgerMessage)}
        hidden = said.keys() - {m.id for m in await self.inner.messages(list(said), scope)}
        ends = {m.scope: m.position for m in shown}
        return shown + [said[id] for id in hidden if said[id].position <= ends.get(said[id].scope, -1)]


class _ErasedHistory(PassingStore):
    """An erase leaves the older changes, with their texts."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.left: dict[str, list[Change]] = {}

    async def erase(self, scope: Scope, ids: Sequence[str] | None, batch: Batch) -> ErasureReceipt:
        rows = await archived(self.inner, Scope(tenant=scope.tenant), include_retired=True)
        older: dict[str, list[Change]] = {}
        for row in rows:
            if isinstance(row, Change):
                older.setdefault(row.memory_id, []).append(row)
        receipt = await self.inner.erase(scope, ids, batch)
        self.left |= older
        return receipt

    async def history(self, memory_id: str, scope: Scope) -> list[Change]:
        changes = await self.inner.history(memory_id, scope)
        if changes and changes[-1].action.value == "ERASE":
            return self.left.get(memory_id, []) + changes
        return changes


class _ErasedMessage(PassingStore):
    """An erase of a memory leaves its messages in the ledger."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.left: dict[str, LedgerMessage] = {}

    async def erase(self, scope: Scope, ids: Sequence[str] | None, batch: Batch) -> ErasureReceipt:
        rows = await archived(self.inner, scope)
        receipt = await self.inner.erase(scope, ids, batch)
        self.left |= {row.id: row for row in rows if isinstance(row, LedgerMessage)}
        return receipt

    async def messages(self, ids: Sequence[str], scope: Scope) -> list[LedgerMessage]:
        there = {m.id: m for m in await self.inner.messages(ids, scope)}
        left = {id: m for id, m in self.left.items() if scope.sees(m.scope)}
        return [(left | there)[id] for id in ids if id in left | there]


class _Unrecognised(PassingStore):
    """What was said before is written once more."""

    async def apply(self, batch: Batch) -> Applied:
        operations = tuple(
            replace(o, replay_key=None, join_key=None) if isinstance(o, AppendMessage) else o for o in batch.operations
        )
        return await self.inner.apply(replace(batch, operations=operations))


class _JoinsAnything(PassingStore):
    """A message said again joins a memory although that was superseded or retired meanwhile."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.said: dict[bytes, str] = {}

    async def apply(self, batch: Batch) -> Applied:
        applied = await self.inner.apply(batch)
        outcomes = list(applied.outcomes)
        for place, operation in enumerate(batch.operations):
            if isinstance(operation, AppendMessage) and operation.join_key and not applied.replayed:
                earlier = self.said.setdefault(operation.join_key, outcomes[place].memory_id or "")
                if outcomes[place].kind == "stored" and earlier != outcomes[place].memory_id:
                    outcomes[place] = replace(outcomes[place], kind="refreshed", memory_id=earlier)
        return replace(applied, outcomes=tuple(outcomes))


class _IgnoredKey(PassingStore):
    """An idempotency key is not looked at."""

    async def apply(self, batch: Batch) -> Applied:
        return await self.inner.apply(replace(batch, idempotency_key=None))


class _LearnedEcho(PassingStore):
    """What only repeats a memory becomes a memory of its own."""

    async def apply(self, batch: Batch) -> Applied:
        operations = tuple(o.message if isinstance(o, AppendEcho) else o for o in batch.operations)
        return await self.inner.apply(replace(batch, operations=operations))


class _EagerForgetting(PassingStore):
    """A request to forget is carried out again each time that it comes."""

    async def apply(self, batch: Batch) -> Applied:
        operations = [o for o in batch.operations if not isinstance(o, Forget)]
        applied = await self.inner.apply(replace(batch, operations=tuple(operations)))
        outcomes, changes = list(applied.outcomes), list(applied.changes)
        for wish in (o for o in batch.operations if isinstance(o, Forget)):
            shown = await self.inner.get([wish.memory_id or ""], Scope(tenant=batch.tenant))
            if not shown:
                outcomes.append(Outcome(kind="replay", memory_id=wish.memory_id))
                continue
            taken = await self.inner.apply(
                replace(batch, operations=(Retire(memory_id=shown[0].id),), reason=wish.reason, idempotency_key=None)
            )
            changes += taken.changes
            outcomes.append(Outcome(kind="stored", memory_id=shown[0].id, retired=1, change_id=taken.changes[0]))
        return replace(applied, outcomes=tuple(outcomes), changes=tuple(changes))


class _DeafToRequests(PassingStore):
    """A request to forget takes nothing back of what its own batch said."""

    async def apply(self, batch: Batch) -> Applied:
        blind: dict[str, Any] = {"request": ""}
        operations = tuple(
            replace(o, **blind) if isinstance(o, Forget) and o.message_id is not None else o for o in batch.operations
        )
        return await self.inner.apply(replace(batch, operations=operations))


class _RashForgetting(PassingStore):
    """What a request may mean is taken back at once."""

    async def apply(self, batch: Batch) -> Applied:
        sure: dict[str, Any] = {"lower": False}
        operations = tuple(replace(o, **sure) if isinstance(o, Forget) else o for o in batch.operations)
        return await self.inner.apply(replace(batch, operations=operations))


class _IgnoredRevision(PassingStore):
    """An expected revision is not looked at."""

    async def apply(self, batch: Batch) -> Applied:
        free: dict[str, Any] = {"expected_revision": None}
        operations = tuple(replace(o, **free) if hasattr(o, "expected_revision") else o for o in batch.operations)
        return await self.inner.apply(replace(batch, operations=operations))


class _MixedVectors(PassingStore):
    """A query of another vector space is compared all the same."""

    async def candidates(self, query: CandidateQuery) -> Candidates:
        return await self.inner.candidates(replace(query, embedder=None))


class _HastyAdoption(PassingStore):
    """The store says that it changed over although some units have no vector yet."""

    async def adopt(self, embedder: EmbedderKey) -> bool:
        await self.inner.adopt(embedder)
        return True


class _CategoriesIgnored(PassingStore):
    """A list of what has a category holds what has none too."""

    async def get_all(self, query: ListQuery) -> Page:
        return await self.inner.get_all(replace(query, categorised=False))


class _OldestFirst(PassingStore):
    """A list of what has a category begins with what was said first."""

    async def get_all(self, query: ListQuery) -> Page:
        page = await self.inner.get_all(query)
        return replace(page, items=page.items[::-1]) if query.categorised else page


class _CategoriesLost(PassingStore):
    """A new revision brings no new category."""

    async def apply(self, batch: Batch) -> Applied:
        free: dict[str, Any] = {"new_categories": ()}
        operations = tuple(replace(o, **free) if isinstance(o, Revise) else o for o in batch.operations)
        return await self.inner.apply(replace(batch, operations=operations))


FAULTS: Mapping[str, Callable[[Store], Store]] = {
    "leaky scope": _LeakyScope,
    "leaky tenant": _LeakyTenant,
    "stale cache after a retirement": _StaleCache,
    "lost posting": _LostPosting,
    "wrong length": _WrongLength,
    "half batch": _HalfBatch,
    "wrong statistics": _WrongStatistics,
    "lost write": _LostWrite,
    "disordered history": _DisorderedHistory,
    "incomplete history": _ForgetfulHistory,
    "skipping pages": _SkippingPages,
    "ignored filter": _IgnoredFilter,
    "ignored expiry": _IgnoredExpiry,
    "retired memory listed": _RetiredListed,
    "retired message shown": _RetiredSpoken,
    "history survives an erase": _ErasedHistory,
    "ledger survives an erase": _ErasedMessage,
    "duplicate not recognised": _Unrecognised,
    "joins what was superseded": _JoinsAnything,
    "ignored idempotency key": _IgnoredKey,
    "learned echo": _LearnedEcho,
    "request carried out twice": _EagerForgetting,
    "request not carried out": _DeafToRequests,
    "request carried out too far": _RashForgetting,
    "ignored revision": _IgnoredRevision,
    "mixed vector spaces": _MixedVectors,
    "hasty adoption": _HastyAdoption,
    **LATER_FAULTS,
    **MOMENT_FAULTS,
    **ENTITY_FAULTS,
    **CONTROL_FAULTS,
    "categories ignored in a list": _CategoriesIgnored,
    "oldest category first": _OldestFirst,
    "new categories lost": _CategoriesLost,
}
