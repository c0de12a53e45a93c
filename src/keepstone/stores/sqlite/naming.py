"""What memories mention, as rows; and which names are merged."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from itertools import groupby
from typing import Any

import apsw

from keepstone.errors import InvalidRequestError, LimitError, NotFoundError
from keepstone.logic.entities import name_id, name_keys
from keepstone.naming import Mention, Merge, Named, Naming
from keepstone.operations import MergeNames, Outcome, UnmergeNames
from keepstone.stores.sqlite import encoding as enc
from keepstone.stores.sqlite.reading import owner_of, partitions
from keepstone.stores.sqlite.transaction import Transaction
from keepstone.types import Scope

Row = tuple[Any, ...]

_OF_ONE = "SELECT number, place, name, kind FROM mentions WHERE memory = ? AND revision = ? ORDER BY number, place"
_OF_ALL = """
SELECT m.key, m.id, s.user_id, s.agent_id, s.app_id, s.run_id, n.number, n.place, n.name, n.kind
FROM mentions n JOIN memories m ON m.key = n.memory AND m.unit_revision = n.revision
JOIN scopes s ON s.key = m.scope
WHERE n.memory BETWEEN ? AND ? AND m.status <= 1 AND (m.expires_at IS NULL OR m.expires_at > ?)
ORDER BY n.memory, n.number, n.place
"""
_NAMES = """
SELECT DISTINCT n.folded, n.kind = 'person', m.key, m.status, s.user_id, s.agent_id, s.app_id, s.run_id
FROM mentions n JOIN memories m ON m.key = n.memory JOIN scopes s ON s.key = m.scope
WHERE n.memory BETWEEN ? AND ? AND n.folded <> ''
"""
_MERGES = "SELECT one, target, actor, at, reason FROM merges WHERE partition = ? ORDER BY one, target"


def mentions_of(db: apsw.Connection, memory: int, revision: int) -> tuple[Mention, ...]:
    """Return what a revision mentions; *revision* is that whose units index it."""
    return _mentions(db.execute(_OF_ONE, (memory, revision)))


def _mentions(rows: Iterable[Row]) -> tuple[Mention, ...]:
    """Mentions from rows of number, place, name and kind in order."""
    found = []
    for _, group in groupby(rows, key=lambda r: r[0]):
        names = list(group)
        found.append(Mention(name=names[0][2], kind=names[0][3], aliases=tuple(r[2] for r in names[1:])))
    return tuple(found)


def naming(db: apsw.Connection, scope: Scope, at: datetime, partitions_max: int) -> Naming:
    """Return what the visible memories that *scope* sees and that have not expired mention, and the merges.

    Raises:
        LimitError: there are such memories in more than *partitions_max* partitions.
    """
    named: list[Named] = []
    merges: list[Merge] = []
    reached = 0
    for partition in partitions(db, scope):
        found = list(_named(db, partition, scope, at))
        reached += bool(found)
        if reached > partitions_max:
            raise LimitError(
                f"These are names of more than {partitions_max} partitions: name the user, or raise "
                "limits.fan_out_partitions_max."
            )
        named += found
        merges += _merges(db, partition, scope.tenant) if found else ()
    return Naming(named=tuple(named), merges=tuple(merges))


def _named(db: apsw.Connection, partition: int, scope: Scope, at: datetime) -> Iterator[Named]:
    rows = db.execute(_OF_ALL, (*enc.bounds(partition), enc.micros(at)))
    for (key, raw, *ids), group in groupby(rows, key=lambda r: r[:6]):
        whose = enc.scope_of(scope.tenant, ids)
        mentions = _mentions(r[6:] for r in group)
        if scope.sees(whose):
            yield Named(memory_id=enc.text_id(raw), scope=whose, sequence=key & enc.SEQUENCE_MASK, mentions=mentions)


def _merges(db: apsw.Connection, partition: int, tenant: str) -> Iterator[Merge]:
    kind, owner = owner_of(db, partition)
    scope = Scope(**{"tenant": tenant, f"{kind}_id": owner})
    for one, target, actor, at, reason in db.execute(_MERGES, (partition,)):
        yield Merge(
            scope=scope,
            one=enc.text_id(one),
            into=enc.text_id(target),
            actor=actor,
            at=enc.instant(at),
            reason=reason,
        )


def merge(work: Transaction, op: MergeNames) -> Outcome:
    """Take two names to be of one entity."""
    if op.one == op.into:
        raise InvalidRequestError("A name cannot be merged into itself.")
    place = work.places.of(op.scope)
    home = ":".join(owner_of(work.db, place.partition))
    named = _named(work.db, place.partition, op.scope, work.batch.at)
    there = {name_id(home, key) for memory in named for mention in memory.mentions for key in name_keys(mention)}
    for id in (op.one, op.into):
        if id not in there:
            raise NotFoundError(f"No entity {id}.")
    reason = op.reason or work.batch.reason
    return _put(work, place.partition, op.one, op.into, work.batch.actor, reason, work.at)


def unmerge(work: Transaction, op: UnmergeNames) -> Outcome:
    """Take a merge back."""
    partition = work.places.of(op.scope).partition
    sql = "DELETE FROM merges WHERE partition = ? AND one = ? AND target = ? RETURNING 1"
    gone = work.one(sql, (partition, enc.raw_id(op.one), enc.raw_id(op.into)))
    return Outcome(kind="replay" if gone is None else "stored")


def load_merge(work: Transaction, row: Merge, scope: Scope) -> Outcome:
    """Put an archived merge back, unless its names are not here."""
    partition = work.places.of(scope).partition
    there = _seen_names(work.db, partition, None, last=enc.RETIRED)
    if not {enc.raw_id(row.one), enc.raw_id(row.into)} <= there:
        return Outcome(kind="replay")
    return _put(work, partition, row.one, row.into, row.actor, row.reason, enc.micros(row.at))


def _put(
    work: Transaction, partition: int, one: str, into: str, actor: str, reason: str | None, at: int | None
) -> Outcome:
    sql = "INSERT OR IGNORE INTO merges VALUES(?,?,?,?,?,?) RETURNING 1"
    made = work.one(sql, (partition, enc.own_id(one), enc.own_id(into), actor, reason, at))
    return Outcome(kind="replay" if made is None else "stored")


def archived(db: apsw.Connection, scope: Scope, *, include_retired: bool) -> Iterator[tuple[int, Merge]]:
    """Yield the merges of names that the archive of *scope* has, with their places in it."""
    last = enc.RETIRED if include_retired else enc.LAST_VISIBLE
    for partition in partitions(db, scope):
        found = list(_merges(db, partition, scope.tenant))
        there = _seen_names(db, partition, scope, last=last) if found else set()
        for number, row in enumerate(found, 1):
            if {enc.raw_id(row.one), enc.raw_id(row.into)} <= there:
                yield enc.key(partition, number), row


def merges_of(db: apsw.Connection, doomed: Iterable[int]) -> list[tuple[int, bytes, bytes, str | None]]:
    """Return the merges of names that no memory mentions any more once those with the keys *doomed* are gone."""
    gone = set(doomed)
    found = []
    for partition in sorted({key >> enc.SEQUENCE_BITS for key in gone}):
        rows = list(db.execute(_MERGES, (partition,)))
        left = _seen_names(db, partition, None, last=enc.RETIRED, without=gone) if rows else set()
        found += [(partition, one, into, reason) for one, into, _, _, reason in rows if not {one, into} <= left]
    return found


def _seen_names(
    db: apsw.Connection, partition: int, scope: Scope | None, *, last: int, without: Collection[int] = ()
) -> set[bytes]:
    """The ids of the names that memories up to the status *last* mention, of a scope or (None) of all."""
    home = ":".join(owner_of(db, partition))
    names = set()
    for folded, person, key, status, *ids in db.execute(_NAMES, enc.bounds(partition)):
        # The tenant is that of the partition.
        sees = scope is None or scope.sees(enc.scope_of(scope.tenant, ids))
        if sees and status <= last and key not in without:
            names.add((folded, bool(person)))
    return {enc.raw_id(name_id(home, name)) for name in names}
