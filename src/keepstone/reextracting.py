"""Deriving again: what another prompt or model makes of the ledger, set against what is there, to accept or drop.

The ledger is read into a store of its own, in memory, and distilled there; nothing is changed until the difference is
accepted.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from keepstone import ingest, queueing, receipts
from keepstone.contract import ListQuery, NewId
from keepstone.distilling import DISTILLED_KINDS, Distiller
from keepstone.limits import NO_SPENDING_LIMITS
from keepstone.logic.distillation.planning import signature
from keepstone.logic.ids import bucket, partition
from keepstone.logic.replay import statement_key
from keepstone.operations import (
    AddMemory,
    AppendMessage,
    ArchivedMemory,
    Batch,
    EnterCall,
    NewMemory,
    Operation,
    Retire,
    Supersede,
)
from keepstone.protocols import Embedder, Scratch, Store
from keepstone.queueing import DISTIL, Wish
from keepstone.results import Receipt, Refused
from keepstone.types import Kind, LedgerMessage, MemoryRecord, Scope, Status, Value

REASON = "derived again"
PAGE = 500
LEASE = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reextraction(Value):
    """What deriving again came to: `kept` is there already, `added` is new, `dropped` would go.

    `failures` say what a model could not do; with `stopped`, a spending limit was reached before all was read, and the
    difference cannot be accepted. `rows` are what is new with all that `accept` needs.
    """

    scope: Scope
    model: str
    prompt: str
    kept: tuple[MemoryRecord, ...]
    added: tuple[MemoryRecord, ...]
    dropped: tuple[MemoryRecord, ...]
    refused: tuple[Refused, ...]
    failures: tuple[str, ...]
    receipts: tuple[Receipt, ...]
    stopped: str | None
    rows: tuple[ArchivedMemory, ...]


async def draft(distiller: Distiller, scratch: Scratch, scope: Scope, wish: Wish, now: datetime) -> Reextraction:
    """Return what *distiller* makes of all messages that *scope* sees, against what is there.

    Raises:
        ProviderError: the model or the embedder failed; nothing was changed.
    """
    store = distiller.store
    there = replace(distiller, store=scratch, limits=NO_SPENDING_LIMITS)
    spent: list[Receipt] = []
    refused: list[Refused] = []
    failures: list[str] = []
    stopped = None
    async for batch in _read_into(store, scope, wish, distiller.new_id):
        await scratch.apply(batch)
        for job in await scratch.claim([DISTIL], PAGE, now, now + LEASE):
            stopped = stopped or await receipts.over_limit(store, job.scope, distiller.limits, now)
            if stopped is not None:
                break
            made = await there.run(job, now)
            spent += made.receipts
            refused += made.refused
            failures += [made.reason] if made.status == "failed" and made.reason else []
            await _enter(distiller, job.scope, made.receipts, now)
        if stopped is not None:
            break
    rows = [r async for r in _archive(scratch, Scope(tenant=scope.tenant)) if isinstance(r, ArchivedMemory)]
    made_rows = [r for r in rows if r.record.kind in DISTILLED_KINDS and r.record.status is not Status.RETIRED]
    known = await distilled(store, scope, now)
    same = _matched(made_rows, known)
    return Reextraction(
        scope=scope,
        model=distiller.model.name,
        prompt=spent[0].prompt if spent else "",
        kept=tuple(same.values()),
        added=tuple(r.record for r in made_rows if r.record.id not in same),
        dropped=tuple(r for r in known if r.id not in {k.id for k in same.values()} and _may_go(r)),
        refused=tuple(refused),
        failures=tuple(failures),
        receipts=tuple(spent),
        stopped=stopped,
        rows=tuple(made_rows),
    )


async def accepted(
    drafted: Reextraction, embedder: Embedder | None, known: Sequence[MemoryRecord], now: datetime, new_id: NewId
) -> list[Operation]:
    """Return what makes *drafted* true of a store in which *known* is what was distilled.

    Raises:
        ProviderError: the embedder failed.
    """
    same = {id: r.id for id, r in _matched(drafted.rows, known).items()}
    fresh = [r for r in drafted.rows if r.record.id not in same]
    texts = [(r.record.text, r.record.name, ingest.units(r.record.text, r.record.name)) for r in fresh]
    units = await ingest.embed_units(embedder, texts)
    ids = same | {r.record.id: new_id(now, bucket(r.record.scope)) for r in fresh}
    operations: list[Operation] = []
    for row, of in zip(fresh, units, strict=True):
        record = row.record
        operations.append(
            AddMemory(
                memory=NewMemory(
                    id=ids[record.id],
                    scope=record.scope,
                    text=record.text,
                    kind=record.kind,
                    units=of,
                    metadata=record.metadata,
                    categories=record.categories,
                    language=record.language,
                    role=record.role,
                    name=record.name,
                    sources=row.sources,
                    derived_from=tuple(ids[i] for i in row.derived_from if i in ids),
                    occurred_at=record.occurred_at,
                    valid_from=record.valid_from,
                    valid_to=record.valid_to,
                    expires_at=record.expires_at,
                    importance=record.importance,
                    trust=record.trust,
                    statement_key=statement_key(record.text, record.role, record.name, record.scope),
                    entities=next((r.entities for r in row.revisions if r.number == record.revision), ()),
                )
            )
        )
    operations += [
        Retire(memory_id=r.id, expected_revision=r.revision, reason=REASON, keeps_sources=True) for r in drafted.dropped
    ]
    by_id = {r.id: r for r in known}
    for row in drafted.rows:
        id = ids[row.record.id]
        if row.record.status is Status.SUPERSEDED and (id not in by_id or by_id[id].status is Status.CURRENT):
            newer = ids.get(row.superseded_by or "")
            operations.append(Supersede(memory_id=id, by=newer, at=row.record.valid_to))
    return operations


def _matched(rows: Sequence[ArchivedMemory], known: Sequence[MemoryRecord]) -> dict[str, MemoryRecord]:
    """Which of *known* says what a row says, by the row's id; each stands for one row."""
    free: dict[tuple[object, ...], list[MemoryRecord]] = {}
    for record in known:
        free.setdefault((record.scope, record.kind, signature(record.text)), []).append(record)
    found = {}
    for row in rows:
        same = free.get((row.record.scope, row.record.kind, signature(row.record.text)), [])
        if same:
            found[row.record.id] = same.pop(0)
    return found


def _may_go(record: MemoryRecord) -> bool:
    """What a person has edited stays, and so does what is not believed any more."""
    return record.status is Status.CURRENT and not record.edited


async def _read_into(store: Store, scope: Scope, wish: Wish, new_id: NewId) -> AsyncIterator[Batch]:
    """Yield batches that say in a scratch store what is in the ledger, each with the jobs that read it."""
    messages = [r async for r in _archive(store, scope) if isinstance(r, LedgerMessage)]
    messages.sort(key=lambda m: (partition(m.scope), m.sequence))
    for (exact, at), group in groupby(messages, key=lambda m: (m.scope, m.recorded_at)):
        said = list(group)
        appends = [_append(m, new_id(at, bucket(exact))) for m in said]
        jobs = queueing.distilling(exact, appends, wish, await _beside(store, said, scope), at, new_id)
        id = new_id(at, bucket(exact))
        yield Batch(id=id, tenant=scope.tenant, at=at, actor="", operations=(*appends, *jobs))


async def _beside(store: Store, said: Sequence[LedgerMessage], scope: Scope) -> Mapping[str, Any]:
    """What the first message's episode carries beside its text: what is made of a call's messages gets it."""
    found = [r for r in await store.said_in([said[0].id], scope) if r.kind is Kind.EPISODE]
    if not found:
        return {}
    expires = found[0].expires_at
    own = said[0].metadata
    metadata = {k: v for k, v in found[0].metadata.items() if k not in own}
    return {"metadata": metadata, "expires_at": None if expires is None else expires.isoformat()}


def _append(message: LedgerMessage, memory_id: str) -> AppendMessage:
    memory = NewMemory(
        id=memory_id,
        scope=message.scope,
        text=message.content,
        role=message.role,
        name=message.name,
        occurred_at=message.occurred_at,
    )
    return AppendMessage(
        id=message.id,
        scope=message.scope,
        role=message.role,
        name=message.name,
        content=message.content,
        metadata=message.metadata,
        occurred_at=message.occurred_at,
        external_id=message.external_id,
        content_key=b"",
        replay_key=None,
        join_key=None,
        memory=memory,
    )


async def _archive(store: Store, scope: Scope) -> AsyncIterator[object]:
    cursor: str | None = None
    while True:
        rows, cursor = await store.dump(scope, cursor, PAGE)
        for row in rows:
            yield row
        if cursor is None:
            return


async def distilled(store: Store, scope: Scope, now: datetime) -> list[MemoryRecord]:
    """Return all visible distilled memories that *scope* sees."""
    found: list[MemoryRecord] = []
    cursor: str | None = None
    while True:
        page = await store.get_all(
            ListQuery(scope=scope, at=now, limit=PAGE, cursor=cursor, kinds=DISTILLED_KINDS, include_expired=True)
        )
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


async def _enter(distiller: Distiller, scope: Scope, spent: Sequence[Receipt], now: datetime) -> None:
    place = bucket(scope)
    operations = tuple(EnterCall(id=distiller.new_id(now, place), scope=scope, receipt=r) for r in spent)
    id = distiller.new_id(now, place)
    batch = Batch(id=id, tenant=scope.tenant, at=now, actor=distiller.actor, operations=operations)
    await distiller.store.apply(batch)
