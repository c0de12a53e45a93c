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
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Protocol

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


class JobWorker(Protocol):
    """What a memory needs of whoever does its jobs."""

    async def wait_for(self, job_ids: Sequence[str], scope: Scope, seconds: float | None) -> None:
        """Let the jobs of the owner of *scope* be done, and wait until *job_ids* are, or *seconds* passed."""
        ...

    def result(self, job_id: str) -> Distillation | None:
        """Return what came of a job that this process did, once."""
        ...


class Runner:
    """Does one job: prolongs its lease meanwhile, keeps what came of it, gives back what cannot be done now.

    *later* is called with a job that was given back, and the seconds until it is due.
    """

    def __init__(self, queue: JobQueue, work: Work, clock: Clock, later: Callable[[Job, float], None]) -> None:
        self._queue, self._work, self._clock, self._later = queue, work, clock, later
        self._results: dict[str, Distillation] = {}

    async def do(self, job: Job) -> None:
        """Do *job*, whose lease this process has; nothing but a cancellation or a failing queue comes out of it."""
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

    def result(self, job_id: str) -> Distillation | None:
        """Return what came of a job that this process did, once."""
        return self._results.pop(job_id, None)

    async def claimed(self, kinds: Sequence[str], limit: int, scope: Scope | None) -> list[Job]:
        """Claim jobs; if this is stopped meanwhile, give back what was claimed, for nobody would do it.

        The end of a loop stops the claiming, too; then the store has to see to it.
        """
        now = self._clock()
        lease = now + timedelta(seconds=LEASE_SECONDS)
        claiming = asyncio.ensure_future(self._queue.claim(kinds, limit, now, lease, scope=scope))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            for job in await claiming:
                await self._queue.retry(job.id, "interrupted", self._clock())
            raise

    async def can_go_on(self, job_ids: Sequence[str], kinds: Sequence[str], scope: Scope) -> bool:
        """Whether one of *job_ids* runs, or will without waiting for a later time: elsewhere, or behind such a job.

        A lane is done in order, so that a job that waits for a later time holds those behind it.
        """
        now = self._clock()
        there = {s.id for s in await self._queue.jobs(scope, job_ids, at=now) if s.state != "dead"}
        if not there:
            return False
        lane = [s for s in await self._queue.jobs(scope.of_owner, kinds=kinds, at=now) if s.state != "dead"]
        for status in lane:
            if status.state == "waiting" and _is_later(status, self._clock):
                return False
            if status.id in there:
                return True
        return False

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
            self._later(job, wait)

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


class Worker:
    """Does the jobs of one tenant that this process can do, owner by owner."""

    def __init__(self, queue: JobQueue, kinds: Sequence[str], work: Work, clock: Clock) -> None:
        self._kinds = tuple(kinds)
        self._runner = Runner(queue, work, clock, self._try_again)
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
            going_on = await self._runner.can_go_on(job_ids, self._kinds, scope)
            if not going_on or (deadline is not None and loop.time() >= deadline):
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
        return self._runner.result(job_id)

    async def close(self) -> None:
        """Stop the tasks of the running loop; what they were doing is given back."""
        for timer in self._timers.pop(asyncio.get_running_loop(), {}).values():
            timer.cancel()
        tasks = [t for t in self._drains.pop(asyncio.get_running_loop(), {}).values() if not t.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_SECONDS)

    async def _drain(self, scope: Scope) -> None:
        while scope in self._wanted:
            self._wanted.discard(scope)
            while claimed := await self._runner.claimed(self._kinds, 1, scope):
                for job in claimed:
                    await self._runner.do(job)

    def _try_again(self, job: Job, wait: float) -> None:
        """Look at the queue again when a job is due, as long as this loop runs; nobody may call `add` till then."""
        loop = asyncio.get_running_loop()
        ahead = {i: t for i, t in self._timers.get(loop, {}).items() if t.when() > loop.time()}
        ahead[job.id] = loop.call_later(wait, self.start, job.scope.of_owner)
        self._timers[loop] = ahead


class WorkerPool:
    """Does the jobs of every tenant of a queue, up to *concurrency* at once, one at a time per lane.

    For a process that serves many: jobs that others left are found too, *look_seconds* after they are due. With a
    concurrency of 0 it does nothing itself, and `wait_for` waits for other processes.
    """

    def __init__(
        self,
        queue: JobQueue,
        kinds: Sequence[str],
        work: Work,
        clock: Clock,
        *,
        concurrency: int = 4,
        look_seconds: float = 1.0,
    ) -> None:
        self._kinds, self._concurrency, self._look_seconds = tuple(kinds), concurrency, look_seconds
        self._runner = Runner(queue, work, clock, lambda job, wait: None)
        self._running: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._stopping = False

    def start(self) -> None:
        """Begin to do what is due, in the running loop."""
        if self._concurrency and self._loop is None:
            self._stopping = False
            self._loop = asyncio.create_task(self._run(), name="keepstone worker pool")

    async def wait_for(self, job_ids: Sequence[str], scope: Scope, seconds: float | None) -> None:
        """Wait until *job_ids* are done or given back, or *seconds* passed.

        Raises:
            StoreError: the queue cannot be read.
        """
        self._wake.set()
        loop = asyncio.get_running_loop()
        deadline = math.inf if seconds is None else loop.time() + seconds
        while True:
            left = deadline - loop.time()
            if left <= 0 or not await self._runner.can_go_on(job_ids, self._kinds, scope):
                return
            await asyncio.sleep(min(LOOK_SECONDS, left))

    def result(self, job_id: str) -> Distillation | None:
        """Return what came of a job that this process did, once."""
        return self._runner.result(job_id)

    @property
    def running(self) -> int:
        """How many jobs are being done."""
        return len(self._running)

    async def close(self, seconds: float = CLOSE_SECONDS) -> None:
        """Begin nothing more, wait *seconds* for what is being done, then give the rest back."""
        if self._loop is not None:
            # Not cancelled: what it claims just now has to be done or given back.
            self._stopping = True
            self._wake.set()
            await self._loop
            self._loop = None
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)
        for task in self._running:
            task.cancel()
        if self._running:
            await asyncio.wait(self._running, timeout=CLOSE_SECONDS)

    async def _run(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                claimed = await self._claimed()
            except Exception as error:
                # A store that fails now may work later: the pool must not end while the process serves.
                log.warning("The queue of jobs could not be read: %s", type(error).__name__)
                claimed = []
            for job in claimed:
                task = asyncio.create_task(self._runner.do(job), name=f"keepstone job {job.id}")
                self._running.add(task)
                task.add_done_callback(self._finished)
            if not claimed and not self._stopping:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), self._look_seconds)

    async def _claimed(self) -> list[Job]:
        free = self._concurrency - len(self._running)
        return await self._runner.claimed(self._kinds, free, None) if free > 0 else []

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        _log_failure(task)
        # The next of its lane may be done now.
        self._wake.set()


def _log_failure(task: asyncio.Task[None]) -> None:
    """Say that a drain broke; whoever waits for it gets the error, and nobody may."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.warning("The queue of jobs could not be worked on: %s", type(error).__name__)


def _is_later(status: JobStatus, clock: Clock) -> bool:
    return status.due_at is not None and status.due_at > clock()


def _wait(attempts: int) -> float:
    """Seconds to wait after so many attempts: doubled each time, up to an hour."""
    return float(min(WAIT_SECONDS_MAX, FIRST_WAIT_SECONDS * 2 ** (attempts - 1)))
