"""Receipts of calls of chat models, and what they come to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import apsw

from keepstone.operations import EnterCall, Outcome
from keepstone.results import Usage
from keepstone.stores.sqlite import encoding as enc
from keepstone.stores.sqlite.reading import partitions, scope_keys
from keepstone.stores.sqlite.transaction import Transaction
from keepstone.types import Scope


def enter(work: Transaction, op: EnterCall) -> Outcome:
    """Keep a receipt; one whose id is there already is a replay."""
    if work.ours("calls", "key", op.id) is not None:
        return Outcome(kind="replay")
    place, receipt = work.places.of(op.scope), op.receipt
    work.db.execute(
        """INSERT INTO calls(id, partition, scope, model, purpose, prompt, input_tokens, output_tokens, milliseconds,
               at, price_usd, estimated, attempts) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?)""",
        (
            enc.own_id(op.id), place.partition, place.scope_key, receipt.model, receipt.purpose, receipt.prompt,
            receipt.input_tokens, receipt.output_tokens, receipt.milliseconds, enc.micros(receipt.at),
            receipt.price_usd, receipt.estimated, receipt.attempts,
        ),
    )  # fmt: skip
    return Outcome(kind="stored")


def usage(db: apsw.Connection, scope: Scope, since: datetime | None, until: datetime | None) -> Usage:
    """Return what the calls of the scopes that *scope* sees come to, from *since* to before *until*."""
    low, high = enc.micros(since), enc.micros(until)
    between = (-(1 << 62) if low is None else low, (1 << 62) if high is None else high)
    models: Counter[str] = Counter()
    given = taken = priced = 0
    price = 0.0
    for model, count, tokens_in, tokens_out, cost, known in _calls(db, scope, between):
        models[model] += count
        given, taken, priced = given + tokens_in, taken + tokens_out, priced + known
        price += cost
    return Usage(
        calls=models.total(),
        input_tokens=given,
        output_tokens=taken,
        price_usd=price,
        unpriced=models.total() - priced,
        since=since,
        until=until,
        models=dict(sorted(models.items())),
    )


def _calls(db: apsw.Connection, scope: Scope, between: tuple[int, int]) -> Iterator[tuple[Any, ...]]:
    """Yield what calls came to, by model and perhaps in several parts."""
    sums = "c.model, count(*), sum(c.input_tokens), sum(c.output_tokens), total(c.price_usd), count(c.price_usd)"
    during = "c.at >= ? AND c.at < ?"
    if scope.is_empty:
        sql = f"""SELECT {sums} FROM partitions p JOIN calls c ON c.partition = p.id
                  WHERE p.tenant = ? AND {during} GROUP BY c.model"""
        yield from db.execute(sql, (scope.tenant, *between))
        return
    sql = f"SELECT c.scope, {sums} FROM calls c WHERE c.partition = ? AND {during} GROUP BY c.scope, c.model"
    for partition in partitions(db, scope):
        seen = set(scope_keys(db, partition, scope))
        yield from (row for key, *row in db.execute(sql, (partition, *between)) if key in seen)
