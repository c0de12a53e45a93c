"""The memories of a partition as they read and stood at an earlier moment, told from the history."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any

import apsw

from keepstone.contract import ListQuery
from keepstone.filters import Filter, matches
from keepstone.logic.earlier import Earlier, Step, earlier
from keepstone.logic.validity import standing
from keepstone.stores.sqlite import encoding as enc
from keepstone.stores.sqlite import reading
from keepstone.types import MemoryRecord, Page, Scope, Status

Row = tuple[Any, ...]

_AT_ONCE = 500
# The history of those memories that were changed after a moment.
_STEPS = """
SELECT memory, id, key, action, new_revision, related, inverse_of, at, details
FROM changes WHERE memory IN ({places}) ORDER BY key
"""
_CHANGED_SINCE = "SELECT DISTINCT memory FROM changes WHERE key BETWEEN ? AND ? AND at > ?"
_REVISION = "SELECT metadata, expires_at, language, unit_revision FROM revisions WHERE memory = ? AND number = ?"
_RECENCY = "SELECT key, recency FROM memories WHERE key > ? AND key <= ? AND categories IS NOT NULL"
_SOURCES = """
SELECT x.id, x.external_id FROM sources o JOIN messages x ON x.key = o.message
WHERE o.memory = ? AND o.first > -2 AND x.recorded_at <= ? ORDER BY o.message, o.first
"""


@dataclass(frozen=True, slots=True)
class _Stood:
    """A row of `reading.MEMORY`, the memory as it stood without text and sources, and what differs from now."""

    row: Row
    light: MemoryRecord
    state: Earlier | None


def visible(db: apsw.Connection, ids: Sequence[str], scope: Scope, known_at: datetime) -> list[MemoryRecord]:
    """Return the memories among *ids* that are visible now and were at *known_at*, as they were then."""
    found: dict[str, MemoryRecord] = {}
    for start in range(0, len(ids), _AT_ONCE):
        raw = [enc.raw_id(i) for i in ids[start : start + _AT_ONCE]]
        rows = db.execute(f"{reading.MEMORY} WHERE m.id IN ({enc.places(raw)}) AND m.status <= 1", raw)
        stood = [s for s in _stood(db, list(rows), known_at) if scope.sees(s.light.scope)]
        found.update((r.id, r) for r in _full(db, stood, scope, known_at))
    return [found[i] for i in dict.fromkeys(ids) if i in found]


def page(db: apsw.Connection, query: ListQuery) -> Page:
    """Return one page of a list for another moment in valid time, recorded time, or both."""
    after = reading.cursor_key(query.cursor)
    chosen: list[_Stood] = []
    last_key = after
    for partition in reading.partitions(db, query.scope):
        low, high = enc.bounds(partition)
        if high <= after:
            continue
        for stood in _listed(db, query, max(low, after), high):
            if not _is_wanted(stood.light, query):
                continue
            if len(chosen) == query.limit:
                items = _full(db, chosen, query.scope, query.known_at)
                return Page(items=tuple(items), next_cursor=reading.cursor_of(last_key))
            chosen.append(stood)
            last_key = stood.row[0]
    return Page(items=tuple(_full(db, chosen, query.scope, query.known_at)), next_cursor=None)


def satisfy(db: apsw.Connection, where: Filter, keys: Sequence[int], known_at: datetime) -> Iterator[tuple[int, bool]]:
    """Yield, for the memories at *keys*, whether they satisfied *where* at *known_at*."""
    for start in range(0, len(keys), _AT_ONCE):
        some = keys[start : start + _AT_ONCE]
        rows = list(db.execute(f"{reading.MEMORY} WHERE m.key IN ({enc.places(some)})", some))
        for stood in _stood(db, rows, known_at):
            yield stood.row[0], matches(where, stood.light)


def indexed(db: apsw.Connection, partition: int, rows: Sequence[Row], known_at: datetime) -> list[Row]:
    """Return the rows of an index's memories as they stood; those that were not there or not visible are left out.

    A row has key, status, unit revision, expiry, recency, end of validity, time of creation and strength at 0, 4, 5,
    6, 7, 12, 13 and 14.
    """
    at = enc.micros(known_at) or 0
    changed = [r[0] for r in db.execute(_CHANGED_SINCE, (*enc.bounds(partition), at))]
    states = _states(db, changed, known_at)
    found = []
    for row in rows:
        if row[13] > at:
            continue
        state = states.get(row[0])
        stood = row if state is None else _indexed(db, row, state)
        if stood[4] <= enc.LAST_VISIBLE:
            found.append(stood)
    return found


def _indexed(db: apsw.Connection, row: Row, state: Earlier) -> Row:
    made = list(row)
    if state.status is not None:
        made[4] = enc.STATUS_NUMBERS[state.status]
    if state.changed_standing:
        made[12] = enc.micros(state.valid_to)
    if state.strength is not None:
        made[14] = state.strength
    if state.recency is not None:
        made[7] = state.recency
    revision = next(iter(db.execute(_REVISION, (row[0], state.revision))), None)
    if revision is not None:
        made[6], made[5] = revision[1], revision[3]
    return tuple(made)


def _states(db: apsw.Connection, keys: Sequence[int], known_at: datetime) -> dict[int, Earlier]:
    """Return how those memories among *keys* stood that were changed since."""
    histories: dict[int, list[Step]] = {}
    for start in range(0, len(keys), _AT_ONCE):
        some = keys[start : start + _AT_ONCE]
        for memory, id, key, action, revision, related, inverse, at, details in db.execute(
            _STEPS.format(places=enc.places(some)), some
        ):
            step = Step(
                id=enc.text_id(id),
                sequence=key & enc.SEQUENCE_MASK,
                action=enc.ACTIONS[action],
                revision=revision,
                related=None if related is None else str(related),
                inverse_of=None if inverse is None else enc.text_id(inverse),
                at=enc.instant(at),
                details=enc.load_json(details),
            )
            histories.setdefault(memory, []).append(step)
    found = {key: earlier(history, known_at) for key, history in histories.items()}
    return {key: state for key, state in found.items() if state is not None}


def _stood(db: apsw.Connection, rows: Sequence[Row], known_at: datetime | None) -> list[_Stood]:
    """Return the memories of rows that were there and visible; None is now."""
    if known_at is None:
        return [_Stood(row, reading.light_record(row), None) for row in rows]
    at = enc.micros(known_at) or 0
    there = [row for row in rows if row[12] <= at]
    states = _states(db, [row[0] for row in there], known_at)
    found = []
    for row in there:
        light, state = reading.light_record(row), states.get(row[0])
        if state is not None:
            light = _as_then(db, row[0], state.of(light))
            if state.changed_standing:
                row = (*row[:26], None if state.superseded_by is None else int(state.superseded_by), *row[27:])
        if light.status in (Status.CURRENT, Status.SUPERSEDED):
            found.append(_Stood(row, light, state))
    return found


def _as_then(db: apsw.Connection, key: int, record: MemoryRecord) -> MemoryRecord:
    revision = next(iter(db.execute(_REVISION, (key, record.revision))), None)
    if revision is None:
        return record
    return replace(
        record,
        metadata=enc.load_json(revision[0]),
        expires_at=enc.moment(revision[1]),
        language=revision[2] or "und",
        edited=record.revision > 1,
    )


def _full(db: apsw.Connection, stood: Sequence[_Stood], scope: Scope, known_at: datetime | None) -> list[MemoryRecord]:
    now = reading.full_records(db, [s.row for s in stood], scope)
    at = enc.micros(known_at) or 0
    return [
        record if s.state is None else _with_text(db, s.row[0], s.state, record, at)
        for s, record in zip(stood, now, strict=True)
    ]


def _with_text(db: apsw.Connection, key: int, state: Earlier, now: MemoryRecord, at: int) -> MemoryRecord:
    found = _as_then(db, key, state.of(now))
    sources = [(enc.text_id(id), external) for id, external in db.execute(_SOURCES, (key, at))]
    public = [external or id for id, external in sources if id not in state.joined]
    text = reading.revision_text(db, key, found.revision) or ""
    return replace(found, text=text, sources=tuple(dict.fromkeys(public)))


def _is_wanted(record: MemoryRecord, query: ListQuery) -> bool:
    if not query.scope.sees(record.scope) or (query.kinds and record.kind not in query.kinds):
        return False
    if not query.include_expired and record.expires_at is not None and record.expires_at <= query.at:
        return False
    if query.as_of is not None:
        if standing(record, query.as_of) is not Status.CURRENT:
            return False
    elif not query.include_superseded and record.status is Status.SUPERSEDED:
        return False
    return matches(query.where, record)


def _listed(db: apsw.Connection, query: ListQuery, after: int, last: int) -> Iterator[_Stood]:
    """Yield the memories between two keys that may be wanted, in the order of the list."""
    if query.categorised:
        rows = list(db.execute(reading.CATEGORISED, (after, last, enc.LAST_VISIBLE)))
        recency = dict(db.execute(_RECENCY, (after, last)))
        found = _stood(db, rows, query.known_at)
        recency |= {s.row[0]: s.state.recency for s in found if s.state is not None and s.state.recency is not None}
        yield from sorted(found, key=lambda s: (-recency[s.row[0]], s.row[0]))
        return
    rest = iter(db.execute(reading.listing(query.kinds), (after, last, enc.LAST_VISIBLE)))
    while some := list(islice(rest, min(_AT_ONCE, query.limit + 1))):
        yield from _stood(db, some, query.known_at)
