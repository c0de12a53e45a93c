"""Further messages as sources of a memory, and no longer."""

from __future__ import annotations

from keepstone.errors import InvalidRequestError
from keepstone.logic import details
from keepstone.operations import Disjoin, Join, Outcome, SourceSpan
from keepstone.stores.sqlite import encoding as enc
from keepstone.stores.sqlite.transaction import MemoryRow, Transaction
from keepstone.types import Kind, Span

_EPISODE = enc.KIND_NUMBERS[Kind.EPISODE]


def join(work: Transaction, op: Join) -> Outcome:
    """Let messages be sources of a memory too."""
    row, place = work.visible(op.memory_id, op.expected_revision)
    if row.kind == _EPISODE:
        raise InvalidRequestError("What was said has its own words: only distilled memories are joined.")
    known = {r[0] for r in work.db.execute("SELECT message FROM sources WHERE memory = ? AND first > -2", (row.key,))}
    named = [(work.named_message(s.message_id, place), s) for s in op.sources if not s.echo]
    new = [(key, source) for key, source in named if key not in known]
    if not new:
        return Outcome(kind="replay", memory_id=op.memory_id)
    for key, source in new:
        work.db.execute("INSERT OR IGNORE INTO sources VALUES(?,?,?,?)", (row.key, key, *enc.source_bounds(source)))
    ids = [_message_id(work, key) for key in dict.fromkeys(key for key, _ in new)]
    work.say_again(place, row, reason=op.reason, inverse_of=op.inverse_of, details=details.joined(ids))
    return Outcome(kind="stored", memory_id=op.memory_id)


def disjoin(work: Transaction, op: Disjoin) -> Outcome:
    """Let messages no longer be sources of a memory, if anything is left that it came from."""
    row, place = work.visible(op.memory_id, op.expected_revision)
    sql = """SELECT o.message, x.id, o.first, o.last FROM sources o JOIN messages x ON x.key = o.message
             WHERE o.memory = ? AND o.first > -2 ORDER BY o.message, o.first"""
    there = [(key, enc.text_id(id), first, last) for key, id, first, last in work.db.execute(sql, (row.key,))]
    going = [source for source in there if source[1] in op.message_ids]
    rests = len(going) < len(there) or _is_derived(work, row)
    if row.kind == _EPISODE or not going or not rests:
        return Outcome(kind="replay", memory_id=op.memory_id)
    for key, _, first, _ in going:
        work.db.execute("DELETE FROM sources WHERE memory = ? AND message = ? AND first = ?", (row.key, key, first))
    spans = [
        SourceSpan(message_id=id, span=None if first < 0 else Span(start=first, end=last))
        for _, id, first, last in going
    ]
    work.say_again(place, row, inverse_of=op.inverse_of, details=details.disjoined(spans))
    return Outcome(kind="stored", memory_id=op.memory_id)


def _message_id(work: Transaction, key: int) -> str:
    found = work.one("SELECT id FROM messages WHERE key = ?", (key,))
    return "" if found is None else enc.text_id(found[0])


def _is_derived(work: Transaction, row: MemoryRow) -> bool:
    return work.one("SELECT 1 FROM derived_from WHERE memory = ?", (row.key,)) is not None
