"""Recorded time: from the history of a memory to how it stood at an earlier moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from keepstone.logic import details
from keepstone.types import Action, MemoryRecord, Metadata, Status

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
    """One change of a memory, as far as it says how the memory stood after it.

    `related` names what superseded it, in any way; `details` are those of `Change`.
    """

    id: str
    sequence: int
    action: Action
    revision: int | None
    related: str | None
    inverse_of: str | None
    at: datetime
    details: Metadata


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """How a memory stood at a moment after which it was changed; None is: as it stands now.

    `valid_to` and `superseded_by` are those of then only if `changed_standing`. `recency` is the sequence of the change
    that last added, revised or refreshed it, `joined` the messages that became its sources since.
    """

    status: Status | None
    changed_standing: bool
    valid_to: datetime | None
    superseded_by: str | None
    revision: int | None
    recency: int | None
    strength: float | None
    updated_at: datetime | None
    joined: frozenset[str]

    def of(self, record: MemoryRecord) -> MemoryRecord:
        """Return *record* as it stood; its text and what came with it are those of `revision`."""
        return replace(
            record,
            status=self.status or record.status,
            valid_to=self.valid_to if self.changed_standing else record.valid_to,
            strength=record.strength if self.strength is None else self.strength,
            updated_at=self.updated_at or record.created_at,
            revision=self.revision or record.revision,
        )


def earlier(history: Sequence[Step], known_at: datetime) -> Earlier | None:
    """Return how the memory of *history*, oldest first, stood at *known_at*; None if it was not changed since."""
    until, since = [s for s in history if s.at <= known_at], [s for s in history if s.at > known_at]
    if not since:
        return None
    status = _status(until)
    changed, valid_to, by = _standing(status, until, since)
    said = [s.sequence for s in until if s.action in _SAYS]
    felt = [s for s in since if s.action is Action.FEEDBACK and details.STRENGTH in s.details]
    moved = any(s.action in _STATUSES or s.action is Action.RESTORE for s in since)
    return Earlier(
        status=status if moved else None,
        changed_standing=changed,
        valid_to=valid_to,
        superseded_by=by,
        revision=next((s.revision for s in reversed(until) if s.revision is not None), None),
        recency=said[-1] if said and any(s.action in _SAYS for s in since) else None,
        strength=float(felt[0].details[details.STRENGTH][0]) if felt else None,
        updated_at=until[-1].at if until else None,
        joined=frozenset(id for s in since for id in s.details.get(details.JOINED, ())),
    )


def _status(history: Sequence[Step]) -> Status:
    """Return the status after *history*."""
    status = Status.CURRENT
    before: dict[str, Status] = {}
    for step in history:
        before[step.id] = status
        if step.action is Action.RESTORE:
            # It brought back what stood before the change that it undid.
            status = before.get(step.inverse_of or "", Status.CURRENT)
        else:
            status = _STATUSES.get(step.action, status)
    return status


def _standing(status: Status, until: Sequence[Step], since: Sequence[Step]) -> tuple[bool, datetime | None, str | None]:
    """Return whether end of validity and successor are not those of now, and what they were."""
    turned = [s for s in since if s.action in (Action.SUPERSEDE, Action.RESTORE)]
    if not turned:
        return False, None, None
    if status is Status.SUPERSEDED:
        last = next((s for s in reversed(until) if s.action is Action.SUPERSEDE), None)
        return (True, None, None) if last is None else (True, _ended(last), last.related)
    ended = next((s for s in turned if s.action is Action.SUPERSEDE), None)
    return (False, None, None) if ended is None else (True, details.validity(ended.details)[0], None)


def _ended(step: Step) -> datetime:
    """Return when a memory ceased to hold by its SUPERSEDE; where that does not say it, when that was recorded."""
    return details.validity(step.details)[1] or step.at
