"""What tells the same as a memory: a fact and the words that it was distilled from go together when it is to go."""

from __future__ import annotations

from keepstone.protocols import Store
from keepstone.types import Kind, MemoryRecord, Scope


async def companions(store: Store, record: MemoryRecord, scope: Scope) -> list[MemoryRecord]:
    """Return the other visible memories that would still tell what *record* tells, were it taken back.

    Of a distilled memory, the episodes that say it and nothing else that is believed; of an episode, what was distilled
    from it alone. *scope* is who asks.
    """
    said = [r for r in await _said_in(store, record, scope) if r.id != record.id]
    if record.kind is Kind.EPISODE:
        alone = set(record.sources)
        return [r for r in said if r.kind is not Kind.EPISODE and set(r.sources) <= alone and r.sources]
    believed = {s for r in said if r.kind is not Kind.EPISODE for s in r.sources}
    return [r for r in said if r.kind is Kind.EPISODE and not believed & set(r.sources)]


async def _said_in(store: Store, record: MemoryRecord, scope: Scope) -> list[MemoryRecord]:
    """Return the memories made from the messages of *record*; a caller's id means a message of its own session."""
    ours = {m.id for m in await store.messages(record.sources, scope)}
    return [
        r
        for r in await store.said_in(record.sources, scope)
        if r.scope.owner == record.scope.owner and (r.scope == record.scope or ours & set(r.sources))
    ]
