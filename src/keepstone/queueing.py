"""What an `add` puts into the queue: jobs for a model to read what was said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from keepstone.contract import NewId
from keepstone.logic.ids import bucket, partition
from keepstone.logic.text import is_back_channel
from keepstone.operations import AppendMessage, Enqueue
from keepstone.types import Scope

DISTIL = "distil"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What an application asks of distillation: its own words for what to keep, and whether procedures are wanted."""

    instructions: str | None = None
    procedures: bool = False


def distilling(
    scope: Scope, appends: Sequence[AppendMessage], wish: Wish, extra: Mapping[str, Any], now: datetime, new_id: NewId
) -> tuple[Enqueue, ...]:
    """Return the jobs that read the messages of *appends*, one for what one call reads, in order.

    *extra* goes into each payload (metadata and expiry for what is made). What says nothing makes no job.
    """
    # A process without a model must not pay for what reads and checks replies.
    from keepstone.logic.distillation.material import SPEAKING_ROLES, cuts

    spoken = [a for a in appends if a.role in SPEAKING_ROLES]
    if all(is_back_channel(a.content) for a in spoken):
        return ()
    jobs = []
    for group in cuts([a.content for a in spoken]):
        payload = {
            "messages": list(dict.fromkeys(spoken[place].id for place, _ in group)),
            "pieces": [[spoken[place].id, span.start, span.end] for place, span in group],
            "instructions": wish.instructions,
            "procedures": wish.procedures,
            **extra,
        }
        id = new_id(now, bucket(scope))
        jobs.append(Enqueue(id=id, scope=scope, kind=DISTIL, payload=payload, lane=partition(scope)))
    return tuple(jobs)
