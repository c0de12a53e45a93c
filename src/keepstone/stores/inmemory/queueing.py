"""The queue of jobs: leases, one at a time per lane."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from datetime import datetime

from keepstone.contract import Job
from keepstone.operations import Enqueue, Outcome
from keepstone.stores.inmemory.state import State, StoredJob, Tenant
from keepstone.stores.inmemory.transaction import Transaction


def enqueue(work: Transaction, operation: Enqueue) -> Outcome:
    """Put a job into the queue."""
    if operation.id in work.tenant.jobs:
        return Outcome(kind="replay")
    work.state.last_job += 1
    work.tenant.jobs[operation.id] = StoredJob(
        id=operation.id,
        scope=operation.scope,
        kind=operation.kind,
        lane=operation.lane,
        payload=deepcopy(operation.payload),
        sequence=work.state.last_job,
        due=work.batch.at,
    )
    return Outcome(kind="stored")


def claim(state: State, kinds: Sequence[str], limit: int, at: datetime, lease_until: datetime) -> list[Job]:
    """Lease up to *limit* due jobs, oldest first, only the oldest of each lane."""
    claimed: list[Job] = []
    lanes: set[tuple[str, str]] = set()
    for tenant, job in _waiting_jobs(state):
        lane = (job.scope.tenant, job.lane)
        if len(claimed) == limit or lane in lanes:
            continue
        if job.lane:
            lanes.add(lane)
        if job.kind in kinds and _is_due(job, at):
            leased = replace(job, attempts=job.attempts + 1, lease_until=lease_until)
            tenant.jobs[job.id] = leased
            claimed.append(_handed_out(leased, lease_until))
    return claimed


def finish(state: State, job_id: str) -> None:
    """Remove a job; one that is gone is passed over."""
    for tenant in state.tenants.values():
        tenant.jobs.pop(job_id, None)


def retry(state: State, job_id: str, error: str, due: datetime | None) -> None:
    """Give a job back to be tried at *due*; None keeps it as a dead letter."""
    for tenant in state.tenants.values():
        if job_id in tenant.jobs:
            job = tenant.jobs[job_id]
            tenant.jobs[job_id] = replace(job, error=error, due=due, lease_until=None)


def _waiting_jobs(state: State) -> list[tuple[Tenant, StoredJob]]:
    """List the jobs that are not dead letters, oldest first."""
    jobs = [(t, j) for t in state.tenants.values() for j in t.jobs.values() if j.due is not None]
    return sorted(jobs, key=lambda j: j[1].sequence)


def _is_due(job: StoredJob, at: datetime) -> bool:
    return job.due is not None and job.due <= at and (job.lease_until is None or job.lease_until <= at)


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
