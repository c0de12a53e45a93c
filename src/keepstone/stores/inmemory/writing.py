"""Carrying out a batch, operation by operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from typing import Any

from keepstone.contract import NewId
from keepstone.errors import ConflictError, EmbedderMismatchError, InvalidRequestError, NotFoundError
from keepstone.logic.ids import partition
from keepstone.operations import (
    AddMemory,
    AppendEcho,
    AppendMessage,
    Applied,
    Batch,
    Enqueue,
    Forget,
    Load,
    NewMemory,
    Outcome,
    Restore,
    Retire,
    RetireScope,
    Revert,
    Revise,
    SourceSpan,
    Supersede,
)
from keepstone.stores.inmemory.loading import load
from keepstone.stores.inmemory.state import (
    VISIBLE,
    Revision,
    State,
    StoredBatch,
    StoredJob,
    StoredMemory,
    StoredMessage,
    Unit,
)
from keepstone.stores.inmemory.transaction import Transaction
from keepstone.types import Action, LedgerMessage, MemoryRecord, Scope, Status

SAID_AGAIN = "said again"


class Writer(Transaction):
    """A transaction that carries out the operations of its batch."""

    def __init__(self, state: State, batch: Batch, new_id: NewId) -> None:
        super().__init__(state, batch, new_id)
        self._appended: dict[str, str | None] = {}
        self._verbs: Mapping[type[Any], Callable[[Any], Outcome]] = {
            AppendMessage: self._append,
            AppendEcho: self._append_echo,
            AddMemory: self._add,
            Revise: self._revise,
            Revert: self._revert,
            Supersede: self._supersede,
            Retire: self._retire,
            Forget: self._forget,
            RetireScope: self._retire_scope,
            Restore: self._restore,
            Enqueue: self._enqueue,
            Load: lambda operation: load(self, operation),
        }

    def apply(self) -> Applied:
        """Carry out the batch, or return what it did when it came for the first time."""
        batch = self.batch
        key = (batch.scope or Scope(tenant=batch.tenant), batch.idempotency_key or "")
        if batch.idempotency_key is not None and (earlier := self.tenant.batches.get(key)):
            return self._replayed(earlier)
        self._enter_vector_space()
        outcomes = tuple(self._verbs[type(operation)](operation) for operation in batch.operations)
        if batch.idempotency_key is not None:
            self.tenant.batches[key] = StoredBatch(id=batch.id, fingerprint=batch.fingerprint or b"", outcomes=outcomes)
        return Applied(batch_id=batch.id, outcomes=outcomes, changes=tuple(self.logged))

    def _replayed(self, earlier: StoredBatch) -> Applied:
        if earlier.fingerprint != (self.batch.fingerprint or b""):
            raise ConflictError(
                f"The idempotency key {self.batch.idempotency_key!r} was used for another request.",
                blocking=(earlier.id,),
            )
        outcomes = tuple(replace(o, kind="replay") for o in earlier.outcomes if o.memory_id is not None or o.message_id)
        return Applied(batch_id=earlier.id, outcomes=outcomes, changes=(), replayed=True)

    def _enter_vector_space(self) -> None:
        given, stored = self.batch.embedder, self.state.embedder
        if given is not None and stored is not None and given != stored:
            raise EmbedderMismatchError(str(stored), str(given))
        self.state.embedder = stored or given

    def _append(self, operation: AppendMessage) -> Outcome:
        scope = self.writable(operation.scope)
        earlier = self._said_before(operation)
        if earlier is not None:
            return self.replay_of(earlier)
        message = self._put_message(operation, scope)
        source = SourceSpan(message_id=message.id)
        joined = self._joined(operation)
        if joined is not None:
            self._refresh(joined, source)
            memory_id, sequence = joined.record.id, None
        else:
            sources = operation.memory.sources
            if all(s.message_id != message.id for s in sources):
                sources = (source, *sources)
            record = self._put_new(replace(operation.memory, sources=sources)).record
            memory_id, sequence = record.id, record.sequence
        self._appended[message.id] = memory_id
        return Outcome(
            kind="stored" if joined is None else "refreshed",
            memory_id=memory_id,
            message_id=message.id,
            external_id=message.external_id,
            sequence=sequence,
        )

    def _put_message(self, operation: AppendMessage, scope: Scope) -> LedgerMessage:
        message = LedgerMessage(
            id=operation.id,
            external_id=operation.external_id,
            scope=scope,
            role=operation.role,
            name=operation.name,
            content=operation.content,
            metadata=deepcopy(operation.metadata),
            occurred_at=operation.occurred_at,
            recorded_at=self.batch.at,
            position=self.tenant.next_position.get(scope, 0),
            sequence=self.tenant.next_sequence(scope, "messages"),
        )
        stored = StoredMessage(message=message, content_key=operation.content_key, replay_key=operation.replay_key)
        self.tenant.put_message(stored)
        return message

    def _append_echo(self, operation: AppendEcho) -> Outcome:
        said = operation.message
        scope = self.writable(said.scope)
        repeated = [m for i in operation.memory_ids if (m := self.tenant.memories.get(i)) is not None]
        repeated = [m for m in repeated if m.record.status is not Status.ERASED]
        earlier = self._said_before(said)
        stale = operation.refresh and any(m.record.status is not Status.CURRENT for m in repeated[:1])
        joins = operation.refresh and self._joined(said) is not None
        if earlier is not None or not repeated or stale or joins:
            return self._append(said)
        message = self._put_message(said, scope)
        self._appended[message.id] = None
        if operation.refresh:
            self._refresh(repeated[0], SourceSpan(message_id=message.id, echo=True))
        for memory in repeated[1:] if operation.refresh else repeated:
            sources = (*memory.sources, SourceSpan(message_id=message.id, echo=True))
            self.tenant.put_memory(replace(memory, sources=sources))
        return Outcome(
            kind="echo",
            memory_id=repeated[0].record.id,
            message_id=message.id,
            external_id=message.external_id,
        )

    def _said_before(self, operation: AppendMessage) -> StoredMessage | None:
        tenant, scope = self.tenant, operation.scope
        known = None
        if operation.external_id is not None:
            known = tenant.by_external_id.get((scope, operation.external_id))
            if known is not None and tenant.messages[known].content_key != operation.content_key:
                raise ConflictError(
                    f"Message {operation.external_id!r} is in the ledger with other content.", blocking=(known,)
                )
        if known is None and operation.replay_key is not None:
            known = tenant.by_replay_key.get((scope, operation.replay_key))
        return None if known is None else tenant.messages[known]

    def _joined(self, operation: AppendMessage) -> StoredMemory | None:
        """Return the memory that the message says again; only the newest that says it counts."""
        if operation.join_key is None:
            return None
        sayers = [
            memory
            for id in self.tenant.by_statement.get(operation.join_key, ())
            if (memory := self.tenant.memories[id]).current is not None
            and memory.current.statement_key == operation.join_key
            and partition(memory.record.scope) == partition(operation.scope)
        ]
        newest = max(sayers, key=lambda m: m.recency, default=None)
        if newest is None or newest.record.status is not Status.CURRENT:
            return None
        expires_at = newest.record.expires_at
        return newest if expires_at is None or expires_at > self.batch.at else None

    def _refresh(self, memory: StoredMemory, source: SourceSpan) -> None:
        number = memory.record.revision
        recency = self.log(memory.record, Action.UPDATE, old=number, new=number, reason=self.batch.reason or SAID_AGAIN)
        sources = (*memory.sources, source)
        record = replace(memory.record, sources=self.public(sources), updated_at=self.batch.at)
        self.tenant.put_memory(replace(memory, record=record, sources=sources, recency=recency))

    def _add(self, operation: AddMemory) -> Outcome:
        new = operation.memory
        sources = tuple(replace(s, message_id=self._message_id(s.message_id, new.scope)) for s in new.sources)
        record = self._put_new(replace(new, sources=sources)).record
        return Outcome(kind="stored", memory_id=record.id, sequence=record.sequence)

    def _message_id(self, id: str, scope: Scope) -> str:
        known = id if id in self.tenant.messages else self.tenant.by_external_id.get((scope, id))
        if known is None:
            raise NotFoundError(f"There is no message {id!r}.")
        return known

    def _put_new(self, new: NewMemory) -> StoredMemory:
        if new.id in self.tenant.memories:
            raise ConflictError(f"There is a memory {new.id!r} already.", blocking=(new.id,))
        record = MemoryRecord(
            id=new.id,
            text=new.text,
            kind=new.kind,
            scope=self.writable(new.scope),
            status=Status.CURRENT,
            revision=1,
            sequence=self.tenant.next_sequence(new.scope, "memories"),
            metadata=deepcopy(new.metadata),
            categories=new.categories,
            language=new.language,
            role=new.role,
            name=new.name,
            sources=self.public(new.sources),
            occurred_at=new.occurred_at,
            valid_from=new.valid_from,
            valid_to=new.valid_to,
            created_at=self.batch.at,
            updated_at=self.batch.at,
            expires_at=new.expires_at,
            importance=new.importance,
            trust=new.trust,
        )
        memory = StoredMemory(
            record=record,
            revisions=(self._revision_of(record, self.units(new.units), new.statement_key),),
            sources=new.sources,
            derived_from=new.derived_from,
            recency=self.log(record, Action.ADD, new=1),
        )
        self.tenant.put_memory(memory)
        return memory

    def _revise(self, operation: Revise) -> Outcome:
        memory = self.visible(operation.memory_id, operation.expected_revision)
        number = max(r.number for r in memory.revisions) + 1
        record = replace(
            memory.record,
            text=operation.text,
            metadata=deepcopy(operation.metadata),
            expires_at=operation.expires_at,
            language=operation.language,
            revision=number,
            edited=True,
            updated_at=self.batch.at,
        )
        revision = self._revision_of(record, self._revised_units(memory, operation), operation.statement_key)
        recency = self.log(record, Action.UPDATE, old=memory.record.revision, new=number)
        self.tenant.put_memory(replace(memory, record=record, revisions=(*memory.revisions, revision), recency=recency))
        return Outcome(kind="stored", memory_id=record.id)

    def _revised_units(self, memory: StoredMemory, operation: Revise) -> tuple[Unit, ...]:
        if operation.units is not None:
            return self.units(operation.units)
        if memory.current is None or operation.text != memory.record.text:
            raise InvalidRequestError("A new text needs units of its own.")
        return memory.current.units

    def _revert(self, operation: Revert) -> Outcome:
        memory = self.visible(operation.memory_id, operation.expected_revision)
        earlier = memory.revision(operation.revision)
        if earlier is None or earlier.text is None:
            raise NotFoundError(f"Memory {operation.memory_id!r} has no revision {operation.revision}.")
        recency = self.log(
            memory.record,
            Action.UPDATE,
            old=memory.record.revision,
            new=earlier.number,
            inverse_of=operation.inverse_of,
        )
        record = replace(
            memory.record,
            text=earlier.text,
            metadata=earlier.metadata,
            expires_at=earlier.expires_at,
            language=earlier.language,
            revision=earlier.number,
            edited=earlier.number > 1,
            updated_at=self.batch.at,
        )
        self.tenant.put_memory(replace(memory, record=record, recency=recency))
        return Outcome(kind="stored", memory_id=record.id)

    def _supersede(self, operation: Supersede) -> Outcome:
        memory = self.visible(operation.memory_id, operation.expected_revision)
        if operation.by == operation.memory_id:
            raise InvalidRequestError("A memory cannot supersede itself.")
        if operation.by == operation.memory_id:
            raise InvalidRequestError("A memory cannot supersede itself.")
        since = operation.at or self.batch.at
        if operation.by is not None:
            successor = self.visible(operation.by, None)
            valid_from = successor.record.valid_from or since
            self.tenant.put_memory(replace(successor, record=replace(successor.record, valid_from=valid_from)))
        number = memory.record.revision
        self.log(
            memory.record,
            Action.SUPERSEDE,
            old=number,
            new=number,
            related_id=operation.by,
            inverse_of=operation.inverse_of,
        )
        record = replace(memory.record, status=Status.SUPERSEDED, valid_to=since, updated_at=self.batch.at)
        self.tenant.put_memory(replace(memory, record=record, superseded_by=operation.by))
        return Outcome(kind="stored", memory_id=record.id)

    def _retire(self, operation: Retire) -> Outcome:
        memory = self.visible(operation.memory_id, operation.expected_revision)
        self._take_back(memory, operation.inverse_of)
        return Outcome(kind="stored", memory_id=memory.record.id)

    def _forget(self, operation: Forget) -> Outcome:
        id = operation.memory_id if operation.message_id is None else self._appended.get(operation.message_id)
        memory = None if id is None else self.tenant.memories.get(id)
        if operation.request not in self._appended or memory is None or not memory.visible:
            return Outcome(kind="replay", memory_id=id)
        if operation.lower:
            return self._rank_lower(memory, operation.reason)
        self._take_back(memory, None, operation.reason)
        return Outcome(kind="stored", memory_id=id, retired=1, change_id=self.logged[-1])

    def _rank_lower(self, memory: StoredMemory, reason: str | None) -> Outcome:
        if memory.record.status is Status.SUPERSEDED:
            return Outcome(kind="replay", memory_id=memory.record.id)
        number, at = memory.record.revision, self.batch.at
        self.log(memory.record, Action.SUPERSEDE, old=number, new=number, reason=reason)
        record = replace(memory.record, status=Status.SUPERSEDED, valid_to=at, updated_at=at)
        self.tenant.put_memory(replace(memory, record=record, superseded_by=None))
        return Outcome(kind="stored", memory_id=record.id, change_id=self.logged[-1])

    def _retire_scope(self, operation: RetireScope) -> Outcome:
        if operation.scope.tenant != self.batch.tenant:
            raise InvalidRequestError("A batch writes to one tenant.")
        seen = [m for m in self.tenant.memories.values() if m.visible and operation.scope.sees(m.record.scope)]
        for memory in sorted(seen, key=lambda m: self.tenant.place(m.record.scope, m.record.sequence)):
            self._take_back(memory, None)
        return Outcome(kind="stored", retired=len(seen))

    def _take_back(self, memory: StoredMemory, inverse_of: str | None, reason: str | None = None) -> None:
        self.log(memory.record, Action.DELETE, old=memory.record.revision, inverse_of=inverse_of, reason=reason)
        record = replace(memory.record, status=Status.RETIRED, updated_at=self.batch.at)
        self.tenant.put_memory(replace(memory, record=record))

    def _restore(self, operation: Restore) -> Outcome:
        memory = self.tenant.memories.get(operation.memory_id)
        if memory is None or memory.record.status is Status.ERASED:
            raise NotFoundError(f"There is no memory {operation.memory_id!r}.")
        self.expect(memory, operation.expected_revision)
        if operation.status not in VISIBLE:
            raise InvalidRequestError(f"A memory cannot be restored to {operation.status.value}.")
        if memory.record.status is Status.CURRENT:
            raise ConflictError(f"Memory {operation.memory_id!r} is current.", blocking=(memory.record.id,))
        if memory.current is None or memory.current.text is None:
            raise ConflictError(
                f"The text of memory {operation.memory_id!r} was not brought here.", blocking=(memory.record.id,)
            )
        number = memory.record.revision
        self.log(memory.record, Action.RESTORE, new=number, inverse_of=operation.inverse_of)
        record = replace(
            memory.record,
            status=operation.status,
            valid_to=operation.valid_to if operation.status is Status.CURRENT else memory.record.valid_to,
            updated_at=self.batch.at,
        )
        by = memory.superseded_by if operation.status is Status.SUPERSEDED else None
        self.tenant.put_memory(replace(memory, record=record, superseded_by=by))
        return Outcome(kind="stored", memory_id=record.id)

    def _enqueue(self, operation: Enqueue) -> Outcome:
        if operation.id in self.tenant.jobs:
            return Outcome(kind="replay")
        self.state.last_job += 1
        self.tenant.jobs[operation.id] = StoredJob(
            id=operation.id,
            scope=operation.scope,
            kind=operation.kind,
            lane=operation.lane,
            payload=deepcopy(operation.payload),
            sequence=self.state.last_job,
            due=self.batch.at,
        )
        return Outcome(kind="stored")

    def _revision_of(self, record: MemoryRecord, units: tuple[Unit, ...], statement_key: bytes | None) -> Revision:
        return Revision(
            number=record.revision,
            text=record.text,
            metadata=record.metadata,
            expires_at=record.expires_at,
            language=record.language,
            at=self.batch.at,
            units=units,
            statement_key=statement_key,
        )
