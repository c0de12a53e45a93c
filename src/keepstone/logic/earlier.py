"""Recorded time: from the history of a memory to how it stood at an earlier moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from keepstone.types import Action, MemoryRecord, Status

_STATUSES = {
    Action.ADD: Status.CURRENT,
    Action.SUPERSEDE: Status.SUPERSEDED,
    Action.DELETE: Status.RETIRED,
    Action.EXPIRE: Status.RETIRED,
    Action.ERASE: Status.ERASED,
}
_SAYS = (Action.ADD, Action.UPDATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change of a memory, as far as it says how the memory stood after it; ids are those of `Change`."""

    id: str
    sequence: int
    action: Action
    revision: int | None
    related_id: str | None
    inverse_of: str | None
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """How a memory stood at a moment after which it was changed.

    None is: as it is now. `superseded_at` is when it was recorded that it was superseded, None unless it was.
    `recency` is the sequence of the change that last added, revised or refreshed it.
    """

    status: Status | None
    superseded_at: datetime | None
    superseded_by: str | None
    revision: int | None
    recency: int | None
    updated_at: datetime | None

    def of(self, record: MemoryRecord) -> MemoryRecord:
        """Return *record* with the status and the times that it had; text and the like are those of the revision."""
        found = replace(
            record,
            updated_at=self.updated_at or record.created_at,
            revision=self.revision or record.revision,
        )
        if self.status is None:
            return found
        return replace(found, status=self.status, valid_to=self.superseded_at, superseded_by=self.superseded_by)


def earlier(history: Sequence[Step], known_at: datetime) -> Earlier | None:
    """Return how the memory of *history*, oldest first, stood at *known_at*; None if it was not changed since."""
    since = [s for s in history if s.at > known_at]
    if not since:
        return None
    status, last, revision, recency = Status.CURRENT, None, None, None
    before: dict[str, Status] = {}
    superseded: Step | None = None
    for step in (s for s in history if s.at <= known_at):
        before[step.id] = status
        if step.action is Action.RESTORE:
            # It brought back what stood before the change that it undid.
            status = before.get(step.inverse_of or "", Status.CURRENT)
        else:
            status = _STATUSES.get(step.action, status)
        if step.action is Action.SUPERSEDE:
            superseded = step
        if step.action in _SAYS:
            recency = step.sequence
        revision, last = step.revision or revision, step
    stayed = all(s.action not in _STATUSES and s.action is not Action.RESTORE for s in since)
    is_superseded = status is Status.SUPERSEDED and superseded is not None
    return Earlier(
        status=None if stayed else status,
        superseded_at=superseded.at if superseded is not None and is_superseded else None,
        superseded_by=superseded.related_id if superseded is not None and is_superseded else None,
        revision=revision,
        recency=recency if any(s.action in _SAYS for s in since) else None,
        updated_at=None if last is None else last.at,
    )
