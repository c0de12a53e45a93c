"""What memories mention, which names are merged, and what is linked to the names in a question."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from keepstone.contract import CandidateQuery
from keepstone.errors import InvalidRequestError, LimitError, NotFoundError
from keepstone.logic.entities import Registry, name_id, name_keys
from keepstone.logic.ids import partition
from keepstone.naming import Merge, Named, Naming
from keepstone.operations import MergeNames, Outcome, UnmergeNames
from keepstone.stores.inmemory.state import StoredMemory, Tenant
from keepstone.stores.inmemory.transaction import Transaction
from keepstone.types import Scope


def naming(tenant: Tenant, scope: Scope, at: datetime, partitions_max: int) -> Naming:
    """Return what the visible memories that *scope* sees and that have not expired mention, and the merges."""
    seen = [m for m in tenant.memories.values() if m.visible and scope.sees(m.record.scope)]
    named = list(_named(m for m in seen if not _is_expired(m, at)))
    homes = {partition(n.scope) for n in named}
    if len(homes) > partitions_max:
        raise LimitError(f"These are names of {len(homes)} partitions, and at most {partitions_max} are allowed.")
    named.sort(key=lambda n: tenant.place(n.scope, n.sequence))
    return Naming(named=tuple(named), merges=tuple(m for (home, *_), m in tenant.merges.items() if home in homes))


def linked(tenant: Tenant, home: str, memories: Iterable[StoredMemory], query: CandidateQuery) -> Mapping[str, float]:
    """Return how much of what the question names those of *memories* mention that do so."""
    named = list(_named(m for m in memories if query.include_expired or not _is_expired(m, query.at)))
    known_at = query.known_at
    merges = [m for (of, *_), m in tenant.merges.items() if of == home and (known_at is None or m.at <= known_at)]
    return Registry(Naming(named=tuple(named), merges=tuple(merges))).linked(query.question) if named else {}


def merge(work: Transaction, operation: MergeNames) -> Outcome:
    """Take two names to be of one entity."""
    scope = work.writable(operation.scope)
    home = partition(scope)
    seen = naming(work.tenant, scope, work.batch.at, len(work.tenant.partitions)).named
    there = Registry(Naming(named=tuple(n for n in seen if partition(n.scope) == home)))
    if operation.one == operation.into:
        raise InvalidRequestError("A name cannot be merged into itself.")
    for id in (operation.one, operation.into):
        if not there.holds(id):
            raise NotFoundError(f"There is no entity {id!r}.")
    made = Merge(
        scope=scope.of_owner,
        one=operation.one,
        into=operation.into,
        actor=work.batch.actor,
        at=work.batch.at,
        reason=operation.reason or work.batch.reason,
    )
    return _put(work, home, made)


def unmerge(work: Transaction, operation: UnmergeNames) -> Outcome:
    """Take a merge back."""
    home = partition(work.writable(operation.scope))
    known = work.tenant.merges.pop((home, operation.one, operation.into), None)
    return Outcome(kind="replay" if known is None else "stored")


def load_merge(work: Transaction, row: Merge, scope: Scope) -> Outcome:
    """Put an archived merge back, unless its names are not here."""
    home = partition(scope)
    there = {id for m in work.tenant.memories.values() if partition(m.record.scope) == home for id in _ids(m)}
    if not {row.one, row.into} <= there:
        return Outcome(kind="replay")
    return _put(work, partition(scope), replace(row, scope=scope.of_owner))


def _put(work: Transaction, home: str, made: Merge) -> Outcome:
    key = (home, made.one, made.into)
    if key in work.tenant.merges:
        return Outcome(kind="replay")
    work.tenant.merges[key] = made
    return Outcome(kind="stored")


def archived_merges(
    tenant: Tenant, scope: Scope, include_retired: bool
) -> Iterator[tuple[tuple[int, int, int], Merge]]:
    """Yield the merges of names that the archive of *scope* has, with their places in it."""
    memories = [m for m in tenant.memories.values() if scope.sees(m.record.scope) and (m.visible or include_retired)]
    there = {(partition(m.record.scope), id) for m in memories for id in _ids(m)}
    ordered = sorted(tenant.merges, key=lambda key: (tenant.partitions[key[0]].number, *key))
    for number, (home, one, into) in enumerate(ordered, 1):
        if {(home, one), (home, into)} <= there:
            yield (4, tenant.partitions[home].number, number), tenant.merges[home, one, into]


def drop_merges(tenant: Tenant) -> None:
    """Forget the merges of names that no memory mentions any more."""
    there = {(partition(m.record.scope), id) for m in tenant.memories.values() for id in _ids(m)}
    tenant.merges = {k: m for k, m in tenant.merges.items() if {(k[0], k[1]), (k[0], k[2])} <= there}


def _ids(memory: StoredMemory) -> Iterator[str]:
    """The ids of the names in all revisions of a memory."""
    home = partition(memory.record.scope)
    for mention in (m for r in memory.revisions for m in r.entities):
        yield from (name_id(home, key) for key in name_keys(mention))


def _named(memories: Iterable[StoredMemory]) -> Iterator[Named]:
    for memory in memories:
        record, revision = memory.record, memory.current
        if revision is not None and revision.entities:
            yield Named(memory_id=record.id, scope=record.scope, sequence=record.sequence, mentions=revision.entities)


def _is_expired(memory: StoredMemory, at: datetime) -> bool:
    return memory.record.expires_at is not None and memory.record.expires_at <= at
