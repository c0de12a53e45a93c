"""Carrying out a batch, operation by operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Any

from keepstone.contract import NewId
from keepstone.errors import ConflictError, EmbedderMismatchError, NotFoundError
from keepstone.logic.ids import partition
from keepstone.operations import (
    AddMemory,
    AppendEcho,
    AppendMessage,
    Applied,
    Batch,
    Disjoin,
    Enqueue,
    EnterCall,
    Feedback,
    Finish,
    Forget,
    Join,
    Load,
    MergeNames,
    NewMemory,
    Operation,
    Outcome,
    Restore,
    Retire,
    RetireScope,
    Revert,
    Revise,
    SourceSpan,
    Supersede,
    UnmergeNames,
)
from keepstone.stores.inmemory import calls, joining, naming, queueing, retiring, revising
from keepstone.stores.inmemory.loading import load
from keepstone.stores.inmemory.state import State, StoredBatch, StoredMemory, StoredMessage
from keepstone.stores.inmemory.transaction import Transaction
from keepstone.types import Action, LedgerMessage, MemoryRecord, Scope, Status

SAID_AGAIN = "said again"

_VERBS: Mapping[type[Any], Callable[[Transaction, Any], Outcome]] = {
    Revise: revising.revise,
    Revert: revising.revert,
    Supersede: retiring.supersede,
    Retire: retiring.retire,
    Forget: retiring.forget,
    RetireScope: retiring.retire_scope,
    Restore: retiring.restore,
    Join: joining.join,
    Disjoin: joining.disjoin,
    Feedback: joining.feedback,
    MergeNames: naming.merge,
    UnmergeNames: naming.unmerge,
    Enqueue: queueing.enqueue,
    Finish: queueing.finish_leased,
    EnterCall: calls.enter,
    Load: load,
}


class Writer(Transaction):
    """A transaction that carries out the operations of its batch."""

    def __init__(self, state: State, batch: Batch, new_id: NewId) -> None:
        super().__init__(state, batch, new_id)
        self._verbs: dict[type[Any], Callable[[Any], Outcome]] = {
            AppendMessage: self._append,
            AppendEcho: self._append_echo,
            AddMemory: self._add,
            **{kind: partial(work, self) for kind, work in _VERBS.items()},
        }

    def apply(self) -> Applied:
        """Carry out the batch, or return what it did when it came for the first time."""
        batch = self.batch
        key = (batch.scope or Scope(tenant=batch.tenant), batch.idempotency_key or "")
        if batch.idempotency_key is not None and (earlier := self.tenant.batches.get(key)):
            return self._replayed(earlier)
        self._enter_vector_space()
        outcomes = tuple(map(self._do, batch.operations))
        self.announce("changes")
        if batch.idempotency_key is not None:
            self.tenant.batches[key] = StoredBatch(id=batch.id, fingerprint=batch.fingerprint or b"", outcomes=outcomes)
        return Applied(batch_id=batch.id, outcomes=outcomes, changes=tuple(self.logged))

    def _do(self, operation: Operation) -> Outcome:
        made = len(self.logged)
        outcome = self._verbs[type(operation)](operation)
        return replace(outcome, change_id=self.logged[-1]) if len(self.logged) == made + 1 else outcome

    def _replayed(self, earlier: StoredBatch) -> Applied:
        if earlier.fingerprint != (self.batch.fingerprint or b""):
            raise ConflictError(
                f"The idempotency key {self.batch.idempotency_key!r} was used for another request.",
                blocking=(earlier.id,),
            )
        outcomes = tuple(replace(o, kind="replay", change_id=None) for o in earlier.outcomes)
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
        self.appended[message.id] = memory_id
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
        self.wrote(scope, None)
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
        self.appended[message.id] = None
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
        sources = tuple(replace(s, message_id=self.message_id(s.message_id, new.scope)) for s in new.sources)
        record = self._put_new(replace(new, sources=sources)).record
        return Outcome(kind="stored", memory_id=record.id, sequence=record.sequence)

    def _ground(self, scope: Scope) -> Callable[[str], str]:
        """Return what checks that a memory is there to rest on: visible, and of the owner of *scope*."""

        def check(id: str) -> str:
            if partition(self.visible(id, None).record.scope) != partition(scope):
                raise NotFoundError(f"There is no memory {id!r}.")
            return id

        return check

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
            revisions=(self.revision_of(record, self.units(new.units), new.statement_key, new.entities),),
            sources=new.sources,
            derived_from=tuple(dict.fromkeys(map(self._ground(new.scope), new.derived_from))),
            recency=self.log(record, Action.ADD, new=1),
        )
        self.tenant.put_memory(memory)
        return memory
