"""Reading rows back as values: memories, messages, changes. Scope is checked here, for every row that leaves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import apsw

from keepstone.contract import ListQuery
from keepstone.errors import InvalidRequestError, StoreCorruptError
from keepstone.filters import Filter, asks_fields, matches
from keepstone.stores.sqlite import encoding as enc
from keepstone.stores.sqlite.deriving import fill
from keepstone.stores.sqlite.encoding import scope_of
from keepstone.types import Change, Kind, LedgerMessage, MemoryRecord, Page, Scope, Status

# Python's hook for a row: the columns in the order of the SELECT.
Row = tuple[Any, ...]

_IDS_AT_ONCE = 500
_ID_COLUMNS = ("user_id", "agent_id", "app_id", "run_id")
_NEVER = enc.instant(0)
_BLANK = MemoryRecord(
    id="", text="", kind=Kind.EPISODE, scope=Scope(), status=Status.CURRENT, revision=0, sequence=0, metadata={},
    created_at=_NEVER, updated_at=_NEVER,
)  # fmt: skip

MEMORY = """
SELECT m.key, m.id, m.kind, m.status, m.revision, m.role, m.name, m.categories, m.occurred_at, m.occurred_offset,
       m.valid_from, m.valid_to, m.created_at, m.updated_at, m.expires_at, m.importance, m.trust,
       r.text, r.metadata, r.language, p.tenant, s.user_id, s.agent_id, s.app_id, s.run_id, m.strength, m.superseded_by
FROM memories m
JOIN revisions r ON r.memory = m.key AND r.number = m.revision
JOIN scopes s ON s.key = m.scope
JOIN partitions p ON p.id = s.partition
"""
# An erased memory has no revision any more.
TOMBSTONE = MEMORY.replace("JOIN revisions", "LEFT JOIN revisions")
# The content only where the memory has no text of its own.
_SOURCES = """
SELECT o.memory, x.id, x.external_id, CASE WHEN r.text IS NULL THEN x.content END
FROM memories m JOIN revisions r ON r.memory = m.key AND r.number = m.revision
JOIN sources o ON o.memory = m.key AND o.first > -2 JOIN messages x ON x.key = o.message
"""
MESSAGE = """
SELECT x.key, x.id, x.external_id, x.role, x.name, x.content, x.metadata, x.occurred_at, x.occurred_offset,
       x.recorded_at, x.position, p.tenant, s.user_id, s.agent_id, s.app_id, s.run_id, x.scope
FROM messages x JOIN scopes s ON s.key = x.scope JOIN partitions p ON p.id = s.partition
"""
# A message is suppressed while a memory that came from it, or that it echoes, is retired, unless that went alone.
NOT_SUPPRESSED = """
NOT EXISTS (SELECT 1 FROM sources o JOIN memories q ON q.key = o.memory WHERE o.message = x.key AND q.status = 2
            AND q.keeps_sources IS NULL)
"""
CHANGE = """
SELECT c.key, c.id, c.batch, c.action, m.id, c.old_revision, c.new_revision, c.related, c.actor, c.reason, c.at,
       c.inverse_of, c.memory, p.tenant, s.user_id, s.agent_id, s.app_id, s.run_id, c.details
FROM changes c JOIN memories m ON m.key = c.memory JOIN scopes s ON s.key = m.scope
JOIN partitions p ON p.id = s.partition
"""


def light_record(row: Row) -> MemoryRecord:
    """Return the memory of a row without its text and sources: all that a filter can ask for."""
    return MemoryRecord(
        id=enc.text_id(row[1]),
        text="",
        kind=enc.KINDS[row[2]],
        status=enc.STATUSES[row[3]],
        revision=row[4],
        sequence=row[0] & enc.SEQUENCE_MASK,
        role=row[5],
        name=row[6],
        categories=tuple(row[7].split("\n")) if row[7] else (),
        occurred_at=enc.moment(row[8], row[9]),
        valid_from=enc.moment(row[10]),
        valid_to=enc.moment(row[11]),
        created_at=enc.instant(row[12]),
        updated_at=enc.instant(row[13]),
        expires_at=enc.moment(row[14]),
        importance=row[15],
        trust=row[16],
        metadata=enc.load_json(row[18]),
        language=row[19] or "und",
        scope=scope_of(row[20], row[21:25]),
        strength=row[25],
    )


def full_records(db: apsw.Connection, rows: Sequence[Row], scope: Scope) -> list[MemoryRecord]:
    """Return the memories of rows with their texts, sources and grounds, from a few further queries.

    *scope* is who reads: of what the memories rest on, it must see what is named.
    """
    keys = [r[0] for r in rows]
    sql = f"{_SOURCES} WHERE m.key IN ({enc.places(keys)}) ORDER BY o.memory, o.message, o.first"
    said: dict[int, list[Row]] = {}
    for source in db.execute(sql, keys):
        said.setdefault(source[0], []).append(source)
    records = {row[0]: _full(row, said.get(row[0], ())) for row in rows}
    fill(db, records, {row[0]: row[26] for row in rows if row[26] is not None}, scope)
    return list(records.values())


def _full(row: Row, sources: Sequence[Row]) -> MemoryRecord:
    text = row[17]
    if text is None:
        # Of a retired memory that an archive brought without its text there is nothing to show.
        text = sources[0][3] if sources else ""
    record = light_record(row)
    # Filled in place of dataclasses.replace, which would set every field again on a hot path.
    object.__setattr__(record, "text", text)
    object.__setattr__(record, "sources", _public(sources))
    object.__setattr__(record, "edited", row[4] > 1)
    return record


def _public(sources: Sequence[Row]) -> tuple[str, ...]:
    ids = tuple(e or enc.text_id(i) for _, i, e, _ in sources)
    return ids if len(ids) < 2 else tuple(dict.fromkeys(ids))


def satisfy(db: apsw.Connection, where: Filter, keys: Sequence[int]) -> Iterator[tuple[int, bool]]:
    """Yield, for the memories at *keys*, whether they satisfy *where*.

    Raises:
        StoreCorruptError: one of them has lost its row or its revision.
    """
    answered = 0
    for start in range(0, len(keys), _IDS_AT_ONCE):
        some = keys[start : start + _IDS_AT_ONCE]
        judge = _by_fields if asks_fields(where) else _by_metadata
        for key, verdict in judge(db, where, some):
            answered += 1
            yield key, verdict
    if answered < len(keys):
        raise StoreCorruptError("A memory has lost its row or its text: `keepstone doctor` tells more.")


def _by_fields(db: apsw.Connection, where: Filter, keys: Sequence[int]) -> Iterator[tuple[int, bool]]:
    for row in db.execute(f"{MEMORY} WHERE m.key IN ({enc.places(keys)})", keys):
        yield row[0], matches(where, light_record(row))


def _by_metadata(db: apsw.Connection, where: Filter, keys: Sequence[int]) -> Iterator[tuple[int, bool]]:
    sql = f"""SELECT m.key, r.metadata FROM memories m
              JOIN revisions r ON r.memory = m.key AND r.number = m.revision WHERE m.key IN ({enc.places(keys)})"""
    # Many memories have the same few metadata: each is judged once.
    verdicts: dict[str | None, bool] = {}
    for key, text in db.execute(sql, keys):
        if text not in verdicts:
            verdicts[text] = matches(where, replace(_BLANK, metadata=enc.load_json(text)))
        yield key, verdicts[text]


def visible(db: apsw.Connection, ids: Sequence[str], scope: Scope) -> list[MemoryRecord]:
    """Return the visible memories among *ids* that *scope* sees, in the order asked."""
    found: dict[str, MemoryRecord] = {}
    for start in range(0, len(ids), _IDS_AT_ONCE):
        raw = [enc.raw_id(i) for i in ids[start : start + _IDS_AT_ONCE]]
        rows = db.execute(f"{MEMORY} WHERE m.id IN ({enc.places(raw)}) AND m.status <= 1", raw)
        seen = [r for r in rows if scope.sees(scope_of(r[20], r[21:25]))]
        found.update((record.id, record) for record in full_records(db, seen, scope))
    return [found[i] for i in dict.fromkeys(ids) if i in found]


def visible_at(db: apsw.Connection, keys: Sequence[int], scope: Scope) -> list[MemoryRecord]:
    """Return the visible memories among *keys* that *scope* sees, in the order of keys."""
    found: list[MemoryRecord] = []
    for start in range(0, len(keys), _IDS_AT_ONCE):
        some = keys[start : start + _IDS_AT_ONCE]
        rows = db.execute(f"{MEMORY} WHERE m.key IN ({enc.places(some)}) AND m.status <= 1 ORDER BY m.key", some)
        found += full_records(db, [r for r in rows if scope.sees(scope_of(r[20], r[21:25]))], scope)
    return found


def owner_of(db: apsw.Connection, partition: int) -> tuple[str, str]:
    """Return kind and id of the owner of a partition."""
    row: Sequence[str] = next(iter(db.execute("SELECT owner_kind, owner FROM partitions WHERE id = ?", (partition,))))
    return row[0], row[1]


def partitions(db: apsw.Connection, scope: Scope) -> list[int]:
    """Return the partitions that can hold what *scope* sees, in the order of their making.

    With a user there is at most one: the user owns it. Without, an id may be the owner's or a further one.
    """
    user, agent, app, run = (i or "" for i in scope.ids)
    if user:
        sql = "SELECT id FROM partitions WHERE tenant = ? AND owner_kind = 'user' AND owner = ?"
        return [r[0] for r in db.execute(sql, (scope.tenant, user))]
    if not (agent or app or run):
        return [r[0] for r in db.execute("SELECT id FROM partitions WHERE tenant = ? ORDER BY id", (scope.tenant,))]
    sql = f"""
        SELECT DISTINCT s.partition FROM scopes s JOIN partitions p ON p.id = s.partition
        WHERE p.tenant = ? AND {_ids_match(scope)} ORDER BY s.partition
    """
    return [r[0] for r in db.execute(sql, (scope.tenant, *(i for i in scope.ids if i is not None)))]


def scope_keys(db: apsw.Connection, partition: int, scope: Scope) -> list[int]:
    """Return the keys of the exact scopes in *partition* that *scope* sees."""
    sql = f"SELECT s.key FROM scopes s WHERE s.partition = ? AND {_ids_match(scope)}"
    return [r[0] for r in db.execute(sql, (partition, *(i for i in scope.ids if i is not None)))]


def holds_visible(db: apsw.Connection, partition: int, scope: Scope) -> bool:
    """Return whether *partition* holds a visible memory that *scope* sees."""
    sql = "SELECT 1 FROM memories WHERE scope = ? AND status <= 1 LIMIT 1"
    return any(next(iter(db.execute(sql, (key,))), None) is not None for key in scope_keys(db, partition, scope))


def _ids_match(scope: Scope) -> str:
    # Said twice: the indexes of scopes are only of ids that are given, and SQLite must see that these are.
    given = [f"s.{n} = ? AND s.{n} <> ''" for n, i in zip(_ID_COLUMNS, scope.ids, strict=True) if i is not None]
    return " AND ".join(given) or "1"


def scope_filter(scope: Scope) -> tuple[str, dict[str, str]]:
    """Return what tells whether *scope* sees the exact scope s of its tenant, and the values named in it."""
    given = {name: id for name, id in zip(_ID_COLUMNS, scope.ids, strict=True) if id is not None}
    return " AND ".join(f"s.{name} = :{name} AND s.{name} <> ''" for name in given) or "1", given


def listing(kinds: Sequence[Kind]) -> str:
    """Return the query for the memories between two keys, up to a status, that may be of *kinds* (all, if empty)."""
    # Named so that the partial index is used: episodes are most of what there is.
    if not kinds or Kind.EPISODE in kinds:
        return f"{MEMORY} WHERE m.key > ? AND m.key <= ? AND m.status <= ? ORDER BY m.key"
    memory = MEMORY.replace("memories m", "memories m INDEXED BY memories_distilled", 1)
    return f"{memory} WHERE m.key > ? AND m.key <= ? AND m.status <= ? AND m.kind <> 0 ORDER BY m.key"


# Few memories have a category; a list of them must not walk over all the others.
CATEGORISED = f"""
{MEMORY.replace("memories m", "memories m INDEXED BY memories_categories", 1)}
WHERE m.key > ? AND m.key <= ? AND m.status <= ? AND m.categories IS NOT NULL
  AND (m.kind <> 0 OR EXISTS (SELECT 1 FROM sources l JOIN messages x ON x.key = l.message
                              WHERE l.memory = m.key AND l.first > -2 AND {NOT_SUPPRESSED}))
ORDER BY m.recency DESC
"""


def page(db: apsw.Connection, query: ListQuery) -> Page:
    """Return one page of the visible memories, in the order of partition and sequence."""
    after = cursor_key(query.cursor)
    chosen: list[Row] = []
    last_key = after
    at = enc.micros(query.at)
    kinds = {enc.KIND_NUMBERS[k] for k in query.kinds}
    last_status = enc.LAST_VISIBLE if query.include_superseded else enc.CURRENT
    sql = CATEGORISED if query.categorised else listing(query.kinds)
    for partition in partitions(db, query.scope):
        low, high = enc.bounds(partition)
        if high <= after:
            continue
        for row in db.execute(sql, (max(low, after), high, last_status)):
            expired = row[14] is not None and row[14] <= (at or 0) and not query.include_expired
            if expired or (kinds and row[2] not in kinds):
                continue
            light = light_record(row)
            if not query.scope.sees(light.scope) or not matches(query.where, light):
                continue
            if len(chosen) == query.limit:
                return Page(items=tuple(full_records(db, chosen, query.scope)), next_cursor=cursor_of(last_key))
            chosen.append(row)
            last_key = row[0]
    return Page(items=tuple(full_records(db, chosen, query.scope)), next_cursor=None)


def cursor_of(key: int) -> str:
    """Return the cursor after the memory at *key*."""
    return f"k{key:x}"


def cursor_key(cursor: str | None) -> int:
    """Return the key after which a page begins.

    Raises:
        InvalidRequestError: the cursor is not one of this store.
    """
    if cursor is None:
        return 0
    try:
        if not cursor.startswith("k"):
            raise ValueError(cursor)
        return int(cursor[1:], 16) & (1 << 63) - 1
    except ValueError as error:
        raise InvalidRequestError("The cursor is not one of this store; start again without it.") from error


def ledger_message(row: Row) -> LedgerMessage:
    """Return the ledger message of a row."""
    return LedgerMessage(
        id=enc.text_id(row[1]),
        external_id=row[2],
        scope=scope_of(row[11], row[12:16]),
        role=row[3],
        name=row[4],
        content=row[5],
        metadata=enc.load_json(row[6]),
        occurred_at=enc.moment(row[7], row[8]),
        recorded_at=enc.instant(row[9]),
        position=row[10],
        sequence=row[0] & enc.SEQUENCE_MASK,
    )


def messages(db: apsw.Connection, ids: Sequence[str], scope: Scope) -> list[LedgerMessage]:
    """Return ledger messages by our ids; suppressed ones and those that *scope* does not see are left out."""
    found: list[LedgerMessage] = []
    for id in ids:
        rows = db.execute(f"{MESSAGE} WHERE x.id = ? AND {NOT_SUPPRESSED}", (enc.raw_id(id),))
        found.extend(ledger_message(r) for r in rows if scope.sees(scope_of(r[11], r[12:16])))
    return found


def neighbours(db: apsw.Connection, ids: Sequence[str], scope: Scope, before: int, after: int) -> list[LedgerMessage]:
    """Return the messages around the sources of visible memories, in the order of conversation and position."""
    places = """
        SELECT DISTINCT x.scope, x.position FROM memories m JOIN sources o ON o.memory = m.key AND o.first > -2
        JOIN messages x ON x.key = o.message JOIN scopes s ON s.key = m.scope
        JOIN partitions p ON p.id = s.partition
        WHERE m.id = ? AND m.status <= 1 AND p.tenant = ?
    """
    around = f"{MESSAGE} WHERE x.scope = ? AND x.position BETWEEN ? AND ? AND {NOT_SUPPRESSED}"
    found: dict[tuple[int, int], LedgerMessage] = {}
    for record in visible(db, ids, scope):
        for conversation, position in list(db.execute(places, (enc.raw_id(record.id), scope.tenant))):
            for row in db.execute(around, (conversation, position - before, position + after)):
                if scope.sees(scope_of(row[11], row[12:16])):
                    found[row[16], row[10]] = ledger_message(row)
    return [found[k] for k in sorted(found)]


def history(db: apsw.Connection, memory_id: str, scope: Scope) -> list[Change]:
    """Return every change of a memory that *scope* sees, oldest first."""
    return _changes(db, "m.id = ?", enc.raw_id(memory_id), scope)


def changes(db: apsw.Connection, id: str, scope: Scope) -> list[Change]:
    """Return the change, or the changes of the batch, with this id, oldest first."""
    raw = enc.raw_id(id)
    return _changes(db, "c.id = ?", raw, scope) or _changes(db, "c.batch = ?", raw, scope)


def _changes(db: apsw.Connection, where: str, value: bytes, scope: Scope) -> list[Change]:
    rows = db.execute(f"{CHANGE} WHERE {where} ORDER BY c.key", (value,))
    return [change(db, r) for r in rows if scope.sees(scope_of(r[13], r[14:18]))]


def change(db: apsw.Connection, row: Row, *, with_text: bool = True) -> Change:
    """Return the change of a row, with the texts of its revisions."""
    old, new = row[5], row[6]
    return Change(
        id=enc.text_id(row[1]),
        batch_id=enc.text_id(row[2]),
        sequence=row[0] & enc.SEQUENCE_MASK,
        memory_id=enc.text_id(row[4]),
        action=enc.ACTIONS[row[3]],
        old_revision=old,
        new_revision=new,
        old_text=revision_text(db, row[12], old) if with_text else None,
        new_text=revision_text(db, row[12], new) if with_text else None,
        actor=row[8],
        reason=row[9],
        at=enc.instant(row[10]),
        related_id=None if row[7] is None else memory_id(db, row[7]),
        inverse_of=None if row[11] is None else enc.text_id(row[11]),
        details=enc.load_json(row[18]),
    )


def revision_text(db: apsw.Connection, memory: int, number: int | None) -> str | None:
    """Return the text of a revision; None if there is none (any more)."""
    if number is None:
        return None
    sql = """
        SELECT coalesce(r.text, (SELECT x.content FROM sources o JOIN messages x ON x.key = o.message
                                 WHERE o.memory = r.memory AND o.first > -2
                                 ORDER BY o.message, o.first LIMIT 1))
        FROM revisions r WHERE r.memory = ? AND r.number = ?
    """
    found = next(iter(db.execute(sql, (memory, number))), None)
    return None if found is None else found[0]


def memory_id(db: apsw.Connection, key: int) -> str | None:
    """Return the id of the memory at *key*."""
    found = next(iter(db.execute("SELECT id FROM memories WHERE key = ?", (key,))), None)
    return None if found is None else enc.text_id(found[0])


def exact_scope_key(db: apsw.Connection, scope: Scope) -> int | None:
    """Return the key of an exact scope, None if nothing was ever added to it."""
    kind, owner = scope.owner or ("", "")
    sql = """SELECT s.key FROM scopes s JOIN partitions p ON p.id = s.partition
             WHERE p.tenant = ? AND p.owner_kind = ? AND p.owner = ?
               AND s.user_id = ? AND s.agent_id = ? AND s.app_id = ? AND s.run_id = ?"""
    values = (scope.tenant, kind, owner, *(i or "" for i in scope.ids))
    found = next(iter(db.execute(sql, values)), None)
    return None if found is None else int(found[0])


def batch(db: apsw.Connection, scope: Scope, idempotency_key: str) -> tuple[str, bytes] | None:
    """Return id and fingerprint of an earlier batch with this key in an exact scope."""
    key = exact_scope_key(db, scope)
    sql = "SELECT batch, fingerprint FROM batches WHERE scope = ? AND idempotency_key = ?"
    found = next(iter(db.execute(sql, (key, idempotency_key))), None)
    return None if found is None else (enc.text_id(found[0]), bytes(found[1]))
