"""What calls of chat models cost: receipts, and whether a limit is reached."""

from __future__ import annotations

from datetime import UTC, datetime, time

from keepstone.chat import ChatReply, ChatRequest
from keepstone.limits import SpendingLimits
from keepstone.logic.counting import count_tokens
from keepstone.protocols import Store
from keepstone.results import Receipt, Usage
from keepstone.types import Scope


def receipt_of(request: ChatRequest, reply: ChatReply, model: str, purpose: str, at: datetime) -> Receipt:
    """Return the receipt of one call; tokens that the provider did not count are estimated."""
    told = reply.input_tokens is not None and reply.output_tokens is not None
    return Receipt(
        model=model,
        purpose=purpose,
        prompt=request.prompt,
        input_tokens=_asked(request) if reply.input_tokens is None else reply.input_tokens,
        output_tokens=_answered(reply) if reply.output_tokens is None else reply.output_tokens,
        milliseconds=reply.milliseconds,
        at=at,
        price_usd=reply.price_usd,
        estimated=not told,
        attempts=reply.attempts,
    )


async def over_limit(store: Store, scope: Scope, limits: SpendingLimits, now: datetime) -> str | None:
    """Return which limit of the day is reached for the owner of *scope*, None if none is."""
    since = datetime.combine(now.astimezone(UTC).date(), time(), tzinfo=UTC)
    if limits.owner_tokens_a_day is not None or limits.owner_usd_a_day is not None:
        spent = await store.usage(scope.of_owner, since, None)
        reached = _reached(spent, limits.owner_tokens_a_day, limits.owner_usd_a_day)
        if reached is not None:
            return f"the limit of {reached} a day for {' '.join(scope.owner or ())} is reached"
    if limits.tokens_a_day is not None or limits.usd_a_day is not None:
        spent = await store.usage(Scope(tenant=scope.tenant), since, None)
        reached = _reached(spent, limits.tokens_a_day, limits.usd_a_day)
        if reached is not None:
            return f"the limit of {reached} a day is reached"
    return None


def _reached(spent: Usage, tokens: int | None, usd: float | None) -> str | None:
    if tokens is not None and spent.input_tokens + spent.output_tokens >= tokens:
        return f"{tokens} tokens"
    if usd is not None and spent.price_usd >= usd:
        return f"{usd:g} US dollars"
    return None


def _asked(request: ChatRequest) -> int:
    return sum(count_tokens(m.content) for m in request.messages)


def _answered(reply: ChatReply) -> int:
    return sum(map(count_tokens, (reply.text, *(c.arguments for c in reply.tool_calls))))
