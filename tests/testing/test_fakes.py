"""The stand-ins that ship for tests do what they say."""

import asyncio
import importlib
import time
from datetime import UTC, datetime, timedelta

import pytest

import keepstone.testing
from keepstone.errors import BadReplyError, RateLimitError
from keepstone.protocols import ChatModel, Embedder
from keepstone.testing import FakeClock, HashingEmbedder, ScriptedChatModel

ASKED = [{"role": "user", "content": "What is new?"}]


async def test_a_script_is_given_in_order_and_ends() -> None:
    down = RateLimitError("scripted", "slow down", retryable=True)
    model = ScriptedChatModel([{"facts": []}, down, "not what was asked for"], name="scripted:test")
    assert isinstance(model, ChatModel)
    assert await model.reply(ASKED, {}) == {"facts": []}
    with pytest.raises(RateLimitError) as raised:
        await model.reply(ASKED, {})
    assert raised.value is down
    assert await model.reply(ASKED, {}) == "not what was asked for"
    with pytest.raises(BadReplyError, match="scripted:test: the script has no reply number 4"):
        await model.reply(ASKED, {})
    assert model.calls == [ASKED] * 4
    assert model.name == "scripted:test"


async def test_calls_are_kept_as_they_were() -> None:
    model, messages = ScriptedChatModel(["a"]), [{"role": "user", "content": "before"}]
    await model.reply(messages, {})
    messages[0]["content"] = "after"
    assert model.calls[0][0]["content"] == "before"


async def test_a_delay_can_run_into_a_timeout() -> None:
    model = ScriptedChatModel(["late"], delay=30)
    begin = time.monotonic()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(model.reply(ASKED, {}), 0.02)
    assert time.monotonic() - begin < 5


def test_a_clock_moves_with_each_reading() -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)
    clock = FakeClock(start, timedelta(minutes=1))
    assert [clock(), clock()] == [start, start + timedelta(minutes=1)]
    clock.advance(timedelta(days=1))
    assert clock() == start + timedelta(days=1, minutes=2)
    still = FakeClock(start, timedelta())
    assert still() == still() == start


def test_a_clock_needs_a_zone() -> None:
    with pytest.raises(ValueError, match="zone"):
        FakeClock(datetime(2026, 3, 1))  # noqa: DTZ001


def test_everything_exported_is_there() -> None:
    module = importlib.reload(keepstone.testing)
    assert all(getattr(module, name) is not None for name in module.__all__)
    assert isinstance(HashingEmbedder(), Embedder)
    with pytest.raises(AttributeError, match="Nothing"):
        _ = module.Nothing
