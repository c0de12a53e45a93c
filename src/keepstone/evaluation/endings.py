"""How a record ended: which memories are left of the turns that its labels speak of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set

from keepstone.blocking import Memory
from keepstone.evaluation.gold import Tally, retired_memories, tally
from keepstone.evaluation.pack import Record
from keepstone.evaluation.retriever import USER
from keepstone.results import AddResult
from keepstone.types import Action, Kind, MemoryRecord, Status

# Categories of questions as packs name them.
STILL_TRUE = "still-true"
PAGE = 1_000


def end_state(memory: Memory) -> list[MemoryRecord]:
    """Return every memory that some verb but `history` shows, superseded ones among them."""
    found: list[MemoryRecord] = []
    cursor: str | None = None
    while True:
        page = memory.get_all(user_id=USER, limit=PAGE, cursor=cursor)
        found += page.items
        cursor = page.next_cursor
        if cursor is None:
            return found


def still_true_current(record: Record, memories: Sequence[MemoryRecord]) -> Tally:
    """Return of how many still-true questions every evidence turn holds."""
    asked = [q for q in record.questions if q.category == STILL_TRUE and q.evidence]
    return tally(all(_holds(memories, e) for e in q.evidence) for q in asked)


def forgotten_gone(record: Record, memories: Sequence[MemoryRecord]) -> Tally:
    """Return of how many turns that were to be forgotten no memory is left."""
    left = {s for m in memories for s in m.sources}
    return tally(turn not in left for turn in sorted(_forgotten(record)))


def deleted_turns(added: Iterable[AddResult]) -> set[str]:
    """Return the turns from which a distilled memory came that a model took back."""
    changes = [c for result in added if result.distilled is not None for c in result.distilled.changes]
    turns: dict[str, set[str]] = {}
    for change in changes:
        turns.setdefault(change.memory_id, set()).update(change.sources if change.action is not Action.DELETE else ())
    return {t for c in changes if c.action is Action.DELETE for t in turns[c.memory_id]}


def still_holding(record: Record, memories: Sequence[MemoryRecord], deleted: Set[str]) -> Tally:
    """Return how many of the turns that questions want, and that nothing replaced or asked to forget, still hold.

    A turn holds if a current memory comes from it, a distilled one if any was distilled from it, and no model took one
    back (*deleted*).
    """
    over = _forgotten(record) | {s for q in record.questions for s in q.stale}
    over |= {s for old in retired_memories(record) for s in old.sources}
    wanted = {e for q in record.questions for e in (*q.evidence, *q.distractors)}
    return tally(turn not in deleted and _holds(memories, turn) for turn in sorted(wanted - over))


def _forgotten(record: Record) -> set[str]:
    return {f for q in record.questions for f in q.forbidden}


def _holds(memories: Iterable[MemoryRecord], turn: str) -> bool:
    of_turn = [m for m in memories if turn in m.sources]
    distilled = [m for m in of_turn if m.kind is not Kind.EPISODE]
    return any(m.status is Status.CURRENT for m in distilled or of_turn)
