"""Erasing: what goes with what, the tombstones, and the check that nothing stays behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from keepstone.errors import NotFoundError
from keepstone.logic.details import scrubbed
from keepstone.stores.inmemory.naming import drop_merges
from keepstone.stores.inmemory.state import StoredMemory, Tenant
from keepstone.stores.inmemory.transaction import Transaction
from keepstone.types import Action, ErasureReceipt, MemoryRecord, Scope, Status


def erase(work: Transaction, scope: Scope, ids: Sequence[str] | None) -> ErasureReceipt:
    """Remove *ids*, or all that *scope* sees, from the state of *work*, with all that hangs on them."""
    tenant = work.tenant
    memories, messages = _named(tenant, scope, ids) if ids is not None else _all(tenant, scope)
    _follow(tenant, memories, messages)
    texts = _texts(tenant, memories, messages)
    entries = _entries(tenant, memories, messages)
    units = [unit.key for id in memories for revision in tenant.memories[id].revisions for unit in revision.units]
    older = [c.id for c in tenant.changes.values() if c.memory_id in memories]
    _drop_jobs(tenant, memories, messages, scope if ids is None else None)
    _drop_batches(tenant, memories, messages, scope if ids is None else None)
    if ids is None:
        tenant.calls = {id: call for id, call in tenant.calls.items() if not scope.sees(call.scope)}
    for id in entries:
        entry = tenant.changes[id]
        tenant.changes[id] = replace(entry, details=scrubbed(entry.details, messages))
    for change in older:
        del tenant.changes[change]
    for entry in [c for c in tenant.changes.values() if c.related_id in memories]:
        tenant.changes[entry.id] = replace(entry, related_id=None)
    for key in [k for k in tenant.vectors if k[0] in units]:
        del tenant.vectors[key]
    said_in = sorted((tenant.messages[id].message.scope for id in messages), key=str)
    for id in messages:
        del tenant.messages[id]
    for id, memory in list(tenant.memories.items()):
        tenant.memories[id] = _stub(memory) if id in memories else _remaining(tenant, memory, memories, messages)
    tenant.index()
    drop_merges(tenant)
    ordered = sorted((tenant.memories[id].record for id in memories), key=lambda r: tenant.place(r.scope, r.sequence))
    for record in ordered:
        work.log(record, Action.ERASE)
    work.changed |= dict.fromkeys(said_in)
    work.announce("erased")
    residue = _residue(tenant, memories, messages, texts)
    return ErasureReceipt(
        memories=len(memories),
        messages=len(messages),
        changes=len(older),
        units=len(units),
        files=(),
        bytes_scanned=0,
        fragments=len(texts),
        residue=residue,
        verified=residue == 0,
        at=work.batch.at,
        tombstones=tuple(work.logged),
    )


def _all(tenant: Tenant, scope: Scope) -> tuple[set[str], set[str]]:
    memories = {
        id for id, m in tenant.memories.items() if m.record.status is not Status.ERASED and scope.sees(m.record.scope)
    }
    return memories, {id for id, m in tenant.messages.items() if scope.sees(m.message.scope)}


def _named(tenant: Tenant, scope: Scope, ids: Sequence[str]) -> tuple[set[str], set[str]]:
    all_memories, all_messages = _all(tenant, scope)
    memories, messages = set[str](), set[str]()
    for id in ids:
        said = {m for m in all_messages if id in (m, tenant.messages[m].message.external_id)}
        if not said and id not in all_memories:
            raise NotFoundError(f"There is no memory or message {id!r}.")
        messages |= said
        memories |= {id} & all_memories
    return memories, messages


def _follow(tenant: Tenant, memories: set[str], messages: set[str]) -> None:
    """Add the sources of what goes, and the memories that lose the last of what they came from."""
    size = -1
    while size != len(memories):
        size = len(memories)
        messages |= {s.message_id for id in memories for s in tenant.memories[id].sources}
        for id, memory in tenant.memories.items():
            origins = [s.message_id in messages for s in memory.sources if not s.echo]
            origins = origins or [d in memories or _is_erased(tenant, d) for d in memory.derived_from]
            if origins and all(origins) and not _is_erased(tenant, id):
                memories.add(id)


def _is_erased(tenant: Tenant, id: str) -> bool:
    return tenant.memories[id].record.status is Status.ERASED


def _entries(tenant: Tenant, memories: set[str], messages: set[str]) -> list[str]:
    """The changes that stay and whose details may hold something of what goes.

    They are of the batches that made what goes, and of memories that lose a source.
    """
    batches = {c.batch_id for c in tenant.changes.values() if c.memory_id in memories}
    heirs = {id for id, m in tenant.memories.items() if any(s.message_id in messages for s in m.sources)}
    return [
        c.id
        for c in tenant.changes.values()
        if c.memory_id not in memories and (c.batch_id in batches or c.memory_id in heirs)
    ]


def _texts(tenant: Tenant, memories: set[str], messages: set[str]) -> set[str]:
    texts = {tenant.messages[id].message.content for id in messages}
    for revision in (r for id in memories for r in tenant.memories[id].revisions):
        texts |= {revision.text or ""} | {name for m in revision.entities for name in (m.name, *m.aliases)}
    return texts - {""}


def _drop_jobs(tenant: Tenant, memories: set[str], messages: set[str], scope: Scope | None) -> None:
    """Drop the jobs, and the dead letters, of a scope that goes, and those that name what goes."""
    ours = memories | messages
    for id, job in list(tenant.jobs.items()):
        texts = _strings([job.payload, job.error or "", job.reply or ""])
        named = any(one in text for text in texts for one in ours)
        if named or (scope is not None and scope.sees(job.scope)):
            del tenant.jobs[id]


def _drop_batches(tenant: Tenant, memories: set[str], messages: set[str], scope: Scope | None) -> None:
    for key, batch in list(tenant.batches.items()):
        named = any(o.memory_id in memories or o.message_id in messages for o in batch.outcomes)
        if named or (scope is not None and scope.sees(key[0])):
            del tenant.batches[key]


def _stub(memory: StoredMemory) -> StoredMemory:
    record = memory.record
    return StoredMemory(
        record=MemoryRecord(
            id=record.id,
            text="",
            kind=record.kind,
            scope=record.scope,
            status=Status.ERASED,
            revision=record.revision,
            sequence=record.sequence,
            metadata={},
            created_at=record.created_at,
            updated_at=record.updated_at,
        )
    )


def _remaining(tenant: Tenant, memory: StoredMemory, memories: set[str], messages: set[str]) -> StoredMemory:
    sources = tuple(s for s in memory.sources if s.message_id not in messages)
    public = tuple(dict.fromkeys(tenant.messages[s.message_id].message.public_id for s in sources if not s.echo))
    return replace(
        memory,
        record=replace(memory.record, sources=public),
        sources=sources,
    )


def _residue(tenant: Tenant, memories: set[str], messages: set[str], texts: set[str]) -> int:
    """Count what still names an erased message or, of an erased memory, holds anything but its id.

    What others said for themselves in the same words is theirs and is not counted.
    """
    left = [id for id in messages if id in tenant.messages]
    left += [s.message_id for m in tenant.memories.values() for s in m.sources if s.message_id in messages]
    rows: list[Any] = [c.to_dict() for c in tenant.changes.values() if c.memory_id in memories]
    for id in memories:
        stub = tenant.memories[id]
        left += [str(r.number) for r in stub.revisions]
        rows.append(stub.record.to_dict() | {"scope": None})
    return len(left) + sum(text in texts for text in _strings(rows))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)
