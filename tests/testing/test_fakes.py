"""The stand-ins that ship for tests do what they say."""

import asyncio
import importlib
import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import keepstone.testing
from keepstone.chat import ChatMessage, ChatReply, ChatRequest, ToolCall
from keepstone.errors import BadReplyError, ProviderError, RateLimitError
from keepstone.logic.counting import count_tokens
from keepstone.protocols import ChatModel, Embedder
from keepstone.testing import CHAT_FAULTS, FakeClock, HashingEmbedder, ScriptedChatModel
from keepstone.testing.chat_faults import SOME_CHANGE

CALL = ToolCall(name="add_memory", arguments='{"text": "Plays the cello."}')
ASKED = ChatRequest(messages=(ChatMessage(role="user", content="What is new?"),))
GOOD = {
    "changes": [{**SOME_CHANGE, "text": "Plays the cello on Mondays."}, {**SOME_CHANGE, "text": "每周一拉大提琴。"}]
}
RAISED = {"timeout", "rate_limited", "overloaded", "endless_stream", "cut_body"}


async def test_a_script_is_given_in_order_and_ends() -> None:
    down = RateLimitError("scripted", "slow down", retryable=True)
    whole = ChatReply(text="cut", model="other", finish="length", input_tokens=7, output_tokens=1, price_usd=0.5)
    model = ScriptedChatModel(
        [{"facts": ["茶"]}, down, "not JSON", whole, [1], lambda asked: asked.messages[0].content, lambda _: down],
        name="scripted:test",
    )
    assert isinstance(model, ChatModel)
    first = await model.reply(ASKED)
    assert first.text == '{"facts": ["茶"]}'
    assert (first.model, first.finish, first.attempts) == ("scripted:test", "stop", 1)
    with pytest.raises(RateLimitError) as raised:
        await model.reply(ASKED)
    assert raised.value is down
    assert (await model.reply(ASKED)).text == "not JSON"
    assert await model.reply(ASKED) == whole
    assert (await model.reply(ASKED)).text == "[1]"
    assert (await model.reply(ASKED)).text == "What is new?"
    with pytest.raises(RateLimitError):
        await model.reply(ASKED)
    with pytest.raises(BadReplyError, match="scripted:test: the script has no reply number 8"):
        await model.reply(ASKED)
    assert model.calls == [ASKED] * 8
    assert model.name == "scripted:test"


async def test_tokens_are_estimated_from_prompt_and_answer() -> None:
    model = ScriptedChatModel(["four words and more", ChatReply(text="", model="m", tool_calls=(CALL,))])
    plain, called = await model.reply(ASKED), await model.reply(ASKED)
    assert plain.input_tokens == count_tokens("What is new?")
    assert plain.output_tokens == count_tokens("four words and more")
    assert called.output_tokens == count_tokens(CALL.arguments)


async def test_a_function_answers_every_request() -> None:
    model = ScriptedChatModel(lambda asked: {"size": asked.max_output_tokens})
    assert [(await model.reply(ASKED)).text for _ in range(3)] == ['{"size": 4000}'] * 3


async def test_a_delay_can_run_into_a_timeout() -> None:
    model = ScriptedChatModel(["late"], delay=30)
    begin = time.monotonic()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(model.reply(ASKED), 0.02)
    assert time.monotonic() - begin < 5


@pytest.mark.parametrize("good", [GOOD, {"changes": []}], ids=["two changes", "no change"])
@pytest.mark.parametrize("name", CHAT_FAULTS)
def test_each_fault_spoils_a_good_reply_and_leaves_it_as_it_was(name: str, good: dict[str, Any]) -> None:
    before = json.dumps(good)
    faulty = CHAT_FAULTS[name](good)
    assert json.dumps(good) == before
    assert isinstance(faulty, ProviderError) is (name in RAISED)
    if isinstance(faulty, ChatReply):
        assert faulty.text != json.dumps(good, ensure_ascii=False)
        assert (faulty.finish != "stop") is (name in {"refusal", "truncated_json"})


@pytest.mark.parametrize("name", ["truncated_json", "invalid_json", "refusal", "empty", "not_json_prose"])
def test_these_faults_are_no_json(name: str) -> None:
    faulty = CHAT_FAULTS[name](GOOD)
    assert isinstance(faulty, ChatReply)
    with pytest.raises(json.JSONDecodeError):
        json.loads(faulty.text)


def test_the_other_faults_are_json_that_says_the_wrong_thing() -> None:
    def changes(name: str) -> Any:
        faulty = CHAT_FAULTS[name](GOOD)
        assert isinstance(faulty, ChatReply)
        return json.loads(faulty.text)["changes"]

    assert isinstance(changes("wrong_schema"), str)
    assert {c["target"] for c in changes("unknown_handles")} == {"k987"}
    assert {len(c["target"]) for c in changes("foreign_ids")} == {36}
    assert ["8,731" in c["text"] or "八千七百三十一" in c["text"] for c in changes("invented_numbers")] == [True, True]
    assert [c["text"].isascii() for c in changes("wrong_language")] == [False, True]
    assert changes("duplicate_items") == GOOD["changes"] * 3
    assert len(changes("huge")) > 1_000
    with pytest.raises(RecursionError):
        changes("deep_nesting")


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
