"""The verbs without `await` that describe whom memories are about: the base of `Memory` beside `BlockingChanging`."""

from __future__ import annotations

from datetime import datetime

from keepstone.blocking_changing import BlockingChanging
from keepstone.naming import Entity
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

    def entities(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
    ) -> list[Entity]:
        """Return the people, places, organisations and things that the memories of a scope mention.

        Those that most memories mention come first; with several owners, each owner's are apart. Memories that were
        deleted or have expired do not count.

        Raises:
            InvalidRequestError: bad input, or no scope (ScopeError).
        """
        return portal.call(self._memory.entities(user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id))

    def merge_entities(
        self,
        id: str,
        into: str,
        *,
        reason: str | None = None,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
    ) -> Entity:
        """Take the entity *id* to be the entity *into*, and return what both are now; `split_entity` takes it back.

        No memory is changed. The merge holds for the owner of both, and is kept with who made it, when and why.

        Raises:
            NotFoundError: the scope has no such entity.
            InvalidRequestError: they are one already, or have different owners; or bad input.
        """
        return portal.call(
            self._memory.merge_entities(
                id, into, reason=reason, user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id
            )
        )

    def split_entity(
        self,
        id: str,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
    ) -> Entity:
        """Take the entity *id* out of what it was merged into, and return it; `Entity.merged` lists the ids.

        What was merged into *id* itself stays with it. All is as it was before the merge.

        Raises:
            NotFoundError: the scope has no such entity.
            InvalidRequestError: it was not merged into another; or bad input.
        """
        return portal.call(
            self._memory.split_entity(id, user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id)
        )
