"""The verbs that go over what was distilled: deriving it again, and merging what says the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keepstone import providers
from keepstone.drafts import Reextraction
from keepstone.errors import ConfigError, InvalidRequestError
from keepstone.learning import Learning
from keepstone.types import Change

if TYPE_CHECKING:
    from keepstone.strategies import Strategy


class Revising(Learning):
    """The verbs that go over what was distilled."""

    async def reextract(
        self,
        *,
        chat_model: object = None,
        strategy: Strategy | str | None = None,
        instructions: str | None = None,
        procedures: bool = False,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
    ) -> Reextraction:
        """Derive the memories of a scope again from its ledger, and return the difference; nothing is changed.

        *chat_model*, *strategy* and *instructions* are by default those of the memory. It costs the calls that adding
        the messages anew would; receipts are kept. `accept` makes the difference true, else it is dropped.

        Raises:
            ScopeError: no scope is given.
            ConfigError: there is no chat model.
            ProviderError: the model or the embedder failed.
        """
        from keepstone import reextracting

        scope = self._scope(user_id, agent_id, app_id, run_id)
        model = providers.chat_model(chat_model) if chat_model is not None else self.chat_model
        if model is None:
            raise ConfigError("There is no chat model: give chat_model, such as chat_model='openai:gpt-5-mini'.")
        distiller = await self._distiller(model, strategy or self._strategy)
        wish = self._wished(instructions, procedures)
        return await reextracting.draft(distiller, providers.scratch_store(self._new_id), scope, wish, self._clock())

    async def accept(self, drafted: Reextraction) -> list[Change]:
        """Make what `reextract` found true, in one batch, and return its changes; `undo` takes it back.

        What was learned since the draft stays. What a person edited stays.

        Raises:
            ConflictError: a memory that would go was changed since; derive again.
            InvalidRequestError: the draft was stopped before all was read.
            ProviderError: the embedder failed; nothing is changed.
        """
        from keepstone import reextracting

        if drafted.stopped is not None:
            raise InvalidRequestError(f"This draft is not complete: {drafted.stopped}. Derive again.")
        embedder = await self._space.agreed()
        now = self._clock()
        operations = await reextracting.accepted(drafted, self._store, embedder, now, self._new_id)
        if not operations:
            return []
        details = {"model": drafted.model, "prompt": drafted.prompt, "strategy": "reextract"}
        applied = await self._apply(drafted.scope, operations, reextracting.REASON, embedder, details)
        return await self._store.changes(applied.batch_id, drafted.scope)

    async def consolidate(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
    ) -> list[Change]:
        """Merge distilled memories of a scope that say the same, in one batch, and return its changes.

        The one that holds since longest stays, with the sources of all. What differs by one word of content is not
        merged. `undo` takes a merge back.

        Raises:
            ScopeError: no scope is given.
        """
        from keepstone import merging, reextracting

        scope = self._scope(user_id, agent_id, app_id, run_id)
        operations = merging.merges(await reextracting.distilled(self._store, scope, self._clock()))
        if not operations:
            return []
        applied = await self._apply(scope, operations, merging.REASON)
        return await self._store.changes(applied.batch_id, scope)
