"""`SqliteStore`: the store contract over one SQLite file."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import apsw

from keepstone.contract import CandidateQuery, Candidates, EmbedderKey, Job, ListQuery, NewId, PendingUnit, Vector
from keepstone.errors import StoreClosedError
from keepstone.ids import IdSource
from keepstone.naming import Naming
from keepstone.operations import AppendMessage, Applied, ArchiveRow, Batch
from keepstone.results import Backup, JobStatus, Usage
from keepstone.stores.sqlite import archive, calls, checking, deriving, earlier, erasure, jobs, naming, reading, vectors
from keepstone.stores.sqlite.backup import copy
from keepstone.stores.sqlite.checking import Finding
from keepstone.stores.sqlite.controlling import CatalogueDoor, ControlDoor
from keepstone.stores.sqlite.engine import Engine, in_thread
from keepstone.stores.sqlite.index import IndexCache
from keepstone.stores.sqlite.known import find_known
from keepstone.stores.sqlite.searching import candidates
from keepstone.stores.sqlite.writing import Writer
from keepstone.types import Change, ErasureReceipt, LedgerMessage, MemoryRecord, Page, Scope, Stats

CACHE_BYTES = 256_000_000
BUSY_SECONDS = 60.0


class SqliteStore(CatalogueDoor, ControlDoor):
    """Memory in one SQLite file, safe for several threads and processes and for a fork after use.

    Vectors and postings of the partitions searched last are cached in up to *cache_bytes*. A write waits up to
    *busy_seconds* for other writers. Opened at the first use; the folder is made then.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        new_id: NewId | None = None,
        cache_bytes: int = CACHE_BYTES,
        busy_seconds: float = BUSY_SECONDS,
    ) -> None:
        self._path = Path(path)
        self._new_id = new_id or IdSource()
        self._cache_bytes = cache_bytes
        self._engine = Engine(self._path, busy_seconds)
        self._cache = IndexCache(cache_bytes)
        self._engine.on_fork(self._forget_cache)

    @property
    def path(self) -> Path:
        """The file."""
        return self._path

    async def apply(self, batch: Batch) -> Applied:
        """Carry out *batch* in one transaction."""
        return await self._write(lambda db: Writer(db, batch, self._new_id).apply())

    async def candidates(self, query: CandidateQuery) -> Candidates:
        """Return the best units by cosine and by BM25."""

        def work(db: apsw.Connection) -> Candidates:
            def snapshot() -> apsw.Connection:
                db.execute("COMMIT; BEGIN")
                return db

            return candidates(snapshot, self._cache, query)

        return await self._read(work)

    async def get(self, ids: Sequence[str], scope: Scope, *, known_at: datetime | None = None) -> list[MemoryRecord]:
        """Return the visible memories among *ids*."""
        if not ids:
            return []
        if known_at is not None:
            return await self._read(lambda db: earlier.visible(db, ids, scope, known_at))
        return await self._read(lambda db: reading.visible(db, ids, scope))

    async def get_all(self, query: ListQuery) -> Page:
        """Return one page of the visible memories."""
        if query.as_of is not None or query.known_at is not None:
            return await self._read(lambda db: earlier.page(db, query))
        return await self._read(lambda db: reading.page(db, query))

    async def neighbours(self, ids: Sequence[str], scope: Scope, before: int, after: int) -> list[LedgerMessage]:
        """Return the messages around the sources of *ids*."""
        return await self._read(lambda db: reading.neighbours(db, ids, scope, before, after))

    async def messages(self, ids: Sequence[str], scope: Scope) -> list[LedgerMessage]:
        """Return ledger messages by our ids."""
        return await self._read(lambda db: reading.messages(db, ids, scope))

    async def known(self, messages: Sequence[AppendMessage]) -> list[bool]:
        """Return, for each message, whether it is a replay by now."""
        if not any(m.external_id is not None or m.replay_key is not None for m in messages):
            return [False] * len(messages)
        return await self._read(lambda db: _known(db, messages))

    async def history(self, memory_id: str, scope: Scope) -> list[Change]:
        """Return every change of a memory."""
        return await self._read(lambda db: reading.history(db, memory_id, scope))

    async def changes(self, id: str, scope: Scope) -> list[Change]:
        """Return the change, or the changes of the batch, with this id."""
        return await self._read(lambda db: reading.changes(db, id, scope))

    async def batch(self, scope: Scope, idempotency_key: str) -> tuple[str, bytes] | None:
        """Return an earlier batch with this key and scope."""
        return await self._read(lambda db: reading.batch(db, scope, idempotency_key))

    async def erase(self, scope: Scope, ids: Sequence[str] | None, batch: Batch) -> ErasureReceipt:
        """Remove every copy, and prove it."""
        doomed = await self._write(lambda db: erasure.remove(db, scope, ids, batch, self._new_id))
        engine = self._engine
        return await asyncio.wrap_future(engine.exclusive(lambda db: erasure.prove(db, engine.files(), doomed, batch)))

    async def reset(self, tenant: str) -> None:
        """Erase everything of *tenant*."""
        await self._write(lambda db: erasure.reset(db, tenant))
        self._cache.drop()
        await asyncio.wrap_future(self._engine.exclusive(erasure.compact))

    async def dependants(self, ids: Sequence[str], scope: Scope) -> list[MemoryRecord]:
        """Return the visible memories derived from *ids*."""
        return await self._read(lambda db: reading.visible_at(db, deriving.dependants(db, ids, scope), scope))

    async def said_in(self, message_ids: Sequence[str], scope: Scope) -> list[MemoryRecord]:
        """Return the visible memories that came from *message_ids*."""

        def look(db: apsw.Connection) -> list[MemoryRecord]:
            keys = deriving.said_in(db, message_ids, reading.partitions(db, scope))
            return reading.visible_at(db, keys, scope)

        return await self._read(look)

    async def usage(self, scope: Scope, since: datetime | None, until: datetime | None) -> Usage:
        """Return what the calls of the scope cost."""
        return await self._read(lambda db: calls.usage(db, scope, since, until))

    async def naming(self, scope: Scope, at: datetime, *, partitions_max: int = 1_000) -> Naming:
        """Return what the memories that *scope* sees mention, and the merges."""
        return await self._read(lambda db: naming.naming(db, scope, at, partitions_max))

    async def stats(self, scope: Scope) -> Stats:
        """Return counts of what *scope* sees."""
        return await self._read(lambda db: checking.stats(db, scope, self._size(), str(self._path)))

    async def embedder(self) -> EmbedderKey | None:
        """Return the vector space of the store."""
        return await self._read(vectors.active)

    async def pending(self, embedder: EmbedderKey, after: int, limit: int) -> list[PendingUnit]:
        """Return units that lack a vector of *embedder*."""
        return await self._read(lambda db: vectors.pending(db, embedder, after, limit))

    async def store_vectors(self, embedder: EmbedderKey, vectors_by_key: Mapping[int, Vector]) -> None:
        """Keep vectors of *embedder*."""
        await self._write(lambda db: vectors.store_vectors(db, embedder, vectors_by_key))

    async def adopt(self, embedder: EmbedderKey) -> bool:
        """Make *embedder* the vector space if no unit lacks its vector."""
        return await self._write(lambda db: vectors.adopt(db, embedder))

    async def dump(
        self, scope: Scope, cursor: str | None, limit: int, *, include_retired: bool = False
    ) -> tuple[list[ArchiveRow], str | None]:
        """Return one page of the archive."""
        return await self._read(lambda db: archive.dump(db, scope, cursor, limit, include_retired=include_retired))

    async def claim(
        self, kinds: Sequence[str], limit: int, at: datetime, lease_until: datetime, *, scope: Scope | None = None
    ) -> list[Job]:
        """Lease due jobs; a caller who is stopped meanwhile leases none."""
        leasing = self._engine.write(lambda db: jobs.claim(db, kinds, limit, at, lease_until, scope))
        try:
            return await asyncio.shield(asyncio.wrap_future(leasing))
        except asyncio.CancelledError:
            # The end of a loop stops every task in it; the lease may be taken by then.
            leasing.add_done_callback(self._release)
            raise

    async def heartbeat(self, job_id: str, attempts: int, lease_until: datetime) -> bool:
        """Prolong a lease."""
        return await self._write(lambda db: jobs.heartbeat(db, job_id, attempts, lease_until))

    async def finish(self, job_id: str) -> None:
        """Remove a job that is done."""
        await self._write(lambda db: jobs.finish(db, job_id))

    async def retry(self, job_id: str, error: str, due: datetime | None, reply: str | None = None) -> None:
        """Give a job back, or keep it as a dead letter."""
        await self._write(lambda db: jobs.retry(db, job_id, error, due, reply))

    async def revive(self, scope: Scope, job_id: str | None, due: datetime) -> int:
        """Let dead letters be tried anew."""
        return await self._write(lambda db: jobs.revive(db, scope, job_id, due))

    async def discard(self, scope: Scope, job_id: str | None) -> int:
        """Remove dead letters."""
        return await self._write(lambda db: jobs.discard(db, scope, job_id))

    async def jobs(
        self, scope: Scope, ids: Sequence[str] | None = None, *, kinds: Sequence[str] = (), at: datetime
    ) -> list[JobStatus]:
        """Return the jobs that *scope* sees."""
        return await self._read(lambda db: jobs.jobs(db, scope, ids, kinds, at))

    async def check(self) -> list[Finding]:
        """Return what a check of the whole file finds."""
        return await self._read(checking.check)

    async def backup(self, path: str | Path, *, force: bool = False) -> Backup:
        """Copy the store into a file while others write; with *force*, in the place of one that is there.

        The copy holds what was committed when it began, has been checked, and has its name once it is on the disk.

        Raises:
            ConflictError: there is such a file and not *force*, or another backup is being written there.
            StoreError: the store is damaged, or the file cannot be written.
        """
        return await self._read(lambda db: copy(db, Path(path).expanduser(), force=force))

    async def close(self) -> None:
        """Close every connection."""
        # A thread of its own: those of executors are gone when the interpreter exits.
        await asyncio.wrap_future(in_thread(self._engine.close))

    def _size(self) -> int:
        return sum(f.stat().st_size for f in self._engine.files())

    def _forget_cache(self) -> None:
        self._cache = IndexCache(self._cache_bytes)

    def _release(self, leased: Future[list[Job]]) -> None:
        if leased.exception() is None:
            # Of a store that is closed, the lease runs out.
            with suppress(StoreClosedError):
                self._engine.write(lambda db: jobs.release(db, leased.result()))


def _known(db: apsw.Connection, messages: Sequence[AppendMessage]) -> list[bool]:
    keys: dict[Scope, int | None] = {}
    found = []
    for message in messages:
        if message.scope not in keys:
            keys[message.scope] = reading.exact_scope_key(db, message.scope)
        key = keys[message.scope]
        row = None if key is None else find_known(db, message, key)
        found.append(row is not None and row[3])
    return found
