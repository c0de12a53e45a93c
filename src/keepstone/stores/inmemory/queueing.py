"""The queue of jobs: leases, one at a time per lane."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import datetime
from typing import Literal

from keepstone.contract import Job
from keepstone.control import EventKind, QueueCounts
from keepstone.errors import ConflictError
from keepstone.operations import Enqueue, Finish, Outcome
from keepstone.results import JobStatus
from keepstone.stores.inmemory.state import State, StoredJob, Tenant
from keepstone.stores.inmemory.transaction import Transaction
from keepstone.types import Scope


def enqueue(work: Transaction, operation: Enqueue) -> Outcome:
    """Put a job into the queue, unless it is there or one with its dedupe key waits or runs."""
    jobs = work.tenant.jobs
    key = (operation.kind, operation.dedupe)
    twin = operation.dedupe is not None and any((j.kind, j.dedupe) == key and j.due is not None for j in jobs.values())
    if operation.id in jobs or twin:
        return Outcome(kind="replay")
    work.state.last_job += 1
    jobs[operation.id] = StoredJob(
        id=operation.id,
        scope=operation.scope,
        kind=operation.kind,
        lane=operation.lane,
        payload=deepcopy(operation.payload),
        dedupe=operation.dedupe,
        sequence=work.state.last_job,
        created=work.batch.at,
        due=work.batch.at,
    )
    return Outcome(kind="stored")


def finish_leased(work: Transaction, operation: Finish) -> Outcome:
    """Remove a job together with what it did, or make it a dead letter, while its lease is that of *operation*."""
    job = work.tenant.jobs.get(operation.job_id)
    if job is None or job.attempts != operation.attempts or job.lease_until is None:
        raise ConflictError(f"Job {operation.job_id!r} is done already, or another worker has it by now.")
    if operation.error is None:
        del work.tenant.jobs[job.id]
    else:
        buried = replace(job, due=None, lease_until=None, error=operation.error, reply=operation.reply)
        work.tenant.jobs[job.id] = buried
    work.ended.append((job.id, job.scope, "job.done" if operation.error is None else "job.dead"))
    return Outcome(kind="stored")


def claim(
    state: State, kinds: Sequence[str], limit: int, at: datetime, lease_until: datetime, scope: Scope | None
) -> list[Job]:
    """Lease up to *limit* due jobs, oldest first, one at a time per lane; with *scope*, only what it sees."""
    waiting = [(t, j) for t in state.tenants.values() for j in t.jobs.values() if j.due is not None]
    waiting.sort(key=lambda w: w[1].sequence)
    claimed: list[Job] = []
    # What is under way holds its lane, and so does the oldest that waits.
    held = {_lane(job) for _, job in waiting if _is_leased(job, at)}
    for tenant, job in waiting:
        if job.lane and _lane(job) in held:
            continue
        held.add(_lane(job))
        due = job.due is not None and job.due <= at and not _is_leased(job, at)
        seen = scope is None or scope.sees(job.scope)
        if due and seen and job.kind in kinds and len(claimed) < limit:
            leased = replace(job, attempts=job.attempts + 1, lease_until=lease_until, claimed=at)
            tenant.jobs[job.id] = leased
            claimed.append(_handed_out(leased, lease_until))
    return claimed


def _lane(job: StoredJob) -> tuple[str, str]:
    return (job.scope.tenant, job.lane)


def _is_leased(job: StoredJob, at: datetime) -> bool:
    return job.lease_until is not None and job.lease_until > at


def heartbeat(state: State, job_id: str, attempts: int, lease_until: datetime) -> bool:
    """Prolong a lease; False if the job is done, was given back, or was leased again since."""
    for tenant in state.tenants.values():
        job = tenant.jobs.get(job_id)
        if job is not None and job.attempts == attempts and job.lease_until is not None:
            tenant.jobs[job_id] = replace(job, lease_until=lease_until)
            return True
    return False


def finish(state: State, job_id: str) -> None:
    """Remove a job; one that is gone is passed over."""
    for tenant in state.tenants.values():
        _end(state, tenant, job_id, "job.done")
        tenant.jobs.pop(job_id, None)


def retry(state: State, job_id: str, error: str, due: datetime | None, reply: str | None) -> None:
    """Give a job back to be tried at *due*; None keeps it as a dead letter."""
    for tenant in state.tenants.values():
        if job_id in tenant.jobs:
            job = tenant.jobs[job_id]
            if due is None:
                _end(state, tenant, job_id, "job.dead")
            tenant.jobs[job_id] = replace(job, error=error, due=due, reply=reply, lease_until=None)


def _end(state: State, tenant: Tenant, job_id: str, kind: EventKind) -> None:
    """Enter that a job ended, when it was leased last: nobody says when it did."""
    job = tenant.jobs.get(job_id)
    if job is not None and job.due is not None:
        state.happen(kind, job.scope, job.claimed or job.created, job_id=job_id)


def revive(tenant: Tenant, scope: Scope, job_id: str | None, due: datetime) -> int:
    """Let dead letters be tried anew, as if for the first time; return how many."""
    dead = [
        job for job in tenant.jobs.values() if job.due is None and scope.sees(job.scope) and job_id in (None, job.id)
    ]
    for job in dead:
        tenant.jobs[job.id] = replace(job, due=due, attempts=0, error=None, reply=None)
    return len(dead)


def discard(tenant: Tenant, scope: Scope, job_id: str | None) -> int:
    """Remove dead letters; return how many."""
    dead = [j for j in tenant.jobs.values() if j.due is None and scope.sees(j.scope) and job_id in (None, j.id)]
    for job in dead:
        del tenant.jobs[job.id]
    return len(dead)


def counts(tenant: Tenant, scope: Scope, at: datetime) -> QueueCounts:
    """Return how many jobs that *scope* sees wait, run or are dead, and since when the oldest one waits."""
    found = jobs(tenant, scope, None, (), at)
    waiting = [job.created_at for job in found if job.state == "waiting"]
    running, dead = (sum(job.state == state for job in found) for state in ("running", "dead"))
    return QueueCounts(waiting=len(waiting), running=running, dead=dead, oldest_at=min(waiting, default=None))


def jobs(
    tenant: Tenant, scope: Scope, ids: Sequence[str] | None, kinds: Sequence[str], at: datetime
) -> list[JobStatus]:
    """Return the jobs that *scope* sees, oldest first; with *ids* or *kinds*, only those."""
    seen = sorted((j for j in tenant.jobs.values() if scope.sees(j.scope)), key=lambda j: j.sequence)
    return [_status(job, at) for job in seen if (ids is None or job.id in ids) and (not kinds or job.kind in kinds)]


def _status(job: StoredJob, at: datetime) -> JobStatus:
    state: Literal["waiting", "running", "dead"] = "waiting"
    if job.due is None:
        state = "dead"
    elif _is_leased(job, at):
        state = "running"
    return JobStatus(
        id=job.id,
        kind=job.kind,
        scope=job.scope,
        state=state,
        attempts=job.attempts,
        created_at=job.created,
        due_at=job.due,
        error=job.error,
        reply=job.reply,
        payload=deepcopy(job.payload),
    )


def _handed_out(job: StoredJob, lease_until: datetime) -> Job:
    return Job(
        id=job.id,
        scope=job.scope,
        kind=job.kind,
        lane=job.lane,
        payload=deepcopy(job.payload),
        attempts=job.attempts,
        lease_until=lease_until,
    )
