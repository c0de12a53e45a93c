"""What the in-memory store holds: frozen rows in dicts, so that copying the dicts is a snapshot.

Rows only; what may be written is decided in `writing.py` and `erasing.py`, what may be seen in `reading.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any, Literal

from keepstone.contract import EmbedderKey
from keepstone.control import Event, EventKind
from keepstone.logic.ids import partition
from keepstone.naming import Mention, Merge
from keepstone.operations import EnterCall, Outcome, SourceSpan
from keepstone.types import Action, Change, LedgerMessage, MemoryRecord, Metadata, Scope, Span, Status

VISIBLE = (Status.CURRENT, Status.SUPERSEDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """One partition's place among those of its tenant, and how far its three sequences have run."""

    name: str
    number: int
    messages: int = 0
    memories: int = 0
    changes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A passage in the index; `key` is unique in the store, `number` counts from 0 in the revision."""

    key: int
    number: int
    span: Span
    terms: Mapping[int, int]
    length: int
    traits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """All that a new revision of a memory changes, and the units that find it."""

    number: int
    text: str | None
    metadata: Metadata
    expires_at: datetime | None
    language: str
    at: datetime
    units: tuple[Unit, ...] = ()
    statement_key: bytes | None = None
    entities: tuple[Mention, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMemory:
    """A memory in any status; `record` is in its current revision, and empty of content once erased.

    What it rests on and what superseded it stand here; in a record they depend on who reads (`deriving`).
    """

    record: MemoryRecord
    revisions: tuple[Revision, ...] = ()
    sources: tuple[SourceSpan, ...] = ()
    derived_from: tuple[str, ...] = ()
    superseded_by: str | None = None
    recency: int = 0
    keeps_sources: bool = False

    @property
    def visible(self) -> bool:
        """Whether any verb but `history` shows it."""
        return self.record.status in VISIBLE

    @property
    def current(self) -> Revision | None:
        """Its current revision, None once erased."""
        return self.revision(self.record.revision)

    def revision(self, number: int | None) -> Revision | None:
        """Return the revision with this number, None if there is none."""
        return next((r for r in self.revisions if r.number == number), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredMessage:
    """A message of the ledger with the keys that tell whether it comes again."""

    message: LedgerMessage
    content_key: bytes
    replay_key: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBatch:
    """What a batch with an idempotency key was and did."""

    id: str
    fingerprint: bytes
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredJob:
    """A job in the queue; `due` is None for a dead letter, `lease_until` unless it is leased."""

    id: str
    scope: Scope
    kind: str
    lane: str
    payload: Mapping[str, Any]
    sequence: int
    created: datetime
    due: datetime | None
    dedupe: str | None = None
    lease_until: datetime | None = None
    claimed: datetime | None = None
    attempts: int = 0
    error: str | None = None
    reply: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """That a message (no action) or a change was written for a scope, and when."""

    scope: Scope
    at: datetime
    action: Action | None


@dataclass(slots=True, kw_only=True)
class Tenant:
    """Everything of one tenant, by id, in the order of writing; merges by partition and the names that they join.

    The last three are found again from the others by `index`: messages by the keys under which they come again,
    memories by the statements they ever made.
    """

    partitions: dict[str, Partition] = field(default_factory=dict)
    messages: dict[str, StoredMessage] = field(default_factory=dict)
    memories: dict[str, StoredMemory] = field(default_factory=dict)
    changes: dict[str, Change] = field(default_factory=dict)
    vectors: dict[tuple[int, EmbedderKey], tuple[float, ...]] = field(default_factory=dict)
    batches: dict[tuple[Scope, str], StoredBatch] = field(default_factory=dict)
    jobs: dict[str, StoredJob] = field(default_factory=dict)
    calls: dict[str, EnterCall] = field(default_factory=dict)
    merges: dict[tuple[str, str, str], Merge] = field(default_factory=dict)
    next_position: dict[Scope, int] = field(default_factory=dict)
    by_external_id: dict[tuple[Scope, str], str] = field(default_factory=dict)
    by_replay_key: dict[tuple[Scope, bytes], str] = field(default_factory=dict)
    by_statement: dict[bytes, tuple[str, ...]] = field(default_factory=dict)

    def copy(self) -> Tenant:
        """Return a tenant with the same rows, in dicts of its own."""
        return Tenant(**{f.name: dict(getattr(self, f.name)) for f in fields(self)})

    def next_sequence(self, scope: Scope, of: Literal["messages", "memories", "changes"]) -> int:
        """Take the next number of one of the three sequences of the partition that *scope* owns."""
        name = partition(scope)
        known = self.partitions.get(name) or Partition(name=name, number=len(self.partitions) + 1)
        value: int = getattr(known, of) + 1
        change: dict[str, Any] = {of: value}
        self.partitions[name] = replace(known, **change)
        return value

    def place(self, scope: Scope, sequence: int) -> tuple[int, int]:
        """Return what orders rows over all partitions: that of the partition, then the sequence in it."""
        return (self.partitions[partition(scope)].number, sequence)

    def put_message(self, stored: StoredMessage) -> None:
        """Keep a message, findable by its keys."""
        message = stored.message
        self.messages[message.id] = stored
        if message.external_id is not None:
            self.by_external_id[message.scope, message.external_id] = message.id
        if stored.replay_key is not None:
            self.by_replay_key.setdefault((message.scope, stored.replay_key), message.id)
        self.next_position[message.scope] = max(self.next_position.get(message.scope, 0), message.position + 1)

    def put_memory(self, stored: StoredMemory) -> None:
        """Keep a memory in place of what had its id, findable by its statements."""
        self.memories[stored.record.id] = stored
        for revision in stored.revisions:
            if revision.statement_key is not None:
                sayers = self.by_statement.get(revision.statement_key, ())
                if stored.record.id not in sayers:
                    self.by_statement[revision.statement_key] = (*sayers, stored.record.id)

    def index(self) -> None:
        """Build what is found from messages and memories again, after some of them went."""
        self.by_external_id, self.by_replay_key, self.by_statement = {}, {}, {}
        for message in self.messages.values():
            self.put_message(message)
        for memory in self.memories.values():
            self.put_memory(memory)

    def shown(self, change: Change) -> Change:
        """Return *change* with the texts of its revisions, as far as they are still there."""
        memory = self.memories[change.memory_id]
        old, new = memory.revision(change.old_revision), memory.revision(change.new_revision)
        return replace(
            change,
            old_text=None if old is None else old.text,
            new_text=None if new is None else new.text,
            details=deepcopy(change.details),
        )


@dataclass(slots=True, kw_only=True)
class State:
    """The whole store: its vector space, its tenants, the last keys given out, and what happened in it."""

    embedder: EmbedderKey | None = None
    tenants: dict[str, Tenant] = field(default_factory=dict)
    last_unit: int = 0
    last_job: int = 0
    last_event: int = 0
    events: tuple[Event, ...] = ()
    written: tuple[Written, ...] = ()

    def tenant(self, name: str) -> Tenant:
        """Return a tenant to read from; an empty one if nothing was written to it."""
        return self.tenants.get(name) or Tenant()

    def copy(self, tenant: str) -> State:
        """Return a state in which *tenant* can be written without a trace in this one."""
        return replace(self, tenants={**self.tenants, tenant: self.tenant(tenant).copy()})

    def happen(
        self, kind: EventKind, scope: Scope, at: datetime, *, batch_id: str | None = None, job_id: str | None = None
    ) -> None:
        """Enter an event."""
        self.last_event += 1
        event = Event(sequence=self.last_event, kind=kind, scope=scope, at=at, batch_id=batch_id, job_id=job_id)
        self.events = (*self.events, event)
