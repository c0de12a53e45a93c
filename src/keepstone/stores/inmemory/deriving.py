"""What memories rest on: their parents, those that fell, what was derived from them, and what came from messages."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from copy import deepcopy
from dataclasses import replace

from keepstone.contract import DERIVATION_STEPS_MAX
from keepstone.logic.ids import partition
from keepstone.stores.inmemory.state import StoredMemory, Tenant
from keepstone.types import Action, MemoryRecord, Scope, Status


def handed_out(tenant: Tenant, memory: StoredMemory, scope: Scope) -> MemoryRecord:
    """Return the record of *memory* as *scope* may see it, with metadata that the caller may change."""
    newer = tenant.memories.get(memory.superseded_by or "")
    shows = newer is not None and newer.record.status is not Status.ERASED and scope.sees(newer.record.scope)
    return replace(
        memory.record,
        metadata=deepcopy(memory.record.metadata),
        superseded_by=memory.superseded_by if shows else None,
        derived_from=_seen(tenant, memory.derived_from, scope),
        review=_seen(tenant, _fallen(tenant, memory), scope),
    )


def _seen(tenant: Tenant, ids: Collection[str], scope: Scope) -> tuple[str, ...]:
    """Those of *ids* that *scope* sees, in the order of partition and sequence."""
    records = [tenant.memories[id].record for id in set(ids)]
    records = [r for r in records if scope.sees(r.scope)]
    return tuple(r.id for r in sorted(records, key=lambda r: tenant.place(r.scope, r.sequence)))


def _fallen(tenant: Tenant, memory: StoredMemory) -> list[str]:
    """The ancestors that are not current any more, and are so since *memory* was last changed."""
    if not memory.derived_from:
        return []
    last = _changed(tenant, memory)
    return [
        a.record.id
        for a in (tenant.memories[id] for id in _ancestors(tenant, memory))
        if a.record.status is not Status.CURRENT
        and (partition(a.record.scope) != partition(memory.record.scope) or _changed(tenant, a) > last)
    ]


def _ancestors(tenant: Tenant, memory: StoredMemory) -> set[str]:
    found: set[str] = set()
    step = set(memory.derived_from)
    for _ in range(DERIVATION_STEPS_MAX):
        found |= step
        step = {parent for id in step for parent in tenant.memories[id].derived_from}
    return found


def _changed(tenant: Tenant, memory: StoredMemory) -> int:
    """The sequence of the last change of *memory* that was more than feedback."""
    return max(
        (
            c.sequence
            for c in tenant.changes.values()
            if c.memory_id == memory.record.id and c.action is not Action.FEEDBACK
        ),
        default=0,
    )


def dependants(tenant: Tenant, ids: Sequence[str], scope: Scope) -> list[MemoryRecord]:
    """Return the visible memories that rest on those among *ids* that *scope* sees, oldest first."""
    known = {id for id in ids if id in tenant.memories and scope.sees(tenant.memories[id].record.scope)}
    return _listed(tenant, [m for m in tenant.memories.values() if _ancestors(tenant, m) & known], scope)


def said_in(tenant: Tenant, message_ids: Sequence[str], scope: Scope) -> list[MemoryRecord]:
    """Return the visible memories with a source among *message_ids*, oldest first."""
    wanted = set(message_ids)
    wanted |= {m.message.id for m in tenant.messages.values() if m.message.external_id in wanted}
    found = [m for m in tenant.memories.values() if any(s.message_id in wanted and not s.echo for s in m.sources)]
    return _listed(tenant, found, scope)


def _listed(tenant: Tenant, memories: Sequence[StoredMemory], scope: Scope) -> list[MemoryRecord]:
    seen = [m for m in memories if m.visible and scope.sees(m.record.scope)]
    seen.sort(key=lambda m: tenant.place(m.record.scope, m.record.sequence))
    return [handed_out(tenant, m, scope) for m in seen]
