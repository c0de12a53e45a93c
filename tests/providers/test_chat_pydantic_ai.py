"""Models of pydantic-ai, with the ones that it ships for tests."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import pytest
from pydantic_ai import exceptions, models
from pydantic_ai.messages import ModelMessage, ModelResponse, SystemPromptPart, TextPart, ToolCallPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.test import TestModel as GeneratingModel
from pydantic_ai.profiles import ModelProfile

from keepstone import (
    AuthenticationError,
    ConfigError,
    MissingExtraError,
    ProviderError,
    RateLimitError,
    TimedOutError,
)
from keepstone.chat import ChatMessage, ChatReply, ChatRequest, ToolCall
from keepstone.llms.pydantic_ai import PydanticAIChatModel
from keepstone.providers import chat_model
from tests.providers.asking import PLAIN, SAID, SCHEMA, SHAPED, SYSTEM, TEA, TOOLED, likes

BY_SCHEMA = ModelProfile(supports_json_schema_output=True, supports_tools=True)
BY_TOOL = ModelProfile(supports_json_schema_output=False, supports_tools=True)
IN_WORDS = ModelProfile(supports_json_schema_output=False, supports_tools=False)

Answering = Callable[[list[ModelMessage], AgentInfo], ModelResponse]


def asked(function: Answering, request: ChatRequest, profile: ModelProfile = BY_SCHEMA, **settings: Any) -> ChatReply:
    model = PydanticAIChatModel(FunctionModel(function, model_name="mini", profile=profile), **settings)
    return asyncio.run(model.reply(request))


def test_a_schema_is_asked_for_as_the_model_can() -> None:
    seen: list[Any] = []

    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        seen.append((messages, info))
        if info.output_tools:
            return ModelResponse(parts=[ToolCallPart(info.output_tools[0].name, TEA)])
        return ModelResponse(parts=[TextPart('```json\n{"likes": "龙井茶"}\n```')])

    for profile in (BY_SCHEMA, BY_TOOL, IN_WORDS):
        reply = asked(answer, SHAPED, profile)
        assert likes(reply) == TEA
        assert reply.tool_calls == ()
        assert reply.milliseconds > 0
    (_, native), (_, tool), (messages, _) = seen
    assert native.model_request_parameters.output_object.json_schema == SCHEMA
    assert tool.output_tools[0].parameters_json_schema == SCHEMA
    assert not tool.allow_text_output
    assert "JSON schema" in messages[0].parts[0].content
    assert native.model_settings == {"max_tokens": 321}


def test_messages_keep_their_roles_and_order() -> None:
    seen: list[Any] = []

    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        seen.extend(messages)
        return ModelResponse(parts=[TextPart("Yes.")])

    before = ChatMessage(role="assistant", content="What do you like?")
    reply = asked(answer, ChatRequest(messages=(SYSTEM, before, SAID)))
    assert reply.text == "Yes."
    assert [[type(p) for p in m.parts] for m in seen] == [[SystemPromptPart], [TextPart], [UserPromptPart]]
    assert [m.parts[0].content for m in seen] == [SYSTEM.content, before.content, SAID.content]


def test_calls_of_tools_come_back_raw() -> None:
    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        assert [t.name for t in info.function_tools] == ["remember"]
        return ModelResponse(parts=[ToolCallPart("remember", '{"text": "茶"')])

    assert asked(answer, TOOLED).tool_calls == (ToolCall(name="remember", arguments='{"text": "茶"'),)


@pytest.mark.parametrize(
    ("reason", "finish"), [("stop", "stop"), ("length", "length"), ("content_filter", "refusal"), (None, "stop")]
)
def test_why_it_stopped(reason: Any, finish: str) -> None:
    reply = asked(lambda m, i: ModelResponse(parts=[TextPart("Tea")], finish_reason=reason), PLAIN)
    assert reply.finish == finish


def test_usage_and_price() -> None:
    reply = asked(lambda m, i: ModelResponse(parts=[TextPart("Tea")]), PLAIN, prices={"mini": (1.0, 1.0)})
    assert reply.input_tokens
    assert reply.output_tokens
    assert reply.price_usd == pytest.approx((reply.input_tokens + reply.output_tokens) / 1e6)
    assert asked(lambda m, i: ModelResponse(parts=[TextPart("Tea")]), PLAIN).price_usd is None


def test_the_price_that_pydantic_ai_knows() -> None:
    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        return ModelResponse(parts=[TextPart("Tea")], provider_name="openai")

    model = FunctionModel(answer, model_name="gpt-5-mini", profile=BY_SCHEMA)
    reply = asyncio.run(PydanticAIChatModel(model).reply(PLAIN))
    assert reply.price_usd is not None
    assert 0 < reply.price_usd < 0.01


@pytest.mark.parametrize(
    ("error", "kind", "retryable"),
    [
        (exceptions.ModelHTTPError(503, "mini"), ProviderError, True),
        (exceptions.ModelHTTPError(400, "mini"), ProviderError, False),
        (exceptions.ModelRateLimitError("mini", "slow down", retry_after=7.0), RateLimitError, True),
        (exceptions.ModelAuthenticationError("mini", "no"), AuthenticationError, False),
        (exceptions.ModelTimeoutError("mini", "late"), TimedOutError, True),
        (exceptions.ModelConnectionError("mini", "gone"), ProviderError, True),
        (exceptions.UnexpectedModelBehavior("what?"), ProviderError, True),
        (exceptions.UserError("not so"), ProviderError, False),
    ],
)
def test_errors_become_ours(error: Exception, kind: type[ProviderError], retryable: bool) -> None:
    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        raise error

    with pytest.raises(kind) as caught:
        asked(answer, PLAIN)
    assert caught.value.retryable is retryable
    if isinstance(error, exceptions.ModelRateLimitError):
        assert caught.value.retry_after == 7


def test_a_filter_is_a_refusal() -> None:
    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        raise exceptions.ContentFilterError("no")

    assert asked(answer, PLAIN).finish == "refusal"


async def test_no_answer_in_time() -> None:
    async def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        await asyncio.sleep(60)
        raise AssertionError("nobody waits so long")

    with pytest.raises(TimedOutError):
        await PydanticAIChatModel(FunctionModel(answer), timeout_seconds=0.05).reply(PLAIN)


async def test_a_model_object_is_a_chat_model() -> None:
    model = chat_model(GeneratingModel(custom_output_text="Tea"))
    assert model is not None
    assert model.name == "test:test"
    assert (await model.reply(PLAIN)).text == "Tea"


def test_names_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="pydantic-ai cannot make the chat model 'groq:"):
        chat_model("groq:qwen")
    for name in [m for m in sys.modules if m.startswith("pydantic_ai")]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"keepstone\[llm\]") as caught:
        chat_model("google:gemini-3.8-flash")
    assert caught.value.extra == "llm"
    assert models.Model is not None
