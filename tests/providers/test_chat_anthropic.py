"""Anthropic's Messages API over real HTTP."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from keepstone import BadReplyError, ProviderError
from keepstone.chat import ChatMessage, ChatReply, ChatRequest, ToolCall
from keepstone.llms.anthropic import AnthropicChatModel
from keepstone.testing import CHAT_FAULTS, ChatServer
from tests.providers.asking import PLAIN, SAID, SCHEMA, SHAPED, SYSTEM, TEA, TOOLED, ask, likes
from tests.providers.server import Answer, Server


@pytest.fixture
def odd() -> Iterator[Server]:
    """Return a server whose answers a test writes itself, byte for byte."""
    with Server() as running:
        yield running


def asked(root: str, *requests: ChatRequest, **settings: Any) -> list[ChatReply]:
    settings = {"api_key": "sk-ant-test", **settings}
    return ask(lambda: AnthropicChatModel("haiku", base_url=root, **settings), *requests)


def text(said: str, **more: Any) -> Answer:
    return Answer({"content": [{"type": "text", "text": said}], "stop_reason": "end_turn", **more})


def test_json_is_asked_for_by_a_tool_that_must_be_used() -> None:
    with ChatServer([TEA], api_key="sk-ant-test") as server:
        (reply,) = asked(server.root, SHAPED, prices={"haiku": (1.0, 5.0)})
    (request,) = server.requests
    assert request.path == "/v1/messages"
    assert request.headers["anthropic-version"] == "2023-06-01"
    assert request.body["system"] == SYSTEM.content
    assert request.body["messages"] == [{"role": "user", "content": SAID.content}]
    assert request.body["tools"][0]["input_schema"] == SCHEMA
    assert request.body["tool_choice"]["name"] == "facts"
    assert request.body["max_tokens"] == 321
    assert server.model.calls == [SHAPED]
    assert likes(reply) == TEA
    assert (reply.model, reply.finish, reply.tool_calls) == ("anthropic:haiku", "stop", ())
    assert reply.input_tokens
    assert reply.output_tokens
    assert reply.price_usd == pytest.approx((reply.input_tokens + 5 * reply.output_tokens) / 1e6)


@pytest.mark.parametrize("how", ["refuses", "ignores"])
def test_without_tools_json_is_asked_for_in_words(how: str) -> None:
    def answer(request: ChatRequest) -> Any:
        wants_json = request.schema is not None or "JSON schema" in request.messages[0].content
        return TEA if wants_json else "You like tea."

    fields = ["tools", "tool_choice"]
    refuses, ignores = (fields, ()) if how == "refuses" else ((), fields)
    with ChatServer(answer, refuses=refuses, ignores=ignores) as server:
        replies = asked(server.root, SHAPED, SHAPED)
        assert [likes(r) for r in replies] == [TEA, TEA]
        assert [r.attempts for r in replies] == [2, 1]


def test_calls_of_tools_come_back_as_json() -> None:
    calls = (ToolCall(name="remember", arguments='{"text": "茶"}'),)
    with ChatServer([ChatReply(text="", model="x", tool_calls=calls)]) as server:
        (reply,) = asked(server.root, TOOLED)
    assert server.model.calls == [TOOLED]
    assert reply.tool_calls == calls


def test_system_messages_are_joined_and_alone_become_the_users() -> None:
    with ChatServer(lambda _: "Yes") as server:
        late = ChatMessage(role="system", content="Be brief.")
        asked(server.root, replace(PLAIN, messages=(SYSTEM, SAID, late)), replace(PLAIN, messages=(late,)))
    first, second = (r.body for r in server.requests)
    assert first["system"] == f"{SYSTEM.content}\n\nBe brief."
    assert second["messages"] == [{"role": "user", "content": "Be brief."}]
    assert "system" not in second


@pytest.mark.parametrize(
    ("stop", "finish"),
    [
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "refusal"),
        ("end_turn", "stop"),
        ("tool_use", "stop"),
    ],
)
def test_why_it_stopped(odd: Server, stop: str, finish: str) -> None:
    odd.script = [text("Tea", stop_reason=stop)]
    assert asked(odd.url.removesuffix("/v1"), PLAIN)[0].finish == finish


def test_tokens_from_the_cache_were_read_too(odd: Server) -> None:
    usage = {"input_tokens": 3, "cache_read_input_tokens": 20, "cache_creation_input_tokens": 100, "output_tokens": 4}
    odd.script = [text("Tea", usage=usage), text("Tea")]
    counted, uncounted = asked(odd.url.removesuffix("/v1"), PLAIN, PLAIN)
    assert (counted.input_tokens, counted.output_tokens) == (123, 4)
    assert (uncounted.input_tokens, uncounted.output_tokens) == (None, None)


def test_overloaded_is_outlived() -> None:
    with ChatServer([CHAT_FAULTS["overloaded"]({}), TEA]) as server:
        (reply,) = asked(server.root, SHAPED)
    assert (likes(reply), reply.attempts) == (TEA, 2)


def test_overloaded_for_good() -> None:
    with ChatServer(lambda _: CHAT_FAULTS["overloaded"]({})) as server:
        with pytest.raises(ProviderError, match="529") as caught:
            asked(server.root, SHAPED, attempts=2)
        assert len(server.requests) == 2
    assert caught.value.retryable


def test_what_has_nothing_to_do_with_tools_is_raised_at_once(odd: Server) -> None:
    odd.script = [Answer({"error": {"message": "prompt is too long: 300000 tokens > 200000 maximum"}}, 400)]
    with pytest.raises(ProviderError, match="too long"):
        asked(odd.url.removesuffix("/v1"), SHAPED)
    odd.script = [Answer({"error": {"message": "tools are not supported"}}, 400)]
    with pytest.raises(ProviderError, match="tools are not"):
        asked(odd.url.removesuffix("/v1"), TOOLED)
    assert len(odd.requests) == 2


@pytest.mark.parametrize("body", [{}, [], "null", {"content": "Tea"}, {"content": None}])
def test_replies_without_content_are_bad(odd: Server, body: Any) -> None:
    odd.script = [Answer(body)]
    with pytest.raises(BadReplyError):
        asked(odd.url.removesuffix("/v1"), PLAIN, attempts=1)
