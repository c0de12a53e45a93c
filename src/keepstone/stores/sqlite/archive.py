"""Dumping a scope row by row, and loading such rows back with their ids and times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import apsw

from keepstone.errors import ConflictError, InvalidRequestError
from keepstone.logic.details import scrubbed
from keepstone.logic.replay import replay_keys
from keepstone.naming import Merge
from keepstone.operations import ArchivedMemory, ArchivedRevision, ArchiveRow, Load, Outcome, SourceSpan
from keepstone.stores.sqlite import encoding as enc
from keepstone.stores.sqlite import feedback, naming, reading
from keepstone.stores.sqlite.places import Place
from keepstone.stores.sqlite.transaction import Transaction
from keepstone.types import Action, Change, LedgerMessage, MemoryRecord, Message, Scope, Span

_STAGES = ("m", "r", "c", "g")
# Stands for a memory that supersedes another and is not loaded yet, or never will be.
_LATER = -1


def dump(
    db: apsw.Connection, scope: Scope, cursor: str | None, limit: int, *, include_retired: bool
) -> tuple[list[ArchiveRow], str | None]:
    """Return one page of the archive: messages, memories, changes, and merges, each in the order of keys."""
    stage, after = _position(cursor)
    rows: list[ArchiveRow] = []
    while stage < len(_STAGES):
        read = (_messages, _memories, _changes, _merges)[stage]
        for key, row in read(db, scope, after, include_retired):
            if len(rows) == limit:
                return rows, f"{_STAGES[stage]}{after:x}"
            rows.append(row)
            after = key
        stage, after = stage + 1, 0
    return rows, None


def _position(cursor: str | None) -> tuple[int, int]:
    if cursor is None:
        return 0, 0
    try:
        return _STAGES.index(cursor[:1]), int(cursor[1:], 16)
    except ValueError as error:
        raise InvalidRequestError("The cursor is not one of this store; start again without it.") from error


def _ranges(db: apsw.Connection, scope: Scope, after: int) -> list[tuple[int, int]]:
    found = []
    for partition in reading.partitions(db, scope):
        low, high = enc.bounds(partition)
        if high > after:
            found.append((max(low, after), high))
    return found


Keyed = Iterator[tuple[int, ArchiveRow]]


def _messages(db: apsw.Connection, scope: Scope, after: int, include_retired: bool) -> Keyed:
    visible = "1" if include_retired else reading.NOT_SUPPRESSED
    sql = f"{reading.MESSAGE} WHERE x.key > ? AND x.key <= ? AND {visible} ORDER BY x.key"
    for bounds in _ranges(db, scope, after):
        for row in db.execute(sql, bounds):
            if scope.sees(enc.scope_of(row[11], row[12:16])):
                yield row[0], reading.ledger_message(row)


def _memories(db: apsw.Connection, scope: Scope, after: int, include_retired: bool) -> Keyed:
    sql = f"{reading.TOMBSTONE} WHERE m.key > ? AND m.key <= ? ORDER BY m.key"
    for bounds in _ranges(db, scope, after):
        for row in db.execute(sql, bounds):
            if scope.sees(enc.scope_of(row[20], row[21:25])):
                hidden = row[3] == enc.RETIRED and not include_retired
                yield row[0], _archived(db, row, scope, hidden, include_retired)


def _changes(db: apsw.Connection, scope: Scope, after: int, include_retired: bool) -> Keyed:
    sql = f"{reading.CHANGE} WHERE c.key > ? AND c.key <= ? ORDER BY c.key"
    status = "SELECT status FROM memories WHERE key = ?"
    for bounds in _ranges(db, scope, after):
        for row in db.execute(sql, bounds):
            if scope.sees(enc.scope_of(row[13], row[14:18])):
                retired = next(iter(db.execute(status, (row[12],))))[0] == enc.RETIRED
                entry = reading.change(db, row, with_text=include_retired or not retired)
                if retired and not include_retired:
                    entry = replace(entry, details=scrubbed(entry.details, ()))
                yield row[0], entry


def _merges(db: apsw.Connection, scope: Scope, after: int, include_retired: bool) -> Keyed:
    found = naming.archived(db, scope, include_retired=include_retired)
    yield from ((place, row) for place, row in found if place > after)


def _archived(
    db: apsw.Connection, row: reading.Row, scope: Scope, hidden: bool, include_retired: bool
) -> ArchivedMemory:
    key = row[0]
    record = reading.light_record(row) if row[3] == enc.ERASED else reading.full_records(db, [row], scope)[0]
    revisions = """SELECT number, metadata, expires_at, language, at, unit_revision FROM revisions
                   WHERE memory = ? ORDER BY number"""
    carried = "1" if include_retired else reading.NOT_SUPPRESSED
    sources = f"""SELECT x.id, o.first, o.last FROM sources o JOIN messages x ON x.key = o.message
                  WHERE o.memory = ? AND {carried} ORDER BY o.message, o.first"""
    recency, alone = next(iter(db.execute("SELECT recency, keeps_sources FROM memories WHERE key = ?", (key,))))
    return ArchivedMemory(
        record=replace(record, text="", metadata={}) if hidden else record,
        revisions=tuple(
            ArchivedRevision(
                number=n,
                text=None if hidden else reading.revision_text(db, key, n),
                metadata={} if hidden else enc.load_json(metadata),
                expires_at=enc.moment(expires),
                language=language,
                at=enc.instant(at),
                entities=() if hidden else naming.mentions_of(db, key, units),
            )
            for n, metadata, expires, language, at, units in list(db.execute(revisions, (key,)))
        ),
        sources=tuple(
            SourceSpan(
                message_id=enc.text_id(i),
                span=None if first < 0 else Span(start=first, end=last),
                echo=first == enc.ECHO,
            )
            for i, first, last in db.execute(sources, (key,))
        ),
        derived_from=record.derived_from,
        superseded_by=record.superseded_by,
        recency=recency,
        keeps_sources=alone is not None,
    )


def load(work: Transaction, op: Load) -> Outcome:
    """Put one archived row back; one whose id is there already is a replay.

    Raises:
        ConflictError: a caller's message id is taken by another message.
        NotFoundError: a change comes without its memory.
    """
    row = op.row
    if isinstance(row, LedgerMessage):
        return _load_message(work, op, row)
    if isinstance(row, ArchivedMemory):
        return _load_memory(work, op, row)
    if isinstance(row, Merge):
        return naming.load_merge(work, row, op.scope)
    return _load_change(work, row)


def _load_message(work: Transaction, op: Load, row: LedgerMessage) -> Outcome:
    known = Outcome(kind="replay", message_id=row.id, external_id=row.external_id)
    if work.message_key(row.id) is not None:
        return known
    place = work.places.of(op.scope)
    if row.external_id is not None and work.one(
        "SELECT 1 FROM messages WHERE scope = ? AND external_id = ?", (place.scope_key, row.external_id)
    ):
        raise ConflictError(f"Message id {row.external_id!r} is taken in this scope.", blocking=(row.external_id,))
    said = Message(role=row.role, name=row.name, content=row.content, timestamp=row.occurred_at, id=row.external_id)
    replay_key = replay_keys([said], op.scope)[0]
    if replay_key is not None and work.one(
        "SELECT 1 FROM messages WHERE scope = ? AND replay_key = ?", (place.scope_key, replay_key)
    ):
        # Said twice in one call: the first of the two holds the key.
        replay_key = None
    work.write_message(
        place, row.id, row.role, row.name, row.content, row.metadata, row.occurred_at, row.external_id, replay_key,
        enc.micros(row.recorded_at),
    )  # fmt: skip
    return Outcome(kind="stored", message_id=row.id, external_id=row.external_id)


def _load_memory(work: Transaction, op: Load, row: ArchivedMemory) -> Outcome:
    record = row.record
    if work.memory_key(record.id) is not None:
        return Outcome(kind="replay", memory_id=record.id)
    place, db = work.places.of(op.scope), work.db
    key = place.next_memory()
    place.show(int(enc.STATUS_NUMBERS[record.status] <= enc.LAST_VISIBLE))
    _insert_memory(work, op, record, place, key, row.superseded_by, row.keeps_sources)
    work.write_sources(key, place, row.sources)
    content = None
    if row.sources:
        content = work.one(
            "SELECT x.content FROM sources o JOIN messages x ON x.key = o.message WHERE o.memory = ? AND o.first > -2"
            " ORDER BY o.message, o.first LIMIT 1",
            (key,),
        )
    for revision in row.revisions:
        copied = content is not None and revision.text == content[0] and record.kind.value == "episode"
        db.execute(
            "INSERT INTO revisions VALUES(?,?,?,?,?,?,?,?,?)",
            (
                key, revision.number, None if copied else revision.text, enc.dump_json(revision.metadata),
                enc.micros(revision.expires_at), revision.language, enc.micros(revision.at), revision.number,
                op.statement_key if revision.number == record.revision else None,
            ),
        )  # fmt: skip
        work.write_mentions(key, revision.number, revision.entities)
    for parent in row.derived_from:
        found = work.memory_key(parent)
        if found is not None and found >> enc.SEQUENCE_BITS == place.partition:
            db.execute("INSERT OR IGNORE INTO derived_from VALUES(?,?)", (key, found))
    for number, units in (*op.older_units.items(), (record.revision, op.units)):
        work.write_units(place, key, number, units)
    return Outcome(kind="stored", memory_id=record.id)


def _insert_memory(
    work: Transaction,
    op: Load,
    record: MemoryRecord,
    place: Place,
    key: int,
    superseded_by: str | None,
    keeps_sources: bool,
) -> None:
    by = None if superseded_by is None else work.memory_key(superseded_by) or _LATER
    work.db.execute(
        """INSERT INTO memories(key, id, scope, kind, status, revision, unit_revision, role, name, categories,
               occurred_at, occurred_offset, valid_from, valid_to, created_at, updated_at, expires_at, importance,
               trust, strength, recency, changed, superseded_by, statement_key, keeps_sources)
           VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,0,0,?,?,?)""",
        (
            key, enc.raw_id(record.id), place.scope_key, enc.KIND_NUMBERS[record.kind],
            enc.STATUS_NUMBERS[record.status], record.revision, record.revision, record.role, record.name,
            "\n".join(record.categories) or None, enc.micros(record.occurred_at), enc.offset(record.occurred_at),
            enc.micros(record.valid_from), enc.micros(record.valid_to), enc.micros(record.created_at),
            enc.micros(record.updated_at), enc.micros(record.expires_at), record.importance, record.trust,
            record.strength, by, op.statement_key, 1 if keeps_sources else None,
        ),
    )  # fmt: skip


def _load_change(work: Transaction, row: Change) -> Outcome:
    memory = work.memory_row(row.memory_id)
    if work.one("SELECT 1 FROM changes WHERE id = ? AND memory = ?", (enc.raw_id(row.id), memory.key)) is not None:
        return Outcome(kind="replay", memory_id=row.memory_id)
    place = work.places.at(memory.scope)
    related = None if row.related_id is None else work.memory_key(row.related_id)
    if row.action is Action.SUPERSEDE:
        # Of a memory that something supersedes, the last SUPERSEDE tells what, which may have come after it.
        sql = "UPDATE memories SET superseded_by = ? WHERE key = ? AND superseded_by IS NOT NULL"
        work.db.execute(sql, (related or _LATER, memory.key))
    sequence = place.next_change()
    work.record.change(place, row.action)
    work.db.execute(
        "INSERT INTO changes VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)",
        (
            enc.key(place.partition, sequence), enc.raw_id(row.id), enc.raw_id(row.batch_id),
            enc.ACTION_NUMBERS[row.action], memory.key, row.old_revision, row.new_revision, related, row.actor,
            row.reason, enc.micros(row.at), None if row.inverse_of is None else enc.raw_id(row.inverse_of),
            enc.dump_json(row.details),
        ),
    )  # fmt: skip
    if row.action is Action.FEEDBACK:
        feedback.load(work, row, memory.key)
    else:
        work.db.execute("UPDATE memories SET changed = ? WHERE key = ?", (sequence, memory.key))
    if row.action in (Action.ADD, Action.UPDATE):
        work.db.execute("UPDATE memories SET recency = ? WHERE key = ?", (sequence, memory.key))
    return Outcome(kind="stored", memory_id=row.memory_id)
