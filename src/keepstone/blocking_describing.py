"""The verbs without `await` that describe whom memories are about: the base of `Memory` beside `BlockingChanging`."""

from __future__ import annotations

from datetime import datetime

from keepstone.blocking_changing import BlockingChanging
from keepstone.portal import portal
from keepstone.profiles import Profile


class BlockingDescribing(BlockingChanging):
    """The verbs that tell who and what memories are about."""

    def profile(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        max_tokens: int | None = None,
        as_of: datetime | str | None = None,
        known_at: datetime | str | None = None,
    ) -> Profile:
        """Return what is true of a user now, in sections, dated, each line with its sources; `str()` is for a prompt.

        It is a view over the current facts and over what users said of themselves in plain words, and is made anew at
        each call: what was updated, superseded, deleted or erased is not in it. With *max_tokens*, the newest lines of
        every section come first, and `left_out` has the rest. *as_of* and *known_at* are those of `get_all`.

        Raises:
            InvalidRequestError: bad input, or no scope (ScopeError).
        """
        return portal.call(
            self._memory.profile(
                user_id=user_id,
                agent_id=agent_id,
                app_id=app_id,
                run_id=run_id,
                max_tokens=max_tokens,
                as_of=as_of,
                known_at=known_at,
            )
        )
