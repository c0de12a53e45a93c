"""What a caller brings as a chat model: functions, and clients that look like those of `openai` and `anthropic`.

The clients here are small, and really ask a server on this machine.
"""

import asyncio
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from keepstone import AuthenticationError, BadReplyError, ConfigError, ProviderError, RateLimitError, TimedOutError
from keepstone.chat import ChatReply, ChatRequest
from keepstone.llms.callers import FunctionChatModel, client_model
from keepstone.testing import CHAT_FAULTS, ChatServer, ScriptedChatModel
from tests.providers.asking import PLAIN, SAID, SHAPED, SYSTEM, TEA, ask, likes

MESSAGES = [{"role": "system", "content": SYSTEM.content}, {"role": "user", "content": SAID.content}]


class StatusError(Exception):
    """What the SDKs raise for a bad status."""

    def __init__(self, status_code: int, body: object, headers: Mapping[str, str] | None = None) -> None:
        self.status_code, self.body = status_code, body
        self.response = SimpleNamespace(headers=headers or {})
        super().__init__(f"Error code: {status_code}")


class APIConnectionError(Exception):
    """What the SDKs raise when nobody listens."""


class APITimeoutError(APIConnectionError):
    """What the SDKs raise when nobody answers."""


class Reply:
    """A reply as the SDKs give it: an object that can be dumped."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def model_dump(self, mode: str) -> Any:
        assert mode == "json"
        return self._body


def post(url: str, **body: Any) -> Reply:
    """Send *body* as a client would."""
    data = json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, {"Content-Type": "application/json"})) as reply:
            return Reply(json.load(reply))
    except urllib.error.HTTPError as error:
        with error:
            headers = {name.lower(): value for name, value in error.headers.items()}
            raise StatusError(error.code, json.loads(error.read()), headers) from error
    except OSError as error:
        raise APIConnectionError(str(error)) from error


async def post_async(url: str, **body: Any) -> Reply:
    return await asyncio.to_thread(lambda: post(url, **body))


def openai_client(server: ChatServer, send: Callable[..., Any] = post) -> Any:
    create = _bound(send, f"{server.url}/chat/completions")
    return SimpleNamespace(chat=SimpleNamespace(completions=SimpleNamespace(create=create)), base_url=server.url)


def anthropic_client(server: ChatServer, send: Callable[..., Any] = post) -> Any:
    return SimpleNamespace(messages=SimpleNamespace(create=_bound(send, f"{server.root}/v1/messages")))


def _bound(send: Callable[..., Any], url: str) -> Callable[..., Any]:
    def create(**body: Any) -> Any:
        return send(url, **body)

    async def create_async(**body: Any) -> Any:
        return await send(url, **body)

    return create_async if send is post_async else create


@pytest.mark.parametrize("send", [post, post_async])
@pytest.mark.parametrize("make", [openai_client, anthropic_client])
def test_a_client_is_asked_in_the_forms_that_it_knows(make: Any, send: Any) -> None:
    with ChatServer(lambda _: TEA, refuses=["response_format"]) as server:
        client = make(server, send)
        first, second = ask(lambda: client_model(client, "mini", prices={"mini": (1.0, 1.0)}), SHAPED, SHAPED)
        assert likes(first) == likes(second) == TEA
        assert second.attempts == 1
        assert second.price_usd
        assert second.model == ("openai:mini" if make is openai_client else "anthropic:mini")
        assert {r.body["model"] for r in server.requests} == {"mini"}


@pytest.mark.parametrize(
    ("name", "kind"), [("rate_limited", RateLimitError), ("overloaded", ProviderError), ("cut_body", ProviderError)]
)
def test_what_a_client_raises_becomes_ours(name: str, kind: type[ProviderError]) -> None:
    with ChatServer([CHAT_FAULTS[name]({})]) as server, pytest.raises(ProviderError) as caught:
        ask(lambda: client_model(openai_client(server), "mini"), PLAIN)
    assert type(caught.value) is kind
    # A body that was cut is an error of its own kind, which says nothing of trying again.
    assert caught.value.retryable is (name != "cut_body")
    assert caught.value.retry_after == (None if name == "cut_body" else 0)


def test_errors_of_clients_are_told_apart() -> None:
    def raising(error: Exception) -> Any:
        def create(**_: Any) -> Any:
            raise error

        return SimpleNamespace(messages=SimpleNamespace(create=create))

    for error, kind, retryable in (
        (StatusError(401, None), AuthenticationError, False),
        (APITimeoutError("slow"), TimedOutError, True),
        (APIConnectionError("nobody"), ProviderError, True),
        (KeyError("oh"), ProviderError, False),
    ):
        with pytest.raises(ProviderError) as caught:
            ask(lambda e=error: client_model(raising(e), "mini"), PLAIN)  # type: ignore[misc]
        assert (type(caught.value), caught.value.retryable) == (kind, retryable)


def test_a_client_that_does_not_answer() -> None:
    ended = threading.Event()

    def create(**_: Any) -> Any:
        ended.wait(10)

    client = SimpleNamespace(messages=SimpleNamespace(create=create))
    try:
        with pytest.raises(TimedOutError):
            asyncio.run(_impatient(client, ended))
    finally:
        ended.set()


async def _impatient(client: object, ended: threading.Event) -> None:
    try:
        await client_model(client, "mini", timeout_seconds=0.05).reply(PLAIN)
    finally:
        # The loop waits for its threads when it ends.
        ended.set()


def test_something_that_is_no_client() -> None:
    with pytest.raises(ConfigError, match=r"chat\.completions\.create"):
        client_model(object(), "mini")


def answer_messages(messages: list[dict[str, str]]) -> str:
    """A function as somebody would write it."""
    return json.dumps({"likes": messages[-1]["content"]})


async def answer_slowly(messages: list[dict[str, str]]) -> str:
    await asyncio.sleep(0)
    return answer_messages(messages)


class Answering:
    """An object that can be called."""

    async def __call__(self, messages: list[dict[str, str]]) -> str:
        return answer_messages(messages)


def answered(function: Callable[[Any], Any], request: ChatRequest, **settings: Any) -> ChatReply:
    return asyncio.run(FunctionChatModel(function, **settings).reply(request))


@pytest.mark.parametrize("function", [answer_messages, answer_slowly, Answering(), lambda m: answer_slowly(m)])
def test_a_function_of_the_messages(function: Callable[[Any], Any]) -> None:
    assert likes(answered(function, PLAIN)) == {"likes": SAID.content}


def test_what_a_function_of_the_messages_sees() -> None:
    seen: list[Any] = []

    def answer(messages: Any) -> str:
        seen.append((messages, threading.current_thread()))
        return '```json\n{"likes": "龙井茶"}\n```'

    assert answered(answer, PLAIN).text.startswith("```")
    assert likes(answered(answer, SHAPED)) == TEA
    (plain, thread), (shaped, _) = seen
    assert plain == MESSAGES
    assert shaped[0]["content"].startswith(SYSTEM.content)
    assert "龙井" not in shaped[0]["content"]
    assert '"likes"' in shaped[0]["content"]
    assert shaped[1:] == MESSAGES[1:]
    assert thread is not threading.main_thread()


def test_a_function_of_the_request() -> None:
    def named(request: Any) -> ChatReply:
        return ChatReply(text=request.schema_name, model="own", input_tokens=5)

    def annotated(asked: ChatRequest) -> str:
        return asked.schema_name

    async def quoted(asked: "ChatRequest") -> str:
        return asked.schema_name

    reply = answered(named, SHAPED)
    assert (reply.text, reply.model, reply.input_tokens) == ("facts", "own", 5)
    assert [answered(f, SHAPED).text for f in (annotated, quoted)] == ["facts", "facts"]
    assert answered(annotated, SHAPED).model == "function:annotated"


def test_what_a_function_may_do_wrong() -> None:
    def fails(messages: Any) -> str:
        raise ValueError("no idea")

    def is_offline(messages: Any) -> str:
        raise OSError("no route")

    async def dawdles(messages: Any) -> str:
        await asyncio.sleep(60)
        return ""

    def refuses(messages: Any) -> str:
        raise RateLimitError("own", "slow down", retryable=True)

    for function, kind, retryable in (
        (fails, ProviderError, False),
        (is_offline, ProviderError, True),
        (dawdles, TimedOutError, True),
        (refuses, RateLimitError, True),
        (lambda messages: {"likes": "tea"}, BadReplyError, False),
    ):
        with pytest.raises(ProviderError) as caught:
            answered(function, PLAIN, timeout_seconds=0.2)
        assert (type(caught.value), caught.value.retryable) == (kind, retryable)
    with pytest.raises(ConfigError, match="one argument"):
        FunctionChatModel(lambda: "nothing")  # type: ignore[arg-type,misc]


def test_a_chat_model_can_stand_behind_a_function() -> None:
    script = ScriptedChatModel([TEA])

    async def forward(request: ChatRequest) -> ChatReply:
        return await script.reply(request)

    assert likes(answered(forward, SHAPED)) == TEA
    assert script.calls == [SHAPED]
