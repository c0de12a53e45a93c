"""The worker of the durable queue: claims jobs, does them, and gives back what it cannot do now.

One task an owner and event loop drains that owner's lane; a waiting caller watches it and may go away without
stopping it. A job that breaks waits longer each time and steps aside as a dead letter in the end.
"""

from __future__ import annotations

import asyncio
import logging
import math
import weakref
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta

from keepstone.contract import Clock, Job
from keepstone.errors import ConflictError, ProviderError
from keepstone.protocols import JobQueue
from keepstone.results import Distillation, JobStatus
from keepstone.types import Scope

log = logging.getLogger("keepstone")

# Does a job; what it returns is for whoever waits for it.
Work = Callable[[Job], Awaitable[Distillation]]

LEASE_SECONDS = 60.0
HEARTBEAT_SECONDS = 20.0
ATTEMPTS_MAX = 8
FIRST_WAIT_SECONDS = 2.0
WAIT_SECONDS_MAX = 3_600.0
# A provider may ask for a longer time; more than a day is a mistake of its own.
RETRY_AFTER_SECONDS_MAX = 86_400.0
# How often a process looks whether another one is done with a job.
LOOK_SECONDS = 0.05
CLOSE_SECONDS = 5.0
RESULTS_MAX = 1_000


class Worker:
    """Does the jobs of one tenant that this process can do."""

    def __init__(self, queue: JobQueue, tenant: str, kinds: Sequence[str], work: Work, clock: Clock) -> None:
        self._queue, self._tenant, self._kinds, self._work, self._clock = queue, tenant, tuple(kinds), work, clock
        self._results: dict[str, Distillation] = {}
        self._drains: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Scope, asyncio.Task[None]]]
        self._drains = weakref.WeakKeyDictionary()
        self._timers: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, dict[str, asyncio.TimerHandle]]
        self._timers = weakref.WeakKeyDictionary()
        self._wanted: set[Scope] = set()

    async def wait_for(self, job_ids: Sequence[str], scope: Scope, seconds: float | None) -> None:
        """Do the jobs of the owner of *scope*, and wait until *job_ids* are done or given back, or *seconds* passed.

        Waiting no longer stops nothing: what was begun goes on in the background.

        Raises:
            StoreError: the queue cannot be read or written.
        """
        task = self.start(scope.of_owner)
        if seconds == 0:
            return
        loop = asyncio.get_running_loop()
        deadline = None if seconds is None else loop.time() + seconds
        while True:
            left = None if deadline is None else max(0.0, deadline - loop.time())
            await asyncio.wait([task], timeout=left)
            if task.done():
                if task.cancelled():
                    return
                # What the store cannot do now it can no better at once: without this, it would be asked for ever.
                task.result()
            if not await self._can_go_on(job_ids, scope) or (deadline is not None and loop.time() >= deadline):
                return
            await asyncio.sleep(LOOK_SECONDS)
            task = self.start(scope.of_owner)

    def start(self, scope: Scope) -> asyncio.Task[None]:
        """Let a task do what is due in *scope*, unless one is at it; it looks once more after the last job."""
        self._wanted.add(scope)
        drains = self._drains.setdefault(asyncio.get_running_loop(), {})
        task = drains.get(scope)
        if task is None or task.done():
            task = drains[scope] = asyncio.create_task(self._drain(scope), name=f"keepstone jobs {scope.ids}")
            task.add_done_callback(_log_failure)
        return task

    def result(self, job_id: str) -> Distillation | None:
        """Return what came of a job that this process did, once."""
        return self._results.pop(job_id, None)

    async def close(self) -> None:
        """Stop the tasks of the running loop; what they were doing is given back."""
        for timer in self._timers.pop(asyncio.get_running_loop(), {}).values():
            timer.cancel()
        tasks = [t for t in self._drains.pop(asyncio.get_running_loop(), {}).values() if not t.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_SECONDS)

    async def _can_go_on(self, job_ids: Sequence[str], scope: Scope) -> bool:
        """Whether one of *job_ids* runs, or will without waiting for a later time: elsewhere, or behind such a job.

        A lane is done in order, so that a job that waits for a later time holds those behind it.
        """
        now = self._clock()
        there = {s.id for s in await self._queue.jobs(scope, job_ids, at=now) if s.state != "dead"}
        if not there:
            return False
        lane = [s for s in await self._queue.jobs(scope.of_owner, kinds=self._kinds, at=now) if s.state != "dead"]
        for status in lane:
            if status.state == "waiting" and _is_later(status, self._clock):
                return False
            if status.id in there:
                return True
        return False

    async def _drain(self, scope: Scope) -> None:
        while scope in self._wanted:
            self._wanted.discard(scope)
            while True:
                now = self._clock()
                lease = now + timedelta(seconds=LEASE_SECONDS)
                claimed = await self._claimed(now, lease, scope)
                if not claimed:
                    break
                for job in claimed:
                    await self._do(job)

    async def _claimed(self, now: datetime, lease: datetime, scope: Scope) -> list[Job]:
        """Claim a job; if this is stopped meanwhile, give back what was claimed, for nobody would do it.

        The end of a loop stops the claiming, too; then the store has to see to it.
        """
        claiming = asyncio.ensure_future(self._queue.claim(self._kinds, 1, now, lease, scope=scope))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            for job in await claiming:
                await self._queue.retry(job.id, "interrupted", self._clock())
            raise

    async def _do(self, job: Job) -> None:
        beat = asyncio.create_task(self._prolong(job))
        try:
            done = await self._work(job)
        except asyncio.CancelledError:
            await asyncio.shield(self._return(job, "interrupted", self._clock()))
            raise
        except ConflictError as error:
            # Somebody else changed what it rests on, or did it: look at it anew, unless it is gone.
            await self._give_back(job, error, 0.0)
        except ProviderError as error:
            wait = _wait(job.attempts) if error.retryable else None
            if wait is not None and error.retry_after is not None and math.isfinite(error.retry_after):
                wait = max(wait, min(error.retry_after, RETRY_AFTER_SECONDS_MAX))
            await self._give_back(job, error, wait)
        except Exception as error:
            # Whatever a model's reply or a strategy breaks must not stop the jobs behind it.
            await self._give_back(job, error, _wait(job.attempts))
        else:
            self._keep(job.id, done)
        finally:
            beat.cancel()

    async def _give_back(self, job: Job, error: Exception, wait: float | None) -> None:
        said = f"{type(error).__name__}: {error}"
        dead = wait is None or job.attempts >= ATTEMPTS_MAX
        due = None if dead or wait is None else self._clock() + timedelta(seconds=wait)
        if not await self._return(job, said, due):
            return
        # The error may quote what was said; the job keeps it, a log must not.
        fate = "is a dead letter now" if dead else "is tried again later"
        log.warning("Job %s %s: %s", job.id, fate, type(error).__name__)
        self._keep(job.id, Distillation(status="failed" if dead else "pending", reason=said, job_ids=(job.id,)))
        if due is not None and wait:
            self._try_again(job, wait)

    def _try_again(self, job: Job, wait: float) -> None:
        """Look at the queue again when a job is due, as long as this loop runs; nobody may call `add` till then."""
        loop = asyncio.get_running_loop()
        ahead = {i: t for i, t in self._timers.get(loop, {}).items() if t.when() > loop.time()}
        ahead[job.id] = loop.call_later(wait, self.start, job.scope.of_owner)
        self._timers[loop] = ahead

    async def _return(self, job: Job, error: str, due: datetime | None) -> bool:
        """Give a job back, if its lease is still this one; else it is done, or another's, and stays as it is."""
        until = self._clock() + timedelta(seconds=LEASE_SECONDS)
        if not await self._queue.heartbeat(job.id, job.attempts, until):
            return False
        await self._queue.retry(job.id, error, due)
        return True

    async def _prolong(self, job: Job) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            until = self._clock() + timedelta(seconds=LEASE_SECONDS)
            if not await self._queue.heartbeat(job.id, job.attempts, until):
                return

    def _keep(self, job_id: str, result: Distillation) -> None:
        """Keep a result for who waits; nobody may, so that only the latest are kept."""
        self._results[job_id] = result
        while len(self._results) > RESULTS_MAX:
            self._results.pop(next(iter(self._results)))


def _log_failure(task: asyncio.Task[None]) -> None:
    """Say that a drain broke; whoever waits for it gets the error, and nobody may."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.warning("The queue of jobs could not be worked on: %s", type(error).__name__)


def _is_later(status: JobStatus, clock: Clock) -> bool:
    return status.due_at is not None and status.due_at > clock()


def _wait(attempts: int) -> float:
    """Seconds to wait after so many attempts: doubled each time, up to an hour."""
    return float(min(WAIT_SECONDS_MAX, FIRST_WAIT_SECONDS * 2 ** (attempts - 1)))
