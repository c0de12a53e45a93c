"""Merging memories that say the same, so that it can be taken back: the sources of all become those of one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from keepstone.logic.distillation.planning import signature
from keepstone.operations import Join, Operation, SourceSpan, Supersede
from keepstone.types import MemoryRecord, Scope, Status

REASON = "merged: it says the same"


def merges(records: Sequence[MemoryRecord]) -> list[Operation]:
    """Return what merges those of *records* that say the same, are of one kind and scope, and are current.

    The one that holds since longest stays, with the sources of the others, and supersedes them.
    """
    groups: dict[tuple[Scope, str, tuple[object, ...]], list[MemoryRecord]] = {}
    for record in records:
        if record.status is Status.CURRENT:
            groups.setdefault((record.scope, record.kind.value, signature(record.text)), []).append(record)
    operations: list[Operation] = []
    for group in groups.values():
        stays, *others = sorted(group, key=lambda r: (_began(r), r.sequence))
        for other in others:
            new = tuple(SourceSpan(message_id=s) for s in other.sources if s not in stays.sources)
            if new:
                operations.append(Join(memory_id=stays.id, sources=new, reason=REASON))
            # Both hold: as of any moment since the first began, it is the first that is shown.
            at = _began(stays)
            operations.append(
                Supersede(memory_id=other.id, by=stays.id, at=at, expected_revision=other.revision, reason=REASON)
            )
    return operations


def _began(record: MemoryRecord) -> datetime:
    return record.valid_from or record.occurred_at or record.created_at
