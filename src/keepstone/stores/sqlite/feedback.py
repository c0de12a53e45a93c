"""Feedback: what makes a memory stronger or weaker."""

from __future__ import annotations

import math

from keepstone.errors import InvalidRequestError
from keepstone.logic.details import STRENGTH, strength, strengthened
from keepstone.operations import Feedback, Outcome
from keepstone.stores.sqlite import encoding as enc
from keepstone.stores.sqlite.transaction import Transaction
from keepstone.types import Action, Change


def give(work: Transaction, op: Feedback) -> Outcome:
    """Move the strength of a memory, within its bounds."""
    if not math.isfinite(op.value):
        raise InvalidRequestError("Feedback is a number.")
    row, place = work.visible(op.memory_id, None)
    after = strengthened(row.strength, op.value)
    work.write_change(
        place, Action.FEEDBACK, row.key, row.revision, row.revision, reason=op.reason, inverse_of=op.inverse_of,
        details=strength(row.strength, after),
    )  # fmt: skip
    # `changed` stays: what rests on the memory does not fall with a thumb down.
    work.db.execute("UPDATE memories SET strength = ? WHERE key = ?", (after, row.key))
    _enter(work, work.logged[-1], row.key, op.value, op.reason or work.batch.reason, work.batch.actor, work.at)
    return Outcome(kind="stored", memory_id=op.memory_id)


def load(work: Transaction, change: Change, memory: int) -> None:
    """Enter the feedback of a FEEDBACK that an archive brings."""
    before, after = change.details.get(STRENGTH, (0.0, 0.0))
    _enter(work, change.id, memory, after - before, change.reason, change.actor, enc.micros(change.at) or 0)


def _enter(work: Transaction, id: str, memory: int, value: float, reason: str | None, actor: str, at: int) -> None:
    work.db.execute(
        "INSERT INTO feedback(id, memory, value, reason, actor, at) VALUES(?,?,?,?,?,?)",
        (enc.own_id(id), memory, value, reason, actor, at),
    )
