"""The values that cross the waist: what a store is asked to write and find, and what it answers.

Only values: the protocols that use them are in `protocols.py`, decisions about them in `logic/`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from keepstone.filters import Filter
from keepstone.types import Change, Kind, LedgerMessage, MemoryRecord, Metadata, Scope, Span, Status

Vector = Sequence[float]

# Makes an id from the moment and the bucket of the partition (`keepstone.logic.ids`).
NewId = Callable[[datetime, int], str]
Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedderKey:
    """Which vector space a vector is in; vectors of different keys are never compared."""

    name: str
    dimensions: int
    version: str = "1"

    def __str__(self) -> str:
        return f"{self.name} ({self.dimensions} dimensions, version {self.version})"


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

    `statement_key` says who says what in which scope (`logic.replay`); None keeps it from being joined.
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
    """Write a memory that was distilled from messages already in the ledger."""

    memory: NewMemory


@dataclass(frozen=True, slots=True, kw_only=True)
class Revise:
    """Give a memory a new revision; the old one stays in the history. `units` None keeps those of an equal text."""

    memory_id: str
    text: str
    units: tuple[NewUnit, ...] | None
    metadata: Metadata
    expires_at: datetime | None
    language: str
    statement_key: bytes | None = None
    expected_revision: int | None = None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Retire:
    """Take a memory back: out of every verb but `history`, and its source spans with it."""

    memory_id: str
    expected_revision: int | None = None
    inverse_of: str | None = None


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
class RetireScope:
    """Retire every memory that *scope* sees."""

    scope: Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Restore:
    """Bring a retired or superseded memory back to *status*; `valid_to` is set if that is current, else kept."""

    memory_id: str
    status: Status = Status.CURRENT
    valid_to: datetime | None = None
    expected_revision: int | None = None
    inverse_of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Enqueue:
    """Put a job into the durable queue, in the same transaction; `lane` keeps order among its jobs."""

    id: str
    scope: Scope
    kind: str
    payload: Mapping[str, Any]
    lane: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedRevision:
    """One revision as the archive carries it; `text` is None where it was retired and may not come back."""

    number: int
    text: str | None
    metadata: Metadata
    expires_at: datetime | None
    language: str
    at: datetime


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


ArchiveRow = LedgerMessage | ArchivedMemory | Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Put one archived row back with its ids and times; one whose id is there already is a replay.

    A message comes before the memories made from it, a memory before its changes; sequences are given anew in
    the order of loading. `units` index the current revision of a memory, `older_units` the earlier ones by number.
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
    | RetireScope
    | Restore
    | Enqueue
    | Load
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Operations that happen together or not at all.

    With an `idempotency_key`, a second batch with the same key and `scope` does nothing if its `fingerprint` is
    the same and is a conflict if not. `embedder` is the space of the vectors in it; None if it brings none.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one operation did.

    `stored`: written. `replay`: it was there. `refreshed`: its message is in the ledger and `memory_id` is the
    memory that it joined. `echo`: its message is in the ledger and repeats `memory_id`. `sequence` is that of a
    memory written now; `retired` counts the memories of a RetireScope; `change_id` is the entry that a Forget made.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateQuery:
    """What to look for: a query vector of unit length, query terms with counts, and who may be seen.

    `at` decides what has expired. `limit` bounds each signal's list, over all partitions. With `alike`, pairs of
    candidates whose cosine with each other is at least that are reported.
    """

    scope: Scope
    terms: Mapping[int, int]
    vector: Vector | None
    at: datetime
    limit: int
    where: Filter | None = None
    kinds: tuple[Kind, ...] = ()
    include_expired: bool = False
    include_superseded: bool = True
    embedder: EmbedderKey | None = None
    partitions_max: int = 1_000
    alike: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One unit with its raw signals; `cosine` is None for a unit without vector, `bm25` 0 without a match.

    `unit` counts the units of the revision from 0; `length` is in tokens.

    `recency` is the sequence of the change that last added, revised or refreshed the memory: higher was said later.
    `speaker` is the name of who said it, else the role; `at`, when it was said, and `valid_from` are in microseconds
    since 1970. `session` is the sequence of the
    first memory of its stretch of conversation, -1 for what was not said; what follows is 0 without one. `window` is
    the BM25 of the passage and the WINDOW passages on both sides of it, `session_bm25` that of the whole stretch.
    `around` are the best centred cosines of the turn before the last, the last and the next one, as differences from
    the mean of turns (`Conversation`); constants are in `logic.conversation`.
    """

    memory_id: str
    partition: str
    sequence: int
    unit: int
    recency: int
    span: Span
    length: int
    cosine: float | None
    bm25: float
    status: Status
    kind: Kind
    traits: int = 0
    role: str | None = None
    speaker: str = ""
    at: int = 0
    valid_from: int | None = None
    session: int = -1
    window: float = 0.0
    session_bm25: float = 0.0
    around: tuple[float, float, float] = (0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """How what was said in one partition hangs together, seen from one query; over the units that the scope sees.

    `speakers` gives each speaker's mean cosine; a centred cosine is the difference from it, and
    `cosine_deviation` is that of the centred ones. `cosine_lags` are the correlations of the best centred cosine of a
    turn with those one and two turns before it in the same session, `bm25_lag` the same of BM25, one turn before:
    near 0 where neighbours have nothing to do with each other. `words` is the mean length of a unit in words,
    `log_words` the mean of log(1 + words), words counted up to WORDS_COUNTED. Means and deviations of `window` and
    `session_bm25` are over units.
    """

    speakers: Mapping[str, float]
    cosine_deviation: float
    cosine_lags: tuple[float, float]
    bm25_lag: float
    window_mean: float
    window_deviation: float
    session_mean: float
    session_deviation: float
    words: float
    log_words: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Corpus:
    """Statistics of one partition behind its candidates.

    `units`, means and deviations (of the population) are over the units of visible memories that the scope sees,
    before expiry, kinds and filter narrow them, so that a candidate can be told from the crowd; BM25's own counts
    (documents, lengths, document frequencies) are over all visible units of the partition. `bm25_most` is what no
    text can pass for the query, `bm25_top` and `cosine_top` the best of the units that the scope sees, `newest` the
    highest recency among them. Means of cosines are over the units that have a vector, 0 if none has.
    """

    units: int
    cosine_mean: float
    cosine_deviation: float
    bm25_mean: float
    bm25_deviation: float
    bm25_most: float
    bm25_top: float = 0.0
    cosine_top: float | None = None
    newest: int = 0
    conversation: Conversation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Candidate units of all partitions searched, and each partition's statistics, read in one snapshot.

    `alike` holds places in `items` and the cosine of two candidates with each other, each pair once.
    """

    items: tuple[Candidate, ...]
    corpora: Mapping[str, Corpus]
    alike: tuple[tuple[int, int, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """Which memories to list, in the order of partition and sequence."""

    scope: Scope
    at: datetime
    limit: int
    cursor: str | None = None
    where: Filter | None = None
    kinds: tuple[Kind, ...] = ()
    include_expired: bool = False
    include_superseded: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Durable background work, as leased by a worker."""

    id: str
    scope: Scope
    kind: str
    lane: str
    payload: Mapping[str, Any]
    attempts: int
    lease_until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingUnit:
    """A unit that has no vector of the embedder asked for: what to embed, and where the vector belongs."""

    key: int
    text: str
