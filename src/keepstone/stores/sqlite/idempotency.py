"""Batches with an idempotency key: what one did when it came for the first time."""

from __future__ import annotations

import json
from collections.abc import Sequence

import apsw

from keepstone.errors import ConflictError
from keepstone.operations import Applied, Batch, Outcome
from keepstone.stores.sqlite import encoding as enc
from keepstone.stores.sqlite.places import Places
from keepstone.types import Scope


def replayed(db: apsw.Connection, places: Places, batch: Batch) -> Applied | None:
    """Return what *batch* did before; None if it is new or has no key.

    Raises:
        ConflictError: the key was used for another request.
    """
    if batch.idempotency_key is None:
        return None
    place = places.of(batch.scope or Scope(tenant=batch.tenant))
    sql = "SELECT batch, fingerprint, outcomes FROM batches WHERE scope = ? AND idempotency_key = ?"
    found = next(iter(db.execute(sql, (place.scope_key, batch.idempotency_key))), None)
    if found is None:
        return None
    if found[1] != (batch.fingerprint or b""):
        raise ConflictError("This idempotency key was used for another request.")
    outcomes = tuple(
        Outcome(kind="replay", memory_id=m, message_id=x, external_id=e) for m, x, e in json.loads(found[2])
    )
    return Applied(batch_id=enc.text_id(found[0]), outcomes=outcomes, changes=(), replayed=True)


def remember(db: apsw.Connection, places: Places, batch: Batch, outcomes: Sequence[Outcome]) -> None:
    """Keep what *batch* did, if it has a key."""
    if batch.idempotency_key is None:
        return
    place = places.of(batch.scope or Scope(tenant=batch.tenant))
    rows = [[o.memory_id, o.message_id, o.external_id] for o in outcomes]
    db.execute(
        "INSERT INTO batches VALUES(?,?,?,?,?,?)",
        (
            place.scope_key, batch.idempotency_key, enc.own_id(batch.id), batch.fingerprint or b"", json.dumps(rows),
            enc.micros(batch.at) or 0,
        ),
    )  # fmt: skip
