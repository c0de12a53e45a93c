"""`Memory`: the verbs without `await`, one line each, over one event loop in a background thread.

The loop's thread is a daemon, made when first needed, and made anew in a forked child.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from keepstone import config
from keepstone.changing import UNCHANGED
from keepstone.contract import Clock, NewId
from keepstone.errors import InvalidRequestError
from keepstone.limits import DEFAULT_LIMITS, Limits
from keepstone.memory import AsyncMemory, Messages, Progress, Where
from keepstone.protocols import ChatModel, Embedder, Store
from keepstone.types import (
    AddResult,
    Change,
    Context,
    ContextFormat,
    ErasureReceipt,
    Hit,
    Kind,
    MemoryRecord,
    Page,
    Stats,
    TokenCounter,
)

T = TypeVar("T")


class Portal:
    """Runs coroutines on one loop in a background thread, for threads that have none or have their own."""

    def __init__(self) -> None:
        self._forget()

    def call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Return what *coroutine* returns, or raise what it raises.

        Raises:
            InvalidRequestError: called from the portal's own loop, where waiting would never end.
        """
        if self._pid != os.getpid():
            self._forget()
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise InvalidRequestError("Memory was called from its own event loop; use AsyncMemory there.")
        return asyncio.run_coroutine_threadsafe(coroutine, self._running()).result()

    def _forget(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._loop.run_forever, name="keepstone-portal", daemon=True)
                self._thread.start()
            return self._loop


_portal = Portal()


class Memory:
    """Memory of users, agents, applications and sessions.

    `Memory()` keeps one SQLite file in the user's data folder (or `KEEPSTONE_HOME`), embeds on this device and
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
        )

    def __enter__(self) -> Self:
        _portal.call(self._memory.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def store(self) -> Store:
        """The store that everything is kept in."""
        return self._memory.store

    @property
    def embedder(self) -> Embedder | None:
        """What turns texts into vectors; None for words alone."""
        return self._memory.embedder

    def add(
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
        returned is durable. A user's request to forget takes back the memory that it means, if exactly one stands
        out; what only repeats the results of a search makes no memory. With *infer* false no rule runs: words are
        kept, and nothing else happens. A second call with the same *idempotency_key* and content does nothing.

        Raises:
            InvalidRequestError: bad input, too large (LimitError), or no scope (ScopeError); nothing is stored.
            ConflictError: a message's id, or the key, was used for something else; nothing is stored.
            ProviderError: the embedder failed; nothing is stored.
        """
        return _portal.call(
            self._memory.add(
                messages,
                user_id=user_id,
                agent_id=agent_id,
                app_id=app_id,
                run_id=run_id,
                metadata=metadata,
                infer=infer,
                expires_at=expires_at,
                idempotency_key=idempotency_key,
            )
        )

    def search(
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
        return _portal.call(
            self._memory.search(
                query,
                user_id=user_id,
                agent_id=agent_id,
                app_id=app_id,
                run_id=run_id,
                limit=limit,
                min_score=min_score,
                filters=filters,
                kinds=kinds,
                include_expired=include_expired,
                include_superseded=include_superseded,
                all_scopes=all_scopes,
                explain=explain,
            )
        )

    def context(
        self,
        query: str,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        max_tokens: int = 1000,
        format: ContextFormat = "text",
        counter: TokenCounter | None = None,
        min_score: float = 0.0,
        filters: Where = None,
        kinds: Sequence[Kind | str] | None = None,
        include_superseded: bool = True,
        all_scopes: bool = False,
    ) -> Context:
        """Return the most evidence for *query* that fits into *max_tokens*, as text for a prompt, with citations.

        Standing memories (profiles and important facts) come first and are the same whatever the query; then facts,
        then what was said, by day, each line with its speaker. *format* is "text", "markdown", "xml" or "messages".
        *counter* says how many tokens a text has, by default an estimate on the safe side; by it, the whole text never
        has more than *max_tokens*. If not even one line fits, the text is empty. `left_out` says what was found and is
        not shown, and why. The other arguments are those of `search`; expired memories are never shown.

        Raises:
            InvalidRequestError: bad input, or no scope and not *all_scopes* (ScopeError).
            LimitError: as `search`.
            ProviderError: the embedder failed.
        """
        return _portal.call(
            self._memory.context(
                query,
                user_id=user_id,
                agent_id=agent_id,
                app_id=app_id,
                run_id=run_id,
                max_tokens=max_tokens,
                format=format,
                counter=counter,
                min_score=min_score,
                filters=filters,
                kinds=kinds,
                include_superseded=include_superseded,
                all_scopes=all_scopes,
            )
        )

    def get(
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
        return _portal.call(self._memory.get(id, user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id))

    def get_all(
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
        return _portal.call(
            self._memory.get_all(
                user_id=user_id,
                agent_id=agent_id,
                app_id=app_id,
                run_id=run_id,
                limit=limit,
                cursor=cursor,
                filters=filters,
                kinds=kinds,
                include_expired=include_expired,
                include_superseded=include_superseded,
                all_scopes=all_scopes,
            )
        )

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
        return _portal.call(
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
        """Take a memory back: no verb but `history` shows it again. Returns the change, which `undo` takes.

        Raises:
            NotFoundError: as `get`.
        """
        return _portal.call(
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
        return _portal.call(
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
        return _portal.call(self._memory.history(id, user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id))

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
        return _portal.call(
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
        return _portal.call(
            self._memory.erase(ids, user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id, reason=reason)
        )

    def reset(self, *, confirm: bool = False) -> None:
        """Empty the store of this tenant: memories, messages, history, everything.

        Raises:
            ScopeError: without `confirm=True`.
        """
        return _portal.call(self._memory.reset(confirm=confirm))

    def stats(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
    ) -> Stats:
        """Return counts of what a scope holds; without one, of everything."""
        return _portal.call(self._memory.stats(user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id))

    def reembed(self, embedder: Embedder | str | None = None, *, progress: Progress | None = None) -> int:
        """Give every memory a vector of *embedder* (by default this memory's own), and return how many were made.

        Can be stopped and goes on where it stopped; the old vectors serve until the last new one is there.
        *progress* is called with the number done and the number that was missing at the start.

        Raises:
            ConfigError: there is no embedder.
            ProviderError: the embedder failed; what was made so far is kept.
        """
        return _portal.call(self._memory.reembed(embedder, progress=progress))

    def close(self) -> None:
        """Release the store and the connections of the embedder and the model; a second call does nothing."""
        return _portal.call(self._memory.close())
