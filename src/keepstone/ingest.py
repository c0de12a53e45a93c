"""Writing: messages -> ledger -> memories and changes. Knows the order of things; decides nothing twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from keepstone.contract import NewId
from keepstone.errors import ConflictError
from keepstone.logic import replay
from keepstone.logic.echo import echo_of
from keepstone.logic.ids import bucket
from keepstone.logic.passages import passages
from keepstone.logic.text import language, spoken, term_counts
from keepstone.logic.traits import TIME, traits
from keepstone.logic.vectors import checked
from keepstone.operations import (
    AppendEcho,
    AppendMessage,
    Applied,
    Batch,
    Enqueue,
    NewMemory,
    NewUnit,
    Operation,
    Outcome,
    SourceSpan,
)
from keepstone.protocols import Embedder, Store
from keepstone.queueing import Wish, distilling
from keepstone.results import AddResult, Duplicate
from keepstone.types import Kind, MemoryRecord, Message, Metadata, Scope, Status

if TYPE_CHECKING:
    from keepstone import requests


@dataclass(frozen=True, slots=True, kw_only=True)
class AddRequest:
    """What one call of `add` asks for, checked; `recalled` are ids and texts that its owner was shown lately.

    With a *wish*, a model is to read what is new.
    """

    scope: Scope
    messages: Sequence[Message]
    metadata: Metadata
    expires_at: datetime | None
    idempotency_key: str | None
    infer: bool = True
    recalled: Sequence[tuple[str, str]] = ()
    wish: Wish | None = None


def units(text: str, name: str | None) -> tuple[NewUnit, ...]:
    """Return the units of a memory's text, without vectors; the speaker's name counts in each of them."""
    made = []
    for span in passages(text):
        passage = text[span.start : span.end]
        terms, length = term_counts(spoken(name, passage))
        made.append(NewUnit(span=span, terms=terms, length=length, traits=traits(passage)))
    return tuple(made)


async def embed_units(
    embedder: Embedder | None, wanted: Sequence[tuple[str, str | None, tuple[NewUnit, ...]]]
) -> list[tuple[NewUnit, ...]]:
    """Return the units of each (text, name, units) with their vectors, from one call of the embedder.

    Raises:
        ProviderError: the embedder failed, or gave something else.
    """
    if embedder is None:
        return [u for _, _, u in wanted]
    texts = [spoken(name, text[u.span.start : u.span.end]) for text, name, of in wanted for u in of]
    vectors = iter(await embed(embedder, texts))
    return [tuple(replace(u, vector=next(vectors)) for u in of) for _, _, of in wanted]


async def embed(embedder: Embedder, texts: Sequence[str]) -> Sequence[Sequence[float]]:
    """Return one document vector a text, checked.

    Raises:
        ProviderError: the embedder failed, or gave something else.
    """
    if not texts:
        return []
    return checked(await embedder.embed(texts, "document"), len(texts), embedder.key)


async def add(
    store: Store, embedder: Embedder | None, request: AddRequest, *, now: datetime, new_id: NewId, actor: str
) -> tuple[AddResult, tuple[str, ...]]:
    """Write the messages of *request* to the ledger with their episodes: one transaction, one embedding call.

    Returns the ids of the jobs put into the queue with them, too.

    Raises:
        ConflictError: a caller's id, or the idempotency key, is taken by something else.
        ProviderError: the embedder failed; nothing was stored.
    """
    scope = request.scope
    fingerprint = earlier = None
    if request.idempotency_key is not None:
        fingerprint = _fingerprint(request)
        earlier = await store.batch(scope, request.idempotency_key)
        if earlier is not None and earlier[1] != fingerprint:
            raise ConflictError("This idempotency key was used for another request.")
    # Its patterns take long to compile: a process that only reads must not.
    from keepstone.logic.profile import sections

    # The words of a text are remembered for a moment: what asks for them comes one after the other.
    read = [(units(m.content, m.name), sections(m.content, m.role) if request.infer else ()) for m in request.messages]
    cut, told = [u for u, _ in read], [s for _, s in read]
    began = [_began(m, of, now) for m, of in zip(request.messages, cut, strict=True)]
    # What is there already needs no vector; only messages with an id or a time can be told before they are written.
    there = [earlier is not None] * len(cut)
    if earlier is None and any(m.id is not None or m.timestamp is not None for m in request.messages):
        there = await store.known(_appends(request, cut, began, told, now, new_id))
    echoes = await _echoes(store, request, there, now)
    idle = [old or i in echoes for i, old in enumerate(there)]
    wanted = [(m.content, m.name, u) for m, u, idles in zip(request.messages, cut, idle, strict=True) if not idles]
    embedded = iter(await embed_units(embedder, wanted))
    indexed = [u if idles else next(embedded) for u, idles in zip(cut, idle, strict=True)]
    appends = _appends(request, indexed, began, told, now, new_id)
    from keepstone import requests

    asked = requests.asked(request.messages) if request.infer else {}
    new = {i: r for i, r in asked.items() if not there[i]}
    silent = {appends[i].id for i in echoes}
    wishes = await requests.plan(store, embedder, scope, appends, new, silent=silent, now=now)
    said = [echoes[i](a) if i in echoes else a for i, a in enumerate(appends)]
    jobs: tuple[Enqueue, ...] = ()
    if request.wish is not None and request.infer:
        unread = [a for a, idles in zip(appends, idle, strict=True) if not idles]
        jobs = distilling(scope, unread, request.wish, _extra(request, appends, wishes), now, new_id)
    operations: tuple[Operation, ...] = (*said, *wishes.operations, *jobs)
    batch = Batch(
        id=new_id(now, bucket(scope)),
        tenant=scope.tenant,
        at=now,
        actor=actor,
        operations=operations,
        scope=scope,
        idempotency_key=request.idempotency_key,
        fingerprint=fingerprint,
        embedder=embedder.key if embedder is not None and wanted else None,
    )
    applied = await store.apply(batch)
    return await _result(store, batch, applied, wishes), () if applied.replayed else tuple(j.id for j in jobs)


def _extra(request: AddRequest, appends: Sequence[AppendMessage], wishes: requests.Plan) -> dict[str, Any]:
    """What a job carries beside the messages; `asked` are memories that a request to forget may have meant."""
    expires = request.expires_at
    made = {a.id: a.memory.id for a in appends}
    lowered = [made.get(o.message_id or "") or o.memory_id for o in wishes.operations if o.lower]
    return {
        "metadata": dict(request.metadata),
        "expires_at": None if expires is None else expires.isoformat(),
        "asked": [id for id in lowered if id is not None],
    }


def revision_units(record: MemoryRecord, text: str) -> tuple[NewUnit, ...] | None:
    """Return the units of a memory's new text, None if the text is the one it has."""
    return None if text == record.text else units(text, record.name)


def told(text: str, record: MemoryRecord) -> tuple[str, ...]:
    """Return the sections of a profile that the new text of a memory has statements for; an episode's alone can."""
    from keepstone.logic.profile import sections

    return sections(text, record.role) if record.kind is Kind.EPISODE else ()


def _appends(
    request: AddRequest,
    units_of: Sequence[tuple[NewUnit, ...]],
    began: Sequence[datetime | None],
    told: Sequence[tuple[str, ...]],
    now: datetime,
    new_id: NewId,
) -> list[AppendMessage]:
    scope, place = request.scope, bucket(request.scope)
    keys = replay.replay_keys(request.messages, scope)
    appends = []
    for message, replay_key, of, since, about in zip(request.messages, keys, units_of, began, told, strict=True):
        message_id = new_id(now, place)
        statement = replay.statement_key(message.content, message.role, message.name, scope)
        memory = NewMemory(
            id=new_id(now, place),
            scope=scope,
            text=message.content,
            units=of,
            categories=about,
            metadata={**request.metadata, **message.metadata},
            language=language(message.content),
            role=message.role,
            name=message.name,
            sources=(SourceSpan(message_id=message_id),),
            occurred_at=message.timestamp,
            valid_from=since,
            expires_at=request.expires_at,
            statement_key=statement,
        )
        appends.append(
            AppendMessage(
                id=message_id,
                scope=scope,
                role=message.role,
                name=message.name,
                content=message.content,
                metadata=message.metadata,
                occurred_at=message.timestamp,
                external_id=message.id,
                content_key=b"" if message.id is None else replay.content_key(message),
                replay_key=replay_key,
                join_key=replay.join_key(message, statement),
                memory=memory,
            )
        )
    return appends


def _began(message: Message, cut: Sequence[NewUnit], now: datetime) -> datetime | None:
    """Return when what a message tells of began: the one time that it names, told from when it was said."""
    if not any(unit.traits & TIME for unit in cut):
        return None
    from keepstone.logic.times import find

    named = find(message.content, message.timestamp or now)
    return named[0].start if len(named) == 1 else None


async def _echoes(
    store: Store, request: AddRequest, there: Sequence[bool], now: datetime
) -> dict[int, Callable[[AppendMessage], AppendEcho]]:
    """Return, by place, how to write the messages that only repeat what was recalled and still says the same."""
    made: dict[int, Callable[[AppendMessage], AppendEcho]] = {}
    if not request.infer or not request.recalled:
        return made
    texts = [text for _, text in request.recalled]
    for place, message in enumerate(request.messages):
        echo = None if there[place] else echo_of(message.content, message.role, texts)
        if echo is None:
            continue
        repeated = dict(request.recalled[p] for p in echo.places)
        shown = {r.id: r for r in await store.get(list(repeated), request.scope.of_owner)}
        if any(r.text != repeated[r.id] for r in shown.values()):
            continue
        # What was taken back meanwhile hides its echoes, but a user who says it again means it.
        if not echo.own or all(_holds(shown.get(id), request.scope, now) for id in repeated):
            made[place] = partial(_as_echo, tuple(repeated), echo.own)
    return made


def _holds(record: MemoryRecord | None, scope: Scope, now: datetime) -> bool:
    """Whether a memory is believed, and seen by all who would see one of *scope*, from any session."""
    if record is None or record.status is not Status.CURRENT:
        return False
    if replace(record.scope, run_id=None) != replace(scope, run_id=None):
        return False
    return record.expires_at is None or record.expires_at > now


def _as_echo(ids: tuple[str, ...], own: bool, message: AppendMessage) -> AppendEcho:
    return AppendEcho(message=message, memory_ids=ids, refresh=own)


def _fingerprint(request: AddRequest) -> bytes:
    expires = request.expires_at.isoformat() if request.expires_at else ""
    parts = [_canonical(request.metadata), expires]
    for message in request.messages:
        parts += [replay.content_key(message).hex(), message.id or "", _canonical(message.metadata)]
    return replay.fingerprint(parts)


def _canonical(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), sort_keys=True, ensure_ascii=False)


async def _result(store: Store, batch: Batch, applied: Applied, wishes: requests.Plan) -> AddResult:
    from keepstone import requests

    outcomes = [o for o in applied.outcomes if o.message_id is not None]
    forgotten = requests.forgotten(batch.operations, applied.outcomes, wishes.texts)
    gone = {f.memory_id for f in forgotten}
    hints = requests.suggested(batch.operations, applied.outcomes, wishes.suggestions)
    if any(o.kind == "refreshed" for o in outcomes) or any(h.change_id is not None for h in hints):
        # A later message of this very batch may have joined a memory of it, or ranked it lower: the store knows.
        stored = [o.memory_id for o in outcomes if o.kind == "stored" and o.memory_id is not None]
        records = await store.get(stored, batch.scope or Scope(tenant=batch.tenant))
    else:
        pairs = zip(outcomes, batch.operations, strict=False)
        records = [_record(o, a, batch.at) for o, a in pairs if o.kind == "stored"]
    return AddResult(
        memories=tuple(r for r in records if r.id not in gone),
        messages=tuple(_public_id(o) for o in outcomes if o.kind != "replay"),
        duplicates=tuple(
            Duplicate(
                message_id=_public_id(o),
                memory_id=o.memory_id or "",
                reason=o.kind,
            )
            for o in outcomes
            if o.kind != "stored"
        ),
        batch_id=applied.batch_id,
        forgotten=forgotten,
        suggestions=hints,
    )


def _record(outcome: Outcome, operation: Operation, at: datetime) -> MemoryRecord:
    """The record that the store gives for a memory written just now, without asking it again."""
    # An echo of what was erased meanwhile is written as the message that it is.
    message = operation.message if isinstance(operation, AppendEcho) else operation
    assert isinstance(message, AppendMessage)
    memory = message.memory
    return MemoryRecord(
        id=memory.id,
        text=memory.text,
        kind=memory.kind,
        scope=memory.scope,
        status=Status.CURRENT,
        revision=1,
        sequence=outcome.sequence or 0,
        metadata=memory.metadata,
        categories=memory.categories,
        language=memory.language,
        role=memory.role,
        name=memory.name,
        sources=(_public_id(outcome),),
        occurred_at=memory.occurred_at,
        valid_from=memory.valid_from,
        created_at=at.astimezone(UTC),
        updated_at=at.astimezone(UTC),
        expires_at=memory.expires_at,
    )


def _public_id(outcome: Outcome) -> str:
    return outcome.external_id or outcome.message_id or ""
