"""The verbs around what a model makes of messages: waiting for it, its cost, its queue, and feedback on memories."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from keepstone import door
from keepstone.contract import Job
from keepstone.crediting import strengthen
from keepstone.describing import Describing
from keepstone.errors import ConfigError, NotFoundError, StoreError
from keepstone.jobs import JobWorker, Worker
from keepstone.operations import Feedback
from keepstone.protocols import ChatModel, JobQueue
from keepstone.queueing import DISTIL, Wish
from keepstone.results import Distillation, FeedbackValue, JobStatus, Usage
from keepstone.types import Change, Scope

if TYPE_CHECKING:
    from keepstone.distilling import Distiller
    from keepstone.strategies import Strategy

# How far one word of feedback moves a strength, which goes from -1 to 1.
STEPS: dict[str, float] = {"positive": 0.25, "negative": -0.25, "very_negative": -0.5}


class Learning(Describing):
    """The verbs of distillation and of feedback."""

    _queue_worker: Worker | None = None

    async def flush(
        self,
        timeout: float | None = None,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
    ) -> list[JobStatus]:
        """Do what is due in the queue of a scope, without one of everything, and return what is still there.

        Waits at most *timeout* seconds, None until all is done; dead letters, and jobs that wait for a later time,
        are not waited for.

        Raises:
            ConfigError: there is no chat model to do it with.
        """
        scope = self._optional_scope(user_id, agent_id, app_id, run_id)
        worker = self._worker()
        if worker is None:
            raise ConfigError("There is no chat model: give chat_model, such as chat_model='openai:gpt-5-mini'.")
        seconds = None if timeout is None else door.seconds(timeout, "timeout")
        loop = asyncio.get_running_loop()
        deadline = None if seconds is None else loop.time() + seconds
        waiting = await self._jobs_of(scope)
        lanes = {job.scope.of_owner: None for job in waiting if job.state != "dead"}
        for owner in lanes:
            mine = [job.id for job in waiting if job.scope.of_owner == owner]
            await worker.wait_for(mine, owner, None if deadline is None else max(0.0, deadline - loop.time()))
        return await self._jobs_of(scope)

    async def jobs(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
    ) -> list[JobStatus]:
        """Return the jobs of a scope that wait, run, or are dead letters, oldest first; without one, all."""
        return await self._jobs_of(self._optional_scope(user_id, agent_id, app_id, run_id))

    async def retry(
        self,
        job_id: str | None = None,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
    ) -> int:
        """Let a dead letter, or (None) all of a scope, be tried anew, and return how many.

        They are done by the next `add` of their owner, or by `flush`.

        Raises:
            NotFoundError: the scope has no such dead letter.
        """
        scope = self._optional_scope(user_id, agent_id, app_id, run_id)
        id = None if job_id is None else self._id(job_id)
        revived = await self._queue().revive(scope, id, self._clock())
        if id is not None and not revived:
            raise NotFoundError(f"No dead letter {job_id} in this scope.")
        return revived

    async def discard(
        self,
        job_id: str | None = None,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
    ) -> int:
        """Give a dead letter, or (None) all of a scope, up for good, and return how many.

        Its messages stay; `reextract` reads them again.

        Raises:
            NotFoundError: the scope has no such dead letter.
        """
        scope = self._optional_scope(user_id, agent_id, app_id, run_id)
        id = None if job_id is None else self._id(job_id)
        gone = await self._queue().discard(scope, id)
        if id is not None and not gone:
            raise NotFoundError(f"No dead letter {job_id} in this scope.")
        return gone

    async def usage(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
    ) -> Usage:
        """Return what the calls of chat models cost for a scope, from *since* to before *until*; without one, for all.

        Raises:
            InvalidRequestError: a time that cannot be read.
        """
        scope = self._optional_scope(user_id, agent_id, app_id, run_id)
        return await self._store.usage(scope, door.moment(since, "since"), door.moment(until, "until"))

    async def feedback(
        self,
        id: str,
        value: FeedbackValue,
        *,
        reason: str | None = None,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
    ) -> Change:
        """Say that a memory was "positive", "negative" or "very_negative" to have, and return the change.

        It moves the memory's strength, which goes from -1 to 1 and counts a little when memories are ranked; `undo`
        takes it back.

        Raises:
            NotFoundError: as `get`.
            InvalidRequestError: another value.
        """
        record = await self._record(id, self._optional_scope(user_id, agent_id, app_id, run_id))
        step = STEPS[door.one_of(value, "value", tuple(STEPS))]
        applied = await self._apply(record.scope, [Feedback(memory_id=id, value=step, reason=reason)], reason)
        return await self._change(applied, record.scope)

    async def close(self) -> None:
        """Stop the work under way, and release the store and the connections of the embedder and the model.

        What was under way is done by the next process that has a model; `flush` first to wait for it.
        """
        if self._queue_worker is not None:
            await self._queue_worker.close()
        await self._release()

    async def _strengthen_recalled(self, scope: Scope) -> None:
        """Enter what was recalled of the owner of *scope* since its last `add` into the history."""
        due = self._credits.due(scope)
        if due:
            records = await self._store.get(due, scope.of_owner)
            batch = self._batch(scope, [], None)
            self._credits.settle(due, batch.at)
            await strengthen(self._store, records, batch)

    def _wish(self, instructions: str | None, procedures: bool) -> Wish | None:
        """Return what a model is asked to make of messages, None without a model."""
        return None if self.chat_model is None else self._wished(instructions, procedures)

    def _wished(self, instructions: str | None, procedures: bool) -> Wish:
        given = None if instructions is None else door.text(instructions, "instructions", self._limits)
        return Wish(instructions=given or self._instructions, procedures=procedures)

    async def _distilled(self, job_ids: Sequence[str], scope: Scope, wait: float | None) -> Distillation:
        """Return what came of the jobs of one call, waiting for them at most *wait* seconds."""
        worker = self._worker()
        if not job_ids or worker is None:
            return Distillation(status="skipped", reason="nothing new was said that a model should read")
        try:
            await worker.wait_for(job_ids, scope, wait)
            return _together([await self._come_of(id, scope, worker) for id in job_ids])
        except StoreError as error:
            # The words are durable; only what became of the jobs cannot be told.
            return Distillation(status="pending", reason=f"{type(error).__name__}: {error}", job_ids=tuple(job_ids))

    async def _come_of(self, id: str, scope: Scope, worker: JobWorker) -> Distillation:
        part = worker.result(id)
        there = next(iter(await self._queue().jobs(scope, [id], at=self._clock())), None)
        if there is not None and there.state != "dead":
            return Distillation(status="pending", reason=there.error, job_ids=(id,))
        # What this process could not do, another may have done since.
        if part is None or part.status == "pending":
            return await self._looked_up(id, scope, there)
        return part

    async def _looked_up(self, id: str, scope: Scope, dead: JobStatus | None) -> Distillation:
        """What came of a job that another process did: the history tells."""
        from keepstone.distilling import changed

        changes = await changed(self._store, id, scope)
        return Distillation(
            status="done" if dead is None else "failed",
            reason=None if dead is None else dead.error,
            job_ids=(id,),
            batch_ids=(id,) if changes else (),
            changes=changes,
        )

    async def _jobs_of(self, scope: Scope) -> list[JobStatus]:
        return await self._queue().jobs(scope, at=self._clock())

    def _queue(self) -> JobQueue:
        if not isinstance(self._store, JobQueue):
            raise ConfigError(f"{type(self._store).__name__} keeps no jobs: distillation needs a store with a queue.")
        return self._store

    def _worker(self) -> JobWorker | None:
        if self.chat_model is None:
            return None
        if self._given_worker is not None:
            return self._given_worker
        if self._queue_worker is None:
            self._queue_worker = Worker(self._queue(), (DISTIL,), self._work, self._clock)
        return self._queue_worker

    async def _work(self, job: Job) -> Distillation:
        assert self.chat_model is not None
        return await (await self._distiller(self.chat_model, self._strategy)).run(job, self._clock())

    async def _distiller(self, model: ChatModel, strategy: Strategy | str) -> Distiller:
        # What reads and checks replies takes long to load: a process without a model must not.
        from keepstone import strategies
        from keepstone.distilling import Distiller

        return Distiller(
            store=self._store,
            embedder=await self._space.agreed(),
            model=model,
            strategy=strategies.strategy(strategy),
            new_id=self._new_id,
            actor=self.actor,
            limits=self._spending,
        )


async def work(memory: Learning, job: Job) -> Distillation:
    """Do a job with the chat model, strategy and limits of *memory*: for workers that serve several memories."""
    return await memory._work(job)


def _together(parts: Sequence[Distillation]) -> Distillation:
    """What several jobs of one call came to."""
    if len(parts) == 1:
        return parts[0]
    statuses = {p.status for p in parts}
    status = next((s for s in ("failed", "pending", "done") if s in statuses), "skipped")
    first = next((p for p in parts if p.status == status), parts[0])
    return replace(
        first,
        job_ids=tuple(i for p in parts for i in p.job_ids),
        batch_ids=tuple(i for p in parts for i in p.batch_ids),
        changes=tuple(c for p in parts for c in p.changes),
        refused=tuple(r for p in parts for r in p.refused),
        receipts=tuple(r for p in parts for r in p.receipts),
        review=tuple(dict.fromkeys(i for p in parts for i in p.review)),
    )
