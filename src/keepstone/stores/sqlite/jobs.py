"""The durable queue: leases of jobs, one at a time per lane."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

import apsw

from keepstone.contract import Job
from keepstone.operations import Enqueue, Outcome
from keepstone.stores.sqlite import encoding as enc
from keepstone.stores.sqlite.reading import scope_of
from keepstone.stores.sqlite.transaction import Transaction


def enqueue(work: Transaction, op: Enqueue) -> Outcome:
    """Put a job into the queue."""
    place = work.places.of(op.scope)
    work.db.execute(
        "INSERT INTO jobs(id, tenant, partition, bucket, scope, kind, lane, payload, due_at, created_at)"
        " VALUES(?,?,?,?,?,?,?,?,?,?)",
        (
            enc.raw_id(op.id), work.batch.tenant, place.partition, place.bucket, place.scope_key, op.kind, op.lane,
            json.dumps(dict(op.payload), ensure_ascii=False), work.at, work.at,
        ),
    )  # fmt: skip
    return Outcome(kind="stored")


def claim(db: apsw.Connection, kinds: Sequence[str], limit: int, at: datetime, lease_until: datetime) -> list[Job]:
    """Lease up to *limit* due jobs, oldest first; in a lane only the oldest job that is no dead letter."""
    if not kinds:
        return []
    now, until = enc.micros(at), enc.micros(lease_until)
    sql = f"""
        SELECT j.id, j.kind, j.lane, j.payload, j.attempts, j.tenant, s.user_id, s.agent_id, s.app_id, s.run_id
        FROM jobs j JOIN scopes s ON s.key = j.scope
        WHERE j.kind IN ({",".join("?" * len(kinds))}) AND j.due_at <= ?
          AND (j.lease_until IS NULL OR j.lease_until <= ?)
          AND (j.lane = '' OR NOT EXISTS (SELECT 1 FROM jobs o WHERE o.tenant = j.tenant AND o.lane = j.lane
                                          AND o.lane <> '' AND o.key < j.key AND o.due_at IS NOT NULL))
        ORDER BY j.key LIMIT ?
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
        for row in list(db.execute(sql, (*kinds, now, now, limit)))
    ]
    for job in jobs:
        lease = "UPDATE jobs SET attempts = attempts + 1, lease_until = ? WHERE id = ?"
        db.execute(lease, (until, enc.raw_id(job.id)))
    return jobs


def finish(db: apsw.Connection, job_id: str) -> None:
    """Remove a job that is done."""
    db.execute("DELETE FROM jobs WHERE id = ?", (enc.raw_id(job_id),))


def retry(db: apsw.Connection, job_id: str, error: str, due: datetime | None) -> None:
    """Give a job back for *due*; without it the job is a dead letter: kept, never due."""
    sql = "UPDATE jobs SET lease_until = NULL, error = ?, due_at = ? WHERE id = ?"
    db.execute(sql, (error, enc.micros(due), enc.raw_id(job_id)))
