"""Planted faults of names: stores that tell them to strangers, keep them too long, or do not let go of a merge."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from keepstone.contract import CandidateQuery, Candidates
from keepstone.naming import Merge, Naming
from keepstone.operations import AddMemory, Applied, ArchiveRow, Batch, Outcome, UnmergeNames
from keepstone.protocols import Store
from keepstone.testing._passing import PassingStore
from keepstone.types import ErasureReceipt, Scope


class _NamesOfAll(PassingStore):
    """The names of one session are those of all."""

    async def naming(self, scope: Scope, at: datetime, *, partitions_max: int = 1_000) -> Naming:
        return await self.inner.naming(replace(scope, run_id=None), at, partitions_max=partitions_max)


class _NamesSurvive(PassingStore):
    """What was mentioned is still told after it was erased."""

    def __init__(self, inner: Store) -> None:
        super().__init__(inner)
        self.kept: Naming | None = None

    async def naming(self, scope: Scope, at: datetime, *, partitions_max: int = 1_000) -> Naming:
        return self.kept or await self.inner.naming(scope, at, partitions_max=partitions_max)

    async def erase(self, scope: Scope, ids: Sequence[str] | None, batch: Batch) -> ErasureReceipt:
        self.kept = await self.inner.naming(scope, batch.at)
        return await self.inner.erase(scope, ids, batch)


class _Inseparable(PassingStore):
    """A merge cannot be taken back, though the store says so."""

    async def apply(self, batch: Batch) -> Applied:
        operations = tuple(o for o in batch.operations if not isinstance(o, UnmergeNames))
        applied = await self.inner.apply(replace(batch, operations=operations))
        if len(operations) == len(batch.operations):
            return applied
        return replace(applied, outcomes=tuple(Outcome(kind="stored") for _ in batch.operations))


class _Unlinked(PassingStore):
    """Names in a question are not looked for."""

    async def candidates(self, query: CandidateQuery) -> Candidates:
        return await self.inner.candidates(replace(query, question=""))


class _AliasesLost(PassingStore):
    """Of what a memory mentions, only the name is kept."""

    async def apply(self, batch: Batch) -> Applied:
        operations = tuple(
            replace(o, memory=replace(o.memory, entities=tuple(replace(m, aliases=()) for m in o.memory.entities)))
            if isinstance(o, AddMemory)
            else o
            for o in batch.operations
        )
        return await self.inner.apply(replace(batch, operations=operations))


class _MergesLeftOut(PassingStore):
    """An archive has no merges."""

    async def dump(
        self, scope: Scope, cursor: str | None, limit: int, *, include_retired: bool = False
    ) -> tuple[list[ArchiveRow], str | None]:
        rows, following = await self.inner.dump(scope, cursor, limit, include_retired=include_retired)
        return [row for row in rows if not isinstance(row, Merge)], following


ENTITY_FAULTS: Mapping[str, Callable[[Store], Store]] = {
    "names of all sessions": _NamesOfAll,
    "names survive an erase": _NamesSurvive,
    "merge that cannot be split": _Inseparable,
    "names not looked for": _Unlinked,
    "aliases lost": _AliasesLost,
    "merges left out of an archive": _MergesLeftOut,
}
