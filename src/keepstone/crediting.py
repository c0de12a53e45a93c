"""Recall strengthens: what answered a question well is a little stronger from then on, within bounds.

A search must not write. What it found is remembered here, in this process, and entered into the history with the next
`add` of the same owner: once a day for a memory, and never further than a few recalls can take it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime

from keepstone.errors import ConflictError, NotFoundError
from keepstone.operations import Batch, Feedback
from keepstone.protocols import Store
from keepstone.types import Hit, MemoryRecord, Scope

REASON = "recalled"
# Only what clearly answers, and leads.
LEADING = 3
SCORE_MIN = 0.5
STEP = 0.02
# Where recall alone cannot take a memory further: what is found often must not drown what is not.
STRENGTH_MAX = 0.2
KEPT_MAX = 1_000


class Credits:
    """The memories that searches of this process found, and when each was last given credit."""

    def __init__(self) -> None:
        self._due: dict[str, Scope] = {}
        self._days: dict[str, date] = {}

    def enter(self, hits: Sequence[Hit], now: datetime) -> None:
        """Remember the leading *hits* of one search."""
        for hit in hits[:LEADING]:
            record = hit.memory
            if hit.score < SCORE_MIN or hit.outdated or record.strength >= STRENGTH_MAX:
                continue
            if self._days.get(record.id) != now.date():
                self._due[record.id] = record.scope
        while len(self._due) > KEPT_MAX:
            self._due.pop(next(iter(self._due)))

    def due(self, owner: Scope) -> list[str]:
        """Return the ids that are due for the owner of a scope."""
        mine = (owner.tenant, owner.owner)
        return [i for i, s in list(self._due.items()) if (s.tenant, s.owner) == mine] if self._due else []

    def settle(self, ids: Iterable[str], now: datetime) -> None:
        """Take note that *ids* were given credit: they are not due again today."""
        for id in ids:
            self._due.pop(id, None)
            self._days[id] = now.date()
        while len(self._days) > KEPT_MAX:
            self._days.pop(next(iter(self._days)))


async def strengthen(store: Store, records: Iterable[MemoryRecord], batch: Batch) -> None:
    """Enter into the history, as *batch*, that *records* were recalled."""
    operations = tuple(
        Feedback(memory_id=r.id, value=min(STEP, STRENGTH_MAX - r.strength), reason=REASON)
        for r in records
        if r.strength < STRENGTH_MAX
    )
    if not operations:
        return
    try:
        await store.apply(
            Batch(id=batch.id, tenant=batch.tenant, at=batch.at, actor=batch.actor, operations=operations)
        )
    except (ConflictError, NotFoundError):
        # One was taken back since it was read: nothing was asked for, and nothing is owed.
        return
