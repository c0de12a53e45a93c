"""The values that go in and out of Keepstone: frozen, without behaviour beyond reading themselves.

Times are aware datetimes; texts are NFC without NUL or lone surrogates; our ids are UUIDv7 strings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import date, datetime
from enum import Enum, StrEnum
from typing import Any, Generic, Literal, TypeVar

Metadata = Mapping[str, Any]
T = TypeVar("T")

OWNER_KINDS = ("user", "agent", "app", "run")


class Kind(StrEnum):
    """What sort of statement a memory is (design vocabulary)."""

    EPISODE = "episode"
    FACT = "fact"
    PROCEDURE = "procedure"
    PROFILE = "profile"
    SUMMARY = "summary"


class Status(StrEnum):
    """Whether a memory is believed (`current`), was (`superseded`), was taken back (`retired`) or erased."""

    CURRENT = "current"
    SUPERSEDED = "superseded"
    RETIRED = "retired"
    ERASED = "erased"


class Action(StrEnum):
    """What one entry of the history did."""

    ADD = "ADD"
    UPDATE = "UPDATE"
    SUPERSEDE = "SUPERSEDE"
    DELETE = "DELETE"
    RESTORE = "RESTORE"
    EXPIRE = "EXPIRE"
    ERASE = "ERASE"
    FEEDBACK = "FEEDBACK"


def plain(value: Any) -> Any:
    """Return *value* as JSON-ready dicts, lists, strings and numbers; datetimes become ISO 8601."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(v) for v in value]
    return value


class Value:
    """What every value can do."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the value as JSON-ready dicts and lists."""
        result: dict[str, Any] = plain(self)
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope(Value):
    """Whose memory: any subset of the four ids inside one tenant.

    A query sees a memory if every id that it gives equals the memory's; ids that it does not give match
    anything. The owner (user, else agent, app, run) decides the partition that a memory lives in.
    """

    tenant: str = ""
    user_id: str | None = None
    agent_id: str | None = None
    app_id: str | None = None
    run_id: str | None = None

    @property
    def ids(self) -> tuple[str | None, str | None, str | None, str | None]:
        """User, agent, app and run id, in this order."""
        return (self.user_id, self.agent_id, self.app_id, self.run_id)

    @property
    def is_empty(self) -> bool:
        """True if no id is given: the whole tenant."""
        return not any(i is not None for i in self.ids)

    @property
    def owner(self) -> tuple[str, str] | None:
        """Kind and id of the owner of what is added with this scope; None if it is empty."""
        return next(((k, i) for k, i in zip(OWNER_KINDS, self.ids, strict=True) if i is not None), None)

    @property
    def of_owner(self) -> Scope:
        """The scope of everything that the owner has: the owner's id and no other."""
        kind, id = self.owner or ("", None)
        return Scope(tenant=self.tenant, **{f"{k}_id": id for k in OWNER_KINDS if k == kind})

    @property
    def without_session(self) -> Scope:
        """The same scope over all sessions; of a scope that is a session and nothing else, itself."""
        longer = replace(self, run_id=None)
        return self if longer.is_empty else longer

    def sees(self, other: Scope) -> bool:
        """True if a query with this scope sees a memory that was added with *other*."""
        return self.tenant == other.tenant and all(
            a is None or a == b for a, b in zip(self.ids, other.ids, strict=True)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(Value):
    """One utterance, as the caller gives it.

    `id` is the caller's own and is kept; `timestamp` is aware, None if the time is not known.
    """

    content: str
    role: str = "user"
    name: str | None = None
    id: str | None = None
    timestamp: datetime | None = None
    metadata: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerMessage(Value):
    """One utterance as it stands in the ledger; never changed, only erased.

    `external_id` is the caller's id; `position` counts from 0 in its conversation; `sequence` in its partition.
    """

    id: str
    external_id: str | None
    scope: Scope
    role: str
    name: str | None
    content: str
    metadata: Metadata
    occurred_at: datetime | None
    recorded_at: datetime
    position: int
    sequence: int

    @property
    def public_id(self) -> str:
        """The id by which callers know it: their own if they gave one, else ours."""
        return self.external_id or self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Span(Value):
    """A half-open range of characters in a text."""

    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRecord(Value):
    """One retrievable statement, in its current revision.

    `sources` are ids of ledger messages (the caller's where given). `valid_from` and `valid_to` bound when it
    holds in the world, `created_at` and `updated_at` when Keepstone learned it. `sequence` orders the
    partition; `importance` and `trust` go from 0 to 1, `strength`, what feedback and recall made of it, from -1 to 1.
    `derived_from` are memories that it rests on; `review` those of them, and of what they rest on, that fell since it
    was last changed.
    """

    id: str
    text: str
    kind: Kind
    scope: Scope
    status: Status
    revision: int
    sequence: int
    metadata: Metadata
    categories: tuple[str, ...] = ()
    language: str = "und"
    role: str | None = None
    name: str | None = None
    sources: tuple[str, ...] = ()
    occurred_at: datetime | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None = None
    importance: float = 0.5
    trust: float = 1.0
    edited: bool = False
    strength: float = 0.0
    superseded_by: str | None = None
    derived_from: tuple[str, ...] = ()
    review: tuple[str, ...] = ()

    @property
    def user_id(self) -> str | None:
        """The user in its scope."""
        return self.scope.user_id

    @property
    def agent_id(self) -> str | None:
        """The agent in its scope."""
        return self.scope.agent_id

    @property
    def app_id(self) -> str | None:
        """The application in its scope."""
        return self.scope.app_id

    @property
    def run_id(self) -> str | None:
        """The session in its scope."""
        return self.scope.run_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal(Value):
    """One reason for a hit's place: the raw value, what it added to the rank, and its rank alone (from 1)."""

    name: str
    value: float
    contribution: float
    rank: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation(Value):
    """Why a hit stands where it stands: its signals, the fused value, and the time spent in each stage (ms)."""

    signals: tuple[Signal, ...]
    fused: float
    timings_ms: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence(Value):
    """The part of an episode that says what a fact says."""

    memory_id: str
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit(Value):
    """A memory found by a search.

    `score` from 0 to 1 means the same in every query of one embedder. `span` is the part of `text` that
    matched: the whole, or the best passage of a long memory. `sources` are message ids. A fact and the episode that
    says it are one hit, the fact's: `evidence` are the spans of those episodes. `outdated` marks what was superseded,
    and an episode whose facts all were.
    """

    id: str
    text: str
    score: float
    span: Span
    memory: MemoryRecord
    sources: tuple[str, ...]
    explanation: Explanation | None = None
    evidence: tuple[Evidence, ...] = ()
    outdated: bool = False

    @property
    def passage(self) -> str:
        """The part of the text that matched."""
        return self.text[self.span.start : self.span.end]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Value):
    """One page of memories in the order of their sequence; `next_cursor` is None on the last."""

    items: tuple[MemoryRecord, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Value, Generic[T]):
    """One page of values; `next_cursor` is None on the last."""

    items: tuple[T, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change(Value):
    """One entry of the history.

    `old_text` and `new_text` are None where there is no such revision, or where it was erased. `inverse_of`
    is the change that this one undid, `related_id` the memory that superseded this one. `details` say where a change
    came from (model, prompt, strategy, job), or what else it did (`joined`: message ids that became sources;
    `strength`: before and after).
    """

    id: str
    batch_id: str
    sequence: int
    memory_id: str
    action: Action
    old_revision: int | None
    new_revision: int | None
    old_text: str | None
    new_text: str | None
    actor: str
    reason: str | None
    at: datetime
    related_id: str | None = None
    inverse_of: str | None = None
    details: Metadata = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureReceipt(Value):
    """What an `erase` removed, and the proof.

    `bytes_scanned` over `files` were searched for `fragments` pieces of the erased text after the erase;
    `residue` counts what was still found, 0 if `verified`. `tombstones` are the ids of the ERASE changes.
    """

    memories: int
    messages: int
    changes: int
    units: int
    files: tuple[str, ...]
    bytes_scanned: int
    fragments: int
    residue: int
    verified: bool
    at: datetime
    tombstones: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats(Value):
    """Counts of what is stored in a scope, and how.

    `unembedded` units have no vector of the store's embedder; `bytes` is the size of all files, None where
    the store has none.
    """

    messages: int
    memories: int
    superseded: int
    retired: int
    erased: int
    changes: int
    units: int
    unembedded: int
    partitions: int
    embedder: str | None
    schema_version: int
    bytes: int | None
    path: str | None


# How a context is written, and what counts its tokens.
ContextFormat = Literal["text", "markdown", "xml", "messages"]
TokenCounter = Callable[[str], int]

LeftOutReason = Literal["budget", "duplicate", "covered"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation(Value):
    """A memory that a context shows, and where.

    `place` is the span of its line in `Context.text`, `spans` are the parts of the memory's text that it shows,
    `sources` are message ids. `score` is that of the hit, None for a memory that stands there whatever is asked.
    """

    memory_id: str
    kind: Kind
    status: Status
    sources: tuple[str, ...]
    spans: tuple[Span, ...]
    place: Span
    score: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut(Value):
    """A memory that was found and is not in the context, and why.

    `budget`: no room. `duplicate`: the same speaker says the same words in a memory that is there, `other_id`.
    `covered`: the statement `other_id`, which is there, came from the same message and says it. `score` as in
    `Citation`.
    """

    memory_id: str
    reason: LeftOutReason
    score: float | None
    other_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Context(Value):
    """Memories fitted into a token budget, as text for a prompt, and what they are; `str()` gives the text.

    `tokens` is what the counter says of `text`, never more than `max_tokens`. `text[:prefix_end]` does not depend on
    the query. `citations` are in the order of the text, `left_out` best first. `messages` are the same text as chat
    messages, empty in the other formats.
    """

    text: str
    tokens: int
    max_tokens: int
    prefix_end: int
    citations: tuple[Citation, ...]
    left_out: tuple[LeftOut, ...]
    messages: tuple[Mapping[str, str], ...] = ()

    def __str__(self) -> str:
        return self.text
