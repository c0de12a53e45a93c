"""The verbs that go over what was distilled, without `await`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keepstone.blocking_learning import BlockingLearning
from keepstone.drafts import Reextraction
from keepstone.portal import portal
from keepstone.types import Change

if TYPE_CHECKING:
    from keepstone.strategies import Strategy


class BlockingRevising(BlockingLearning):
    """The verbs that go over what was distilled, without `await`."""

    def reextract(
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
        return portal.call(
            self._memory.reextract(
                chat_model=chat_model,
                strategy=strategy,
                instructions=instructions,
                procedures=procedures,
                user_id=user_id,
                agent_id=agent_id,
                app_id=app_id,
                run_id=run_id,
            )
        )

    def consolidate(
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
        return portal.call(self._memory.consolidate(user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id))

    def accept(self, drafted: Reextraction) -> list[Change]:
        """Make what `reextract` found true, in one batch, and return its changes; `undo` takes it back.

        What was learned since the draft stays. What a person edited stays.

        Raises:
            ConflictError: a memory that would go was changed since; derive again.
            InvalidRequestError: the draft was stopped before all was read.
            ProviderError: the embedder failed; nothing is changed.
        """
        return portal.call(self._memory.accept(drafted))
