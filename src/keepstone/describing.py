"""The verbs that describe whom memories are about: the base of `AsyncMemory` beside `Changing`."""

from __future__ import annotations

from datetime import datetime

from keepstone import door
from keepstone.changing import Changing
from keepstone.contract import ListQuery
from keepstone.logic.counting import count_tokens
from keepstone.profiles import Profile
from keepstone.types import Kind

# What one profile is made from: the last said of the memories that tell something of somebody.
MEMORIES_READ = 2_000
_TELLING = (Kind.EPISODE, Kind.FACT, Kind.PROCEDURE)


class Describing(Changing):
    """The verbs that tell who and what memories are about."""

    async def profile(
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
        # Its patterns take long to compile, and most processes ask for no profile.
        from keepstone.logic.profile import view

        scope = self._scope(user_id, agent_id, app_id, run_id)
        most = None if max_tokens is None else door.count(max_tokens, "max_tokens", self._limits.context_tokens_max)
        valid, known = door.moment(as_of, "as_of"), door.moment(known_at, "known_at")
        at = valid or known or self._clock()
        query = ListQuery(
            scope=scope,
            at=known or self._clock(),
            limit=MEMORIES_READ,
            kinds=_TELLING,
            categorised=True,
            as_of=valid,
            known_at=known,
        )
        page = await self._store.get_all(query)
        found = view.lines(page.items, at, past=valid is not None)
        return view.profile(found, most, count_tokens, complete=page.next_cursor is None)
