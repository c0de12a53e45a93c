"""New revisions of a memory, and back to earlier ones."""

from __future__ import annotations

from collections.abc import Sequence

from keepstone.errors import NotFoundError
from keepstone.logic.entities import still_named
from keepstone.naming import Mention
from keepstone.operations import Outcome, Revert, Revise
from keepstone.stores.sqlite import encoding as enc
from keepstone.stores.sqlite.naming import mentions_of
from keepstone.stores.sqlite.reading import revision_text
from keepstone.stores.sqlite.transaction import MemoryRow, Transaction
from keepstone.types import Action


def revise(work: Transaction, op: Revise) -> Outcome:
    """Give a memory a new revision."""
    row, place = work.visible(op.memory_id, op.expected_revision)
    key, revision = row.key, row.revision
    latest = work.one("SELECT max(number) FROM revisions WHERE memory = ?", (key,))
    number = 1 + (latest[0] if latest is not None else 0)
    unit_revision = row.unit_revision if op.units is None else number
    text: str | None = op.text
    if op.units is None:
        kept = work.one("SELECT text FROM revisions WHERE memory = ? AND number = ?", (key, revision))
        text = None if kept is None else kept[0]
    work.db.execute(
        "INSERT INTO revisions VALUES(?,?,?,?,?,?,?,?,?)",
        (
            key, number, text, enc.dump_json(op.metadata), enc.micros(op.expires_at), op.language, work.at,
            unit_revision, op.statement_key,
        ),
    )  # fmt: skip
    if op.units is not None:
        work.write_units(place, key, number, op.units)
        work.write_mentions(key, number, _mentions(work, op, row))
    if op.new_categories:
        had = work.one("SELECT categories FROM memories WHERE key = ?", (key,))
        joined = dict.fromkeys((*(had[0].split("\n") if had and had[0] else ()), *op.new_categories))
        work.db.execute("UPDATE memories SET categories = ? WHERE key = ?", ("\n".join(joined), key))
    change = work.write_change(place, Action.UPDATE, key, revision, number)
    _set_revision(work, key, number, change)
    return Outcome(kind="stored", memory_id=op.memory_id)


def _mentions(work: Transaction, op: Revise, row: MemoryRow) -> Sequence[Mention]:
    if op.entities is not None:
        return op.entities
    before = mentions_of(work.db, row.key, row.unit_revision)
    return still_named(before, revision_text(work.db, row.key, row.revision) or "", op.text) if before else ()


def revert(work: Transaction, op: Revert) -> Outcome:
    """Make an earlier revision the current one again."""
    row, place = work.visible(op.memory_id, op.expected_revision)
    key = row.key
    sql = "SELECT 1 FROM revisions WHERE memory = ? AND number = ?"
    if work.one(sql, (key, op.revision)) is None:
        raise NotFoundError(f"Memory {op.memory_id} has no revision {op.revision}.")
    change = work.write_change(place, Action.UPDATE, key, row.revision, op.revision, inverse_of=op.inverse_of)
    _set_revision(work, key, op.revision, change)
    return Outcome(kind="stored", memory_id=op.memory_id)


def _set_revision(work: Transaction, key: int, number: int, change: int) -> None:
    work.db.execute(
        """UPDATE memories SET revision = ?2, recency = ?3, changed = ?3, updated_at = ?4,
             (expires_at, unit_revision, statement_key) =
                 (SELECT expires_at, unit_revision, statement_key FROM revisions WHERE memory = ?1 AND number = ?2)
           WHERE key = ?1""",
        (key, number, change, work.at),
    )
