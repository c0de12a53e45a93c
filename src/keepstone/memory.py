"""The verbs: `AsyncMemory`. Checks what comes in, calls ingest or recall, and hands out typed results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from keepstone import config, door, filters, ingest, providers, recall, reembedding
from keepstone.contract import (
    Applied,
    Batch,
    Clock,
    ListQuery,
    NewId,
    Operation,
    Retire,
    RetireScope,
    Revise,
)
from keepstone.errors import ConfigError, InvalidRequestError, NotFoundError, ScopeError
from keepstone.ids import IdSource
from keepstone.limits import DEFAULT_LIMITS, Limits
from keepstone.logic import undo as undoing
from keepstone.logic.ids import bucket
from keepstone.logic.replay import statement_key
from keepstone.logic.text import language
from keepstone.protocols import ChatModel, Embedder, Store
from keepstone.types import (
    AddResult,
    Change,
    ErasureReceipt,
    Hit,
    Kind,
    MemoryRecord,
    Message,
    Page,
    Scope,
    Stats,
)
from keepstone.vectorspace import VectorSpace

Messages = str | Message | Mapping[str, Any] | Sequence[Message | Mapping[str, Any]]
Where = filters.Filter | Mapping[str, Any] | None
Progress = Callable[[int, int], None]
UNCHANGED: Any = "unchanged"


class AsyncMemory:
    """Memory of users, agents, applications and sessions.

    `AsyncMemory()` keeps one SQLite file in the user's data folder (or `KEEPSTONE_HOME`), embeds on this device and
    needs no key. *path* is another file. *store*, *embedder*, *chat_model*, *clock* and *new_id* take objects;
    *embedder* and *chat_model* also names such as "local" or "openai:text-embedding-3-small". *tenant* sets a
    project apart from all others in the same store; *actor* is who the history says made the changes.

    Nothing is opened before the first verb. May be used from any thread and event loop, and after a fork.
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        store: Store | None = None,
        embedder: Embedder | str | None = None,
        chat_model: ChatModel | str | None = None,
        tenant: str = "",
        actor: str = "api",
        clock: Clock = config.utc_now,
        new_id: NewId | None = None,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        if path is not None and store is not None:
            raise ConfigError("Give a path or a store, not both.")
        self._limits = limits
        self._tenant = tenant if tenant == "" else door.opaque(tenant, "tenant", limits)
        self._actor = door.opaque(actor, "actor", limits)
        self._clock = clock
        self._new_id = new_id or IdSource()
        self._store = store if store is not None else providers.store(path, self._new_id)
        self._chat_model = providers.chat_model(chat_model)
        self._space = VectorSpace(self._store, providers.embedder(embedder), self._tenant)

    async def __aenter__(self) -> Self:
        await self._space.agreed()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def store(self) -> Store:
        """The store that everything is kept in."""
        return self._store

    @property
    def embedder(self) -> Embedder | None:
        """What turns texts into vectors; None for words alone."""
        return self._space.embedder

    async def add(
        self,
        messages: Messages,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        infer: bool = True,
        expires_at: datetime | str | None = None,
        idempotency_key: str | None = None,
    ) -> AddResult:
        """Keep what was said, and return exactly what was stored and what was there already.

        *messages* is a string, a message (role, content, name, id, timestamp with zone, metadata), or a list of
        them. Every message becomes one `episode` memory; *metadata* and *expires_at* go to all of them. What is
        returned is durable. *infer* is for the extraction by a chat model: without one it changes nothing. A second
        call with the same *idempotency_key* and content does nothing.

        Raises:
            InvalidRequestError: bad input, too large (LimitError), or no scope (ScopeError); nothing is stored.
            ConflictError: a message's id, or the key, was used for something else; nothing is stored.
            ProviderError: the embedder failed; nothing is stored.
        """
        key = idempotency_key
        request = ingest.AddRequest(
            scope=self._scope(user_id, agent_id, app_id, run_id),
            messages=door.messages(messages, self._limits),
            metadata=door.metadata(metadata, self._limits),
            expires_at=door.moment(expires_at, "expires_at"),
            idempotency_key=None if key is None else door.opaque(key, "idempotency_key", self._limits),
        )
        return await ingest.add(
            self._store,
            await self._space.agreed(),
            request,
            now=self._clock(),
            new_id=self._new_id,
            actor=self._actor,
        )

    async def search(
        self,
        query: str,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        limit: int = 10,
        min_score: float = 0.0,
        filters: Where = None,
        kinds: Sequence[Kind | str] | None = None,
        include_expired: bool = False,
        include_superseded: bool = True,
        all_scopes: bool = False,
        explain: bool = False,
    ) -> list[Hit]:
        """Return the memories of a scope that best match *query*, best first.

        An empty list means that nothing reached *min_score* (0 to 1); it is not an error. *filters* (see
        `keepstone.filters`) and *kinds* narrow the scope. Superseded memories rank lower and are marked by their
        status; retired ones never come back. *explain* adds to each hit the signals that found it.

        Raises:
            InvalidRequestError: bad input, or no scope and not *all_scopes* (ScopeError).
            LimitError: a search without owner reaches more partitions than `limits.fan_out_partitions_max`.
            ProviderError: the embedder failed.
        """
        request = recall.SearchRequest(
            query=door.query(query, self._limits),
            scope=self._scope(user_id, agent_id, app_id, run_id, everything=all_scopes),
            limit=door.count(limit, "limit", self._limits.hits_max),
            min_score=door.share(min_score, "min_score"),
            where=self._where(filters),
            kinds=door.kinds(kinds),
            include_expired=include_expired,
            include_superseded=include_superseded,
            explain=explain,
            partitions_max=self._limits.fan_out_partitions_max,
        )
        return await recall.search(self._store, await self._space.agreed(), request, now=self._clock())

    async def get(
        self,
        id: str,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
    ) -> MemoryRecord:
        """Return one memory; with a scope, only if that scope sees it.

        Raises:
            NotFoundError: there is no such memory, it was deleted, or it is in another scope.
        """
        return await self._record(id, self._optional_scope(user_id, agent_id, app_id, run_id))

    async def get_all(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
        filters: Where = None,
        kinds: Sequence[Kind | str] | None = None,
        include_expired: bool = False,
        include_superseded: bool = True,
        all_scopes: bool = False,
    ) -> Page:
        """Return a page of the memories of a scope in the order of their sequence.

        `next_cursor` of one page is *cursor* of the next; pages stay complete and disjoint while others write.

        Raises:
            InvalidRequestError: bad input, or no scope and not *all_scopes* (ScopeError).
        """
        query = ListQuery(
            scope=self._scope(user_id, agent_id, app_id, run_id, everything=all_scopes),
            at=self._clock(),
            limit=door.count(limit, "limit", self._limits.page_items_max),
            cursor=None if cursor is None else door.opaque(cursor, "cursor", self._limits),
            where=self._where(filters),
            kinds=door.kinds(kinds),
            include_expired=include_expired,
            include_superseded=include_superseded,
        )
        return await self._store.get_all(query)

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
            statement_key=statement_key(said, record.role, record.name, record.scope),
            expected_revision=record.revision,
        )
        await self._apply(record.scope, [change], reason, embedder)
        return await self._record(id, scope)

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
        """Take a memory back: no verb but `history` shows it again. Returns the change, which `undo` takes.

        Raises:
            NotFoundError: as `get`.
        """
        record = await self._record(id, self._optional_scope(user_id, agent_id, app_id, run_id))
        applied = await self._apply(record.scope, [Retire(memory_id=id)], reason)
        return (await self._store.changes(applied.changes[0], record.scope))[0]

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

    async def stats(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
    ) -> Stats:
        """Return counts of what a scope holds; without one, of everything."""
        return await self._store.stats(self._optional_scope(user_id, agent_id, app_id, run_id))

    async def reembed(self, embedder: Embedder | str | None = None, *, progress: Progress | None = None) -> int:
        """Give every memory a vector of *embedder* (by default this memory's own), and return how many were made.

        Can be stopped and goes on where it stopped; the old vectors serve until the last new one is there.
        *progress* is called with the number done and the number that was missing at the start.

        Raises:
            ConfigError: there is no embedder.
            ProviderError: the embedder failed; what was made so far is kept.
        """
        target = providers.embedder(embedder) if embedder is not None else self._space.embedder
        if target is None:
            raise ConfigError("There is no embedder: install one, or name one, such as embedder='local'.")
        made = await reembedding.reembed(self._store, target, progress)
        self._space = VectorSpace(self._store, target, self._tenant)
        return made

    async def close(self) -> None:
        """Release the store and the connections of the embedder and the model; a second call does nothing."""
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
    ) -> Applied:
        return await self._store.apply(self._batch(scope, operations, reason, embedder))

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
            actor=self._actor,
            operations=tuple(operations),
            reason=None if reason is None else door.text(reason, "reason", self._limits),
            embedder=embedder.key if embedder is not None else None,
        )

    async def _record(self, id: str, scope: Scope) -> MemoryRecord:
        found = await self._store.get([self._id(id)], scope)
        if not found:
            raise NotFoundError(f"No memory {id} in this scope.")
        return found[0]

    def _id(self, id: str) -> str:
        return door.opaque(id, "id", self._limits)

    def _where(self, where: Where) -> filters.Filter | None:
        return filters.parse(where, self._limits)

    def _scope(self, *ids: str | None, everything: bool = False) -> Scope:
        return door.named_scope(self._tenant, ids, self._limits, everything=everything)

    def _optional_scope(self, *ids: str | None) -> Scope:
        return door.scope(self._tenant, ids, self._limits)
