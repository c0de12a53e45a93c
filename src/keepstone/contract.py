"""The values that cross the waist: what a store is asked to write and find, and what it answers.

Only values: the protocols that use them are in `protocols.py`, decisions about them in `logic/`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from keepstone.filters import Filter
from keepstone.types import Kind, Scope, Span, Status

Vector = Sequence[float]

# How many steps `derived_from` is followed, up or down.
DERIVATION_STEPS_MAX = 16


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
class CandidateQuery:
    """What to look for: a query vector of unit length, query terms with counts, and who may be seen.

    `at` decides what has expired. `limit` bounds each signal's list, over all partitions. With `alike`, pairs of
    candidates whose cosine with each other is at least that are reported. `as_of` leaves out what did not hold then,
    `known_at` what was not stored yet then (`Store.get` tells how it read). `question` is the text in which the names
    that the partition knows are looked for.
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
    as_of: datetime | None = None
    known_at: datetime | None = None
    question: str = ""


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
    the mean of turns (`Conversation`); constants are in `logic.conversation`. `strength` is the memory's. `linked` is
    the share of the entities that the question names, by any of their names, that the memory mentions.
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
    strength: float = 0.0
    linked: float = 0.0


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

    `alike` holds places in `items` and the cosine of two candidates with each other, each pair once. `statements`
    gives, for those candidates that are episodes, the visible memories distilled from the same messages, with status.
    `successors` give, for what is superseded among the candidates and those statements, by id, what superseded it; none
    under `known_at`.
    """

    items: tuple[Candidate, ...]
    corpora: Mapping[str, Corpus]
    alike: tuple[tuple[int, int, float], ...] = ()
    statements: Mapping[str, tuple[tuple[str, Status], ...]] = field(default_factory=dict)
    successors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuery:
    """Which memories to list, in the order of partition and sequence.

    With `categorised`, only those that have a category, and of those in each partition the last said or revised first:
    one page, whose `next_cursor` only says that there is more. An episode is left out if all messages that it came from
    are sources of a retired memory: nothing of them may be shown.
    """

    scope: Scope
    at: datetime
    limit: int
    cursor: str | None = None
    where: Filter | None = None
    kinds: tuple[Kind, ...] = ()
    include_expired: bool = False
    include_superseded: bool = True
    categorised: bool = False
    as_of: datetime | None = None
    known_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Durable background work, as leased by a worker; `attempts` counts this lease too."""

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
