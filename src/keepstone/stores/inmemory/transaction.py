"""One transaction on a state that nobody else sees yet: what every operation needs to read and write it."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from keepstone.contract import NewId, Vector
from keepstone.control import EventKind
from keepstone.errors import ConflictError, InvalidRequestError, NotFoundError, ScopeError
from keepstone.logic.ids import bucket, partition
from keepstone.naming import Mention
from keepstone.operations import Batch, NewUnit, Outcome, SourceSpan
from keepstone.stores.inmemory.state import Revision, State, StoredMemory, StoredMessage, Unit, Written
from keepstone.types import Action, Change, MemoryRecord, Scope


def halves(vector: Vector) -> tuple[float, ...]:
    """Return *vector* rounded to half precision, in which every engine keeps it."""
    return struct.unpack(f"<{len(vector)}e", struct.pack(f"<{len(vector)}e", *vector))


class Transaction:
    """One batch at work on *state*, its own until whoever made it swaps it in; of no use after an error.

    `appended` holds the memory that each message of the batch became, or joined.
    """

    def __init__(self, state: State, batch: Batch, new_id: NewId) -> None:
        self.state, self.batch, self.new_id = state, batch, new_id
        self.tenant = state.tenants[batch.tenant]
        self.logged: list[str] = []
        self.appended: dict[str, str | None] = {}
        self.changed: dict[Scope, None] = {}
        self.ended: list[tuple[str, Scope, EventKind]] = []

    def wrote(self, scope: Scope, action: Action | None) -> None:
        """Count a change of *scope*, or (None) a message."""
        self.state.written = (*self.state.written, Written(scope=scope, at=self.batch.at, action=action))
        if action is not None:
            self.changed[scope] = None

    def announce(self, kind: EventKind) -> None:
        """Enter an event of *kind* for each scope that was changed, and one for each job that ended."""
        batch = self.batch
        job_id = self.ended[0][0] if self.ended else None
        for scope in self.changed:
            self.state.happen(kind, scope, batch.at, batch_id=batch.id, job_id=job_id)
        for ended, scope, how in self.ended:
            self.state.happen(how, scope, batch.at, batch_id=batch.id, job_id=ended)

    def log(self, record: MemoryRecord, action: Action, **change: Any) -> int:
        """Enter a change of *record* into the history; return its sequence."""
        sequence = self.tenant.next_sequence(record.scope, "changes")
        self.wrote(record.scope, action)
        entry = Change(
            id=self.new_id(self.batch.at, bucket(record.scope)),
            batch_id=self.batch.id,
            sequence=sequence,
            memory_id=record.id,
            action=action,
            old_revision=change.get("old"),
            new_revision=change.get("new"),
            old_text=None,
            new_text=None,
            actor=self.batch.actor,
            reason=change.get("reason") or self.batch.reason,
            at=self.batch.at,
            related_id=change.get("related_id"),
            inverse_of=change.get("inverse_of"),
            details=deepcopy({**self.batch.details, **(change.get("details") or {})}),
        )
        self.tenant.changes[entry.id] = entry
        self.logged.append(entry.id)
        return sequence

    def visible(self, id: str, expected_revision: int | None) -> StoredMemory:
        """Return the memory *id* in its current revision; NotFoundError if no verb but `history` may show it."""
        memory = self.tenant.memories.get(id)
        if memory is None or not memory.visible:
            raise NotFoundError(f"There is no memory {id!r}.")
        self.expect(memory, expected_revision)
        return memory

    def expect(self, memory: StoredMemory, revision: int | None) -> None:
        """Raise ConflictError unless *memory* is at *revision*; None expects nothing."""
        if revision is not None and revision != memory.record.revision:
            raise ConflictError(
                f"Memory {memory.record.id!r} is at revision {memory.record.revision}, not {revision}.",
                blocking=(memory.record.id,),
            )

    def writable(self, scope: Scope) -> Scope:
        """Return *scope* if this batch may write into it."""
        if scope.tenant != self.batch.tenant:
            raise InvalidRequestError("A batch writes to one tenant.")
        if scope.owner is None:
            raise ScopeError("A memory needs a user, agent, app or run.")
        return scope

    def public(self, sources: Sequence[SourceSpan]) -> tuple[str, ...]:
        """Return the ids by which callers know the messages of *sources*, each once."""
        ids = [self.tenant.messages[s.message_id].message.public_id for s in sources if not s.echo]
        return tuple(dict.fromkeys(ids))

    def units(self, units: Sequence[NewUnit]) -> tuple[Unit, ...]:
        """Return *units* with keys of their own, their vectors kept beside."""
        made = []
        for number, unit in enumerate(units):
            self.state.last_unit += 1
            key = self.state.last_unit
            row = Unit(
                key=key,
                number=number,
                span=unit.span,
                terms=dict(unit.terms),
                length=unit.length,
                traits=unit.traits,
            )
            made.append(row)
            if unit.vector is not None:
                space = self.batch.embedder
                if space is None or len(unit.vector) != space.dimensions:
                    raise InvalidRequestError("A vector does not have the dimensions of the batch's embedder.")
                self.tenant.vectors[key, space] = halves(unit.vector)
        return tuple(made)

    def message_id(self, id: str, scope: Scope) -> str:
        """Return our id of a message by ours or the caller's in *scope*; NotFoundError if there is none."""
        known = id if id in self.tenant.messages else self.tenant.by_external_id.get((scope, id))
        if known is None:
            raise NotFoundError(f"There is no message {id!r}.")
        return known

    def revision_of(
        self,
        record: MemoryRecord,
        units: tuple[Unit, ...],
        statement_key: bytes | None,
        entities: tuple[Mention, ...] = (),
    ) -> Revision:
        """Return the revision that *record* is in now."""
        return Revision(
            number=record.revision,
            text=record.text,
            metadata=record.metadata,
            expires_at=record.expires_at,
            language=record.language,
            at=self.batch.at,
            units=units,
            statement_key=statement_key,
            entities=entities,
        )

    def place_of_source(self, source: SourceSpan) -> tuple[int, int, int]:
        """Return what orders the sources of a memory: the message's place, then that of the span in it."""
        message = self.tenant.messages[source.message_id].message
        return (*self.tenant.place(message.scope, message.sequence), -1 if source.span is None else source.span.start)

    def replay_of(self, earlier: StoredMessage) -> Outcome:
        """Return the outcome for a message that is *earlier* again; its memory is its owner's first made from it."""
        message = earlier.message
        told = [m for m in self.tenant.memories.values() if any(s.message_id == message.id for s in m.sources)]
        made = [m.record for m in told if partition(m.record.scope) == partition(message.scope)]
        memory_id = min(made, key=lambda r: r.sequence).id if made else None
        return Outcome(kind="replay", memory_id=memory_id, message_id=message.id, external_id=message.external_id)
