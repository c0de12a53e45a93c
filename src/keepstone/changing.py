"""The verbs that change memories, take changes back, and remove: the base of `AsyncMemory`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keepstone import config, door, ingest, providers
from keepstone.contract import Clock, NewId
from keepstone.crediting import Credits
from keepstone.errors import ConfigError, InvalidRequestError, NotFoundError, ScopeError
from keepstone.ids import IdSource
from keepstone.jobs import JobWorker
from keepstone.limits import DEFAULT_LIMITS, NO_SPENDING_LIMITS, Limits, SpendingLimits
from keepstone.logic import undo as undoing
from keepstone.logic.ids import bucket
from keepstone.logic.replay import statement_key
from keepstone.logic.text import language
from keepstone.operations import Applied, Batch, Operation, Retire, RetireScope, Revise
from keepstone.protocols import ChatModel, Embedder, Store
from keepstone.recalled import Recalled
from keepstone.telling import companions
from keepstone.types import (
    Change,
    ErasureReceipt,
    MemoryRecord,
    Scope,
)
from keepstone.vectorspace import VectorSpace

if TYPE_CHECKING:
    from keepstone.strategies import Strategy

UNCHANGED: Any = "unchanged"
STRATEGIES = ("single_pass", "two_step")


class Changing:
    """What a memory is made of, and the verbs that change what is there or look at the changes."""

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
        if path is not None and store is not None:
            raise ConfigError("Give a path or a store, not both.")
        self._limits = limits
        self._tenant = tenant if tenant == "" else door.opaque(tenant, "tenant", limits)
        self._actor = actor if callable(actor) else door.opaque(actor, "actor", limits)
        self._clock = clock
        self._new_id = new_id or IdSource()
        self._store = store if store is not None else providers.store(path, self._new_id)
        self._chat_model = None if chat_model is None else providers.chat_model(chat_model)
        self._is_default_model = chat_model is None
        self._instructions = None if instructions is None else door.text(instructions, "instructions", limits)
        self._strategy = strategy if not isinstance(strategy, str) else door.one_of(strategy, "strategy", STRATEGIES)
        self._spending = spending
        self._given_worker = worker
        self._recalled = Recalled()
        self._credits = Credits()
        self._space = VectorSpace(self._store, providers.embedder(embedder), self._tenant)

    @property
    def store(self) -> Store:
        """The store that everything is kept in."""
        return self._store

    @property
    def chat_model(self) -> ChatModel | None:
        """What reads messages and proposes changes; None if nothing does."""
        if self._is_default_model:
            # Only who asks for it needs the model that the environment names to be there.
            self._chat_model, self._is_default_model = providers.chat_model(None), False
        return self._chat_model

    @property
    def actor(self) -> str:
        """Who the history says makes changes now."""
        return door.opaque(self._actor(), "actor", self._limits) if callable(self._actor) else self._actor

    @property
    def embedder(self) -> Embedder | None:
        """What turns texts into vectors; None for words alone."""
        return self._space.embedder

    async def update(
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
        if text is None and metadata is None and expires_at is UNCHANGED:
            raise InvalidRequestError("Nothing to change: give text, metadata or expires_at.")
        scope = self._optional_scope(user_id, agent_id, app_id, run_id)
        new_text = None if text is None else door.text(text, "text", self._limits)
        new_metadata = None if metadata is None else door.metadata(metadata, self._limits)
        expiry = None if expires_at is UNCHANGED else door.moment(expires_at, "expires_at")
        record = await self._record(id, scope)
        said = record.text if new_text is None else new_text
        units = ingest.revision_units(record, said)
        embedder = await self._space.agreed() if units is not None else None
        if units is not None:
            units = (await ingest.embed_units(embedder, [(said, record.name, units)]))[0]
        change = Revise(
            memory_id=id,
            text=said,
            units=units,
            metadata=record.metadata if new_metadata is None else new_metadata,
            expires_at=record.expires_at if expires_at is UNCHANGED else expiry,
            language=language(said),
            new_categories=ingest.told(said, record),
            statement_key=statement_key(said, record.role, record.name, record.scope),
            expected_revision=record.revision,
        )
        applied = await self._apply(record.scope, [change], reason, embedder)
        return await self._updated(record, change, applied, scope)

    async def delete(
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
        scope = self._optional_scope(user_id, agent_id, app_id, run_id)
        record = await self._record(id, scope)
        beside = await companions(self._store, record, scope if scope.owner else record.scope.without_session)
        applied = await self._apply(record.scope, [Retire(memory_id=r.id) for r in (record, *beside)], reason)
        return await self._change(applied, record.scope)

    async def delete_all(
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
        scope = self._scope(user_id, agent_id, app_id, run_id)
        applied = await self._apply(scope, [RetireScope(scope=scope)], reason)
        return sum(o.retired for o in applied.outcomes)

    async def history(
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
        scope = self._optional_scope(user_id, agent_id, app_id, run_id)
        found = await self._store.history(self._id(id), scope)
        if not found:
            raise NotFoundError(f"No memory {id} in this scope.")
        return found

    async def undo(
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
        scope = self._optional_scope(user_id, agent_id, app_id, run_id)
        targets = await self._store.changes(self._id(id), scope)
        if not targets:
            raise NotFoundError(f"No change or batch {id} in this scope.")
        memory_ids = dict.fromkeys(c.memory_id for c in targets)
        histories = {m: await self._store.history(m, scope) for m in memory_ids}
        operations = undoing.plan(targets, histories, cascade=cascade)
        if not operations:
            return []
        applied = await self._apply(scope, operations, f"undo of {id}")
        return await self._store.changes(applied.batch_id, scope)

    async def erase(
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
        wanted = None
        if ids is None:
            scope = self._scope(user_id, agent_id, app_id, run_id)
        else:
            scope = self._optional_scope(user_id, agent_id, app_id, run_id)
            wanted = door.ids(ids, self._limits)
        return await self._store.erase(scope, wanted, self._batch(scope, [], reason))

    async def reset(self, *, confirm: bool = False) -> None:
        """Empty the store of this tenant: memories, messages, history, everything.

        Raises:
            ScopeError: without `confirm=True`.
        """
        if confirm is not True:
            raise ScopeError("reset() empties the whole store; say reset(confirm=True) if you mean it.")
        await self._store.reset(self._tenant)
        self._space.forget()

    async def _release(self) -> None:
        for part in (self._space.embedder, self._chat_model):
            release = getattr(part, "close", None)
            if release is not None:
                await release()
        await self._store.close()

    async def _apply(
        self,
        scope: Scope,
        operations: Sequence[Operation],
        reason: str | None,
        embedder: Embedder | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> Applied:
        batch = self._batch(scope, operations, reason, embedder)
        return await self._store.apply(batch if details is None else replace(batch, details=details))

    def _batch(
        self,
        scope: Scope,
        operations: Sequence[Operation],
        reason: str | None,
        embedder: Embedder | None = None,
    ) -> Batch:
        now = self._clock()
        return Batch(
            id=self._new_id(now, bucket(scope)),
            tenant=self._tenant,
            at=now,
            actor=self.actor,
            operations=tuple(operations),
            reason=None if reason is None else door.text(reason, "reason", self._limits),
            embedder=embedder.key if embedder is not None else None,
        )

    async def _record(self, id: str, scope: Scope) -> MemoryRecord:
        found = await self._store.get([self._id(id)], scope)
        if not found:
            raise NotFoundError(f"No memory {id} in this scope.")
        return found[0]

    async def _updated(self, record: MemoryRecord, done: Revise, applied: Applied, scope: Scope) -> MemoryRecord:
        """Return what an update made of *record*, whatever others have made of it since."""
        found = await self._store.get([record.id], scope)
        if found and (found[0].text, found[0].metadata, found[0].expires_at) == (
            done.text,
            done.metadata,
            done.expires_at,
        ):
            return found[0]
        made = await self._change(applied, record.scope)
        assert made.new_revision is not None
        return replace(
            record,
            text=done.text,
            metadata=done.metadata,
            expires_at=done.expires_at,
            language=done.language,
            categories=tuple(dict.fromkeys((*record.categories, *done.new_categories))),
            revision=made.new_revision,
            edited=True,
            updated_at=made.at,
        )

    async def _change(self, applied: Applied, scope: Scope) -> Change:
        """Return the first change that was just made.

        Raises:
            NotFoundError: it was erased since.
        """
        found = await self._store.changes(applied.changes[0], scope)
        if not found:
            raise NotFoundError("The memory was changed, and erased since.")
        return found[0]

    def _id(self, id: str) -> str:
        return door.opaque(id, "id", self._limits)

    def _scope(self, *ids: str | None, everything: bool = False) -> Scope:
        return door.named_scope(self._tenant, ids, self._limits, everything=everything)

    def _optional_scope(self, *ids: str | None) -> Scope:
        return door.scope(self._tenant, ids, self._limits)
