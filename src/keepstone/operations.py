"""The values that a store is asked to write: operations, the batches that hold them, and what became of them.

Only values: `Store.apply` in `protocols.py` carries them out, decisions about them are in `logic/`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from keepstone.contract import EmbedderKey, Vector
from keepstone.naming import Mention, Merge
from keepstone.results import Receipt
from keepstone.types import Change, Kind, LedgerMessage, MemoryRecord, Metadata, Scope, Span, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUnit:
    """A passage to be indexed: its span in the text, its terms with counts, its vector if there is one.

    `length` is in tokens; `vector` has unit length; `traits` are bits of `logic.traits`.
    """

    span: Span
    terms: Mapping[int, int]
    length: int
    vector: Vector | None = None
    traits: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSpan:
    """A part of a ledger message, by our id of it, that a memory came from; None is the whole message.

    An `echo` only repeats the memory: it is no source of its text and is not counted among its sources, but it is
    hidden and erased with it.
    """

    message_id: str
    span: Span | None = None
    echo: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMemory:
    """A memory to be written, with its units.

    `statement_key` says who says what in which scope (`logic.replay`); None keeps it from being joined. `entities` are
    what its text mentions.
    """

    id: str
    scope: Scope
    text: str
    kind: Kind = Kind.EPISODE
    units: tuple[NewUnit, ...] = ()
    metadata: Metadata = field(default_factory=dict)
    categories: tuple[str, ...] = ()
    language: str = "und"
    role: str | None = None
    name: str | None = None
    sources: tuple[SourceSpan, ...] = ()
    derived_from: tuple[str, ...] = ()
    occurred_at: datetime | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    expires_at: datetime | None = None
    importance: float = 0.5
    trust: float = 1.0
    statement_key: bytes | None = None
    entities: tuple[Mention, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendMessage:
    """Write a message to the ledger, and its memory.

    What is there already is found inside the transaction, in this order. The same `external_id` in the same scope:
    a replay if `content_key` is the same, a conflict if not. The same `replay_key` in the same scope: a replay. The
    newest memory of the partition whose `statement_key` is `join_key`, if it is current and not expired: it is
    refreshed, the message is a further source of it, and no memory is added. Keys are 16 bytes or None;
    `content_key` is needed with an `external_id` only. A message joins the conversation of its exact scope, at the
    next position.
    """

    id: str
    scope: Scope
    role: str
    name: str | None
    content: str
    metadata: Metadata
    occurred_at: datetime | None
    external_id: str | None
    content_key: bytes
    replay_key: bytes | None
    join_key: bytes | None
    memory: NewMemory


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendEcho:
    """Write a message to the ledger that only repeats what is remembered: no memory is made from it.

    `memory_ids` are the memories repeated. Replays and conflicts are as for the message itself. With `refresh`, the
    message joins the memory that its `join_key` finds, as any message does, and else the first of them becomes the
    newest. If all of those memories were erased, or the
    one to be refreshed is not current, it is news and is written as the message that it is.
    """

    message: AppendMessage
    memory_ids: tuple[str, ...]
    refresh: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AddMemory:
    """Write a memory that was distilled from messages already in the ledger.

    Messages are named by our ids, or by the callers' ids of the memory's exact scope. What it is derived from must be
    visible and of the same owner; anything else is not found.
    """

    memory: NewMemory


@dataclass(frozen=True, slots=True, kw_only=True)
class Revise:
    """Give a memory a new revision; the old one stays in the history. `units` None keeps those of an equal text.

    `new_categories` join those that the memory has, and stay when the revision is taken back. `entities` are what the
    new text mentions; None keeps those that it still names. Without units, the entities are those of before.
    """

    memory_id: str
    text: str
    units: tuple[NewUnit, ...] | None
    metadata: Metadata
    expires_at: datetime | None
    language: str
    new_categories: tuple[str, ...] = ()
    statement_key: bytes | None = None
    expected_revision: int | None = None
    entities: tuple[Mention, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Revert:
    """Make an earlier revision of a memory the current one again."""

    memory_id: str
    revision: int
    expected_revision: int | None = None
    inverse_of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Supersede:
    """Mark a memory as no longer true since *at*, because of *by* if that is known."""

    memory_id: str
    by: str | None = None
    at: datetime | None = None
    expected_revision: int | None = None
    inverse_of: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Retire:
    """Take a memory back: out of every verb but `history`, and its source spans with it.

    With `keeps_sources`, what was distilled goes alone: it should not have been made, but what was said stays.
    """

    memory_id: str
    expected_revision: int | None = None
    inverse_of: str | None = None
    reason: str | None = None
    keeps_sources: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Forget:
    """Take a memory back because *request*, a message appended earlier in the same batch, asks for it.

    With *lower* it is only marked as superseded since the batch, by nothing: it stays, and ranks lower.

    `memory_id` names the memory, or `message_id` a message appended earlier in the same batch: then the memory made
    from it goes, or the one that it joined. Nothing happens, and the outcome is `replay`, if the request or that
    message was there already, or if no verb but `history` shows the memory any more; with *lower*, also if it is
    superseded. The outcome of what was done has its `change_id`.
    """

    request: str
    memory_id: str | None = None
    message_id: str | None = None
    reason: str | None = None
    lower: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """Let further messages be sources of a memory that says what they say; it becomes the newest, as if said again.

    Messages are named as in AddMemory; those that are sources already are passed over, and if all are, nothing happens
    (`replay`). The change is an UPDATE to the same revision, with the messages in its `details` under `joined`. What
    was said has its own words, so an episode is not joined (InvalidRequestError).
    """

    memory_id: str
    sources: tuple[SourceSpan, ...]
    expected_revision: int | None = None
    reason: str | None = None
    inverse_of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Disjoin:
    """Take back a Join: *message_ids*, ours, are no longer sources of the memory.

    The change is an UPDATE to the same revision. Nothing happens (`replay`) if none of them is one, or if the memory
    would have neither a source nor a memory that it is derived from.
    """

    memory_id: str
    message_ids: tuple[str, ...]
    expected_revision: int | None = None
    inverse_of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """Move the strength of a memory by *value*, within -1 and 1; the change is a FEEDBACK with `strength` in details.

    Recency, revision and `updated_at` stay.
    """

    memory_id: str
    value: float
    reason: str | None = None
    inverse_of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetireScope:
    """Retire every memory that *scope* sees."""

    scope: Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """Bring a retired or superseded memory back to *status*; `valid_to` is set if that is current, else kept.

    With `keeps_validity` it is kept in any case. `began` is the memory that superseded it: if its `valid_from` is when
    this one ceased to hold, it has none again.
    """

    memory_id: str
    status: Status = Status.CURRENT
    valid_to: datetime | None = None
    expected_revision: int | None = None
    keeps_validity: bool = False
    began: str | None = None
    inverse_of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeNames:
    """Take the names `one` and `into`, by their ids in the partition that *scope* owns, to be of one entity.

    NotFoundError unless visible memories that *scope* sees mention both. A merge that is there is a `replay`.
    """

    scope: Scope
    one: str
    into: str
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnmergeNames:
    """Take a MergeNames back, in the partition that *scope* owns; a `replay` if there is none."""

    scope: Scope
    one: str
    into: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Enqueue:
    """Put a job into the durable queue, in the same transaction; `lane` keeps order among its jobs.

    With a `dedupe` key, nothing happens (`replay`) while a job of the same kind and key of the tenant waits or runs.
    """

    id: str
    scope: Scope
    kind: str
    payload: Mapping[str, Any]
    lane: str = ""
    dedupe: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """Remove a job that is done, together with what it did.

    ConflictError if it is not there any more or was leased again since: `attempts` is that of the lease. With an
    `error` it stays as a dead letter instead, with the raw `reply` of the model.
    """

    job_id: str
    attempts: int
    error: str | None = None
    reply: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnterCall:
    """Keep the receipt of one call of a chat model, for `Store.usage`."""

    id: str
    scope: Scope
    receipt: Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedRevision:
    """One revision as the archive carries it; `text` is None where it was retired and may not come back."""

    number: int
    text: str | None
    metadata: Metadata
    expires_at: datetime | None
    language: str
    at: datetime
    entities: tuple[Mention, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedMemory:
    """A memory with all its revisions, in any status, for export and import.

    `sources` name ledger messages by our ids; `recency` orders the partition by what was said last;
    `superseded_by` is a memory's id. `record.text` and all metadata are empty where the text may not come back.
    """

    record: MemoryRecord
    revisions: tuple[ArchivedRevision, ...]
    sources: tuple[SourceSpan, ...]
    derived_from: tuple[str, ...]
    superseded_by: str | None
    recency: int
    keeps_sources: bool = False


# A merge stands in the archive if it joins names of memories that are in it.
ArchiveRow = LedgerMessage | ArchivedMemory | Change | Merge


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Put one archived row back with its ids and times; one whose id is there already is a replay.

    A message comes before the memories made from it, a memory before its changes, merges last; sequences are given
    anew in the order of loading. `units` index the current revision of a memory, `older_units` the earlier ones by
    number.
    """

    row: ArchiveRow
    scope: Scope
    units: tuple[NewUnit, ...] = ()
    older_units: Mapping[int, tuple[NewUnit, ...]] = field(default_factory=dict)
    statement_key: bytes | None = None


Operation = (
    AppendMessage
    | AppendEcho
    | AddMemory
    | Revise
    | Revert
    | Supersede
    | Retire
    | Forget
    | Join
    | Disjoin
    | Feedback
    | RetireScope
    | Restore
    | MergeNames
    | UnmergeNames
    | Enqueue
    | Finish
    | EnterCall
    | Load
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Operations that happen together or not at all.

    With an `idempotency_key`, a second batch with the same key and `scope` does nothing if its `fingerprint` is
    the same and is a conflict if not. `embedder` is the space of the vectors in it; None if it brings none. `details`
    go into every change of the batch.
    """

    id: str
    tenant: str
    at: datetime
    actor: str
    operations: tuple[Operation, ...]
    reason: str | None = None
    scope: Scope | None = None
    idempotency_key: str | None = None
    fingerprint: bytes | None = None
    embedder: EmbedderKey | None = None
    details: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one operation did.

    `stored`: written. `replay`: it was there. `refreshed`: its message is in the ledger and `memory_id` is the
    memory that it joined. `echo`: its message is in the ledger and repeats `memory_id`. `sequence` is that of a
    memory written now; `retired` counts the memories of a RetireScope; `change_id` is the entry of the history that the
    operation made, if it made one.
    """

    kind: Literal["stored", "replay", "refreshed", "echo"]
    memory_id: str | None = None
    message_id: str | None = None
    external_id: str | None = None
    sequence: int | None = None
    retired: int = 0
    change_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What a batch did, operation by operation; `replayed` if the idempotency key had been used before."""

    batch_id: str
    outcomes: tuple[Outcome, ...]
    changes: tuple[str, ...]
    replayed: bool = False
