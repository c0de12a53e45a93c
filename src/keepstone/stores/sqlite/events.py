"""Events and the counters of days: entered by the transaction that they tell of, read back by scope."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apsw

from keepstone.control import EVENT_KINDS, Event, EventKind
from keepstone.stores.sqlite import encoding as enc
from keepstone.stores.sqlite.places import Place
from keepstone.stores.sqlite.reading import partitions, scope_filter, scope_keys
from keepstone.types import Action, Scope

KIND_NUMBERS = {kind: number for number, kind in enumerate(EVENT_KINDS)}
DAY = 86_400_000_000
# Of so few scopes, each is asked through its index; of more, the events of the tenant are gone through.
_SCOPES_MAX = 64

_INSERT = "INSERT INTO events(tenant, scope, kind, batch, job, at) VALUES(?,?,?,?,?,?)"
_COUNTERS = ("messages", *(f"a{number}" for number in range(len(enc.ACTIONS))))
_COUNT = f"""
INSERT INTO days(tenant, partition, day, {", ".join(_COUNTERS)}) VALUES(?,?,?,{enc.places(_COUNTERS)})
ON CONFLICT(tenant, partition, day) DO UPDATE SET {", ".join(f"{c} = {c} + excluded.{c}" for c in _COUNTERS)}
"""
EVENT = """
SELECT e.sequence, e.kind, e.batch, e.job, e.at, e.tenant, s.user_id, s.agent_id, s.app_id, s.run_id
FROM events e LEFT JOIN scopes s ON s.key = e.scope
"""


class Record:
    """What one transaction wrote of a tenant at a moment: which scopes it changed, what it counts, which jobs ended."""

    def __init__(self, tenant: str, at: int) -> None:
        self._tenant, self._at = tenant, at
        self._scopes: dict[int, None] = {}
        self._counts: dict[int, list[int]] = {}
        self._ends: list[tuple[bytes, int, EventKind]] = []

    def message(self, partition: int) -> None:
        """Count a message."""
        self._of(partition)[0] += 1

    def change(self, place: Place, action: Action) -> None:
        """Count a change, and know its scope."""
        self._of(place.partition)[1 + enc.ACTION_NUMBERS[action]] += 1
        self.touch(place.scope_key)

    def touch(self, scope_key: int) -> None:
        """Know an exact scope as one of those that the transaction changed."""
        self._scopes[scope_key] = None

    def end(self, job: bytes, scope_key: int, kind: EventKind) -> None:
        """Know that a job of an exact scope ended."""
        self._ends.append((job, scope_key, kind))

    def save(self, db: apsw.Connection, kind: EventKind, batch: bytes) -> None:
        """Write an event of *kind* for each scope, one for each job that ended, and the counters."""
        # A job ends in the batch that it made; the id of the batch is the job's only when it runs for the first time.
        job = self._ends[0][0] if self._ends else None
        for scope_key in self._scopes:
            write(db, self._tenant, scope_key, kind, self._at, batch=batch, job=job)
        for ended, scope_key, how in self._ends:
            write(db, self._tenant, scope_key, how, self._at, batch=batch, job=ended)
        if self._counts:
            whole = [sum(column) for column in zip(*self._counts.values(), strict=True)]
            day = self._at // DAY
            rows = [(self._tenant, partition, day, *counts) for partition, counts in self._counts.items()]
            db.executemany(_COUNT, [*rows, (self._tenant, 0, day, *whole)])

    def _of(self, partition: int) -> list[int]:
        counts = self._counts.get(partition)
        if counts is None:
            counts = self._counts[partition] = [0] * len(_COUNTERS)
        return counts


def write(
    db: apsw.Connection,
    tenant: str,
    scope_key: int | None,
    kind: EventKind,
    at: int,
    *,
    batch: bytes | None = None,
    job: bytes | None = None,
) -> None:
    """Write one event; without a scope it is of the whole tenant."""
    db.execute(_INSERT, (tenant, scope_key, KIND_NUMBERS[kind], batch, job, at))


def event(row: Sequence[Any]) -> Event:
    """Return the event of a row: sequence, kind, batch, job, time, tenant and the ids of its scope."""
    sequence, kind, batch, job, at, tenant, *ids = row
    return Event(
        sequence=sequence,
        kind=EVENT_KINDS[kind],
        scope=enc.scope_of(tenant, [i or "" for i in ids]),
        at=enc.instant(at),
        batch_id=None if batch is None else enc.text_id(batch),
        job_id=None if job is None else enc.text_id(job),
    )


def events(db: apsw.Connection, scope: Scope, after: int, limit: int, *, newest_first: bool) -> list[Event]:
    """Return the events that *scope* sees after a sequence; newest first, before it (0: all)."""
    beyond, order = ("e.sequence < :after", "DESC") if newest_first else ("e.sequence > :after", "ASC")
    if newest_first and not after:
        beyond = "1"
    page = f"{beyond} ORDER BY e.sequence {order} LIMIT :limit"
    values: dict[str, Any] = {"tenant": scope.tenant, "after": after, "limit": limit}
    if scope.is_empty:
        return [event(row) for row in db.execute(f"{EVENT} WHERE {_of_tenant(scope)} AND {page}", values)]
    keys = _few_scopes(db, scope)
    if keys is None:
        seen, ids = scope_filter(scope)
        sql = f"{EVENT} WHERE {_of_tenant(scope)} AND {seen} AND {page}"
        return [event(row) for row in db.execute(sql, {**values, **ids})]
    sql = f"{EVENT} WHERE e.scope = :scope AND {page}"
    rows = [row for key in keys for row in db.execute(sql, {**values, "scope": key})]
    rows.sort(key=lambda row: int(row[0]), reverse=newest_first)
    return [event(row) for row in rows[:limit]]


def _of_tenant(scope: Scope) -> str:
    # The tenant without a name has most or nearly all events of a store, and no index.
    return "e.tenant = :tenant AND e.tenant <> ''" if scope.tenant else "e.tenant = :tenant"


def _few_scopes(db: apsw.Connection, scope: Scope) -> list[int] | None:
    keys: list[int] = []
    for partition in partitions(db, scope):
        keys += scope_keys(db, partition, scope)
        if len(keys) > _SCOPES_MAX:
            return None
    return keys


def event_of(db: apsw.Connection, scope: Scope, id: str) -> list[Event]:
    """Return the events that *scope* sees of the batch or the job with this id, oldest first."""
    sql = f"{EVENT} WHERE (e.batch = ?1 OR e.job = ?1) AND e.tenant = ?2 ORDER BY e.sequence"
    found = [event(row) for row in db.execute(sql, (enc.raw_id(id), scope.tenant))]
    return [one for one in found if scope.sees(one.scope)]


def last_event(db: apsw.Connection) -> int:
    """Return the highest sequence of an event, 0 if there is none."""
    return int(next(iter(db.execute("SELECT ifnull(max(sequence), 0) FROM events")))[0])


def drop(db: apsw.Connection, tenant: str) -> None:
    """Remove what tells of a tenant's memory, and leave one event that says that it was emptied."""
    # Nobody says when a store is emptied: what was entered last is the last moment that is known.
    known = """
        SELECT max(at) FROM (
            SELECT max(at) AS at FROM events WHERE tenant = ?1
            UNION ALL SELECT max(c.at) FROM partitions p JOIN changes c
                ON c.key BETWEEN p.id << 32 AND p.id << 32 | 4294967295 WHERE p.tenant = ?1
            UNION ALL SELECT max(x.recorded_at) FROM partitions p JOIN messages x
                ON x.key BETWEEN p.id << 32 AND p.id << 32 | 4294967295 WHERE p.tenant = ?1)
    """
    at = next(iter(db.execute(known, (tenant,))))[0] or 0
    write(db, tenant, None, "reset", at)
    db.execute("DELETE FROM events WHERE tenant = ? AND sequence < ?", (tenant, last_event(db)))
    for table in ("days", "deliveries", "replies"):
        db.execute(f"DELETE FROM {table} WHERE tenant = ?", (tenant,))
