"""A store in memory, written to be obviously right: the reference that every other store must agree with.

It scans where others use an index and copies where others use a log, and shares nothing with them but `logic`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from keepstone.contract import CandidateQuery, Candidates, EmbedderKey, Job, ListQuery, NewId, PendingUnit, Vector
from keepstone.errors import StoreClosedError
from keepstone.ids import IdSource
from keepstone.logic.text import spoken
from keepstone.naming import Naming
from keepstone.operations import AppendMessage, Applied, ArchiveRow, Batch
from keepstone.results import JobStatus, Usage
from keepstone.stores.inmemory import calls, deriving, finding, naming, queueing, reading, webhooks
from keepstone.stores.inmemory.controlling import CatalogueDoor, ControlDoor
from keepstone.stores.inmemory.erasing import erase
from keepstone.stores.inmemory.server import Server
from keepstone.stores.inmemory.state import State, Tenant, Unit
from keepstone.stores.inmemory.transaction import Transaction, halves
from keepstone.stores.inmemory.writing import Writer
from keepstone.types import Change, ErasureReceipt, LedgerMessage, MemoryRecord, Page, Scope, Stats

__all__ = ["InMemoryStore"]


class InMemoryStore(CatalogueDoor, ControlDoor):
    """A `Store`, a `JobQueue` and the store of a server, as long as the object lives; safe for threads and event loops.

    A writing call works on a copy of its tenant and swaps it in, so that a failing one leaves nothing.
    """

    def __init__(self, new_id: NewId | None = None) -> None:
        self._new_id = new_id or IdSource()
        self._state: State | None = State()
        self._server = Server()
        self._lock = threading.Lock()

    async def apply(self, batch: Batch) -> Applied:
        """Carry out *batch*, or nothing of it."""
        with self._opened() as state:
            changed = state.copy(batch.tenant)
            applied = Writer(changed, batch, self._new_id).apply()
            self._state = changed
            return applied

    async def candidates(self, query: CandidateQuery) -> Candidates:
        """Return the best units by cosine and by BM25, united."""
        with self._opened() as state:
            return finding.candidates(state, query)

    async def get(self, ids: Sequence[str], scope: Scope, *, known_at: datetime | None = None) -> list[MemoryRecord]:
        """Return the visible memories among *ids*, in the order asked."""
        with self._opened() as state:
            return reading.get(state.tenant(scope.tenant), ids, scope, known_at)

    async def get_all(self, query: ListQuery) -> Page:
        """Return one page of the visible memories."""
        with self._opened() as state:
            return reading.get_all(state.tenant(query.scope.tenant), query)

    async def neighbours(self, ids: Sequence[str], scope: Scope, before: int, after: int) -> list[LedgerMessage]:
        """Return the messages around the sources of *ids*, in order."""
        with self._opened() as state:
            return reading.neighbours(state.tenant(scope.tenant), ids, scope, before, after)

    async def messages(self, ids: Sequence[str], scope: Scope) -> list[LedgerMessage]:
        """Return ledger messages by our ids, in the order asked."""
        with self._opened() as state:
            return reading.messages(state.tenant(scope.tenant), ids, scope)

    async def known(self, messages: Sequence[AppendMessage]) -> list[bool]:
        """Return, for each message, whether `apply` would find it a replay."""
        with self._opened() as state:
            return [_is_known(state.tenant(m.scope.tenant), m) for m in messages]

    async def history(self, memory_id: str, scope: Scope) -> list[Change]:
        """Return every change of a memory, oldest first."""
        with self._opened() as state:
            return reading.history(state.tenant(scope.tenant), memory_id, scope)

    async def changes(self, id: str, scope: Scope) -> list[Change]:
        """Return the change, or all changes of the batch, with this id."""
        with self._opened() as state:
            return reading.changes(state.tenant(scope.tenant), id, scope)

    async def batch(self, scope: Scope, idempotency_key: str) -> tuple[str, bytes] | None:
        """Return batch id and fingerprint of an earlier batch with this key and scope."""
        with self._opened() as state:
            found = state.tenant(scope.tenant).batches.get((scope, idempotency_key))
            return None if found is None else (found.id, found.fingerprint)

    async def erase(self, scope: Scope, ids: Sequence[str] | None, batch: Batch) -> ErasureReceipt:
        """Remove *ids*, or all that *scope* sees, and leave tombstones."""
        with self._opened() as state:
            changed = state.copy(scope.tenant)
            receipt = erase(Transaction(changed, replace(batch, tenant=scope.tenant), self._new_id), scope, ids)
            self._state = changed
            # A stored reply may quote what is gone.
            self._server.drop_replies(scope.tenant)
            return receipt

    async def reset(self, tenant: str) -> None:
        """Erase everything of *tenant*."""
        with self._opened() as state:
            last = webhooks.last_moment(state, tenant)
            state.tenants.pop(tenant, None)
            state.events = tuple(e for e in state.events if e.scope.tenant != tenant)
            state.written = tuple(w for w in state.written if w.scope.tenant != tenant)
            state.happen("reset", Scope(tenant=tenant), last)
            self._server.forget_memory(tenant)
            if not any(t.partitions for t in state.tenants.values()):
                state.embedder = None

    async def usage(self, scope: Scope, since: datetime | None, until: datetime | None) -> Usage:
        """Return what the calls of the scope cost."""
        with self._opened() as state:
            return calls.usage(state.tenant(scope.tenant), scope, since, until)

    async def dependants(self, ids: Sequence[str], scope: Scope) -> list[MemoryRecord]:
        """Return the visible memories derived from *ids*, oldest first."""
        with self._opened() as state:
            return deriving.dependants(state.tenant(scope.tenant), ids, scope)

    async def said_in(self, message_ids: Sequence[str], scope: Scope) -> list[MemoryRecord]:
        """Return the visible memories that came from *message_ids*, oldest first."""
        with self._opened() as state:
            return deriving.said_in(state.tenant(scope.tenant), message_ids, scope)

    async def naming(self, scope: Scope, at: datetime, *, partitions_max: int = 1_000) -> Naming:
        """Return what the memories that *scope* sees mention, and the merges."""
        with self._opened() as state:
            return naming.naming(state.tenant(scope.tenant), scope, at, partitions_max)

    async def stats(self, scope: Scope) -> Stats:
        """Return counts of what *scope* sees."""
        with self._opened() as state:
            return reading.stats(state, scope)

    async def dump(
        self, scope: Scope, cursor: str | None, limit: int, *, include_retired: bool = False
    ) -> tuple[list[ArchiveRow], str | None]:
        """Return one page of the archive, and where the next begins."""
        with self._opened() as state:
            return reading.dump(state.tenant(scope.tenant), scope, cursor, limit, include_retired)

    async def embedder(self) -> EmbedderKey | None:
        """Return the vector space of the store."""
        with self._opened() as state:
            return state.embedder

    async def pending(self, embedder: EmbedderKey, after: int, limit: int) -> list[PendingUnit]:
        """Return units with key above *after* that lack a vector of *embedder*."""
        with self._opened() as state:
            lacking = {
                unit.key: text
                for tenant, unit, text in _all_units(state)
                if unit.key > after and (unit.key, embedder) not in tenant.vectors
            }
            return [PendingUnit(key=key, text=lacking[key]) for key in sorted(lacking)[:limit]]

    async def store_vectors(self, embedder: EmbedderKey, vectors: Mapping[int, Vector]) -> None:
        """Keep vectors of *embedder* beside those in use; units that went meanwhile are passed over."""
        with self._opened() as state:
            for tenant, unit, _ in _all_units(state):
                if unit.key in vectors:
                    tenant.vectors[unit.key, embedder] = halves(vectors[unit.key])

    async def adopt(self, embedder: EmbedderKey) -> bool:
        """Make *embedder* the store's vector space if no unit lacks its vector."""
        with self._opened() as state:
            if any((unit.key, embedder) not in tenant.vectors for tenant, unit, _ in _all_units(state)):
                return False
            state.embedder = embedder
            for tenant in state.tenants.values():
                tenant.vectors = {key: v for key, v in tenant.vectors.items() if key[1] == embedder}
            return True

    async def close(self) -> None:
        """Forget everything."""
        with self._lock:
            self._state = None

    async def claim(
        self, kinds: Sequence[str], limit: int, at: datetime, lease_until: datetime, *, scope: Scope | None = None
    ) -> list[Job]:
        """Lease up to *limit* due jobs, oldest first, one at a time per lane."""
        with self._opened() as state:
            return queueing.claim(state, kinds, limit, at, lease_until, scope)

    async def heartbeat(self, job_id: str, attempts: int, lease_until: datetime) -> bool:
        """Prolong a lease."""
        with self._opened() as state:
            return queueing.heartbeat(state, job_id, attempts, lease_until)

    async def finish(self, job_id: str) -> None:
        """Remove a job that is done; one that was erased meanwhile is passed over."""
        with self._opened() as state:
            queueing.finish(state, job_id)

    async def retry(self, job_id: str, error: str, due: datetime | None, reply: str | None = None) -> None:
        """Give a job back to be tried at *due*; None keeps it as a dead letter."""
        with self._opened() as state:
            queueing.retry(state, job_id, error, due, reply)

    async def revive(self, scope: Scope, job_id: str | None, due: datetime) -> int:
        """Let dead letters be tried anew."""
        with self._opened() as state:
            return queueing.revive(state.tenant(scope.tenant), scope, job_id, due)

    async def discard(self, scope: Scope, job_id: str | None) -> int:
        """Remove dead letters."""
        with self._opened() as state:
            return queueing.discard(state.tenant(scope.tenant), scope, job_id)

    async def jobs(
        self, scope: Scope, ids: Sequence[str] | None = None, *, kinds: Sequence[str] = (), at: datetime
    ) -> list[JobStatus]:
        """Return the jobs that *scope* sees, oldest first."""
        with self._opened() as state:
            return queueing.jobs(state.tenant(scope.tenant), scope, ids, kinds, at)

    @contextmanager
    def _opened(self) -> Iterator[State]:
        with self._lock:
            if self._state is None:
                raise StoreClosedError("The store was closed.")
            yield self._state


def _is_known(tenant: Tenant, message: AppendMessage) -> bool:
    if message.external_id is not None:
        known = tenant.by_external_id.get((message.scope, message.external_id))
        if known is not None:
            return tenant.messages[known].content_key == message.content_key
    return message.replay_key is not None and (message.scope, message.replay_key) in tenant.by_replay_key


def _all_units(state: State) -> Iterator[tuple[Tenant, Unit, str]]:
    for tenant in state.tenants.values():
        for memory in tenant.memories.values():
            for revision in memory.revisions:
                text = revision.text or ""
                for unit in revision.units:
                    yield tenant, unit, spoken(memory.record.name, text[unit.span.start : unit.span.end])
