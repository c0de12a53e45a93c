"""The verbs: `AsyncMemory`. Checks what comes in, calls ingest or recall, and hands out typed results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from keepstone import assembly, door, filters, ingest, providers, recall, reembedding, tracing
from keepstone.contract import ListQuery
from keepstone.errors import ConfigError
from keepstone.logic.budget import Budget
from keepstone.logic.counting import count_tokens
from keepstone.logic.layout import FORMATS
from keepstone.protocols import Embedder
from keepstone.results import AddResult
from keepstone.revising import Revising
from keepstone.traces import Trace
from keepstone.types import Context, ContextFormat, Hit, Kind, MemoryRecord, Message, Page, Stats, TokenCounter
from keepstone.vectorspace import VectorSpace

Messages = str | Message | Mapping[str, Any] | Sequence[Message | Mapping[str, Any]]
Where = filters.Filter | Mapping[str, Any] | None
Progress = Callable[[int, int], None]


class AsyncMemory(Revising):
    """Memory of users, agents, applications and sessions.

    `AsyncMemory()` keeps one SQLite file in the user's data folder (or `KEEPSTONE_HOME`), embeds on this device and
    needs no key. *path* is another file. *store*, *embedder*, *chat_model*, *clock* and *new_id* take objects;
    *embedder* and *chat_model* also names such as "local" or "openai:text-embedding-3-small". *tenant* sets a
    project apart from all others in the same store; *actor* is who the history says made the changes, or a function
    that tells it at each change. *worker* does the jobs in the place of this memory.

    Nothing is opened before the first verb. May be used from any thread and event loop, and after a fork.
    """

    async def __aenter__(self) -> Self:
        await self._space.agreed()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

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
        key = idempotency_key
        seconds = None if wait is None else door.seconds(wait, "wait")
        scope = self._scope(user_id, agent_id, app_id, run_id)
        request = ingest.AddRequest(
            scope=scope,
            messages=door.messages(messages, self._limits),
            metadata=door.metadata(metadata, self._limits),
            expires_at=door.moment(expires_at, "expires_at"),
            idempotency_key=None if key is None else door.opaque(key, "idempotency_key", self._limits),
            infer=infer,
            recalled=self._recalled.texts(scope) if infer else (),
            wish=self._wish(instructions, procedures) if infer else None,
        )
        embedder = await self._space.agreed()
        result, jobs = await ingest.add(
            self._store, embedder, request, now=self._clock(), new_id=self._new_id, actor=self.actor
        )
        await self._strengthen_recalled(scope)
        if request.wish is None:
            return result
        return replace(result, distilled=await self._distilled(jobs, scope, seconds))

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
            as_of=door.moment(as_of, "as_of"),
            known_at=door.moment(known_at, "known_at"),
        )
        now = self._clock()
        hits = await recall.search(self._store, await self._space.agreed(), request, now=now)
        self._recalled.enter(h.memory for h in hits)
        if as_of is None and known_at is None:
            self._credits.enter(hits, now)
        return hits

    async def context(
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
        request = assembly.ContextRequest(
            search=recall.SearchRequest(
                query=door.query(query, self._limits),
                scope=self._scope(user_id, agent_id, app_id, run_id, everything=all_scopes),
                limit=min(assembly.HITS, self._limits.hits_max),
                min_score=door.share(min_score, "min_score"),
                where=self._where(filters),
                kinds=door.kinds(kinds),
                include_expired=False,
                include_superseded=include_superseded,
                explain=True,
                partitions_max=self._limits.fan_out_partitions_max,
                as_of=door.moment(as_of, "as_of"),
                known_at=door.moment(known_at, "known_at"),
            ),
            format=door.one_of(format, "format", FORMATS),
            budget=Budget(
                tokens=door.count(max_tokens, "max_tokens", self._limits.context_tokens_max),
                counter=door.counter(counter or count_tokens),
            ),
        )
        made, shown = await assembly.assemble(self._store, await self._space.agreed(), request, now=self._clock())
        self._recalled.enter(shown)
        return made

    async def trace(
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
        request = tracing.TraceRequest(
            search=recall.SearchRequest(
                query=door.query(question, self._limits),
                scope=self._scope(user_id, agent_id, app_id, run_id, everything=all_scopes),
                limit=door.count(limit, "limit", self._limits.hits_max),
                min_score=door.share(min_score, "min_score"),
                where=self._where(filters),
                kinds=door.kinds(kinds),
                include_expired=include_expired,
                include_superseded=include_superseded,
                explain=True,
                partitions_max=self._limits.fan_out_partitions_max,
                as_of=door.moment(as_of, "as_of"),
                known_at=door.moment(known_at, "known_at"),
            ),
            max_tokens=door.count(max_tokens, "max_tokens", self._limits.context_tokens_max),
            counter=count_tokens,
            context_hits=min(assembly.HITS, self._limits.hits_max),
            expect=() if expect is None else tuple(door.ids(expect, self._limits)),
        )
        return await tracing.trace(self._store, await self._space.agreed(), request, now=self._clock())

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
        as_of: datetime | str | None = None,
        known_at: datetime | str | None = None,
    ) -> Page:
        """Return a page of the memories of a scope in the order of their sequence.

        `next_cursor` of one page is *cursor* of the next; pages stay complete and disjoint while others write.
        *as_of* and *known_at* are those of `search`.

        Raises:
            InvalidRequestError: bad input, or no scope and not *all_scopes* (ScopeError).
        """
        known = door.moment(known_at, "known_at")
        query = ListQuery(
            scope=self._scope(user_id, agent_id, app_id, run_id, everything=all_scopes),
            at=known or self._clock(),
            limit=door.count(limit, "limit", self._limits.page_items_max),
            cursor=None if cursor is None else door.opaque(cursor, "cursor", self._limits),
            where=self._where(filters),
            kinds=door.kinds(kinds),
            include_expired=include_expired,
            include_superseded=include_superseded,
            as_of=door.moment(as_of, "as_of"),
            known_at=known,
        )
        return await self._store.get_all(query)

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

    def _where(self, where: Where) -> filters.Filter | None:
        return filters.parse(where, self._limits)
