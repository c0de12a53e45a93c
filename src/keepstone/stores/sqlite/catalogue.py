"""Listings for people: owners, conversations, transcripts, the log, days. Each page costs about what is on it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

import apsw

from keepstone.control import Conversation, Day, Owner
from keepstone.errors import InvalidRequestError
from keepstone.logic.details import scrubbed
from keepstone.logic.listings import beyond, day_name, day_number
from keepstone.stores.sqlite import encoding as enc
from keepstone.stores.sqlite import reading
from keepstone.stores.sqlite.reading import CHANGE, MESSAGE, NOT_SUPPRESSED, cursor_key, cursor_of, scope_filter
from keepstone.types import OWNER_KINDS, Change, LedgerMessage, Listing, Scope

T = TypeVar("T")

# Of an unbounded walk that looks for a few rows, so many are looked at before the rows are looked up from the scope.
LOOKED_AT_MAX = 2_000
_LAST = (1 << 63) - 1
_SEPARATOR = "\x1f"


def paged(rows: Iterable[tuple[str, T]], limit: int) -> Listing[T]:
    """Return the first *limit* values of *rows*, each with the cursor after it."""
    found = list(islice(rows, limit + 1))
    more = len(found) > limit
    return Listing(items=tuple(value for _, value in found[:limit]), next_cursor=found[limit - 1][0] if more else None)


def owners(
    db: apsw.Connection, tenant: str, kind: str | None, prefix: str, cursor: str | None, limit: int
) -> Listing[Owner]:
    """Return owners by kind and id; who has no visible memory and no message in the ledger is left out.

    Memories are the visible ones, messages those in the ledger, also the ones that a retired memory hides.
    """
    kinds = [k for k in sorted(OWNER_KINDS) if kind in (None, k)]
    after = _owner_at(cursor)
    return paged(_owners(db, tenant, kinds, prefix, after), limit)


def _owners(
    db: apsw.Connection, tenant: str, kinds: list[str], prefix: str, after: tuple[str, str]
) -> Iterator[tuple[str, Owner]]:
    end = beyond(prefix)
    sql = f"""
        SELECT p.owner, p.visible, p.kept,
               (SELECT c.at FROM changes c WHERE c.key BETWEEN p.id << 32 AND p.id << 32 | 4294967295
                ORDER BY c.key DESC LIMIT 1)
        FROM partitions p WHERE p.tenant = :tenant AND p.owner_kind = :kind AND p.owner >= :first AND p.owner > :after
          AND {"1" if end is None else "p.owner < :end"} AND (p.visible > 0 OR p.kept > 0) ORDER BY p.owner
    """
    for kind in kinds:
        if kind < after[0]:
            continue
        last = after[1] if kind == after[0] else ""
        values = {"tenant": tenant, "kind": kind, "first": prefix, "after": last, "end": end}
        for id, memories, messages, at in db.execute(sql, values):
            owner = Owner(kind=kind, id=id, memories=memories, messages=messages, last_at=enc.moment(at))
            yield _owner_cursor(kind, id), owner


def _owner_cursor(kind: str, id: str) -> str:
    return base64.urlsafe_b64encode(f"{kind}{_SEPARATOR}{id}".encode()).decode()


def _owner_at(cursor: str | None) -> tuple[str, str]:
    if cursor is None:
        return "", ""
    try:
        kind, separator, id = (
            base64.b64decode(cursor.encode("ascii"), b"-_", validate=True).decode().partition(_SEPARATOR)
        )
        if not separator or kind not in OWNER_KINDS:
            raise ValueError(cursor)
    except (ValueError, binascii.Error) as error:
        raise InvalidRequestError("The cursor is not one of this store; start again without it.") from error
    return kind, id


def conversations(db: apsw.Connection, scope: Scope, cursor: str | None, limit: int) -> Listing[Conversation]:
    """Return the exact scopes with messages that may be shown, those made last first.

    Their counts and times are those of all messages in the ledger, also of the ones that a retired memory hides.
    """
    before = _before(cursor)
    return paged(((cursor_of(row[0]), _conversation(row)) for row in _spoken_in(db, scope, before)), limit)


def _conversation(row: reading.Row) -> Conversation:
    return Conversation(
        scope=enc.scope_of(row[1], row[2:6]),
        messages=row[6],
        first_at=enc.moment(row[7]),
        last_at=enc.moment(row[8]),
    )


def _spoken_in(db: apsw.Connection, scope: Scope, before: int) -> Iterator[reading.Row]:
    seen, ids = scope_filter(scope)
    columns = f"""
        SELECT s.key, p.tenant, s.user_id, s.agent_id, s.app_id, s.run_id, s.kept,
               (SELECT x.recorded_at FROM messages x WHERE x.scope = s.key ORDER BY x.position LIMIT 1),
               (SELECT x.recorded_at FROM messages x WHERE x.scope = s.key ORDER BY x.position DESC LIMIT 1)
        FROM scopes s CROSS JOIN partitions p ON p.id = s.partition
        WHERE s.kept > 0 AND {seen} AND p.tenant = :tenant AND s.key <= :high AND s.key >= :low
          AND EXISTS (SELECT 1 FROM messages x WHERE x.scope = s.key AND {NOT_SUPPRESSED})
        ORDER BY s.key DESC
    """
    values = {"tenant": scope.tenant, **ids}
    if scope.user_id is None and not scope.is_empty:
        # The index of the id gives the scopes in the order of their keys.
        yield from db.execute(columns, {**values, "low": 0, "high": before - 1})
        return
    for partition in _partitions(db, scope, before, newest_first=True):
        low, high = enc.bounds(partition)
        # Within a partition the other ids are few, and looked for in its own range.
        yield from db.execute(columns, {**values, "low": low, "high": min(high, before - 1)})


def _partitions(db: apsw.Connection, scope: Scope, beyond: int, *, newest_first: bool) -> Iterator[int]:
    """Yield the partitions that *scope* reaches from the one of a key on, without listing all of a tenant."""
    first = beyond >> enc.SEQUENCE_BITS
    if not scope.is_empty:
        found = reading.partitions(db, scope)
        yield from [p for p in reversed(found) if p <= first] if newest_first else [p for p in found if p >= first]
        return
    which = "id <= ? ORDER BY id DESC" if newest_first else "id >= ? ORDER BY id"
    for (partition,) in db.execute(f"SELECT id FROM partitions WHERE tenant = ? AND {which}", (scope.tenant, first)):
        yield partition


def transcript(
    db: apsw.Connection, scope: Scope, cursor: str | None, limit: int, *, newest_first: bool
) -> Listing[LedgerMessage]:
    """Return messages by partition and sequence, retired ones left out; newest first, the other way round."""
    start = _before(cursor) if newest_first else cursor_key(cursor)
    return paged(_said(db, scope, start, newest_first=newest_first), limit)


def _said(db: apsw.Connection, scope: Scope, start: int, *, newest_first: bool) -> Iterator[tuple[str, LedgerMessage]]:
    seen, ids = scope_filter(scope)
    within, order = ("x.key >= :low AND x.key < :start", "DESC") if newest_first else ("x.key > :start", "ASC")
    for partition in _partitions(db, scope, start, newest_first=newest_first):
        low, high = enc.bounds(partition)
        values: dict[str, Any] = {"low": low, "high": high, "start": start, "partition": partition, **ids}
        rule = f"{within} AND x.key BETWEEN :low AND :high AND {NOT_SUPPRESSED} ORDER BY x.key {order}"
        if _is_whole(db, scope, partition):
            rows: Iterator[reading.Row] = db.execute(f"{MESSAGE} WHERE {rule}", values)
        else:
            # Keys first, from the index of the scopes: what others said in the partition is not gone through.
            keys = f"""SELECT x.key FROM scopes s CROSS JOIN messages x INDEXED BY messages_position ON x.scope = s.key
                       WHERE s.partition = :partition AND {seen} AND {within} ORDER BY x.key {order}"""
            found = [key for (key,) in db.execute(keys, values)]
            one = f"{MESSAGE} WHERE x.key = ? AND {NOT_SUPPRESSED}"
            rows = (row for key in found for row in db.execute(one, (key,)))
        for row in rows:
            yield cursor_of(row[0]), reading.ledger_message(row)


def _is_whole(db: apsw.Connection, scope: Scope, partition: int) -> bool:
    """True if *scope* sees all that the owner of a partition has."""
    return len([i for i in scope.ids if i is not None]) <= 1 and (
        scope.is_empty or scope.owner == reading.owner_of(db, partition)
    )


def log(db: apsw.Connection, scope: Scope, cursor: str | None, limit: int) -> Listing[Change]:
    """Return changes newest first: for a user by sequence, else by their ids, which carry the moment.

    Texts and details of what was taken back are left out.
    """
    place = _user_place if scope.user_id is not None else _tenant_place
    walk, lookup, values, cursor_at = place(db, scope, cursor)
    if walk is None:
        return Listing(items=(), next_cursor=None)
    rows, looked = [], 0
    for row in db.execute(walk, {**values, "most": LOOKED_AT_MAX + limit}):
        looked += 1
        if scope.sees(enc.scope_of(row[13], row[14:18])):
            rows.append(row)
        if len(rows) > limit:
            break
    if len(rows) <= limit and looked == LOOKED_AT_MAX + limit:
        rows = list(db.execute(lookup, {**values, "most": limit + 1}))
    return paged(((cursor_at(row), _shown(db, row)) for row in rows), limit)


Place = tuple[str | None, str, dict[str, Any], Callable[[reading.Row], str]]


def _user_place(db: apsw.Connection, scope: Scope, cursor: str | None) -> Place:
    """How the changes of one partition are walked, and how those of its scopes are looked up."""
    seen, ids = scope_filter(scope)
    before = _before(cursor)
    found = reading.partitions(db, scope)
    if not found:
        return None, "", {}, _key_cursor
    low, high = enc.bounds(found[0])
    walk = f"{CHANGE} WHERE c.key >= :low AND c.key < :before ORDER BY c.key DESC LIMIT :most"
    lookup = f"""{CHANGE} WHERE c.key IN (
        SELECT c.key FROM scopes s CROSS JOIN memories m INDEXED BY memories_statement ON m.scope = s.key
        CROSS JOIN changes c INDEXED BY changes_memory ON c.memory = m.key
        WHERE s.partition = :partition AND {seen} AND c.key < :before ORDER BY c.key DESC LIMIT :most
    ) ORDER BY c.key DESC"""
    values = {"low": low, "before": min(before, high + 1), "partition": found[0], **ids}
    return walk, lookup, values, _key_cursor


def _tenant_place(_: apsw.Connection, scope: Scope, cursor: str | None) -> Place:
    """How the changes of all partitions are walked, by their ids, and how those of few scopes are looked up."""
    seen, ids = scope_filter(scope)
    before = _id_before(cursor)
    # The index of the ids is in the order of time over all partitions, and costs nothing more to keep.
    walk = f"""{CHANGE.replace("changes c", "changes c INDEXED BY changes_id", 1)}
               WHERE c.id < :before ORDER BY c.id DESC LIMIT :most"""
    if scope.is_empty:
        found = "partitions p CROSS JOIN changes c ON c.key BETWEEN p.id << 32 AND p.id << 32 | 4294967295"
    else:
        found = """scopes s CROSS JOIN partitions p ON p.id = s.partition
            CROSS JOIN memories m INDEXED BY memories_statement ON m.scope = s.key
            CROSS JOIN changes c INDEXED BY changes_memory ON c.memory = m.key"""
    lookup = f"""{CHANGE} WHERE c.key IN (
        SELECT c.key FROM {found}
        WHERE p.tenant = :tenant AND {seen} AND c.id < :before ORDER BY c.id DESC LIMIT :most
    ) ORDER BY c.id DESC"""
    return walk, lookup, {"tenant": scope.tenant, "before": before, **ids}, lambda row: f"i{row[1].hex()}"


def _key_cursor(row: reading.Row) -> str:
    return cursor_of(row[0])


def _shown(db: apsw.Connection, row: reading.Row) -> Change:
    status = next(iter(db.execute("SELECT status FROM memories WHERE key = ?", (row[12],))))[0]
    visible = status <= enc.LAST_VISIBLE
    entry = reading.change(db, row, with_text=visible)
    return entry if visible else replace(entry, details=scrubbed(entry.details, ()))


def _before(cursor: str | None) -> int:
    return _LAST if cursor is None else cursor_key(cursor)


def _id_before(cursor: str | None) -> bytes:
    if cursor is None:
        return b"\xff" * 17
    try:
        raw = bytes.fromhex(cursor[1:])
        if not cursor.startswith("i") or len(raw) != 16:
            raise ValueError(cursor)
    except ValueError as error:
        raise InvalidRequestError("The cursor is not one of this store; start again without it.") from error
    return raw


def days(db: apsw.Connection, scope: Scope, since: datetime, until: datetime) -> list[Day]:
    """Return the days on which something was written, oldest first."""
    partition = 0
    if scope.owner is not None:
        sql = "SELECT id FROM partitions WHERE tenant = ? AND owner_kind = ? AND owner = ?"
        found = next(iter(db.execute(sql, (scope.tenant, *scope.owner))), None)
        if found is None:
            return []
        partition = found[0]
    sql = """SELECT day, messages, a0, a1, a2, a3, a4, a5, a6, a7 FROM days
             WHERE tenant = ? AND partition = ? AND day >= ? AND day < ? ORDER BY day"""
    rows = db.execute(sql, (scope.tenant, partition, day_number(since), day_number(until, up=True)))
    return [
        Day(
            day=day_name(day),
            messages=messages,
            changes={action.value: n for action, n in zip(enc.ACTIONS, counts, strict=True) if n},
        )
        for day, messages, *counts in rows
    ]
