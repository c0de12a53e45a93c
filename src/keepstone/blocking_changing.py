"""The verbs without `await` that change memories, take changes back, and remove: the base of `Memory`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keepstone import config
from keepstone.changing import UNCHANGED
from keepstone.contract import Clock, NewId
from keepstone.jobs import JobWorker
from keepstone.limits import DEFAULT_LIMITS, NO_SPENDING_LIMITS, Limits, SpendingLimits
from keepstone.memory import AsyncMemory
from keepstone.portal import portal
from keepstone.protocols import ChatModel, Embedder, Store
from keepstone.types import Change, ErasureReceipt, MemoryRecord

if TYPE_CHECKING:
    from keepstone.strategies import Strategy


class BlockingChanging:
    """The memory whose verbs are run, and those of them that change what is there or look at the changes."""

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        store: Store | None = None,
        embedder: Embedder | str | None = None,
        chat_model: object = None,
        tenant: str = "",
        actor: str | Callable[[], str] = "api",
        clock: Clock = config.utc_now,
        new_id: NewId | None = None,
        limits: Limits = DEFAULT_LIMITS,
        instructions: str | None = None,
        strategy: Strategy | str = "single_pass",
        spending: SpendingLimits = NO_SPENDING_LIMITS,
        worker: JobWorker | None = None,
    ) -> None:
        self._memory = AsyncMemory(
            path,
            store=store,
            embedder=embedder,
            chat_model=chat_model,
            tenant=tenant,
            actor=actor,
            clock=clock,
            new_id=new_id,
            limits=limits,
            instructions=instructions,
            strategy=strategy,
            spending=spending,
            worker=worker,
        )

    @property
    def store(self) -> Store:
        """The store that everything is kept in."""
        return self._memory.store

    @property
    def chat_model(self) -> ChatModel | None:
        """What reads messages and proposes changes; None if nothing does."""
        return self._memory.chat_model

    @property
    def actor(self) -> str:
        """Who the history says makes changes now."""
        return self._memory.actor

    @property
    def embedder(self) -> Embedder | None:
        """What turns texts into vectors; None for words alone."""
        return self._memory.embedder

    def update(
        self,
        id: str,
        *,
        text: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        expires_at: datetime | str | None = UNCHANGED,
        reason: str | None = None,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
    ) -> MemoryRecord:
        """Give a memory a new text, new metadata (as a whole) or another expiry, and return it.

        The old revision stays in the history. What is not given stays as it is; `expires_at=None` removes one.

        Raises:
            NotFoundError: as `get`.
            ConflictError: someone else changed it meanwhile.
            InvalidRequestError: bad input, or nothing to change.
            ProviderError: the embedder failed; nothing is changed.
        """
        return portal.call(
            self._memory.update(
                id,
                text=text,
                metadata=metadata,
                expires_at=expires_at,
                reason=reason,
                user_id=user_id,
                agent_id=agent_id,
                app_id=app_id,
                run_id=run_id,
            )
        )

    def delete(
        self,
        id: str,
        *,
        reason: str | None = None,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
    ) -> Change:
        """Take a memory back: no verb but `history` shows it again. Returns the change.

        What would still tell it goes too: the words that a fact alone was distilled from, or what was distilled from an
        episode alone. `undo` takes the change, or its batch with all that went.

        Raises:
            NotFoundError: as `get`.
        """
        return portal.call(
            self._memory.delete(id, reason=reason, user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id)
        )

    def delete_all(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        reason: str | None = None,
    ) -> int:
        """Take back every memory of a scope, in one batch, and return how many.

        Raises:
            ScopeError: no scope is given; `reset` empties a store.
        """
        return portal.call(
            self._memory.delete_all(user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id, reason=reason)
        )

    def history(
        self,
        id: str,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
    ) -> list[Change]:
        """Return every change of a memory, oldest first, deleted ones included.

        Raises:
            NotFoundError: the scope never had such a memory.
        """
        return portal.call(self._memory.history(id, user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id))

    def undo(
        self,
        id: str,
        *,
        cascade: bool = False,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
    ) -> list[Change]:
        """Take one change, or a whole batch, back by its id, and return the changes that did it.

        Undoing an undo works. With *cascade*, later changes that depend on it are undone too.

        Raises:
            NotFoundError: there is no such change or batch in the scope.
            ConflictError: it was undone already, was an erase, or later changes depend on it (`blocking`).
        """
        return portal.call(
            self._memory.undo(id, cascade=cascade, user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id)
        )

    def erase(
        self,
        ids: str | Sequence[str] | None = None,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        reason: str | None = None,
    ) -> ErasureReceipt:
        """Remove every copy of memories or messages by id, or of everything in a scope; it cannot be undone.

        A memory goes with the last message that it came from, and a message with the memory made from it. The
        receipt says what was removed and that a scan of the files' bytes finds nothing of it.

        Raises:
            NotFoundError: an id is not in the scope; nothing is erased.
            ScopeError: neither ids nor a scope are given.
        """
        return portal.call(
            self._memory.erase(ids, user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id, reason=reason)
        )

    def reset(self, *, confirm: bool = False) -> None:
        """Empty the store of this tenant: memories, messages, history, everything.

        Raises:
            ScopeError: without `confirm=True`.
        """
        return portal.call(self._memory.reset(confirm=confirm))
