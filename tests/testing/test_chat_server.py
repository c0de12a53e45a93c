"""The chat server speaks as providers do; the adapters' own tests show that it is understood."""

import http.client
import json
from typing import Any

import pytest

from keepstone.chat import ChatReply, Tool, ToolCall
from keepstone.errors import AuthenticationError, BadReplyError, ProviderError
from keepstone.testing import CHAT_FAULTS, ChatServer, ScriptedChatModel

GOOD: dict[str, Any] = {"changes": []}
ASKED = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5}


def post(server: ChatServer, path: str, body: Any = ASKED, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of an answer."""
    port = int(server.root.rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET" if body is None else "POST", path, body and json.dumps(body), headers)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def test_it_lists_its_model_and_nothing_else() -> None:
    with ChatServer(ScriptedChatModel(name="tiny")) as server:
        status, _, body = post(server, "/v1/models", None)
        assert (status, json.loads(body)["data"][0]["id"]) == (200, "tiny")
        assert post(server, "/v1/nothing", None)[0] == 404
        assert post(server, "/v1/nothing")[0] == 404
    assert server.url == f"{server.root}/v1"


def test_a_reply_in_both_interfaces() -> None:
    calls = (ToolCall(name="remember", arguments='{"text": "tea"}'),)
    said = ChatReply(text="Tea", model="m", finish="length", input_tokens=3, output_tokens=4, price_usd=0.5)
    used = ChatReply(text="", model="m", tool_calls=calls)
    with ChatServer([said, said, used, used]) as server:
        openai, anthropic, *tools = (
            json.loads(post(server, path)[2]) for path in ("/v1/chat/completions", "/v1/messages") * 2
        )
    assert openai["choices"][0]["message"] == {"role": "assistant", "content": "Tea"}
    assert openai["choices"][0]["finish_reason"] == "length"
    assert openai["usage"] == {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7, "cost": 0.5}
    assert anthropic["content"] == [{"type": "text", "text": "Tea"}]
    assert anthropic["stop_reason"] == "max_tokens"
    assert anthropic["usage"] == {"input_tokens": 3, "output_tokens": 4}
    assert tools[0]["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"] == '{"text": "tea"}'
    assert tools[1]["content"][0]["input"] == {"text": "tea"}


@pytest.mark.parametrize(
    ("error", "openai", "anthropic"),
    [
        (CHAT_FAULTS["rate_limited"](GOOD), 429, 429),
        (CHAT_FAULTS["overloaded"](GOOD), 503, 529),
        (AuthenticationError("x", "no", retryable=False), 401, 401),
        (ProviderError("x", "no", retryable=False), 410, 410),
        (BadReplyError("x", "no", retryable=True), 200, 200),
    ],
)
def test_errors_become_what_providers_answer(error: Exception, openai: int, anthropic: int) -> None:
    with ChatServer(lambda _: error) as server:
        first, second = post(server, "/v1/chat/completions"), post(server, "/v1/messages")
    assert (first[0], second[0]) == (openai, anthropic)
    assert first[1].get("Retry-After") == ("0" if openai in (429, 503) else None)
    if openai == 200:
        assert b"not JSON" in first[2]
    else:
        assert json.loads(second[2])["type"] == "error"


def test_a_body_that_is_cut_and_one_without_end() -> None:
    faults: Any = [CHAT_FAULTS["cut_body"](GOOD), CHAT_FAULTS["endless_stream"](GOOD)]
    with ChatServer(faults) as server:
        with pytest.raises(http.client.IncompleteRead):
            post(server, "/v1/chat/completions")
        connection = http.client.HTTPConnection("127.0.0.1", int(server.root.rpartition(":")[2]), timeout=5)
        connection.request("POST", "/v1/chat/completions", json.dumps(ASKED))
        answer = connection.getresponse()
        assert len(answer.read(1_000_000)) == 1_000_000
        connection.close()


def test_no_answer_lasts_until_the_server_ends() -> None:
    with ChatServer(lambda _: CHAT_FAULTS["timeout"](GOOD)) as server:
        connection = http.client.HTTPConnection("127.0.0.1", int(server.root.rpartition(":")[2]), timeout=0.1)
        connection.request("POST", "/v1/chat/completions", json.dumps(ASKED))
        with pytest.raises(TimeoutError):
            connection.getresponse()
        connection.close()


def test_fields_are_refused_or_not_seen_and_keys_are_asked_for() -> None:
    asked = {**ASKED, "response_format": {"json_schema": {"schema": {}, "name": "facts"}}}
    with ChatServer([GOOD], refuses=["tools"], ignores=["response_format"], api_key="sk") as server:
        path = "/v1/chat/completions"
        assert post(server, path, asked)[0] == 401
        assert post(server, path, {**asked, "tools": []}, Authorization="Bearer sk")[0] == 400
        assert post(server, path, asked, **{"X-Api-Key": "sk"})[0] == 200
    assert [r.schema for r in server.model.calls] == [None]
    assert [r.path for r in server.requests] == [path] * 3
    assert server.requests[1].headers["authorization"] == "Bearer sk"


def test_it_is_closed_once_and_need_not_have_been_started() -> None:
    started = ChatServer([GOOD]).start()
    assert post(started, "/v1/chat/completions")[0] == 200
    for server in (started, started, ChatServer()):
        server.close()
    with pytest.raises(ConnectionError):
        post(started, "/v1/chat/completions")


def test_what_other_clients_send_is_understood_or_refused() -> None:
    parts = [{"type": "text", "text": "Good "}, {"type": "text", "text": "day"}]
    tool = {"name": "wave", "input_schema": {"type": "object"}}
    told = {"system": parts, "messages": [{"role": "user", "content": parts}], "max_tokens": 5, "tools": [tool]}
    written = {"messages": [{"role": "developer", "content": parts}, {"role": "assistant", "content": None}]}
    with ChatServer(lambda _: GOOD) as server:
        assert post(server, "/v1/messages", told)[0] == 200
        assert post(server, "/v1/chat/completions", {**written, "response_format": {"type": "text"}})[0] == 200
        forced = {**told, "tool_choice": {"type": "any"}}
        assert json.loads(post(server, "/v1/messages", forced)[2])["content"][0]["input"] == GOOD
        assert post(server, "/v1/chat/completions", {"messages": "Good day"})[0] == 400
        assert post(server, "/v1/messages", {"messages": []})[0] == 400
    first, second, third = server.model.calls
    assert [(m.role, m.content) for m in first.messages] == [("system", "Good day"), ("user", "Good day")]
    assert first.tools == (Tool(name="wave", description="", parameters={"type": "object"}),)
    assert (third.schema, third.schema_name, third.tools) == ({"type": "object"}, "wave", ())
    assert [(m.role, m.content) for m in second.messages] == [("system", "Good day"), ("assistant", "")]
