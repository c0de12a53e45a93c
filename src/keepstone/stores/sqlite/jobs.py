"""The durable queue: leases of jobs, one at a time per lane."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import apsw

from keepstone.contract import Job
from keepstone.control import EventKind, QueueCounts
from keepstone.errors import ConflictError
from keepstone.operations import Enqueue, Finish, Outcome
from keepstone.results import JobStatus
from keepstone.stores.sqlite import encoding as enc
from keepstone.stores.sqlite import events
from keepstone.stores.sqlite.encoding import scope_of
from keepstone.stores.sqlite.reading import scope_filter
from keepstone.stores.sqlite.transaction import Transaction
from keepstone.types import Scope

_SEEN = "FROM jobs j JOIN scopes s ON s.key = j.scope WHERE"
# In its lane a job waits for the older ones that may still be tried, and for any that is under way.
_ITS_TURN = """
(j.lane = '' OR NOT EXISTS (
    SELECT 1 FROM jobs o WHERE o.tenant = j.tenant AND o.lane = j.lane AND o.lane <> '' AND o.key <> j.key
       AND o.due_at IS NOT NULL AND (o.key < j.key OR o.lease_until > :now)))
"""


def enqueue(work: Transaction, op: Enqueue) -> Outcome:
    """Put a job into the queue, unless it is there or one with its dedupe key waits or runs."""
    tenant = work.batch.tenant
    known = work.one("SELECT tenant FROM jobs WHERE id = ?", (enc.own_id(op.id),))
    if known is not None and known[0] != tenant:
        raise ConflictError(f"There is a job {op.id} already.")
    sql = "SELECT 1 FROM jobs WHERE tenant = ? AND kind = ? AND dedupe = ? AND due_at IS NOT NULL"
    twin = None if op.dedupe is None else work.one(sql, (tenant, op.kind, op.dedupe))
    if known is not None or twin is not None:
        return Outcome(kind="replay")
    place = work.places.of(op.scope)
    work.db.execute(
        "INSERT INTO jobs(id, tenant, partition, bucket, scope, kind, lane, payload, due_at, created_at, dedupe)"
        " VALUES(?,?,?,?,?,?,?,?,?,?,?)",
        (
            enc.raw_id(op.id), tenant, place.partition, place.bucket, place.scope_key, op.kind, op.lane,
            json.dumps(dict(op.payload), ensure_ascii=False), work.at, work.at, op.dedupe,
        ),
    )  # fmt: skip
    return Outcome(kind="stored")


def finish_leased(work: Transaction, op: Finish) -> Outcome:
    """Remove a job together with what it did, or make it a dead letter, while its lease is still that of *op*."""
    mine = "WHERE id = ? AND tenant = ? AND attempts = ? AND lease_until IS NOT NULL RETURNING scope"
    key = (enc.raw_id(op.job_id), work.batch.tenant, op.attempts)
    if op.error is None:
        done = work.one(f"DELETE FROM jobs {mine}", key)
    else:
        buried = f"UPDATE jobs SET lease_until = NULL, due_at = NULL, error = ?, reply = ? {mine}"
        done = work.one(buried, (op.error, op.reply, *key))
    if done is None:
        raise ConflictError(f"Job {op.job_id} is done already, or another worker has it by now.")
    work.record.end(key[0], done[0], "job.done" if op.error is None else "job.dead")
    return Outcome(kind="stored")


def claim(
    db: apsw.Connection, kinds: Sequence[str], limit: int, at: datetime, lease_until: datetime, scope: Scope | None
) -> list[Job]:
    """Lease up to *limit* due jobs, oldest first, one at a time per lane; with *scope*, only what it sees."""
    if not kinds:
        return []
    seen, ids = ("1", {}) if scope is None else _seen_by(scope)
    asked = {f"kind{i}": kind for i, kind in enumerate(kinds)}
    sql = f"""
        SELECT j.id, j.kind, j.lane, j.payload, j.attempts, j.tenant, s.user_id, s.agent_id, s.app_id, s.run_id
        {_SEEN} j.kind IN ({",".join(":" + name for name in asked)}) AND j.due_at <= :now
          AND (j.lease_until IS NULL OR j.lease_until <= :now) AND {_ITS_TURN} AND {seen}
        ORDER BY j.key LIMIT :limit
    """
    jobs = [
        Job(
            id=enc.text_id(row[0]),
            scope=scope_of(row[5], row[6:10]),
            kind=row[1],
            lane=row[2],
            payload=json.loads(row[3]),
            attempts=row[4] + 1,
            lease_until=lease_until,
        )
        for row in list(db.execute(sql, {**asked, **ids, "now": enc.micros(at), "limit": limit}))
    ]
    for job in jobs:
        lease = "UPDATE jobs SET attempts = attempts + 1, lease_until = ?, claimed_at = ? WHERE id = ?"
        db.execute(lease, (enc.micros(lease_until), enc.micros(at), enc.raw_id(job.id)))
    return jobs


def release(db: apsw.Connection, leased: Sequence[Job]) -> None:
    """Give leases back that nobody took, as if they had not been."""
    for job in leased:
        sql = "UPDATE jobs SET attempts = attempts - 1, lease_until = NULL WHERE id = ? AND attempts = ?"
        db.execute(sql, (enc.raw_id(job.id), job.attempts))


def heartbeat(db: apsw.Connection, job_id: str, attempts: int, lease_until: datetime) -> bool:
    """Prolong a lease; False if the job is done, was given back, or was leased again since."""
    sql = "UPDATE jobs SET lease_until = ? WHERE id = ? AND attempts = ? AND lease_until IS NOT NULL"
    db.execute(sql, (enc.micros(lease_until), enc.raw_id(job_id), attempts))
    return bool(db.changes())


def finish(db: apsw.Connection, job_id: str) -> None:
    """Remove a job that is done."""
    _ended(db, job_id, "job.done")
    db.execute("DELETE FROM jobs WHERE id = ?", (enc.raw_id(job_id),))


def retry(db: apsw.Connection, job_id: str, error: str, due: datetime | None, reply: str | None) -> None:
    """Give a job back for *due*; without it the job is a dead letter: kept, never due."""
    if due is None:
        _ended(db, job_id, "job.dead")
    sql = "UPDATE jobs SET lease_until = NULL, error = ?, due_at = ?, reply = ? WHERE id = ?"
    db.execute(sql, (error, enc.micros(due), reply, enc.raw_id(job_id)))


def _ended(db: apsw.Connection, job_id: str, kind: EventKind) -> None:
    # Nobody says when it ended: its lease is the last moment that is known.
    sql = "SELECT tenant, scope, ifnull(claimed_at, created_at) FROM jobs WHERE id = ? AND due_at IS NOT NULL"
    for tenant, scope, at in list(db.execute(sql, (enc.raw_id(job_id),))):
        events.write(db, tenant, scope, kind, at, job=enc.raw_id(job_id))


def revive(db: apsw.Connection, scope: Scope, job_id: str | None, due: datetime) -> int:
    """Let dead letters be tried anew, as if for the first time; return how many."""
    seen, ids = _seen_by(scope)
    one = "1" if job_id is None else "j.id = :id"
    sql = f"""
        UPDATE jobs SET due_at = :due, attempts = 0, error = NULL, reply = NULL
        WHERE key IN (SELECT j.key {_SEEN} j.due_at IS NULL AND {seen} AND {one})
    """
    db.execute(sql, {**ids, "due": enc.micros(due), "id": enc.raw_id(job_id or "")})
    return db.changes()


def discard(db: apsw.Connection, scope: Scope, job_id: str | None) -> int:
    """Remove dead letters; return how many."""
    seen, ids = _seen_by(scope)
    one = "1" if job_id is None else "j.id = :id"
    sql = f"DELETE FROM jobs WHERE key IN (SELECT j.key {_SEEN} j.due_at IS NULL AND {seen} AND {one})"
    db.execute(sql, {**ids, "id": enc.raw_id(job_id or "")})
    return db.changes()


def counts(db: apsw.Connection, scope: Scope, at: datetime) -> QueueCounts:
    """Return how many jobs that *scope* sees wait, run or are dead, and since when the oldest one waits."""
    seen, ids = _seen_by(scope)
    tables = "FROM jobs j WHERE" if scope.is_empty else _SEEN
    waits = "j.due_at IS NOT NULL AND (j.lease_until IS NULL OR j.lease_until <= :now)"
    sql = f"""
        SELECT count(*) FILTER (WHERE j.due_at IS NULL),
               count(*) FILTER (WHERE j.due_at IS NOT NULL AND j.lease_until > :now),
               count(*) FILTER (WHERE {waits}), min(j.created_at) FILTER (WHERE {waits})
        {tables} {seen}
    """
    dead, running, waiting, oldest = next(iter(db.execute(sql, {**ids, "now": enc.micros(at)})))
    return QueueCounts(waiting=waiting, running=running, dead=dead, oldest_at=enc.moment(oldest))


def jobs(
    db: apsw.Connection, scope: Scope, ids: Sequence[str] | None, kinds: Sequence[str], at: datetime
) -> list[JobStatus]:
    """Return the jobs that *scope* sees, oldest first; with *ids* or *kinds*, only those."""
    seen, values = _seen_by(scope)
    sql = f"""
        SELECT j.key, j.id, j.kind, j.due_at, j.lease_until, j.attempts, j.created_at, j.error, j.reply, j.payload,
               j.tenant, s.user_id, s.agent_id, s.app_id, s.run_id
        {_SEEN} {seen}
    """
    if ids is None:
        rows = list(db.execute(sql, values))
    else:
        one = f"{sql} AND j.id = :id"
        rows = [r for i in dict.fromkeys(ids) for r in db.execute(one, {**values, "id": enc.raw_id(i)})]
    rows.sort(key=lambda r: int(r[0]))
    return [_status(r[1:], enc.micros(at) or 0) for r in rows if not kinds or r[2] in kinds]


def _status(row: tuple[Any, ...], now: int) -> JobStatus:
    id, kind, due, lease, attempts, created, error, reply, payload, tenant, *ids = row
    state: Literal["waiting", "running", "dead"] = "waiting"
    if due is None:
        state = "dead"
    elif lease is not None and lease > now:
        state = "running"
    return JobStatus(
        id=enc.text_id(id),
        kind=kind,
        scope=scope_of(tenant, ids),
        state=state,
        attempts=attempts,
        created_at=enc.instant(created),
        due_at=enc.moment(due),
        error=error,
        reply=reply,
        payload=json.loads(payload),
    )


def _seen_by(scope: Scope) -> tuple[str, dict[str, str]]:
    """What tells whether *scope* sees the job j in the scope s, and the values of it."""
    condition, values = scope_filter(scope)
    return f"j.tenant = :tenant AND {condition}", {"tenant": scope.tenant, **values}
