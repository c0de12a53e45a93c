"""A store that passes every call on to another: what a planted fault changes one method of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from keepstone.contract import CandidateQuery, Candidates, EmbedderKey, Job, ListQuery, PendingUnit, Vector
from keepstone.naming import Naming
from keepstone.operations import AppendMessage, Applied, ArchiveRow, Batch
from keepstone.results import JobStatus, Usage
from keepstone.testing._passing_control import PassingServer
from keepstone.testing._script import jobs_of
from keepstone.types import Change, ErasureReceipt, LedgerMessage, MemoryRecord, Page, Scope, Stats


class PassingStore(PassingServer):
    """A `Store`, a `JobQueue` and a server's store that does what *inner* does."""

    async def apply(self, batch: Batch) -> Applied:
        """Pass the call on."""
        return await self.inner.apply(batch)

    async def candidates(self, query: CandidateQuery) -> Candidates:
        """Pass the call on."""
        return await self.inner.candidates(query)

    async def get(self, ids: Sequence[str], scope: Scope, *, known_at: datetime | None = None) -> list[MemoryRecord]:
        """Pass the call on."""
        return await self.inner.get(ids, scope, known_at=known_at)

    async def get_all(self, query: ListQuery) -> Page:
        """Pass the call on."""
        return await self.inner.get_all(query)

    async def neighbours(self, ids: Sequence[str], scope: Scope, before: int, after: int) -> list[LedgerMessage]:
        """Pass the call on."""
        return await self.inner.neighbours(ids, scope, before, after)

    async def messages(self, ids: Sequence[str], scope: Scope) -> list[LedgerMessage]:
        """Pass the call on."""
        return await self.inner.messages(ids, scope)

    async def known(self, messages: Sequence[AppendMessage]) -> list[bool]:
        """Pass the call on."""
        return await self.inner.known(messages)

    async def history(self, memory_id: str, scope: Scope) -> list[Change]:
        """Pass the call on."""
        return await self.inner.history(memory_id, scope)

    async def changes(self, id: str, scope: Scope) -> list[Change]:
        """Pass the call on."""
        return await self.inner.changes(id, scope)

    async def batch(self, scope: Scope, idempotency_key: str) -> tuple[str, bytes] | None:
        """Pass the call on."""
        return await self.inner.batch(scope, idempotency_key)

    async def erase(self, scope: Scope, ids: Sequence[str] | None, batch: Batch) -> ErasureReceipt:
        """Pass the call on."""
        return await self.inner.erase(scope, ids, batch)

    async def reset(self, tenant: str) -> None:
        """Pass the call on."""
        await self.inner.reset(tenant)

    async def usage(self, scope: Scope, since: datetime | None, until: datetime | None) -> Usage:
        """Pass the call on."""
        return await self.inner.usage(scope, since, until)

    async def dependants(self, ids: Sequence[str], scope: Scope) -> list[MemoryRecord]:
        """Pass the call on."""
        return await self.inner.dependants(ids, scope)

    async def said_in(self, message_ids: Sequence[str], scope: Scope) -> list[MemoryRecord]:
        """Pass the call on."""
        return await self.inner.said_in(message_ids, scope)

    async def naming(self, scope: Scope, at: datetime, *, partitions_max: int = 1_000) -> Naming:
        """Pass the call on."""
        return await self.inner.naming(scope, at, partitions_max=partitions_max)

    async def stats(self, scope: Scope) -> Stats:
        """Pass the call on."""
        return await self.inner.stats(scope)

    async def dump(
        self, scope: Scope, cursor: str | None, limit: int, *, include_retired: bool = False
    ) -> tuple[list[ArchiveRow], str | None]:
        """Pass the call on."""
        return await self.inner.dump(scope, cursor, limit, include_retired=include_retired)

    async def embedder(self) -> EmbedderKey | None:
        """Pass the call on."""
        return await self.inner.embedder()

    async def pending(self, embedder: EmbedderKey, after: int, limit: int) -> list[PendingUnit]:
        """Pass the call on."""
        return await self.inner.pending(embedder, after, limit)

    async def store_vectors(self, embedder: EmbedderKey, vectors: Mapping[int, Vector]) -> None:
        """Pass the call on."""
        await self.inner.store_vectors(embedder, vectors)

    async def adopt(self, embedder: EmbedderKey) -> bool:
        """Pass the call on."""
        return await self.inner.adopt(embedder)

    async def close(self) -> None:
        """Pass the call on."""
        await self.inner.close()

    async def claim(
        self, kinds: Sequence[str], limit: int, at: datetime, lease_until: datetime, *, scope: Scope | None = None
    ) -> list[Job]:
        """Pass the call on."""
        return await jobs_of(self.inner).claim(kinds, limit, at, lease_until, scope=scope)

    async def heartbeat(self, job_id: str, attempts: int, lease_until: datetime) -> bool:
        """Pass the call on."""
        return await jobs_of(self.inner).heartbeat(job_id, attempts, lease_until)

    async def finish(self, job_id: str) -> None:
        """Pass the call on."""
        await jobs_of(self.inner).finish(job_id)

    async def retry(self, job_id: str, error: str, due: datetime | None, reply: str | None = None) -> None:
        """Pass the call on."""
        await jobs_of(self.inner).retry(job_id, error, due, reply)

    async def revive(self, scope: Scope, job_id: str | None, due: datetime) -> int:
        """Pass the call on."""
        return await jobs_of(self.inner).revive(scope, job_id, due)

    async def discard(self, scope: Scope, job_id: str | None) -> int:
        """Pass the call on."""
        return await jobs_of(self.inner).discard(scope, job_id)

    async def jobs(
        self, scope: Scope, ids: Sequence[str] | None = None, *, kinds: Sequence[str] = (), at: datetime
    ) -> list[JobStatus]:
        """Pass the call on."""
        return await jobs_of(self.inner).jobs(scope, ids, kinds=kinds, at=at)
