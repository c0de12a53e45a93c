"""Merging memories that say the same, so that it can be taken back: the sources of all become those of one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime

from keepstone.logic.distillation.planning import signature
from keepstone.operations import Join, Operation, Retire, SourceSpan
from keepstone.types import MemoryRecord, Status

REASON = "merged: it says the same"


def merges(records: Sequence[MemoryRecord]) -> list[Operation]:
    """Return what merges those of *records* that say the same and are current.

    Of one kind and scope, with the same metadata and the same end: else a filter or a later day would miss one. The one
    that holds since longest stays, with the sources of the others, and they go.
    """
    groups: dict[tuple[object, ...], list[MemoryRecord]] = {}
    for record in records:
        if record.status is Status.CURRENT:
            groups.setdefault(_what(record), []).append(record)
    operations: list[Operation] = []
    for group in groups.values():
        stays, *others = sorted(group, key=lambda r: (_began(r), r.sequence))
        there = set(stays.sources)
        for other in others:
            new = tuple(SourceSpan(message_id=s) for s in other.sources if s not in there)
            there.update(other.sources)
            if new:
                operations.append(Join(memory_id=stays.id, sources=new, reason=REASON))
            # Superseded, it would still be shown, as if it were not true any more.
            operations.append(
                Retire(memory_id=other.id, expected_revision=other.revision, reason=REASON, keeps_sources=True)
            )
    return operations


def _what(record: MemoryRecord) -> tuple[object, ...]:
    metadata = json.dumps(record.metadata, sort_keys=True)
    return (record.scope, record.kind, signature(record.text), metadata, record.valid_to, record.expires_at)


def _began(record: MemoryRecord) -> datetime:
    return record.valid_from or record.occurred_at or record.created_at
