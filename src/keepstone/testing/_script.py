"""Batches and queries as the product makes them, with ids, times and vectors that repeat from run to run."""

from __future__ import annotations

import hashlib
import itertools
import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol, cast

from keepstone.contract import CandidateQuery, EmbedderKey, ListQuery, Vector
from keepstone.logic import replay
from keepstone.logic.ids import bucket, uuid7
from keepstone.logic.passages import passages
from keepstone.logic.text import language, term_counts, tokens
from keepstone.operations import (
    AddMemory,
    AppendEcho,
    AppendMessage,
    ArchivedMemory,
    ArchiveRow,
    Batch,
    Load,
    NewMemory,
    NewUnit,
    Operation,
    Revise,
    SourceSpan,
)
from keepstone.protocols import Catalogue, ControlPlane, JobQueue, Store
from keepstone.stores.inmemory import InMemoryStore
from keepstone.types import Kind, MemoryRecord, Message, Scope

MakeStore = Callable[[], AbstractAsyncContextManager[Store]]

DIMENSIONS = 24
SPACE = EmbedderKey(name="laws", dimensions=DIMENSIONS)
OTHER_SPACE = EmbedderKey(name="laws", dimensions=DIMENSIONS, version="2")

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
ALICE = Scope(user_id="alice")

# Short, so that a sentence or two make a memory of several units.
UNIT_TOKENS = 24


class JobStore(Store, JobQueue, Protocol):
    """What a store that ships with the product is."""


@asynccontextmanager
async def reference() -> AsyncIterator[Store]:
    """Give a fresh in-memory store."""
    store = InMemoryStore()
    yield store
    await store.close()


def jobs_of(store: Store) -> JobQueue:
    """Return the job queue that *store* is as well."""
    return cast(JobStore, store)


def catalogue_of(store: Store) -> Catalogue:
    """Return the catalogue that *store* is as well."""
    return cast(Any, store)  # type: ignore[no-any-return]


def control_of(store: Store) -> ControlPlane:
    """Return the control plane that *store* is as well."""
    return cast(Any, store)  # type: ignore[no-any-return]


def vector(text: str, space: EmbedderKey = SPACE) -> Vector:
    """Return a unit vector in which texts with common tokens are close."""
    total = [0.0] * space.dimensions
    for token in tokens(text) or [text]:
        digest = hashlib.blake2b(f"{space.version} {token}".encode(), digest_size=space.dimensions).digest()
        total = [a + b - 127.5 for a, b in zip(total, digest, strict=True)]
    length = math.hypot(*total) or 1.0
    return [x / length for x in total]


def units(text: str, space: EmbedderKey | None = SPACE) -> tuple[NewUnit, ...]:
    """Return the units of *text*; without vectors if there is no *space*."""
    made = []
    for span in passages(text, UNIT_TOKENS):
        passage = text[span.start : span.end]
        terms, length = term_counts(passage)
        made.append(NewUnit(span=span, terms=terms, length=length, vector=vector(passage, space) if space else None))
    return tuple(made)


class Script:
    """One caller that writes: ids count up, and so does the clock, a second a batch."""

    def __init__(self, scope: Scope = ALICE, space: EmbedderKey | None = SPACE, seed: int = 0) -> None:
        self.scope, self.space = scope, space
        self._seed = seed
        self._ids = itertools.count(1)
        self._seconds = itertools.count()
        self.now = START

    def id(self, scope: Scope | None = None) -> str:
        """Return the next id."""
        count = next(self._ids)
        milliseconds = int(START.timestamp() * 1000) + count
        return uuid7(milliseconds, 0, bucket(scope or self.scope), self._seed << 32 | count)

    def say(
        self,
        content: str,
        *,
        scope: Scope | None = None,
        role: str = "user",
        id: str | None = None,
        timestamp: datetime | None = None,
        **fields: Any,
    ) -> AppendMessage:
        """Return the operation that adds a message and its episode; *fields* are of the memory."""
        scope = scope or self.scope
        message = Message(content=content, role=role, id=id, timestamp=timestamp)
        message_id = self.id(scope)
        statement = replay.statement_key(content, role, None, scope)
        metadata = fields.pop("metadata", {})
        statement = replay.statement_key(content, role, None, scope)
        memory = NewMemory(
            id=self.id(scope),
            scope=scope,
            text=content,
            units=units(content, self.space),
            metadata=metadata,
            language=language(content),
            role=role,
            sources=(SourceSpan(message_id=message_id),),
            occurred_at=timestamp,
            statement_key=statement,
            **fields,
        )
        return AppendMessage(
            id=message_id,
            scope=scope,
            role=role,
            name=None,
            content=content,
            metadata=metadata,
            occurred_at=timestamp,
            external_id=id,
            content_key=replay.content_key(message),
            replay_key=replay.replay_keys([message], scope)[0],
            join_key=replay.join_key(message, statement),
            memory=memory,
        )

    def fact(self, text: str, sources: Sequence[str] = (), *, scope: Scope | None = None, **fields: Any) -> AddMemory:
        """Return the operation that adds a fact distilled from the messages *sources*."""
        scope = scope or self.scope
        memory = NewMemory(
            id=self.id(scope),
            scope=scope,
            text=text,
            kind=fields.pop("kind", Kind.FACT),
            units=units(text, self.space),
            language=language(text),
            sources=tuple(SourceSpan(message_id=s) for s in sources),
            **fields,
        )
        return AddMemory(memory=memory)

    def revise(self, memory_id: str, text: str, **fields: Any) -> Revise:
        """Return the operation that gives a memory a new text."""
        return Revise(
            memory_id=memory_id,
            text=text,
            units=units(text, self.space),
            metadata=fields.pop("metadata", {}),
            expires_at=fields.pop("expires_at", None),
            language=language(text),
            **fields,
        )

    def load(self, row: ArchiveRow, scope: Scope) -> Load:
        """Return the operation that puts an archived row into *scope*."""
        indexed = isinstance(row, ArchivedMemory) and bool(row.record.text)
        text = row.record.text if isinstance(row, ArchivedMemory) else ""
        return Load(row=row, scope=scope, units=units(text, self.space) if indexed else ())

    def batch(self, *operations: Operation, **fields: Any) -> Batch:
        """Return a batch of *operations*, a second later than the one before."""
        self.now = START + timedelta(seconds=next(self._seconds))
        batch: dict[str, Any] = {
            "id": self.id(),
            "tenant": self.scope.tenant,
            "at": self.now,
            "actor": "laws",
            "operations": operations,
            "embedder": self.space if any(map(_brings_vectors, operations)) else None,
            **fields,
        }
        return Batch(**batch)

    def ask(self, text: str, **fields: Any) -> CandidateQuery:
        """Return the query for *text*."""
        query: dict[str, Any] = {
            "scope": self.scope,
            "terms": term_counts(text)[0],
            "vector": vector(text, self.space) if self.space else None,
            "at": self.now,
            "limit": 1_000,
            "embedder": self.space,
            "question": text,
            **fields,
        }
        return CandidateQuery(**query)

    def listing(self, **fields: Any) -> ListQuery:
        """Return the query for one page of everything in the scope."""
        query: dict[str, Any] = {"scope": self.scope, "at": self.now, "limit": 10_000, **fields}
        return ListQuery(**query)


def _brings_vectors(operation: Operation) -> bool:
    if isinstance(operation, AppendEcho):
        return _brings_vectors(operation.message)
    if isinstance(operation, AppendMessage | AddMemory):
        brought = operation.memory.units
    elif isinstance(operation, Revise | Load):
        brought = operation.units or ()
    else:
        return False
    return any(unit.vector is not None for unit in brought)


async def listed(store: Store, script: Script, **fields: Any) -> list[MemoryRecord]:
    """Return every visible memory, page after page."""
    found: list[MemoryRecord] = []
    cursor = None
    while True:
        page = await store.get_all(script.listing(cursor=cursor, **fields))
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


async def archived(store: Store, scope: Scope, *, include_retired: bool = False, limit: int = 50) -> list[ArchiveRow]:
    """Return the whole archive, page after page."""
    found: list[ArchiveRow] = []
    cursor = None
    while True:
        rows, cursor = await store.dump(scope, cursor, limit, include_retired=include_retired)
        found += rows
        if cursor is None:
            return found


async def found(store: Store, script: Script, text: str, **fields: Any) -> set[str]:
    """Return the ids of all candidates for *text*."""
    candidates = await store.candidates(script.ask(text, **fields))
    return {c.memory_id for c in candidates.items}


async def refused(action: Any, error: type[Exception]) -> Exception:
    """Await *action* and return the error of type *error* that it must raise."""
    try:
        result = await action
    except error as raised:
        return raised
    raise AssertionError(f"expected {error.__name__}, got {result!r}")
