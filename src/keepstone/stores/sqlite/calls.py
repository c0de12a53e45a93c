"""Receipts of calls of chat models, and what they come to."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

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
    sql = """
        SELECT scope, model, count(*), sum(input_tokens), sum(output_tokens), total(price_usd), count(price_usd)
        FROM calls WHERE partition = ? AND at >= ? AND at < ? GROUP BY scope, model
    """
    first, last = -(1 << 62) if low is None else low, (1 << 62) if high is None else high
    models: Counter[str] = Counter()
    given = taken = priced = 0
    price = 0.0
    for partition in partitions(db, scope):
        seen = set(scope_keys(db, partition, scope))
        for key, model, count, tokens_in, tokens_out, cost, known in db.execute(sql, (partition, first, last)):
            if key in seen:
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
