"""The verbs that describe whom memories are about: the base of `AsyncMemory` beside `Changing`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from keepstone import door
from keepstone.changing import Changing
from keepstone.contract import ListQuery
from keepstone.errors import InvalidRequestError, NotFoundError
from keepstone.logic.counting import count_tokens
from keepstone.logic.entities import Registry
from keepstone.naming import Entity
from keepstone.operations import MergeNames, UnmergeNames
from keepstone.profiles import Profile
from keepstone.types import Kind, Scope

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

    async def entities(
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
        return (await self._registry(self._scope(user_id, agent_id, app_id, run_id))).entities()

    async def merge_entities(
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
        scope = self._scope(user_id, agent_id, app_id, run_id)
        registry = await self._registry(scope)
        one, other = (self._found(registry, i) for i in (id, into))
        if one == other:
            raise InvalidRequestError(f"{one.name!r} and {other.name!r} are one entity already.")
        if one.scope != other.scope:
            raise InvalidRequestError(f"{one.name!r} and {other.name!r} have different owners.")
        why = None if reason is None else door.text(reason, "reason", self._limits)
        operation = MergeNames(scope=_of_owner(scope, one), one=one.id, into=other.id)
        await self._apply(scope, [operation], why)
        return self._found(await self._registry(scope), into)

    async def split_entity(
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
        scope = self._scope(user_id, agent_id, app_id, run_id)
        registry = await self._registry(scope)
        whole = self._found(registry, id)
        merges = registry.merges_of(id)
        if not merges:
            raise InvalidRequestError(
                f"{whole.name!r} was not merged into another entity: only what `merged` lists can be split off."
            )
        where = _of_owner(scope, whole)
        await self._apply(scope, [UnmergeNames(scope=where, one=m.one, into=m.into) for m in merges], None)
        return self._found(await self._registry(scope), id)

    async def _registry(self, scope: Scope) -> Registry:
        most = self._limits.fan_out_partitions_max
        return Registry(await self._store.naming(scope, self._clock(), partitions_max=most))

    def _found(self, registry: Registry, id: str) -> Entity:
        found = registry.entity(self._id(id))
        if found is None:
            raise NotFoundError(f"No entity {id} in this scope.")
        return found


def _of_owner(scope: Scope, entity: Entity) -> Scope:
    """Return *scope* with the id of the owner of *entity*: what it sees in that partition."""
    kind, id = entity.scope.owner or ("user", None)
    given: dict[str, Any] = {f"{kind}_id": id}
    return replace(scope, **given)
