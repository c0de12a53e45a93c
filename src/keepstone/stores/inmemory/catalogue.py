"""Listings for people: everything is gone through, ordered and cut."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from keepstone.control import Conversation, Day, Owner
from keepstone.errors import InvalidRequestError
from keepstone.logic.details import scrubbed
from keepstone.stores.inmemory.reading import suppressed
from keepstone.stores.inmemory.state import State, Tenant
from keepstone.types import Change, LedgerMessage, Listing, Scope

T = TypeVar("T")


Place = tuple[int | str, ...]


def paged(rows: Iterable[tuple[Place, T]], cursor: str | None, limit: int, *, newest_first: bool = False) -> Listing[T]:
    """Return the page of *rows* beyond the place that the cursor names, in the order of places, or against it.

    Raises:
        InvalidRequestError: the cursor is not one of a list.
    """
    found = sorted(rows, key=lambda row: row[0], reverse=newest_first)
    if cursor is not None:
        last = _place(cursor)
        try:
            found = [row for row in found if (row[0] < last if newest_first else row[0] > last)]
        except TypeError as error:
            raise InvalidRequestError(f"{cursor!r} is not a cursor that this list gave out.") from error
    page = found[:limit]
    more = len(found) > len(page)
    return Listing(items=tuple(v for _, v in page), next_cursor=json.dumps(page[-1][0]) if more else None)


def _place(cursor: str) -> Place:
    try:
        place = json.loads(cursor)
    except ValueError as error:
        raise InvalidRequestError(f"{cursor!r} is not a cursor that this list gave out.") from error
    if not isinstance(place, list) or not place:
        raise InvalidRequestError(f"{cursor!r} is not a cursor that this list gave out.")
    return tuple(place)


def owners(tenant: Tenant, kind: str | None, prefix: str, cursor: str | None, limit: int) -> Listing[Owner]:
    """Return owners by kind and id; who has no visible memory and no message is left out."""
    found = []
    for name in {s.owner for s in _scopes(tenant)}:
        if name is None or kind not in (None, name[0]) or not name[1].startswith(prefix):
            continue
        changes = [c for c in tenant.changes.values() if tenant.memories[c.memory_id].record.scope.owner == name]
        owner = Owner(
            kind=name[0],
            id=name[1],
            memories=sum(m.visible and m.record.scope.owner == name for m in tenant.memories.values()),
            messages=sum(m.message.scope.owner == name for m in tenant.messages.values()),
            last_at=max(changes, key=lambda c: c.sequence).at if changes else None,
        )
        if owner.memories or owner.messages:
            found.append(owner)
    return paged([((o.kind, o.id), o) for o in found], cursor, limit)


def _scopes(tenant: Tenant) -> list[Scope]:
    return [m.message.scope for m in tenant.messages.values()] + [m.record.scope for m in tenant.memories.values()]


def conversations(tenant: Tenant, scope: Scope, cursor: str | None, limit: int) -> Listing[Conversation]:
    """Return the exact scopes with messages that may be shown, those made last first."""
    hidden = suppressed(tenant)
    found = []
    # In the order in which each was first spoken in.
    for said_in in [s for s in tenant.next_position if scope.sees(s)]:
        said = [m.message for m in tenant.messages.values() if m.message.scope == said_in]
        said.sort(key=lambda m: m.position)
        if any(m.id not in hidden for m in said):
            first, last = said[0].recorded_at, said[-1].recorded_at
            found.append(Conversation(scope=said_in, messages=len(said), first_at=first, last_at=last))
    order = {s: n for n, s in enumerate(tenant.next_position)}
    rows = [(tenant.place(c.scope, order[c.scope]), c) for c in found]
    return paged(rows, cursor, limit, newest_first=True)


def transcript(
    tenant: Tenant, scope: Scope, cursor: str | None, limit: int, *, newest_first: bool
) -> Listing[LedgerMessage]:
    """Return messages by partition and sequence, or the other way round."""
    hidden = suppressed(tenant)
    seen = [m.message for m in tenant.messages.values() if scope.sees(m.message.scope) and m.message.id not in hidden]
    return paged([(tenant.place(m.scope, m.sequence), m) for m in seen], cursor, limit, newest_first=newest_first)


def log(tenant: Tenant, scope: Scope, cursor: str | None, limit: int) -> Listing[Change]:
    """Return changes newest first: of a user by sequence, else by id; without the texts of what was taken back."""
    found = []
    for change in tenant.changes.values():
        memory = tenant.memories[change.memory_id]
        if scope.sees(memory.record.scope):
            shown = tenant.shown(change)
            if not memory.visible:
                shown = replace(shown, old_text=None, new_text=None, details=scrubbed(shown.details, ()))
            found.append(shown)
    by_id = scope.user_id is None
    return paged([((c.id if by_id else c.sequence,), c) for c in found], cursor, limit, newest_first=True)


def days(state: State, scope: Scope, since: datetime, until: datetime) -> list[Day]:
    """Return what was written on each day that begins before *until* and ends after *since*."""
    messages, changes = Counter[str](), dict[str, Counter[str]]()
    for written in state.written:
        begin = written.at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        whose = written.scope.tenant == scope.tenant and scope.owner in (None, written.scope.owner)
        if not whose or begin >= until or begin + timedelta(days=1) <= since:
            continue
        day = begin.date().isoformat()
        changes.setdefault(day, Counter())
        if written.action is None:
            messages[day] += 1
        else:
            changes[day][written.action.value] += 1
    return [Day(day=day, messages=messages[day], changes=dict(changes[day])) for day in sorted(changes)]
