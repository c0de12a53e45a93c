"""`Memory`: the verbs without `await`, one line each, over the portal's event loop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from keepstone.blocking_revising import BlockingRevising
from keepstone.memory import Messages, Progress, Where
from keepstone.portal import portal
from keepstone.protocols import Embedder
from keepstone.results import AddResult
from keepstone.traces import Trace
from keepstone.types import Context, ContextFormat, Hit, Kind, MemoryRecord, Page, Stats, TokenCounter


class Memory(BlockingRevising):
    """Memory of users, agents, applications and sessions.

    `Memory()` keeps one SQLite file in the user's data folder (or `KEEPSTONE_HOME`), embeds on this device and
    needs no key. *path* is another file. *store*, *embedder*, *chat_model*, *clock* and *new_id* take objects;
    *embedder* and *chat_model* also names such as "local" or "openai:text-embedding-3-small". *tenant* sets a
    project apart from all others in the same store; *actor* is who the history says made the changes, or a function
    that tells it at each change. *worker* does the jobs in the place of this memory.

    Nothing is opened before the first verb. May be used from any thread and event loop, and after a fork.
    """

    def __enter__(self) -> Self:
        portal.call(self._memory.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

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
        instructions: str | None = None,
        procedures: bool = False,
        wait: float | None = None,
    ) -> AddResult:
        """Keep what was said, and return exactly what was stored and what was there already.

        *messages* is a string, a message (role, content, name, id, timestamp with zone, metadata), or a list of
        them. Every message becomes one `episode` memory; *metadata* and *expires_at* go to all of them. What is
        returned is durable. A user's request to forget takes back the memory that it means, if exactly one stands
        out; what only repeats the results of a search makes no memory. With *infer* false no rule runs: words are
        kept, and nothing else happens. A second call with the same *idempotency_key* and content does nothing.

        With a chat model, a durable job reads what is new, and `distilled` says what came of it. *instructions* say
        what to keep and what never to keep (by default those of the memory), *procedures* asks how things were done,
        too. *wait* is how many seconds to wait for the job: None until it is done, 0 not at all. A model that fails
        fails nothing: the words are kept, and the job is tried again.

        Raises:
            InvalidRequestError: bad input, too large (LimitError), or no scope (ScopeError); nothing is stored.
            ConflictError: a message's id, or the key, was used for something else; nothing is stored.
            ProviderError: the embedder failed; nothing is stored.
        """
        return portal.call(
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
                instructions=instructions,
                procedures=procedures,
                wait=wait,
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
        as_of: datetime | str | None = None,
        known_at: datetime | str | None = None,
        explain: bool = False,
    ) -> list[Hit]:
        """Return the memories of a scope that best match *query*, best first.

        An empty list means that nothing reached *min_score* (0 to 1); it is not an error. *filters* (see
        `keepstone.filters`) and *kinds* narrow the scope. Superseded memories rank lower and are marked by their
        status; retired ones never come back. A fact and the message that says it are one hit. *as_of* (valid time) asks
        what held in the world at a moment, by what is known now; *known_at* (recorded time) what the store knew then,
        and how it read. *explain* adds to each hit the signals that found it.

        Raises:
            InvalidRequestError: bad input, or no scope and not *all_scopes* (ScopeError).
            LimitError: a search without owner reaches more partitions than `limits.fan_out_partitions_max`.
            ProviderError: the embedder failed.
        """
        return portal.call(
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
                as_of=as_of,
                known_at=known_at,
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
        as_of: datetime | str | None = None,
        known_at: datetime | str | None = None,
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
        return portal.call(
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
                as_of=as_of,
                known_at=known_at,
            )
        )

    def trace(
        self,
        question: str,
        *,
        expect: str | Sequence[str] | None = None,
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
        max_tokens: int = 1000,
        all_scopes: bool = False,
        as_of: datetime | str | None = None,
        known_at: datetime | str | None = None,
    ) -> Trace:
        """Return how `search` and `context` answer *question*, and where each memory of *expect* was lost on the way.

        *expect* is the id of a memory or of a message, or a list of them. An id that the scope does not see is "never
        stored", whoever else has it. The other arguments are those of `search`, and *max_tokens* that of `context`. A
        trace costs more than a search: up to a reading of the whole scope. It counts as no recall.

        Raises:
            InvalidRequestError: bad input, or no scope and not *all_scopes* (ScopeError).
            LimitError: as `search`.
            ProviderError: the embedder failed.
        """
        return portal.call(
            self._memory.trace(
                question,
                expect=expect,
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
                max_tokens=max_tokens,
                all_scopes=all_scopes,
                as_of=as_of,
                known_at=known_at,
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
        return portal.call(self._memory.get(id, user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id))

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
        as_of: datetime | str | None = None,
        known_at: datetime | str | None = None,
    ) -> Page:
        """Return a page of the memories of a scope in the order of their sequence.

        `next_cursor` of one page is *cursor* of the next; pages stay complete and disjoint while others write.
        *as_of* and *known_at* are those of `search`.

        Raises:
            InvalidRequestError: bad input, or no scope and not *all_scopes* (ScopeError).
        """
        return portal.call(
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
                as_of=as_of,
                known_at=known_at,
            )
        )

    def stats(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
    ) -> Stats:
        """Return counts of what a scope holds; without one, of everything."""
        return portal.call(self._memory.stats(user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id))

    def reembed(self, embedder: Embedder | str | None = None, *, progress: Progress | None = None) -> int:
        """Give every memory a vector of *embedder* (by default this memory's own), and return how many were made.

        Can be stopped and goes on where it stopped; the old vectors serve until the last new one is there.
        *progress* is called with the number done and the number that was missing at the start.

        Raises:
            ConfigError: there is no embedder.
            ProviderError: the embedder failed; what was made so far is kept.
        """
        return portal.call(self._memory.reembed(embedder, progress=progress))

    def close(self) -> None:
        """Stop the work under way, and release the store and the connections of the embedder and the model.

        What was under way is done by the next process that has a model; `flush` first to wait for it.
        """
        return portal.call(self._memory.close())
