"""Checks of a store's file against itself: integrity, and every index counted against the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import apsw

from keepstone.logic.replay import statement_key
from keepstone.stores.sqlite import encoding as enc
from keepstone.stores.sqlite import schema
from keepstone.stores.sqlite.encoding import scope_of
from keepstone.stores.sqlite.reading import partitions, scope_keys
from keepstone.stores.sqlite.vectors import active
from keepstone.types import Scope, Stats


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check: its name, whether all is well, what was found, and what to do if not."""

    name: str
    ok: bool
    detail: str
    advice: str = ""


_COUNTS = (
    ("memories without a revision", "memories m", "m.status < 3 AND NOT EXISTS (SELECT 1 FROM revisions r "
     "WHERE r.memory = m.key AND r.number = m.revision)"),
    ("episodes without a text", "memories m JOIN revisions r ON r.memory = m.key AND r.number = m.revision",
     "m.status < 2 AND r.text IS NULL AND NOT EXISTS (SELECT 1 FROM sources o WHERE o.memory = m.key)"),
    ("sources without a message", "sources o", "NOT EXISTS (SELECT 1 FROM messages x WHERE x.key = o.message)"),
    ("sources without a memory", "sources o", "NOT EXISTS (SELECT 1 FROM memories m WHERE m.key = o.memory)"),
    ("messages without a memory", "messages x", "NOT EXISTS (SELECT 1 FROM sources o WHERE o.message = x.key)"),
    ("memories without units", "memories m", "m.status < 2 AND NOT EXISTS (SELECT 1 FROM units u "
     "WHERE u.memory = m.key AND u.revision = m.unit_revision)"),
    ("units without a memory", "units u", "NOT EXISTS (SELECT 1 FROM memories m WHERE m.key = u.memory)"),
    ("vectors without a unit", "vectors v", "NOT EXISTS (SELECT 1 FROM units u WHERE u.key = v.key)"),
    ("memories without history", "memories m", "NOT EXISTS (SELECT 1 FROM changes c WHERE c.memory = m.key)"),
    ("changes without a memory", "changes c", "NOT EXISTS (SELECT 1 FROM memories m WHERE m.key = c.memory)"),
    ("memories derived from nothing", "derived_from d", "NOT EXISTS (SELECT 1 FROM memories m WHERE m.key = d.parent)"),
    ("mentions without a memory", "mentions n", "NOT EXISTS (SELECT 1 FROM memories m WHERE m.key = n.memory)"),
    ("merges without a partition", "merges g", "NOT EXISTS (SELECT 1 FROM partitions p WHERE p.id = g.partition)"),
    ("feedback without a change", "feedback f", "NOT EXISTS (SELECT 1 FROM changes c WHERE c.id = f.id)"),
    ("jobs without a scope", "jobs j", "NOT EXISTS (SELECT 1 FROM scopes s WHERE s.key = j.scope)"),
    ("calls without a scope", "calls k", "NOT EXISTS (SELECT 1 FROM scopes s WHERE s.key = k.scope)"),
    ("partitions behind their history", "partitions p", "p.version < ifnull((SELECT max(c.key) & 4294967295 "
     "FROM changes c WHERE c.key BETWEEN p.id << 32 AND (p.id << 32) + 4294967295), 0)"),
    ("partitions that count wrong", "partitions p", "p.visible <> (SELECT count(*) FROM memories m "
     "WHERE m.key BETWEEN p.id << 32 AND p.id << 32 | 4294967295 AND m.status < 2) OR p.kept <> (SELECT count(*) "
     "FROM messages x WHERE x.key BETWEEN p.id << 32 AND p.id << 32 | 4294967295)"),
    ("scopes that count wrong", "scopes s", "s.kept <> (SELECT count(*) FROM messages x WHERE x.scope = s.key)"),
    ("scopes behind their messages", "scopes s",
     "s.messages < (SELECT count(*) FROM messages x WHERE x.scope = s.key)"),
)  # fmt: skip
_REBUILD = "Put a copy or an export in its place; `keepstone export` may still save a part."


# An episode whose text changed on the device is still well-formed for SQLite; the key of what it says tells.
_KEYED_TEXTS = """
SELECT coalesce(r.text, (SELECT x.content FROM sources o JOIN messages x ON x.key = o.message
                         WHERE o.memory = m.key AND o.first > -2 ORDER BY o.message, o.first LIMIT 1)),
       m.role, m.name, p.tenant, s.user_id, s.agent_id, s.app_id, s.run_id, r.statement_key
FROM memories m JOIN revisions r ON r.memory = m.key AND r.number = m.revision
JOIN scopes s ON s.key = m.scope JOIN partitions p ON p.id = s.partition
WHERE m.kind = 0 AND m.status < 2 AND r.statement_key IS NOT NULL
"""


def check(db: apsw.Connection) -> list[Finding]:
    """Return every check of the file, done in one snapshot; of a damaged one only the damage."""
    findings: list[Finding] = []
    try:
        damage = "; ".join(r[0] for r in db.execute("PRAGMA integrity_check(5)"))
        findings.append(_found("file", damage == "ok", "intact" if damage == "ok" else damage))
        if findings[0].ok:
            for name, tables, wrong in _COUNTS:
                count = next(iter(db.execute(f"SELECT count(*) FROM {tables} WHERE {wrong}")))[0]
                findings.append(_found(name, count == 0, str(count)))
            changed = sum(_says_something_else(row) for row in db.execute(_KEYED_TEXTS))
            findings += [_found("texts changed on the device", changed == 0, str(changed)), _vectors(db)]
    except (apsw.CorruptError, UnicodeDecodeError) as error:
        findings.append(_found("reading", False, str(error)))
    return findings


def _found(name: str, ok: bool, detail: str) -> Finding:
    return Finding(name=name, ok=ok, detail=detail, advice="" if ok else _REBUILD)


def _says_something_else(row: tuple[Any, ...]) -> bool:
    text, role, name, tenant, *ids, key = row
    return text is None or statement_key(text, role, name, scope_of(tenant, ids)) != key


def _vectors(db: apsw.Connection) -> Finding:
    space = active(db)
    sql = "SELECT count(*) FROM units u WHERE NOT EXISTS (SELECT 1 FROM vectors v WHERE v.key = u.key)"
    missing = next(iter(db.execute(sql)))[0]
    if space is not None:
        wrong = "SELECT count(*) FROM vectors WHERE length(vector) <> ?"
        missing += next(iter(db.execute(wrong, (2 * space.dimensions,))))[0]
    if space is None:
        # Kept without an embedder on purpose, or not embedded yet: searching by words is not a fault.
        return Finding(name="vectors", ok=True, detail=f"none; {missing} passages are searched by words alone")
    detail = f"{missing} missing; space: {space}"
    return Finding(name="vectors", ok=missing == 0, detail=detail, advice="Run `keepstone reembed`." if missing else "")


def stats(db: apsw.Connection, scope: Scope, size: int | None, path: str) -> Stats:
    """Return counts of what *scope* sees."""
    others = "SELECT EXISTS (SELECT 1 FROM partitions WHERE tenant <> ?)"
    everything = scope.is_empty and not _one(db, others, scope.tenant)
    reached = [] if everything else partitions(db, scope)
    statuses = [0, 0, 0, 0]
    messages = changes = units = unembedded = 0
    lacking = "NOT EXISTS (SELECT 1 FROM vectors v WHERE v.key = u.key)"
    if everything:
        for status, count in db.execute("SELECT status, count(*) FROM memories GROUP BY status"):
            statuses[status] = count
        messages = _one(db, "SELECT count(*) FROM messages")
        changes = _one(db, "SELECT count(*) FROM changes")
        units = _one(db, "SELECT count(*) FROM units")
        unembedded = units - _one(db, "SELECT count(*) FROM vectors")
    else:
        for key in [k for p in reached for k in scope_keys(db, p, scope)]:
            for status, count in db.execute(
                "SELECT status, count(*) FROM memories WHERE scope = ? GROUP BY status", (key,)
            ):
                statuses[status] += count
            messages += _one(db, "SELECT count(*) FROM messages WHERE scope = ?", key)
            of_scope = "JOIN memories m ON m.key = {}.memory WHERE m.scope = ?"
            changes += _one(db, f"SELECT count(*) FROM changes c {of_scope.format('c')}", key)
            units += _one(db, f"SELECT count(*) FROM units u {of_scope.format('u')}", key)
            unembedded += _one(db, f"SELECT count(*) FROM units u {of_scope.format('u')} AND {lacking}", key)
    space = active(db)
    return Stats(
        messages=messages,
        memories=statuses[enc.CURRENT] + statuses[enc.SUPERSEDED],
        superseded=statuses[enc.SUPERSEDED],
        retired=statuses[enc.RETIRED],
        erased=statuses[enc.ERASED],
        changes=changes,
        units=units,
        unembedded=unembedded,
        partitions=_one(db, f"SELECT count(DISTINCT s.partition) FROM scopes s WHERE {_HOLDS}")
        if everything
        else sum(any(_holds(db, k) for k in scope_keys(db, p, scope)) for p in reached),
        embedder=None if space is None else str(space),
        schema_version=schema.VERSION,
        bytes=size,
        path=path,
    )


_HOLDS = """(EXISTS (SELECT 1 FROM memories m WHERE m.scope = s.key)
    OR EXISTS (SELECT 1 FROM messages x WHERE x.scope = s.key))"""


def _holds(db: apsw.Connection, scope_key: int) -> bool:
    return bool(_one(db, f"SELECT count(*) FROM scopes s WHERE s.key = ? AND {_HOLDS}", scope_key))


def _one(db: apsw.Connection, sql: str, *values: object) -> int:
    return int(next(iter(db.execute(sql, values)))[0])
