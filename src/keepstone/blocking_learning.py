"""The verbs of distillation and of feedback without `await`."""

from __future__ import annotations

from datetime import datetime

from keepstone.blocking_describing import BlockingDescribing
from keepstone.portal import portal
from keepstone.results import FeedbackValue, JobStatus, Usage
from keepstone.types import Change


class BlockingLearning(BlockingDescribing):
    """The verbs of distillation and of feedback, without `await`."""

    def flush(
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
        return portal.call(
            self._memory.flush(timeout, user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id)
        )

    def jobs(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
    ) -> list[JobStatus]:
        """Return the jobs of a scope that wait, run, or are dead letters, oldest first; without one, all."""
        return portal.call(self._memory.jobs(user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id))

    def retry(
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
        return portal.call(self._memory.retry(job_id, user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id))

    def discard(
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
        return portal.call(
            self._memory.discard(job_id, user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id)
        )

    def usage(
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
        return portal.call(
            self._memory.usage(
                user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id, since=since, until=until
            )
        )

    def feedback(
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
        return portal.call(
            self._memory.feedback(
                id, value, reason=reason, user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id
            )
        )
