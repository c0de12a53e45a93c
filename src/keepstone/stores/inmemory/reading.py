"""What a scope sees of the memories, the ledger and the history: lists, pages, the archive, counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import datetime

from keepstone.contract import ListQuery
from keepstone.errors import InvalidRequestError
from keepstone.filters import matches
from keepstone.logic.details import scrubbed
from keepstone.logic.ids import partition
from keepstone.logic.validity import standing
from keepstone.operations import ArchivedMemory, ArchivedRevision, ArchiveRow
from keepstone.stores.inmemory.deriving import handed_out
from keepstone.stores.inmemory.earlier import memories_at
from keepstone.stores.inmemory.naming import archived_merges
from keepstone.stores.inmemory.state import State, StoredMemory, Tenant
from keepstone.types import Change, Kind, LedgerMessage, MemoryRecord, Page, Scope, Stats, Status

SCHEMA_VERSION = 3

Place = tuple[int, ...]


def is_wanted(memory: StoredMemory, query: ListQuery) -> bool:
    """Return whether a memory that the scope sees is among what *query* asks for."""
    record, status = memory.record, memory.record.status
    if query.as_of is not None:
        status = standing(record, query.as_of) or Status.RETIRED
        if status is not Status.CURRENT:
            return False
    if not query.include_superseded and status is Status.SUPERSEDED:
        return False
    if not query.include_expired and record.expires_at is not None and record.expires_at <= query.at:
        return False
    if query.kinds and record.kind not in query.kinds:
        return False
    if query.categorised and not record.categories:
        return False
    return matches(query.where, record)


def get(tenant: Tenant, ids: Sequence[str], scope: Scope, known_at: datetime | None = None) -> list[MemoryRecord]:
    """Return the visible memories among *ids* that *scope* sees, in the order asked."""
    there = memories_at(tenant, known_at)
    found = [there[id] for id in ids if id in there]
    return [handed_out(tenant, m, scope) for m in found if scope.sees(m.record.scope)]


def get_all(tenant: Tenant, query: ListQuery) -> Page:
    """Return one page of memories in the order of partition and sequence."""
    after = _place(query.cursor, 2)
    wanted = [
        (place, memory)
        for memory in memories_at(tenant, query.known_at).values()
        if query.scope.sees(memory.record.scope) and is_wanted(memory, query)
        if (place := tenant.place(memory.record.scope, memory.record.sequence)) > after
    ]
    wanted.sort(key=lambda w: w[0])
    if query.categorised:
        hidden = suppressed(tenant)
        wanted = [w for w in wanted if w[1].record.kind is not Kind.EPISODE or not _all_hidden(w[1], hidden)]
        wanted.sort(key=lambda w: (w[0][0], -w[1].recency))
    page = wanted[: query.limit]
    more = len(wanted) > len(page)
    return Page(
        items=tuple(handed_out(tenant, memory, query.scope) for _, memory in page),
        next_cursor=_cursor(page[-1][0]) if more else None,
    )


def _all_hidden(memory: StoredMemory, hidden: set[str]) -> bool:
    return all(source.message_id in hidden for source in memory.sources if not source.echo)


def neighbours(tenant: Tenant, ids: Sequence[str], scope: Scope, before: int, after: int) -> list[LedgerMessage]:
    """Return the messages around the sources of *ids*, by conversation and position."""
    memories = [tenant.memories[id] for id in ids if id in tenant.memories]
    sources = [
        tenant.messages[source.message_id].message
        for memory in memories
        if memory.visible and scope.sees(memory.record.scope)
        for source in memory.sources
        if not source.echo
    ]
    around = {
        (source.scope, position)
        for source in sources
        for position in range(source.position - before, source.position + after + 1)
    }
    hidden = suppressed(tenant)
    found = [m for m in _ledger(tenant, scope) if (m.scope, m.position) in around and m.id not in hidden]
    begins: dict[Scope, Place] = {}
    for stored in tenant.messages.values():
        begins.setdefault(stored.message.scope, tenant.place(stored.message.scope, stored.message.sequence))
    return sorted(found, key=lambda m: (begins[m.scope], m.position))


def messages(tenant: Tenant, ids: Sequence[str], scope: Scope) -> list[LedgerMessage]:
    """Return the messages among *ids* that *scope* sees and nothing hides, in the order asked."""
    hidden = suppressed(tenant)
    seen = {m.id: m for m in _ledger(tenant, scope) if m.id not in hidden}
    return [seen[id] for id in ids if id in seen]


def suppressed(tenant: Tenant) -> set[str]:
    """Return the ids of the messages that a retired memory came from, and of its echoes, unless it went alone."""
    retired = (m for m in tenant.memories.values() if m.record.status is Status.RETIRED and not m.keeps_sources)
    return {source.message_id for memory in retired for source in memory.sources}


def history(tenant: Tenant, memory_id: str, scope: Scope) -> list[Change]:
    """Return every change of a memory, oldest first."""
    return [c for c in _changes(tenant, scope) if c.memory_id == memory_id]


def changes(tenant: Tenant, id: str, scope: Scope) -> list[Change]:
    """Return the change, or all changes of the batch, with this id, oldest first."""
    return [c for c in _changes(tenant, scope) if id in (c.id, c.batch_id)]


def stats(state: State, scope: Scope) -> Stats:
    """Return counts of what *scope* sees; `memories` are the visible ones, `units` those of every revision."""
    tenant = state.tenant(scope.tenant)
    memories = [m for m in tenant.memories.values() if scope.sees(m.record.scope)]
    said = _ledger(tenant, scope)
    count = {status: sum(m.record.status is status for m in memories) for status in Status}
    units = {u.key for m in memories for r in m.revisions for u in r.units}
    space = state.embedder
    return Stats(
        messages=len(said),
        memories=count[Status.CURRENT] + count[Status.SUPERSEDED],
        superseded=count[Status.SUPERSEDED],
        retired=count[Status.RETIRED],
        erased=count[Status.ERASED],
        changes=len(_changes(tenant, scope)),
        units=len(units),
        unembedded=sum(space is None or (key, space) not in tenant.vectors for key in units),
        partitions=len({partition(s) for s in [m.scope for m in said] + [m.record.scope for m in memories]}),
        embedder=None if space is None else str(space),
        schema_version=SCHEMA_VERSION,
        bytes=None,
        path=None,
    )


def dump(
    tenant: Tenant, scope: Scope, cursor: str | None, limit: int, include_retired: bool
) -> tuple[list[ArchiveRow], str | None]:
    """Return one page of the archive, and where the next begins."""
    after = _place(cursor, 3)
    rows = [(place, row) for place, row in _archive(tenant, scope, include_retired) if place > after]
    page = rows[:limit]
    return [row for _, row in page], _cursor(page[-1][0]) if len(rows) > len(page) else None


def _archive(tenant: Tenant, scope: Scope, include_retired: bool) -> Iterator[tuple[Place, ArchiveRow]]:
    hidden = set() if include_retired else suppressed(tenant)
    said = [m for m in _ledger(tenant, scope) if m.id not in hidden]
    carried = {m.id for m in said}
    for message in said:
        yield (1, *tenant.place(message.scope, message.sequence)), message
    memories = [m for m in tenant.memories.values() if scope.sees(m.record.scope)]
    memories.sort(key=lambda m: tenant.place(m.record.scope, m.record.sequence))
    for memory in memories:
        place = (2, *tenant.place(memory.record.scope, memory.record.sequence))
        yield place, _archived(tenant, memory, scope, carried, include_retired)
    for change in _changes(tenant, scope):
        record = tenant.memories[change.memory_id].record
        if record.status is Status.RETIRED and not include_retired:
            change = replace(change, old_text=None, new_text=None, details=scrubbed(change.details, ()))
        yield (3, *tenant.place(record.scope, change.sequence)), change
    yield from archived_merges(tenant, scope, include_retired)


def _archived(
    tenant: Tenant, memory: StoredMemory, scope: Scope, carried: set[str], include_retired: bool
) -> ArchivedMemory:
    silent = memory.record.status is Status.RETIRED and not include_retired
    record = handed_out(tenant, memory, scope)
    return ArchivedMemory(
        record=replace(record, text="", metadata={}) if silent else record,
        revisions=tuple(
            ArchivedRevision(
                number=r.number,
                text=None if silent else r.text,
                metadata={} if silent else deepcopy(r.metadata),
                expires_at=r.expires_at,
                language=r.language,
                at=r.at,
                entities=() if silent else r.entities,
            )
            for r in memory.revisions
        ),
        # A row must not name a message that the archive leaves out: it could not be loaded.
        sources=tuple(s for s in memory.sources if s.message_id in carried),
        derived_from=record.derived_from,
        superseded_by=record.superseded_by,
        recency=memory.recency,
        keeps_sources=memory.keeps_sources,
    )


def _ledger(tenant: Tenant, scope: Scope) -> list[LedgerMessage]:
    seen = [s.message for s in tenant.messages.values() if scope.sees(s.message.scope)]
    seen.sort(key=lambda m: tenant.place(m.scope, m.sequence))
    return [replace(m, metadata=deepcopy(m.metadata)) for m in seen]


def _changes(tenant: Tenant, scope: Scope) -> list[Change]:
    scopes = {id: m.record.scope for id, m in tenant.memories.items() if scope.sees(m.record.scope)}
    seen = [c for c in tenant.changes.values() if c.memory_id in scopes]
    seen.sort(key=lambda c: tenant.place(scopes[c.memory_id], c.sequence))
    return [tenant.shown(c) for c in seen]


def _cursor(place: Place) -> str:
    return ".".join(map(str, place))


def _place(cursor: str | None, parts: int) -> Place:
    if cursor is None:
        return (0,) * parts
    numbers = cursor.split(".")
    if len(numbers) != parts or not all(n.isascii() and n.isdigit() and len(n) < 20 for n in numbers):
        raise InvalidRequestError(f"{cursor!r} is not a cursor that this list gave out.")
    return tuple(map(int, numbers))
