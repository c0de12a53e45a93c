"""The memories of a tenant as they read and stood at an earlier moment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from keepstone.logic.earlier import Step, earlier
from keepstone.stores.inmemory.state import StoredMemory, Tenant


def memories_at(tenant: Tenant, known_at: datetime | None) -> Mapping[str, StoredMemory]:
    """Return the memories that are visible now and were at *known_at*, as they were then; None is now."""
    visible = {id: m for id, m in tenant.memories.items() if m.visible}
    if known_at is None:
        return visible
    histories: defaultdict[str, list[Step]] = defaultdict(list)
    for change in sorted(tenant.changes.values(), key=lambda c: c.sequence):
        histories[change.memory_id].append(
            Step(
                id=change.id,
                sequence=change.sequence,
                action=change.action,
                revision=change.new_revision,
                related=change.related_id,
                inverse_of=change.inverse_of,
                at=change.at,
                details=change.details,
            )
        )
    stood = {
        id: _at(tenant, memory, histories[id], known_at)
        for id, memory in visible.items()
        if memory.record.created_at <= known_at
    }
    return {id: memory for id, memory in stood.items() if memory.visible}


def _at(tenant: Tenant, memory: StoredMemory, history: list[Step], known_at: datetime) -> StoredMemory:
    state = earlier(history, known_at)
    if state is None:
        return memory
    record = state.of(memory.record)
    revision = memory.revision(record.revision)
    if revision is not None:
        record = replace(
            record,
            text=revision.text or "",
            metadata=revision.metadata,
            expires_at=revision.expires_at,
            language=revision.language,
            edited=revision.number > 1,
        )
    known = [s for s in memory.sources if s.message_id not in state.joined]
    known = [s for s in known if tenant.messages[s.message_id].message.recorded_at <= known_at]
    public = [tenant.messages[s.message_id].message.public_id for s in known if not s.echo]
    return replace(
        memory,
        record=replace(record, sources=tuple(dict.fromkeys(public))),
        superseded_by=state.superseded_by if state.changed_standing else memory.superseded_by,
        recency=memory.recency if state.recency is None else state.recency,
    )
