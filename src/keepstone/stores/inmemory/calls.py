"""Receipts of calls of chat models, and what they come to."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from math import fsum

from keepstone.operations import EnterCall, Outcome
from keepstone.results import Usage
from keepstone.stores.inmemory.state import Tenant
from keepstone.stores.inmemory.transaction import Transaction
from keepstone.types import Scope


def enter(work: Transaction, operation: EnterCall) -> Outcome:
    """Keep a receipt; one whose id is there already is a replay."""
    if operation.id in work.tenant.calls:
        return Outcome(kind="replay")
    work.tenant.calls[operation.id] = operation
    return Outcome(kind="stored")


def usage(tenant: Tenant, scope: Scope, since: datetime | None, until: datetime | None) -> Usage:
    """Return what the calls of the scopes that *scope* sees come to, from *since* to before *until*."""
    receipts = [
        call.receipt
        for call in tenant.calls.values()
        if scope.sees(call.scope)
        and (since is None or call.receipt.at >= since)
        and (until is None or call.receipt.at < until)
    ]
    prices = [r.price_usd for r in receipts if r.price_usd is not None]
    return Usage(
        calls=len(receipts),
        input_tokens=sum(r.input_tokens for r in receipts),
        output_tokens=sum(r.output_tokens for r in receipts),
        price_usd=fsum(prices),
        unpriced=len(receipts) - len(prices),
        since=since,
        until=until,
        models=dict(sorted(Counter(r.model for r in receipts).items())),
    )
