"""Distillation: messages in the ledger -> what a model proposes -> what code lets through -> changes, once.

One job is one call's worth of messages. What it changes and that it is done are one transaction, so that a crash
anywhere repeats the call at most, never a change.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from keepstone import receipts
from keepstone.carrying import Carrier
from keepstone.chat import ChatReply, ChatRequest
from keepstone.contract import CandidateQuery, Job, NewId, Vector
from keepstone.filters import of_owner
from keepstone.limits import NO_SPENDING_LIMITS, SpendingLimits
from keepstone.logic.distillation import planning
from keepstone.logic.distillation.material import Material, Piece
from keepstone.logic.entities import Registry
from keepstone.logic.ids import bucket
from keepstone.logic.ranking import WEIGHTS, calibration_of, rank
from keepstone.logic.text import term_counts
from keepstone.logic.vectors import checked
from keepstone.operations import Batch, EnterCall, Finish, Operation
from keepstone.protocols import ChatModel, Embedder, Store
from keepstone.results import Distillation, FactChange, Receipt
from keepstone.strategies import Proposed, Strategy
from keepstone.types import Action, Kind, LedgerMessage, MemoryRecord, Scope, Span, Status

DISTILLED_KINDS = (Kind.FACT, Kind.PROCEDURE)
EARLIER_MESSAGES = 4
# Looks for known memories a call: enough for what a few turns are about, whatever the number of messages.
LOOKS_MAX = 16
ALIKE = 5
# What is known is looked up by what it is about, whether it is still true or not.
_BY_MATTER = replace(WEIGHTS, superseded=0.0, superseded_before=0.0, succession=False)
_HALF = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Distiller:
    """All that a job needs: where things are, which model, how it is asked, and what it may cost."""

    store: Store
    embedder: Embedder | None
    model: ChatModel
    strategy: Strategy
    new_id: NewId
    actor: str
    limits: SpendingLimits = NO_SPENDING_LIMITS

    async def run(self, job: Job, now: datetime) -> Distillation:
        """Do *job*, once: what was proposed and let through is stored when this returns.

        Raises:
            ProviderError: the model or the embedder failed; nothing was changed.
            ConflictError: another process did the job, or changed one of its memories meanwhile.
        """
        made = _Run(self, job, now)
        material = await made.material()
        over = await receipts.over_limit(self.store, job.scope, self.limits, now)
        if material is None or over is not None:
            reason = over or "nothing is left to read"
            await self.store.apply(made.batch([Finish(job_id=job.id, attempts=job.attempts)]))
            return Distillation(status="skipped", reason=reason, job_ids=(job.id,))
        await made.begin()
        proposed = await self.strategy.propose(material, made.ask, made.look)
        operations = await made.operations(proposed)
        done = Finish(job_id=job.id, attempts=job.attempts, error=proposed.failure, reply=proposed.reply)
        if proposed.failure is None:
            done = replace(done, reply=None)
        await self.store.apply(made.batch([*operations, done], proposed))
        return await made.result(proposed)


class _Run:
    """One job on its way: what it reads, what it asks, what it writes."""

    def __init__(self, distiller: Distiller, job: Job, now: datetime) -> None:
        self._of, self._job, self._now = distiller, job, now
        self._owner = job.scope.without_session
        self._receipts: list[Receipt] = []
        self._id = job.id

    async def begin(self) -> None:
        """Choose the id of the batch: the job's, so that another process finds what was done; if a run before has
        it, a new one, so that each can be undone by itself."""
        if await self._of.store.changes(self._job.id, self._job.scope):
            self._id = self._of.new_id(self._now, bucket(self._job.scope))

    async def material(self) -> Material | None:
        """Return what there is to read, None if it was all taken back."""
        payload = self._job.payload
        found = {m.id: m for m in await self._of.store.messages(payload["messages"], self._job.scope)}
        pieces = tuple(
            Piece(message=found[id], span=Span(start=start, end=end))
            for id, start, end in payload["pieces"]
            if id in found
        )
        if not pieces:
            return None
        return Material(
            new=pieces,
            earlier=await self._earlier(pieces[0].message, set(found)),
            instructions=payload.get("instructions"),
            procedures=bool(payload.get("procedures")),
            names=await self._names(),
        )

    async def _names(self) -> dict[str, tuple[str, ...]]:
        """Return by which names the owner's memories know what they are about."""
        there = await self._of.store.naming(self._owner, self._now)
        mine = tuple(n for n in there.named if n.scope.owner == self._owner.owner)
        return Registry(replace(there, named=mine)).other_names() if mine else {}

    async def ask(self, request: ChatRequest, purpose: str) -> ChatReply:
        """Ask the model, and keep the receipt at once: what was spent was spent, whatever comes of it."""
        reply = _storable(await self._of.model.reply(request))
        receipt = receipts.receipt_of(request, reply, self._of.model.name, purpose, self._now)
        self._receipts.append(receipt)
        id = self._of.new_id(self._now, bucket(self._job.scope))
        await self._of.store.apply(self.batch([EnterCall(id=id, scope=self._job.scope, receipt=receipt)], new=True))
        return reply

    async def look(self, texts: Sequence[str], each: int) -> list[MemoryRecord]:
        """Return distilled memories near to *texts* that nothing superseded, best first, *each* a text at most."""
        probes = _probes(texts)
        found = await self._nearest(probes, each, "query")
        order: dict[str, int] = {}
        for ids in found:
            for place, id in enumerate(ids):
                order[id] = min(place, order.get(id, place))
        asked = self._job.payload.get("asked", ())
        records = await self._mine(list(dict.fromkeys((*asked, *sorted(order, key=lambda i: order[i])))))
        # What a request may have meant to forget is superseded by nothing; the model may know better.
        known = [r for r in records if r.kind in DISTILLED_KINDS]
        return [r for r in known if r.status is Status.CURRENT or r.superseded_by is None]

    async def operations(self, proposed: Proposed) -> list[Operation]:
        """Return what carries the accepted proposals out."""
        accepted = proposed.accepted
        written = [p.text if p.op in ("add", "supersede") else "" for p in accepted]
        near = await self._nearest([t for t in written if t], ALIKE, "document")
        ids = iter(near)
        by_place = {n: next(ids) for n, t in enumerate(written) if t}
        records = {r.id: r for r in await self._mine([i for of in near for i in of])}
        alike = {n: [records[i] for i in of if i in records] for n, of in by_place.items()}
        steps = planning.plan(accepted, proposed.material, alike, self._now)
        carrier = Carrier(self._of.store, self._of.embedder, self._job, self._now, self._of.new_id)
        return await carrier.operations(steps, proposed.material)

    def batch(self, operations: Sequence[Operation], proposed: Proposed | None = None, *, new: bool = False) -> Batch:
        """Return *operations* as a batch; `details` name the job of what it changes."""
        details: dict[str, Any] = {}
        if proposed is not None:
            details = {
                "model": self._of.model.name,
                "prompt": proposed.prompt,
                "strategy": self._of.strategy.name,
                "job": self._job.id,
            }
        embedder = self._of.embedder
        return Batch(
            id=self._of.new_id(self._now, bucket(self._job.scope)) if new else self._id,
            tenant=self._job.scope.tenant,
            at=self._now,
            actor=self._of.actor if proposed is None else self._of.model.name,
            operations=tuple(operations),
            embedder=embedder.key if embedder is not None and proposed is not None else None,
            details=details,
        )

    async def result(self, proposed: Proposed) -> Distillation:
        """Return what was done."""
        changes = await changed(self._of.store, self._id, self._job.scope)
        fallen = [c.memory_id for c in changes if c.action in (Action.SUPERSEDE, Action.DELETE)]
        review = await self._of.store.dependants(fallen, self._owner) if fallen else []
        return Distillation(
            status="failed" if proposed.failure is not None else "done",
            reason=proposed.failure,
            job_ids=(self._job.id,),
            batch_ids=(self._id,) if changes else (),
            changes=changes,
            refused=proposed.refused,
            receipts=tuple(self._receipts),
            review=tuple(r.id for r in review if r.review),
        )

    async def _earlier(self, first: LedgerMessage, new: set[str]) -> tuple[LedgerMessage, ...]:
        said = [r.id for r in await self._of.store.said_in([first.id], self._job.scope) if r.kind is Kind.EPISODE]
        if not said:
            return ()
        around = await self._of.store.neighbours(said[:1], self._job.scope, EARLIER_MESSAGES, 0)
        return tuple(m for m in around if m.id not in new and m.position < first.position)[-EARLIER_MESSAGES:]

    async def _mine(self, ids: Sequence[str]) -> list[MemoryRecord]:
        """Return those of the job's owner: an agent on its own must not read, or change, what its users told it."""
        return [r for r in await self._of.store.get(ids, self._owner) if r.scope.owner == self._owner.owner]

    async def _nearest(self, texts: Sequence[str], each: int, kind: Literal["query", "document"]) -> list[list[str]]:
        """Return the ids of the nearest distilled memories of each text, from one call of the embedder."""
        embedder = self._of.embedder
        if not texts:
            return []
        vectors: Sequence[Vector | None] = [None] * len(texts)
        if embedder is not None:
            vectors = checked(await embedder.embed(list(texts), kind), len(texts), embedder.key)
        found = []
        for text, vector in zip(texts, vectors, strict=True):
            query = CandidateQuery(
                scope=self._owner,
                where=of_owner(self._owner),
                terms=term_counts(text)[0],
                vector=vector,
                at=self._now,
                limit=each,
                kinds=DISTILLED_KINDS,
                embedder=embedder.key if embedder is not None else None,
            )
            candidates = await self._of.store.candidates(query)
            calibration = calibration_of(None if embedder is None else embedder.key.name)
            found.append([r.candidate.memory_id for r in rank(candidates, calibration, limit=each, weights=_BY_MATTER)])
        return found


async def changed(store: Store, batch_id: str, scope: Scope) -> tuple[FactChange, ...]:
    """Return the changes of a batch as a result lists them."""
    changes = await store.changes(batch_id, scope)
    records = {r.id: r for r in await store.get([c.memory_id for c in changes], scope.without_session)}
    return tuple(
        FactChange(
            action=c.action,
            memory_id=c.memory_id,
            kind=records[c.memory_id].kind if c.memory_id in records else Kind.FACT,
            text=c.new_text or c.old_text or "",
            change_id=c.id,
            old_text=c.old_text if c.old_text != c.new_text else None,
            related_id=c.related_id,
            sources=records[c.memory_id].sources if c.memory_id in records else (),
        )
        for c in changes
    )


def _storable(reply: ChatReply) -> ChatReply:
    """Return *reply* in characters that can be stored, counted and sent: JSON may escape halves of them."""
    calls = tuple(replace(c, name=_whole(c.name), arguments=_whole(c.arguments)) for c in reply.tool_calls)
    return replace(reply, text=_whole(reply.text), tool_calls=calls)


def _whole(text: str) -> str:
    return text if text.isascii() else _HALF.sub("\ufffd", text)


def _probes(texts: Sequence[str]) -> list[str]:
    """Join neighbouring texts so that there are at most LOOKS_MAX."""
    size = -(-len(texts) // LOOKS_MAX)
    return ["\n".join(texts[n : n + size]) for n in range(0, len(texts), size)] if texts else []
