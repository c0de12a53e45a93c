"""Deriving again: what another prompt or model makes of the ledger, set against what is there, to accept or drop.

The ledger is read into a store of its own, in memory, and distilled there; nothing is changed until the difference is
accepted.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from keepstone import ingest, queueing, receipts
from keepstone.contract import ListQuery, NewId
from keepstone.distilling import DISTILLED_KINDS, Distiller
from keepstone.drafts import Reextraction
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
    Restore,
    Retire,
    Supersede,
)
from keepstone.protocols import Embedder, Scratch, Store
from keepstone.queueing import DISTIL, Wish
from keepstone.results import Receipt, Refused
from keepstone.types import Kind, LedgerMessage, MemoryRecord, Scope, Status

REASON = "derived again"
PAGE = 500
LEASE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class _Held:
    """A distilled memory that is there: with `by_hand` a person wrote what it reads, and `texts` are what it read."""

    record: MemoryRecord
    by_hand: bool = False
    texts: tuple[str, ...] = ()

    @property
    def may_go(self) -> bool:
        """What a person wrote stays, and so does what is not believed any more."""
        return self.record.status is Status.CURRENT and not self.by_hand


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
        # The jobs of one owner are given out one after the other.
        while stopped is None and (jobs := await scratch.claim([DISTIL], 1, now, now + LEASE)):
            job = jobs[0]
            stopped = await receipts.over_limit(store, job.scope, distiller.limits, now)
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
    held = await _held(store, scope, now)
    same = _matched(made_rows, held)
    return Reextraction(
        scope=scope,
        model=distiller.model.name,
        prompt=spent[0].prompt if spent else "",
        kept=tuple(h.record for h in same.values()),
        added=tuple(r.record for r in made_rows if r.record.id not in same),
        dropped=tuple(h.record for h in held if h not in same.values() and h.may_go),
        refused=tuple(refused),
        failures=tuple(failures),
        receipts=tuple(spent),
        stopped=stopped,
        rows=tuple(made_rows),
    )


async def accepted(
    drafted: Reextraction, store: Store, embedder: Embedder | None, now: datetime, new_id: NewId
) -> list[Operation]:
    """Return what makes *drafted* true of *store*; what was taken back since is not brought back.

    Raises:
        ProviderError: the embedder failed.
    """
    held = await _held(store, drafted.scope, now)
    same = _matched(drafted.rows, held)
    fresh = await _still_said([r for r in drafted.rows if r.record.id not in same], store, drafted.scope)
    texts = [(r.record.text, r.record.name, ingest.units(r.record.text, r.record.name)) for r in fresh]
    units = await ingest.embed_units(embedder, texts)
    ids = {id: h.record.id for id, h in same.items()}
    ids |= {r.record.id: new_id(now, bucket(r.record.scope)) for r in fresh}
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
    there = {h.record.id for h in held}
    gone = [r for r in drafted.dropped if r.id in there]
    operations += _believed_again(drafted.rows, same, {r.id for r in gone})
    operations += [
        Retire(memory_id=r.id, expected_revision=r.revision, reason=REASON, keeps_sources=True) for r in gone
    ]
    for row in drafted.rows:
        known, newer = same.get(row.record.id), row.superseded_by
        if row.record.status is not Status.SUPERSEDED or row.record.id not in ids or (newer and newer not in ids):
            continue
        if known is None or known.may_go:
            operations.append(Supersede(memory_id=ids[row.record.id], by=ids.get(newer or ""), at=row.record.valid_to))
    return operations


async def _still_said(rows: Sequence[ArchivedMemory], store: Store, scope: Scope) -> list[ArchivedMemory]:
    """Return the rows whose messages are all still there."""
    wanted = dict.fromkeys(s.message_id for row in rows for s in row.sources)
    there = {m.id for m in await store.messages(list(wanted), scope)}
    return [row for row in rows if all(s.message_id in there for s in row.sources)]


def _believed_again(
    rows: Sequence[ArchivedMemory], same: Mapping[str, _Held], gone: Collection[str]
) -> Iterator[Operation]:
    """Yield what brings back a memory that is only superseded by one that goes."""
    for row in rows:
        known = same.get(row.record.id)
        if row.record.status is not Status.CURRENT or known is None or known.record.superseded_by not in gone:
            continue
        if known.record.status is Status.SUPERSEDED:
            yield Restore(memory_id=known.record.id, valid_to=row.record.valid_to)


def _matched(rows: Sequence[ArchivedMemory], held: Sequence[_Held]) -> dict[str, _Held]:
    """Which of *held* says what a row says, by the row's id; each stands for one row.

    What a person wrote stands for what the memory read before: else that would come back beside it.
    """
    free: dict[tuple[object, ...], list[_Held]] = {}
    for of in held:
        for text in dict.fromkeys((of.record.text, *of.texts)):
            free.setdefault((of.record.scope, of.record.kind, signature(text)), []).append(of)
    found: dict[str, _Held] = {}
    taken: set[str] = set()
    for row in rows:
        alike = free.get((row.record.scope, row.record.kind, signature(row.record.text)), ())
        left = [h for h in alike if h.record.id not in taken]
        if left:
            found[row.record.id] = min(left, key=lambda h: h.record.status is not row.record.status)
            taken.add(found[row.record.id].record.id)
    return found


async def _held(store: Store, scope: Scope, now: datetime) -> list[_Held]:
    """Return all visible distilled memories that *scope* sees, with who wrote what they read."""
    return [
        await _written(store, record, scope) if record.edited else _Held(record)
        for record in await distilled(store, scope, now)
    ]


async def _written(store: Store, record: MemoryRecord, scope: Scope) -> _Held:
    history = await store.history(record.id, scope)
    revised = [c for c in history if c.new_revision != c.old_revision and c.new_text is not None]
    by_hand = bool(revised) and "model" not in revised[-1].details
    return _Held(record, by_hand, tuple(c.new_text or "" for c in revised) if by_hand else ())


async def _read_into(store: Store, scope: Scope, wish: Wish, new_id: NewId) -> AsyncIterator[Batch]:
    """Yield batches that say in a scratch store what is in the ledger, each with the jobs that read it."""
    messages: list[LedgerMessage] = []
    # What only repeats what was recalled is no news, however often it is read.
    echoes: set[str] = set()
    async for row in _archive(store, scope):
        if isinstance(row, LedgerMessage):
            messages.append(row)
        elif isinstance(row, ArchivedMemory):
            echoes.update(s.message_id for s in row.sources if s.echo)
    messages.sort(key=lambda m: (partition(m.scope), m.sequence))
    for (exact, at), group in groupby(messages, key=lambda m: (m.scope, m.recorded_at)):
        said = list(group)
        appends = [_append(m, new_id(at, bucket(exact))) for m in said]
        unread = [a for a in appends if a.id not in echoes]
        jobs = queueing.distilling(exact, unread, wish, await _beside(store, said, scope), at, new_id)
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
