"""Erasing: every copy goes, a tombstone without content stays, and the bytes of the files are searched for proof."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import apsw

from keepstone.contract import NewId
from keepstone.errors import NotFoundError
from keepstone.logic.details import scrubbed
from keepstone.operations import Batch
from keepstone.stores.sqlite import encoding as enc
from keepstone.stores.sqlite import events, naming
from keepstone.stores.sqlite.events import Record
from keepstone.stores.sqlite.places import Places
from keepstone.stores.sqlite.proof import fragments, residue
from keepstone.stores.sqlite.reading import revision_text
from keepstone.types import Action, ErasureReceipt, Scope

_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(slots=True)
class Doomed:
    """What one erase takes away, and pieces of its text to look for afterwards."""

    memories: dict[int, int] = field(default_factory=dict)
    messages: dict[int, int] = field(default_factory=dict)
    fragments: list[str] = field(default_factory=list)
    tombstones: list[str] = field(default_factory=list)
    changes: int = 0
    units: int = 0


def remove(db: apsw.Connection, scope: Scope, ids: Sequence[str] | None, batch: Batch, new_id: NewId) -> Doomed:
    """Remove the rows, inside a write transaction, and return what they were.

    Raises:
        NotFoundError: an id is not in the scope; nothing is removed.
    """
    places = Places(db, scope.tenant)
    doomed = Doomed()
    if ids is None:
        _choose_scope(db, places, scope, doomed)
    else:
        _choose_ids(db, places, scope, ids, doomed)
    _choose_orphans(db, doomed)
    jobs, entries = _jobs(db, places, scope, ids, doomed), _entries(db, scope.tenant, doomed)
    merges = naming.merges_of(db, doomed.memories)
    reasons = [reason for *_, reason in merges if reason]
    doomed.fragments = fragments([*_texts(db, doomed), *_said_beside(db, jobs, entries), *reasons])
    db.executemany("DELETE FROM jobs WHERE key = ?", [(key,) for key in jobs])
    if ids is None:
        _delete_of_scope(db, places, scope)
    _scrub(db, entries, doomed)
    for key, said_in in doomed.messages.items():
        places.at(said_in).keep(-1)
        db.execute("DELETE FROM sources WHERE message = ?", (key,))
        db.execute("DELETE FROM messages WHERE key = ?", (key,))
    for key in doomed.memories:
        _delete_memory(db, key, doomed)
    db.executemany("DELETE FROM merges WHERE partition = ? AND one = ? AND target = ?", [m[:3] for m in merges])
    record = Record(scope.tenant, enc.micros(batch.at) or 0)
    _leave_tombstones(db, places, batch, new_id, doomed, record)
    places.save()
    for key in sorted({*doomed.memories.values(), *doomed.messages.values()}):
        record.touch(key)
    record.save(db, "erased", enc.own_id(batch.id))
    # A stored reply may quote what is gone.
    db.execute("DELETE FROM replies WHERE tenant = ?", (scope.tenant,))
    touched = {k >> enc.SEQUENCE_BITS for k in (*doomed.memories, *doomed.messages)}
    db.executemany("UPDATE partitions SET epoch = epoch + 1 WHERE id = ?", [(p,) for p in touched])
    return doomed


def prove(db: apsw.Connection, files: Sequence[Path], doomed: Doomed, batch: Batch) -> ErasureReceipt:
    """Empty the WAL and search every file for pieces of what was erased; rebuild the file if one is left.

    Runs outside a transaction. A piece that other messages hold too proves nothing and is not counted.
    """
    emptied = _empty_wal(db)
    left = residue(db, files, doomed.fragments)
    if left:
        db.execute("VACUUM")
        emptied = _empty_wal(db)
        left = residue(db, files, doomed.fragments)
    return ErasureReceipt(
        memories=len(doomed.memories),
        messages=len(doomed.messages),
        changes=doomed.changes,
        units=doomed.units,
        files=tuple(f.name for f in files),
        bytes_scanned=sum(f.stat().st_size for f in files if f.exists()),
        fragments=len(doomed.fragments),
        residue=len(left),
        verified=emptied and not left,
        at=batch.at,
        tombstones=tuple(doomed.tombstones),
    )


def _choose_scope(db: apsw.Connection, places: Places, scope: Scope, doomed: Doomed) -> None:
    for _, key in list(places.seen_by(scope)):
        sql = "SELECT key, scope FROM memories WHERE scope = ? AND status <> ?"
        doomed.memories.update(db.execute(sql, (key, enc.ERASED)))
        doomed.messages.update(db.execute("SELECT key, scope FROM messages WHERE scope = ?", (key,)))


def _choose_ids(db: apsw.Connection, places: Places, scope: Scope, ids: Sequence[str], doomed: Doomed) -> None:
    seen = {key for _, key in places.seen_by(scope)}
    for id in ids:
        raw = enc.raw_id(id)
        sql = "SELECT key, scope FROM memories WHERE id = ? AND status <> ?"
        memories = [r for r in db.execute(sql, (raw, enc.ERASED)) if r[1] in seen]
        doomed.memories.update(memories)
        if memories:
            continue
        found = [r for r in db.execute("SELECT key, scope FROM messages WHERE id = ?", (raw,)) if r[1] in seen]
        if not found:
            sql = "SELECT key, scope FROM messages WHERE scope = ? AND external_id = ?"
            found = [r for s in seen for r in db.execute(sql, (s, id))]
        if not found:
            raise NotFoundError(f"No memory or message {id} in this scope; nothing was erased.")
        doomed.messages.update(found)


def _choose_orphans(db: apsw.Connection, doomed: Doomed) -> None:
    """What goes along: the sources of what goes, and memories that lose the last of what they came from."""
    waiting = [*doomed.memories]
    sources = "SELECT x.key, x.scope FROM sources o JOIN messages x ON x.key = o.message WHERE o.memory = ?"
    said_by = (
        "SELECT m.key, m.scope FROM sources o JOIN memories m ON m.key = o.memory WHERE o.message = ? AND o.first > -2"
    )
    children = "SELECT m.key, m.scope FROM derived_from d JOIN memories m ON m.key = d.memory WHERE d.parent = ?"
    looked: set[int] = set()
    while True:
        for memory in waiting:
            doomed.messages.update(db.execute(sources, (memory,)))
        heirs = [r for m in waiting for r in db.execute(children, (m,))]
        heirs += [r for m in doomed.messages.keys() - looked for r in db.execute(said_by, (m,))]
        looked.update(doomed.messages)
        waiting = []
        for key, scope in heirs:
            if key not in doomed.memories and _is_orphan(db, key, doomed):
                doomed.memories[key] = scope
                waiting.append(key)
        if not waiting:
            return


def _is_orphan(db: apsw.Connection, key: int, doomed: Doomed) -> bool:
    said = [r[0] for r in db.execute("SELECT message FROM sources WHERE memory = ? AND first > -2", (key,))]
    if said:
        return all(m in doomed.messages for m in said)
    parents = "SELECT d.parent, m.status FROM derived_from d JOIN memories m ON m.key = d.parent WHERE d.memory = ?"
    return all(parent in doomed.memories or status == enc.ERASED for parent, status in db.execute(parents, (key,)))


def _texts(db: apsw.Connection, doomed: Doomed) -> Iterable[str]:
    for key in doomed.messages:
        for row in db.execute("SELECT content, name, metadata FROM messages WHERE key = ?", (key,)):
            yield from (t for t in row if t)
    for key in doomed.memories:
        for number, metadata in list(db.execute("SELECT number, metadata FROM revisions WHERE memory = ?", (key,))):
            yield revision_text(db, key, number) or ""
            yield metadata or ""
        for row in db.execute("SELECT reason, details FROM changes WHERE memory = ?", (key,)):
            yield from (t for t in row if t)
        for (reason,) in db.execute("SELECT reason FROM feedback WHERE memory = ? AND reason IS NOT NULL", (key,)):
            yield reason
        for names in db.execute("SELECT name, folded FROM mentions WHERE memory = ?", (key,)):
            yield from names


def _delete_memory(db: apsw.Connection, key: int, doomed: Doomed) -> None:
    units = [r[0] for r in db.execute("SELECT key FROM units WHERE memory = ?", (key,))]
    for unit in units:
        for table in ("units", "vectors", "next_vectors"):
            db.execute(f"DELETE FROM {table} WHERE key = ?", (unit,))
    doomed.units += len(units)
    batches = [r[0] for r in db.execute("SELECT batch FROM changes WHERE memory = ?", (key,))]
    db.executemany("DELETE FROM batches WHERE batch = ?", [(b,) for b in batches])
    doomed.changes += len(batches)
    for table in ("revisions", "sources", "derived_from", "changes", "feedback", "mentions"):
        db.execute(f"DELETE FROM {table} WHERE memory = ?", (key,))
    # What was derived from it keeps its tombstone as a parent, so that it can say that its ground fell.
    db.execute("UPDATE changes SET related = NULL WHERE related = ?", (key,))


def _jobs(db: apsw.Connection, places: Places, scope: Scope, ids: Sequence[str] | None, doomed: Doomed) -> list[int]:
    """The jobs that go: those of a scope that goes, and those that name what goes, dead letters with them."""
    of_scope = set() if ids is not None else {key for _, key in places.seen_by(scope)}
    names = {*_ids(db, "memories", doomed.memories), *_ids(db, "messages", doomed.messages)}
    sql = "SELECT key, scope, payload, error, reply FROM jobs WHERE tenant = ?"
    return [
        key
        for key, whose, *texts in db.execute(sql, (scope.tenant,))
        if whose in of_scope or any(not names.isdisjoint(_ID.findall(text)) for text in texts if text)
    ]


def _ids(db: apsw.Connection, table: str, keys: Iterable[int]) -> list[str]:
    return [enc.text_id(r[0]) for k in keys for r in db.execute(f"SELECT id FROM {table} WHERE key = ?", (k,))]


def _entries(db: apsw.Connection, tenant: str, doomed: Doomed) -> dict[int, str]:
    """The details of changes that stay and may hold something of what goes, by key.

    They are of the batches that made what goes, and of memories that lose a source.
    """
    of_batch = """SELECT c.key, c.details, c.memory FROM changes d JOIN changes c ON c.batch = d.batch
                  WHERE d.memory = ? AND c.details IS NOT NULL"""
    of_heir = """SELECT c.key, c.details, c.memory FROM sources o JOIN changes c ON c.memory = o.memory
                 WHERE o.message = ? AND c.details IS NOT NULL"""
    rows = [r for m in doomed.memories for r in db.execute(of_batch, (m,))]
    rows += [r for m in doomed.messages for r in db.execute(of_heir, (m,))]
    # Another tenant may have loaded the same batch from an archive.
    ours = {r[0] for r in db.execute("SELECT id FROM partitions WHERE tenant = ?", (tenant,))}
    return {k: d for k, d, memory in rows if memory not in doomed.memories and memory >> enc.SEQUENCE_BITS in ours}


def _said_beside(db: apsw.Connection, jobs: Iterable[int], entries: Mapping[int, str]) -> Iterable[str]:
    yield from entries.values()
    for key in jobs:
        for row in db.execute("SELECT payload, error, reply FROM jobs WHERE key = ?", (key,)):
            yield from (text for text in row if text)


def _scrub(db: apsw.Connection, entries: Mapping[int, str], doomed: Doomed) -> None:
    gone = set(_ids(db, "messages", doomed.messages))
    rows = [(enc.dump_json(scrubbed(enc.load_json(details), gone)), key) for key, details in entries.items()]
    db.executemany("UPDATE changes SET details = ? WHERE key = ?", rows)


def _delete_of_scope(db: apsw.Connection, places: Places, scope: Scope) -> None:
    for _, key in list(places.seen_by(scope)):
        db.execute("DELETE FROM batches WHERE scope = ?", (key,))
        db.execute("DELETE FROM calls WHERE scope = ?", (key,))


def _leave_tombstones(
    db: apsw.Connection, places: Places, batch: Batch, new_id: NewId, doomed: Doomed, record: Record
) -> None:
    at = enc.micros(batch.at)
    for key, scope in sorted(doomed.memories.items()):
        place = places.at(scope)
        id, sequence = new_id(batch.at, place.bucket), place.next_change()
        record.change(place, Action.ERASE)
        status = next(iter(db.execute("SELECT status FROM memories WHERE key = ?", (key,))))[0]
        place.show(-int(status <= enc.LAST_VISIBLE))
        db.execute(
            "INSERT INTO changes VALUES(?,?,?,?,?,NULL,NULL,NULL,?,?,?,NULL,?)",
            (
                enc.key(place.partition, sequence), enc.raw_id(id), enc.raw_id(batch.id),
                enc.ACTION_NUMBERS[Action.ERASE], key, batch.actor, batch.reason, at, enc.dump_json(batch.details),
            ),
        )  # fmt: skip
        db.execute(
            """UPDATE memories SET status = ?1, kind = 0, role = NULL, name = NULL, categories = NULL,
                 occurred_at = NULL, occurred_offset = NULL, valid_from = NULL, valid_to = NULL, created_at = ?2,
                 updated_at = ?2, expires_at = NULL, importance = 0, trust = 0, strength = 0, recency = 0,
                 changed = ?3, superseded_by = NULL, review = NULL, statement_key = NULL WHERE key = ?4""",
            (enc.ERASED, at, sequence, key),
        )
        doomed.tombstones.append(id)


def _empty_wal(db: apsw.Connection) -> bool:
    """Move the WAL into the file and truncate it; False while a reader of another process holds it."""
    try:
        busy = next(iter(db.execute("PRAGMA wal_checkpoint(TRUNCATE)")))[0]
    except apsw.BusyError:
        return False
    return not busy


def reset(db: apsw.Connection, tenant: str) -> None:
    """Remove every row of *tenant*'s memory, inside a write transaction."""
    events.drop(db, tenant)
    partitions = [r[0] for r in db.execute("SELECT id FROM partitions WHERE tenant = ?", (tenant,))]
    for partition in partitions:
        low, high = enc.bounds(partition)
        between = "BETWEEN ? AND ?"
        for table in ("messages", "memories", "changes", "units", "vectors", "next_vectors", "scopes"):
            db.execute(f"DELETE FROM {table} WHERE key {between}", (low, high))
        for table in ("revisions", "sources", "derived_from", "feedback", "mentions"):
            db.execute(f"DELETE FROM {table} WHERE memory {between}", (low, high))
        db.execute(f"DELETE FROM batches WHERE scope {between}", (low, high))
        for table in ("jobs", "calls", "merges"):
            db.execute(f"DELETE FROM {table} WHERE partition = ?", (partition,))
        db.execute("DELETE FROM partitions WHERE id = ?", (partition,))
    if next(iter(db.execute("SELECT 1 FROM partitions LIMIT 1")), None) is None:
        db.execute("DELETE FROM meta WHERE name IN ('embedder', 'next_embedder')")


def compact(db: apsw.Connection) -> None:
    """Give freed pages back, zeroed, and empty the WAL; runs outside a transaction."""
    db.execute("VACUUM")
    _empty_wal(db)
