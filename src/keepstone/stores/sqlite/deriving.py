"""What memories rest on: their parents, those that fell, what was derived from them, and what came from messages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import apsw

from keepstone.contract import DERIVATION_STEPS_MAX
from keepstone.stores.sqlite import encoding as enc
from keepstone.stores.sqlite.encoding import scope_of
from keepstone.types import MemoryRecord, Scope

_AT_ONCE = 500

_ANCESTORS = """
WITH RECURSIVE up(memory, ancestor, steps) AS (
    SELECT memory, parent, 1 FROM derived_from WHERE memory IN ({})
    UNION SELECT up.memory, d.parent, up.steps + 1 FROM up JOIN derived_from d ON d.memory = up.ancestor
    WHERE up.steps < {}
)
SELECT up.memory, min(up.steps), a.key, a.id, a.status, a.changed, m.changed,
       p.tenant, s.user_id, s.agent_id, s.app_id, s.run_id
FROM up JOIN memories a ON a.key = up.ancestor JOIN memories m ON m.key = up.memory
JOIN scopes s ON s.key = a.scope JOIN partitions p ON p.id = s.partition
GROUP BY up.memory, a.key ORDER BY a.key
"""
_DESCENDANTS = """
WITH RECURSIVE down(memory, steps) AS (
    SELECT memory, 1 FROM derived_from WHERE parent IN ({})
    UNION SELECT d.memory, down.steps + 1 FROM down JOIN derived_from d ON d.parent = down.memory
    WHERE down.steps < {}
)
SELECT DISTINCT memory FROM down
"""


def fill(
    db: apsw.Connection, records: Mapping[int, MemoryRecord], superseded_by: Mapping[int, int], scope: Scope
) -> None:
    """Give *records*, by key, what they rest on, what of it fell, and what superseded them, as far as *scope* sees it.

    One query for each, however many records there are.
    """
    parents: dict[int, list[str]] = {}
    fallen: dict[int, list[str]] = {}
    for memory, steps, ancestor, raw, status, changed, last, *place in _ancestors(db, list(records)):
        if not scope.sees(scope_of(place[0], place[1:])):
            continue
        if steps == 1:
            parents.setdefault(memory, []).append(enc.text_id(raw))
        elsewhere = ancestor >> enc.SEQUENCE_BITS != memory >> enc.SEQUENCE_BITS
        if status != enc.CURRENT and (elsewhere or changed > last):
            fallen.setdefault(memory, []).append(enc.text_id(raw))
    newer = _names(db, superseded_by.values(), scope) if superseded_by else {}
    # Filled in place, as texts and sources are.
    for key in {*parents, *fallen, *superseded_by}:
        object.__setattr__(records[key], "derived_from", tuple(parents.get(key, ())))
        object.__setattr__(records[key], "review", tuple(fallen.get(key, ())))
        object.__setattr__(records[key], "superseded_by", newer.get(superseded_by.get(key, 0)))


def _ancestors(db: apsw.Connection, keys: Sequence[int]) -> Iterable[tuple[Any, ...]]:
    if not keys:
        return []
    return list(db.execute(_ANCESTORS.format(enc.places(keys), DERIVATION_STEPS_MAX), keys))


def _names(db: apsw.Connection, keys: Iterable[int], scope: Scope) -> dict[int, str]:
    wanted = list(keys)
    sql = f"""SELECT m.key, m.id, p.tenant, s.user_id, s.agent_id, s.app_id, s.run_id
              FROM memories m JOIN scopes s ON s.key = m.scope JOIN partitions p ON p.id = s.partition
              WHERE m.key IN ({enc.places(wanted)}) AND m.status <> {enc.ERASED}"""
    return {r[0]: enc.text_id(r[1]) for r in db.execute(sql, wanted) if scope.sees(scope_of(r[2], r[3:7]))}


def dependants(db: apsw.Connection, ids: Sequence[str], scope: Scope) -> list[int]:
    """Return the keys of the memories derived from those among *ids* that *scope* sees, directly or by steps."""
    sql = """SELECT m.key, p.tenant, s.user_id, s.agent_id, s.app_id, s.run_id
             FROM memories m JOIN scopes s ON s.key = m.scope JOIN partitions p ON p.id = s.partition WHERE m.id = ?"""
    rows = [r for i in ids for r in db.execute(sql, (enc.raw_id(i),)) if scope.sees(scope_of(r[1], r[2:6]))]
    found: set[int] = set()
    for some in _split([r[0] for r in rows]):
        found.update(r[0] for r in db.execute(_DESCENDANTS.format(enc.places(some), DERIVATION_STEPS_MAX), some))
    return sorted(found)


def said_in(db: apsw.Connection, message_ids: Sequence[str], partitions: Sequence[int]) -> list[int]:
    """Return the keys of the memories with a source among the messages with these ids, ours or the callers'."""
    found: set[int] = set()
    for some in _split(list(message_ids)):
        raw = [enc.raw_id(str(i)) for i in some]
        sql = f"""SELECT o.memory FROM messages x JOIN sources o ON o.message = x.key AND o.first > -2
                  WHERE x.id IN ({enc.places(raw)})"""
        found.update(r[0] for r in db.execute(sql, raw))
        for places in _split(partitions):
            sql = f"""SELECT o.memory FROM scopes s JOIN messages x ON x.scope = s.key
                             JOIN sources o ON o.message = x.key AND o.first > -2
                      WHERE s.partition IN ({enc.places(places)}) AND x.external_id IN ({enc.places(some)})"""
            found.update(r[0] for r in db.execute(sql, [*places, *some]))
    return sorted(found)


def _split(values: Sequence[object]) -> list[Sequence[object]]:
    return [values[i : i + _AT_ONCE] for i in range(0, len(values), _AT_ONCE)]
