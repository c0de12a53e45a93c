"""Carrying steps out: from what was planned to operations of a store, with units and vectors."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from keepstone import door, ingest
from keepstone.contract import Job, NewId
from keepstone.logic.distillation.material import Material
from keepstone.logic.distillation.planning import Step, mentions_of
from keepstone.logic.ids import bucket
from keepstone.logic.replay import statement_key
from keepstone.logic.text import language
from keepstone.operations import (
    AddMemory,
    Join,
    NewMemory,
    NewUnit,
    Operation,
    Retire,
    Revise,
    SourceSpan,
    Supersede,
)
from keepstone.protocols import Embedder, Store
from keepstone.telling import companions
from keepstone.types import MemoryRecord, Status

# What limits a person is wanted whatever the question: it stands in every context.
IMPORTANT_SECTIONS = ("constraints",)
IMPORTANT = 0.7


class Carrier:
    """Turns the steps of one job into operations."""

    def __init__(self, store: Store, embedder: Embedder | None, job: Job, now: datetime, new_id: NewId) -> None:
        self._store, self._embedder, self._job, self._now, self._new_id = store, embedder, job, now, new_id
        self._made: list[Operation] = []
        # Public ids of the messages read, by our ids.
        self._public: dict[str, str] = {}
        # Revisions that the operations before expect: a memory may be touched twice.
        self._touched: set[str] = set()

    async def operations(self, steps: Sequence[Step], material: Material) -> list[Operation]:
        """Return what carries *steps* out, in order.

        Raises:
            ProviderError: the embedder failed.
        """
        self._public = {p.message.id: p.message.public_id for p in material.new}
        known = {h: r.id for h, r in material.known_by_handle().items()}
        names = {p.message.id: p.message.name for p in material.new}
        texts = [
            (s.proposal.text, self._name(s, names), ingest.units(s.proposal.text, self._name(s, names)))
            for s in steps
            if s.kind in ("add", "revise")
        ]
        units = iter(await ingest.embed_units(self._embedder, texts))
        for step in steps:
            if step.kind == "add":
                self._add(step, next(units), self._name(step, names), [known[h] for h in step.proposal.rests_on])
            elif step.kind == "revise":
                self._revise(step, next(units))
            elif step.kind == "join":
                self._join(step)
            else:
                await self._retire(step)
        return self._made

    @staticmethod
    def _name(step: Step, names: dict[str, str | None]) -> str | None:
        """Who said it, if one person did."""
        said = {names.get(s.message_id) for s in step.sources}
        return said.pop() if len(said) == 1 else None

    def _add(self, step: Step, units: tuple[NewUnit, ...], name: str | None, rests_on: Sequence[str]) -> None:
        proposal, now, payload = step.proposal, self._now, self._job.payload
        scope = self._job.scope
        id = self._new_id(now, bucket(scope))
        memory = NewMemory(
            id=id,
            scope=scope,
            text=proposal.text,
            kind=proposal.kind,
            units=units,
            metadata=payload.get("metadata") or {},
            categories=(proposal.section,),
            language=language(proposal.text),
            name=name,
            sources=step.sources,
            derived_from=tuple(dict.fromkeys(rests_on)),
            occurred_at=step.said_at,
            valid_from=step.start,
            valid_to=step.end,
            expires_at=door.moment(payload.get("expires_at"), "expires_at"),
            importance=IMPORTANT if proposal.section in IMPORTANT_SECTIONS else 0.5,
            trust=proposal.confidence,
            statement_key=statement_key(proposal.text, None, name, scope),
            entities=mentions_of(proposal),
        )
        self._made.append(AddMemory(memory=memory))
        if step.target is not None:
            self._supersede(step, step.target, id)
        elif step.end is not None and step.end <= now:
            self._made.append(Supersede(memory_id=id, at=step.end))

    def _supersede(self, step: Step, target: MemoryRecord, new: str) -> None:
        since = step.start or step.said_at or self._now
        if step.is_older:
            held_until = target.valid_from or target.occurred_at or self._now
            self._made.append(Supersede(memory_id=new, by=target.id, at=held_until))
        elif target.status is Status.CURRENT and target.id not in self._touched:
            self._touched.add(target.id)
            expected = target.revision
            self._made.append(Supersede(memory_id=target.id, by=new, at=since, expected_revision=expected))

    def _revise(self, step: Step, units: tuple[NewUnit, ...]) -> None:
        target = step.target
        assert target is not None
        if target.id in self._touched:
            return
        self._touched.add(target.id)
        self._made.append(
            Revise(
                memory_id=target.id,
                text=step.proposal.text,
                units=units,
                metadata=target.metadata,
                expires_at=target.expires_at,
                language=language(step.proposal.text),
                statement_key=statement_key(step.proposal.text, None, target.name, target.scope),
                expected_revision=target.revision,
                entities=mentions_of(step.proposal) or None,
            )
        )
        self._join(step)

    def _join(self, step: Step) -> None:
        if step.target is None or not (new := self._unjoined(step, step.target)):
            return
        self._made.append(Join(memory_id=step.target.id, sources=new))

    def _unjoined(self, step: Step, target: MemoryRecord) -> tuple[SourceSpan, ...]:
        """The sources that the target does not have yet."""
        there = set(target.sources)
        return tuple(s for s in step.sources if self._public[s.message_id] not in there)

    async def _retire(self, step: Step) -> None:
        """Take a memory back, and the episodes that said it and nothing else that is believed."""
        target = step.target
        assert target is not None
        beside = await companions(self._store, target, self._job.scope.without_session)
        gone = [target.id, *(r.id for r in beside)]
        for id in gone:
            if id not in self._touched:
                self._touched.add(id)
                self._made.append(Retire(memory_id=id))
