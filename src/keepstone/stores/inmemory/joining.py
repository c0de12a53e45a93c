"""Further messages as sources of a memory, and no longer; and feedback, which makes it stronger or weaker."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from keepstone.errors import InvalidRequestError
from keepstone.logic import details
from keepstone.operations import Disjoin, Feedback, Join, Outcome, SourceSpan
from keepstone.stores.inmemory.state import StoredMemory
from keepstone.stores.inmemory.transaction import Transaction
from keepstone.types import Action, Kind


def join(work: Transaction, operation: Join) -> Outcome:
    """Let messages be sources of a memory too."""
    memory = work.visible(operation.memory_id, operation.expected_revision)
    if memory.record.kind is Kind.EPISODE:
        raise InvalidRequestError("What was said has its own words: only distilled memories are joined.")
    known = {s.message_id for s in memory.sources if not s.echo}
    named = [
        replace(s, message_id=work.message_id(s.message_id, memory.record.scope))
        for s in operation.sources
        if not s.echo
    ]
    new = tuple(dict.fromkeys(s for s in named if s.message_id not in known))
    if not new:
        return Outcome(kind="replay", memory_id=operation.memory_id)
    said = details.joined(list(dict.fromkeys(s.message_id for s in new)))
    return _with_sources(
        work,
        memory,
        (*memory.sources, *new),
        reason=operation.reason,
        inverse_of=operation.inverse_of,
        details=said,
    )


def disjoin(work: Transaction, operation: Disjoin) -> Outcome:
    """Let messages no longer be sources of a memory, if anything is left that it came from."""
    memory = work.visible(operation.memory_id, operation.expected_revision)
    there = [s for s in memory.sources if not s.echo]
    going = sorted((s for s in there if s.message_id in operation.message_ids), key=work.place_of_source)
    rests = len(going) < len(there) or memory.derived_from
    if memory.record.kind is Kind.EPISODE or not going or not rests:
        return Outcome(kind="replay", memory_id=operation.memory_id)
    left = tuple(s for s in memory.sources if s not in going)
    return _with_sources(work, memory, left, inverse_of=operation.inverse_of, details=details.disjoined(going))


def _with_sources(work: Transaction, memory: StoredMemory, sources: tuple[SourceSpan, ...], **change: Any) -> Outcome:
    number = memory.record.revision
    recency = work.log(memory.record, Action.UPDATE, old=number, new=number, **change)
    record = replace(memory.record, sources=work.public(sources), updated_at=work.batch.at)
    work.tenant.put_memory(replace(memory, record=record, sources=sources, recency=recency))
    return Outcome(kind="stored", memory_id=record.id)


def feedback(work: Transaction, operation: Feedback) -> Outcome:
    """Move the strength of a memory, within its bounds."""
    if not math.isfinite(operation.value):
        raise InvalidRequestError("Feedback is a number.")
    memory = work.visible(operation.memory_id, None)
    before, number = memory.record.strength, memory.record.revision
    after = details.strengthened(before, operation.value)
    work.log(
        memory.record,
        Action.FEEDBACK,
        old=number,
        new=number,
        reason=operation.reason,
        inverse_of=operation.inverse_of,
        details=details.strength(before, after),
    )
    work.tenant.put_memory(replace(memory, record=replace(memory.record, strength=after)))
    return Outcome(kind="stored", memory_id=operation.memory_id)
