"""The waist of the house: what a store, an embedder and a model must do.

Everything above speaks these protocols and nothing else; everything below implements one of them. The values that
they exchange are in `contract.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from keepstone.chat import ChatReply, ChatRequest
from keepstone.contract import CandidateQuery, Candidates, EmbedderKey, Job, ListQuery, PendingUnit, Vector
from keepstone.naming import Naming
from keepstone.operations import AppendMessage, Applied, ArchiveRow, Batch
from keepstone.results import JobStatus, Usage
from keepstone.types import Change, ErasureReceipt, LedgerMessage, Listing, MemoryRecord, Page, Scope, Stats

if TYPE_CHECKING:
    # Only servers need them, and they take long to make.
    from keepstone.control import (
        ApiKey,
        AuditEntry,
        AuditFilter,
        BrowserSession,
        Conversation,
        Day,
        Delivery,
        Event,
        Owner,
        QueueCounts,
        StoredReply,
        Tenant,
        Webhook,
    )


class Store(Protocol):
    """Where memory is kept. The same contract for every engine; `keepstone.testing` holds its laws.

    All methods may be called from any event loop and thread. Verbs by id see only what *scope* sees: anything
    else is not found.
    """

    async def apply(self, batch: Batch) -> Applied:
        """Carry out *batch* in one transaction: durable when it returns, or nothing at all.

        Raises:
            ConflictError: an expected revision is not the current one, a caller's id is used for other content,
                or the idempotency key for another request.
            NotFoundError: an operation names a memory or message that the tenant does not have.
            EmbedderMismatchError: the batch's vectors are of another space than the store's.
        """
        ...

    async def candidates(self, query: CandidateQuery) -> Candidates:
        """Return the best units by cosine, by BM25 and by the BM25 around them, united, with all raw signals.

        In one snapshot. Without a query vector, only units that hold a term of the query. Those of the memories that
        mention most of what the question names join them, the nearest by cosine (without a vector, by BM25) first.
        """
        ...

    async def get(self, ids: Sequence[str], scope: Scope, *, known_at: datetime | None = None) -> list[MemoryRecord]:
        """Return the visible memories among *ids* that *scope* sees, in the order asked; others are left out.

        With *known_at*, as they read and stood at that moment; those that were not stored yet are left out.
        """
        ...

    async def get_all(self, query: ListQuery) -> Page:
        """Return one page of the visible memories; pages are complete and disjoint while others write."""
        ...

    async def neighbours(self, ids: Sequence[str], scope: Scope, before: int, after: int) -> list[LedgerMessage]:
        """Return the messages around the sources of *ids* in their conversations, in order, retired ones left out."""
        ...

    async def messages(self, ids: Sequence[str], scope: Scope) -> list[LedgerMessage]:
        """Return ledger messages by our ids, in the order asked; unknown and retired ones are left out."""
        ...

    async def known(self, messages: Sequence[AppendMessage]) -> list[bool]:
        """Return, for each message, whether `apply` would find it a replay (a hint; `apply` decides)."""
        ...

    async def history(self, memory_id: str, scope: Scope) -> list[Change]:
        """Return every change of a memory, oldest first; empty if the scope has no such memory."""
        ...

    async def changes(self, id: str, scope: Scope) -> list[Change]:
        """Return the change, or all changes of the batch, with this id, oldest first."""
        ...

    async def batch(self, scope: Scope, idempotency_key: str) -> tuple[str, bytes] | None:
        """Return batch id and fingerprint of an earlier batch with this key and scope, or None."""
        ...

    async def erase(self, scope: Scope, ids: Sequence[str] | None, batch: Batch) -> ErasureReceipt:
        """Remove every copy of the memories or messages *ids*, or (None) of everything that *scope* sees.

        A memory goes with its last source; its id stays as a tombstone. *batch* gives id, time and actor.
        """
        ...

    async def reset(self, tenant: str) -> None:
        """Erase everything of *tenant*, tombstones and history included."""
        ...

    async def usage(self, scope: Scope, since: datetime | None, until: datetime | None) -> Usage:
        """Return what the calls entered for scopes that *scope* sees cost, from *since* to before *until*."""
        ...

    async def dependants(self, ids: Sequence[str], scope: Scope) -> list[MemoryRecord]:
        """Return the visible memories derived from *ids*, directly or by steps, that *scope* sees, oldest first."""
        ...

    async def said_in(self, message_ids: Sequence[str], scope: Scope) -> list[MemoryRecord]:
        """Return the visible memories that *scope* sees with a source among *message_ids*, oldest first.

        The ids are ours or the callers'.
        """
        ...

    async def naming(self, scope: Scope, at: datetime, *, partitions_max: int = 1_000) -> Naming:
        """Return what the visible memories that *scope* sees mention, but for those expired at *at*, and the merges.

        Raises:
            LimitError: the scope reaches memories with names in more than *partitions_max* partitions.
        """
        ...

    async def stats(self, scope: Scope) -> Stats:
        """Return counts of what *scope* sees."""
        ...

    async def dump(
        self, scope: Scope, cursor: str | None, limit: int, *, include_retired: bool = False
    ) -> tuple[list[ArchiveRow], str | None]:
        """Return one page of the archive of what *scope* sees, and where the next begins (None at the end).

        Messages come first, then memories, then changes. Texts of retired memories, and the messages that they
        came from, stay out unless *include_retired*.
        """
        ...

    async def embedder(self) -> EmbedderKey | None:
        """Return the vector space of the store, None while it has no vectors."""
        ...

    async def pending(self, embedder: EmbedderKey, after: int, limit: int) -> list[PendingUnit]:
        """Return units with key above *after* that lack a vector of *embedder*, in key order."""
        ...

    async def store_vectors(self, embedder: EmbedderKey, vectors: Mapping[int, Vector]) -> None:
        """Keep vectors of *embedder* by unit key beside those in use."""
        ...

    async def adopt(self, embedder: EmbedderKey) -> bool:
        """Make *embedder* the store's vector space if no unit lacks its vector; return whether it did."""
        ...

    async def close(self) -> None:
        """Release everything; a second call does nothing."""
        ...


@runtime_checkable
class JobQueue(Protocol):
    """Leases of durable jobs: the narrow second door, beside `Store.apply`."""

    async def claim(
        self, kinds: Sequence[str], limit: int, at: datetime, lease_until: datetime, *, scope: Scope | None = None
    ) -> list[Job]:
        """Lease up to *limit* due jobs, oldest first, one at a time per lane; with *scope*, only what it sees."""
        ...

    async def heartbeat(self, job_id: str, attempts: int, lease_until: datetime) -> bool:
        """Prolong the lease of a job; False if the job is done or was leased again since."""
        ...

    async def finish(self, job_id: str) -> None:
        """Remove a job that is done."""
        ...

    async def retry(self, job_id: str, error: str, due: datetime | None, reply: str | None = None) -> None:
        """Give a job back to be tried at *due*; None keeps it as a dead letter with its error and the raw reply."""
        ...

    async def revive(self, scope: Scope, job_id: str | None, due: datetime) -> int:
        """Let a dead letter that *scope* sees, or (None) all of them, be tried anew; return how many."""
        ...

    async def discard(self, scope: Scope, job_id: str | None) -> int:
        """Remove a dead letter that *scope* sees, or (None) all of them; return how many."""
        ...

    async def jobs(
        self, scope: Scope, ids: Sequence[str] | None = None, *, kinds: Sequence[str] = (), at: datetime
    ) -> list[JobStatus]:
        """Return the jobs that *scope* sees, oldest first; with *ids* or *kinds*, only those. Done ones are gone."""
        ...


@runtime_checkable
class Catalogue(Protocol):
    """Listings for people to look through: bounded pages, whatever the size of the store.

    What was retired or erased is in none of them but `log`, which shows no text of it.
    """

    async def owners(
        self, tenant: str, *, kind: str | None = None, prefix: str = "", cursor: str | None = None, limit: int = 50
    ) -> Listing[Owner]:
        """Return the owners of a tenant by kind and id; with *prefix*, those whose id begins so.

        Who has no visible memory and no message in the ledger is left out.
        """
        ...

    async def conversations(self, scope: Scope, *, cursor: str | None = None, limit: int = 50) -> Listing[Conversation]:
        """Return the conversations that *scope* sees, those of the newest scopes first.

        One of which no message may be shown is left out.
        """
        ...

    async def transcript(
        self, scope: Scope, *, cursor: str | None = None, limit: int = 50, newest_first: bool = False
    ) -> Listing[LedgerMessage]:
        """Return the messages that *scope* sees, partition by partition in the order of their sequence."""
        ...

    async def log(self, scope: Scope, *, cursor: str | None = None, limit: int = 50) -> Listing[Change]:
        """Return the changes that *scope* sees, the newest first: of one user by sequence, else by change id."""
        ...

    async def days(self, scope: Scope, since: datetime, until: datetime) -> list[Day]:
        """Return what was written for the owner of *scope* (without one, for its tenant), by day, oldest first.

        The days are those that end after *since* and begin before *until*, without those on which nothing was written.
        An erase takes nothing back from them, a reset all; what an archive brings counts when it comes.
        """
        ...

    async def queue_counts(self, scope: Scope, at: datetime) -> QueueCounts:
        """Return how many jobs that *scope* sees wait, run or are dead."""
        ...


@runtime_checkable
class ControlPlane(Protocol):
    """A server's own business: the third door, with nothing in it of what was said.

    Writes are durable when they return. Secrets come as SHA-256 digests; only `Webhook.secret` is kept as it is.
    """

    async def put_tenant(self, tenant: Tenant) -> None:
        """Keep a new tenant.

        Raises:
            ConflictError: there is one with this id.
        """
        ...

    async def tenants(self, *, cursor: str | None = None, limit: int = 50) -> Listing[Tenant]:
        """Return the tenants by id; the one without a name of its own, `""`, is always there."""
        ...

    async def drop_tenant(self, tenant: str) -> bool:
        """Remove a tenant's record, keys, sessions, webhooks and replies (`Store.reset` removes its memory).

        False, with nothing removed, if there is none, and for `""`.
        """
        ...

    async def put_key(self, key: ApiKey, digest: bytes) -> None:
        """Keep a new key.

        Raises:
            NotFoundError: there is no such tenant.
            ConflictError: there is a key with this id or digest.
        """
        ...

    async def key(self, digest: bytes) -> ApiKey | None:
        """Return the key with this digest, valid or not."""
        ...

    async def keys(self, tenant: str | None, *, cursor: str | None = None, limit: int = 50) -> Listing[ApiKey]:
        """Return the keys of a tenant (None: of all), the oldest first."""
        ...

    async def end_key(self, tenant: str | None, key_id: str, at: datetime) -> ApiKey | None:
        """Let a key (of *tenant*, or of any) be revoked from *at*, unless it is already; None if there is none."""
        ...

    async def touch_keys(self, used: Mapping[str, datetime]) -> None:
        """Enter when keys, by id, were last used."""
        ...

    async def put_session(self, session: BrowserSession, digest: bytes) -> None:
        """Keep a session of a browser; those that have expired when it was made go.

        Raises:
            NotFoundError: there is no key with its id.
        """
        ...

    async def session(self, digest: bytes) -> tuple[BrowserSession, ApiKey] | None:
        """Return the session with this digest, and its key; neither need be valid still."""
        ...

    async def drop_session(self, digest: bytes) -> None:
        """End a session."""
        ...

    async def enter_audit(self, entries: Sequence[AuditEntry]) -> None:
        """Append to the audit."""
        ...

    async def audit(
        self, tenant: str | None, where: AuditFilter, *, cursor: str | None = None, limit: int = 50
    ) -> Listing[AuditEntry]:
        """Return the audit of a tenant (None: of all), the newest first."""
        ...

    async def put_webhook(self, webhook: Webhook) -> None:
        """Keep a webhook, or put it in the place of the one with its id."""
        ...

    async def webhooks(self, tenant: str) -> list[Webhook]:
        """Return the webhooks of a tenant, the oldest first."""
        ...

    async def drop_webhook(self, tenant: str, id: str) -> bool:
        """Remove a webhook with its deliveries."""
        ...

    async def fan_out(self, at: datetime, limit: int) -> int:
        """Make deliveries for up to *limit* events that no call looked at before; return how many events it was.

        Each event is looked at once, whatever process calls. A webhook gets events from its own making on.
        """
        ...

    async def due_deliveries(self, at: datetime, lease_until: datetime, limit: int) -> list[tuple[Webhook, Delivery]]:
        """Lease deliveries that are due, with the attempt counted; nobody else gets them before *lease_until*."""
        ...

    async def settle_delivery(self, delivery: Delivery) -> bool:
        """Keep what came of an attempt; False if it was settled, leased again or removed since."""
        ...

    async def deliveries(
        self, tenant: str, webhook_id: str, *, cursor: str | None = None, limit: int = 50
    ) -> Listing[Delivery]:
        """Return the deliveries of a webhook, the newest first."""
        ...

    async def redeliver(self, tenant: str, delivery_id: str, due: datetime) -> bool:
        """Let a delivery that is sent or dead be tried anew; False if there is none."""
        ...

    async def begin_reply(
        self, tenant: str, key: bytes, fingerprint: bytes, at: datetime, expires_at: datetime
    ) -> StoredReply | None:
        """Reserve the place of a reply, and return None; or return what is there already.

        *key* is a digest of who asks and of the idempotency key. What expired by *at* is not there.
        """
        ...

    async def keep_reply(self, tenant: str, key: bytes, reply: StoredReply | None) -> None:
        """Fill the place that was reserved; None gives it free. `Store.erase` and `reset` drop a tenant's replies."""
        ...

    async def events(
        self, scope: Scope, *, after: int = 0, limit: int = 100, newest_first: bool = False
    ) -> list[Event]:
        """Return the events that *scope* sees with a sequence above *after*; newest first, below *after* (0: all)."""
        ...

    async def event_of(self, scope: Scope, id: str) -> list[Event]:
        """Return the events that *scope* sees of the batch or job with this id, oldest first."""
        ...

    async def last_event(self) -> int:
        """Return the highest sequence of an event, 0 if there is none."""
        ...

    async def trim(self, before: datetime, *, audit_before: datetime | None = None) -> int:
        """Remove events (but the last), ended deliveries, audit entries and replies from before; return how many.

        With *audit_before*, entries of the audit go if they are from before that.
        """
        ...


class Scratch(Store, JobQueue, Protocol):
    """A store with a queue, to try something in."""


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into vectors of unit length in one space."""

    @property
    def key(self) -> EmbedderKey:
        """The space of its vectors."""
        ...

    async def embed(self, texts: Sequence[str], kind: Literal["query", "document"]) -> list[Vector]:
        """Return one vector a text, in order, from as few calls as the provider allows.

        Raises:
            ProviderError: the provider failed; nothing may be assumed about any of the texts.
        """
        ...


@runtime_checkable
class ChatModel(Protocol):
    """A language model that answers a prompt, with JSON or calls of tools where it is asked for them."""

    @property
    def name(self) -> str:
        """Provider and model, as in `openai:gpt-5-mini`."""
        ...

    async def reply(self, request: ChatRequest) -> ChatReply:
        """Return what the model answers; whether it is what was asked for is for the caller to check.

        Raises:
            ProviderError: the provider failed after its retries.
        """
        ...


class Reranker(Protocol):
    """Scores texts against a query, higher is better."""

    async def rerank(self, query: str, texts: Sequence[str]) -> list[float]:
        """Return one score a text, in order."""
        ...
