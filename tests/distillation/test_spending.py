"""What models cost is known to the token, and ends where a limit is reached; the words are kept all the same."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from keepstone import AsyncMemory
from keepstone.chat import ChatReply, ChatRequest
from keepstone.errors import ProviderError
from keepstone.limits import SpendingLimits
from keepstone.stores.inmemory import InMemoryStore
from keepstone.testing import FakeClock
from tests.distillation.speaking import STORES, episodes, facts, opened, repeated

ONE, TWO, THREE = (f"The brass key {n} hangs in the hall." for n in (11, 12, 13))


def priced(request: ChatRequest) -> ChatReply:
    """Repeat what is heard, for half a dollar and a hundred tokens."""
    text = json.dumps(repeated(request))
    return ChatReply(text=text, model="m", input_tokens=70, output_tokens=30, price_usd=0.5)


async def said(memory: AsyncMemory, text: str, user: str) -> tuple[str, str | None]:
    """Add *text*, and return what came of it."""
    result = await memory.add(text, user_id=user)
    assert result.distilled is not None
    assert text in await episodes(memory, user_id=user)
    return result.distilled.status, result.distilled.reason


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (SpendingLimits(owner_tokens_a_day=100), "the limit of 100 tokens a day for user u is reached"),
        (SpendingLimits(owner_usd_a_day=0.5), "the limit of 0.5 US dollars a day for user u is reached"),
        (SpendingLimits(tokens_a_day=100), "the limit of 100 tokens a day is reached"),
        (SpendingLimits(usd_a_day=0.25), "the limit of 0.25 US dollars a day is reached"),
    ],
)
async def test_a_limit_stops_the_model_for_the_day_and_keeps_the_words(
    limits: SpendingLimits, reason: str, store: str, tmp_path: Path
) -> None:
    clock = FakeClock(datetime(2026, 1, 1, 12, tzinfo=UTC))
    memory = opened(STORES[store](tmp_path / "m.db"), priced, clock=clock, spending=limits)
    assert await said(memory, ONE, "u") == ("done", None)
    assert await said(memory, TWO, "u") == ("skipped", reason)
    of_all = limits.owner_tokens_a_day is None and limits.owner_usd_a_day is None
    assert (await said(memory, ONE, "v"))[0] == ("skipped" if of_all else "done")
    assert (await facts(memory, user_id="u"), await memory.jobs()) == ([ONE], [])
    before = await memory.usage(user_id="u")
    assert (before.calls, before.input_tokens, before.output_tokens, before.price_usd) == (1, 70, 30, 0.5)
    clock.advance(timedelta(hours=12))
    assert await said(memory, THREE, "u") == ("done", None)
    after = await memory.usage(user_id="u")
    assert (after.calls, after.input_tokens, after.price_usd, after.unpriced) == (2, 140, 1.0, 0)
    assert (await memory.usage()).calls == (2 if of_all else 3)
    await memory.close()


async def test_the_day_is_that_of_utc_whatever_the_zone_of_the_clock() -> None:
    clock = FakeClock(datetime(2026, 1, 1, 23, tzinfo=timezone(timedelta(hours=8))))
    memory = opened(InMemoryStore(), priced, clock=clock, spending=SpendingLimits(owner_tokens_a_day=1))
    assert (await said(memory, ONE, "u"))[0] == "done"
    clock.advance(timedelta(hours=2))
    assert (await said(memory, TWO, "u"))[0] == "skipped"
    clock.advance(timedelta(hours=8))
    assert (await said(memory, THREE, "u"))[0] == "done"


@pytest.mark.parametrize("store", STORES)
async def test_calls_that_came_to_nothing_are_paid_for_and_counted(store: str, tmp_path: Path) -> None:
    def model(request: ChatRequest) -> Any:
        if len(request.messages) > 2 and TWO in request.messages[1].content.rsplit("[m1]", 1)[1]:
            return ProviderError("scripted", "down", retryable=True)
        return ChatReply(text="no JSON", model="m", input_tokens=7, output_tokens=3)

    memory = opened(STORES[store](tmp_path / "m.db"), model)
    failed = (await memory.add(ONE, user_id="u")).distilled
    assert failed is not None
    assert failed.status == "failed"
    assert [(r.purpose, r.input_tokens, r.output_tokens) for r in failed.receipts] == [
        ("distil", 7, 3),
        ("repair", 7, 3),
    ]
    assert (await said(memory, TWO, "u"))[0] == "pending"
    usage = await memory.usage(user_id="u")
    assert (usage.calls, usage.input_tokens, usage.output_tokens, usage.unpriced) == (3, 21, 9, 3)
    assert usage.models == {"scripted": 3}
    await memory.close()
