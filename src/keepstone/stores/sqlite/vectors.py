"""The store's vector space: which one it is, and moving to another while the old one serves."""

from __future__ import annotations

import json
from collections.abc import Mapping

import apsw

from keepstone.contract import EmbedderKey, PendingUnit, Vector
from keepstone.logic.text import spoken
from keepstone.stores.sqlite import encoding as enc
from keepstone.stores.sqlite.reading import revision_text


def active(db: apsw.Connection) -> EmbedderKey | None:
    """Return the space of the vectors in use, None while there are none."""
    return _space(db, "embedder")


def activate(db: apsw.Connection, space: EmbedderKey) -> None:
    """Make *space* that of a store without vectors."""
    _remember(db, "embedder", space)


def pending(db: apsw.Connection, space: EmbedderKey, after: int, limit: int) -> list[PendingUnit]:
    """Return units above key *after* that lack a vector of *space*, in key order."""
    table = _table(db, space)
    missing = f"NOT EXISTS (SELECT 1 FROM {table} v WHERE v.key = u.key)" if table else "1"
    sql = f"""SELECT u.key, u.memory, u.revision, u.first, u.last, m.name
              FROM units u JOIN memories m ON m.key = u.memory
              WHERE u.key > ? AND {missing} ORDER BY u.key LIMIT ?"""
    units = []
    for key, memory, revision, first, last, name in list(db.execute(sql, (after, limit))):
        text = (revision_text(db, memory, revision) or "")[first:last]
        units.append(PendingUnit(key=key, text=spoken(name, text)))
    return units


def store_vectors(db: apsw.Connection, space: EmbedderKey, vectors: Mapping[int, Vector]) -> None:
    """Keep vectors of *space*; those of units that are gone by now are dropped."""
    table = _table(db, space)
    if table is None:
        db.execute("DELETE FROM next_vectors")
        _remember(db, "next_embedder", space)
        table = "next_vectors"
    sql = f"INSERT OR REPLACE INTO {table} SELECT ?1, ?2 WHERE EXISTS (SELECT 1 FROM units WHERE key = ?1)"
    db.executemany(sql, [(k, enc.pack_vector(v)) for k, v in vectors.items()])


def adopt(db: apsw.Connection, space: EmbedderKey) -> bool:
    """Make *space* the one in use if no unit lacks a vector of it; return whether it is in use now."""
    if pending(db, space, -1, 1):
        return False
    if active(db) != space:
        if _table(db, space) == "next_vectors":
            # Renaming takes no time, whatever the size of the store.
            db.execute("DROP TABLE vectors; ALTER TABLE next_vectors RENAME TO vectors;")
            db.execute("CREATE TABLE next_vectors(key INTEGER PRIMARY KEY, vector BLOB NOT NULL)")
        db.execute("DELETE FROM meta WHERE name = 'next_embedder'")
        activate(db, space)
    db.execute("UPDATE partitions SET epoch = epoch + 1")
    return True


def _table(db: apsw.Connection, space: EmbedderKey) -> str | None:
    if active(db) == space:
        return "vectors"
    return "next_vectors" if _space(db, "next_embedder") == space else None


def _space(db: apsw.Connection, name: str) -> EmbedderKey | None:
    row = next(iter(db.execute("SELECT value FROM meta WHERE name = ?", (name,))), None)
    return None if row is None else EmbedderKey(**json.loads(row[0]))


def _remember(db: apsw.Connection, name: str, space: EmbedderKey) -> None:
    value = {"name": space.name, "dimensions": space.dimensions, "version": space.version}
    db.execute("INSERT OR REPLACE INTO meta VALUES(?,?)", (name, json.dumps(value)))
