"""Chat models that a caller brings: a function, or a client of `openai` or `anthropic`, made and kept by the caller.

Nothing is imported for them: they are known by what they can do.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from keepstone.chat import ChatReply, ChatRequest
from keepstone.errors import (
    AuthenticationError,
    BadReplyError,
    ConfigError,
    ProviderError,
    RateLimitError,
    TimedOutError,
)
from keepstone.llms._calls import CONCURRENCY, TIMEOUT_SECONDS, Gate, Stopwatch, asked_in_words, unwrapped
from keepstone.llms._completions import ChatCompletions
from keepstone.llms._messages import AnthropicMessages
from keepstone.llms._prices import Prices
from keepstone.transport import RETRYABLE, Answered, retry_after_seconds

Function: TypeAlias = Callable[[Any], Any]


class FunctionChatModel:
    """*function* as a chat model: it gets the prompt and returns the text of the answer, or a `ChatReply`.

    One whose parameter is named `request`, or annotated `ChatRequest`, gets the `ChatRequest`. Any other gets the
    messages as a list of dicts with `role` and `content`, with the schema, if there is one, at the end of the system
    message; tools are then out of reach. One that is no coroutine function runs in a thread. A call has
    *timeout_seconds*; *concurrency* of them run at once in one event loop.
    """

    def __init__(
        self,
        function: Function,
        *,
        name: str | None = None,
        timeout_seconds: float = TIMEOUT_SECONDS,
        concurrency: int = CONCURRENCY,
    ) -> None:
        self._function = function
        self._name = name or f"function:{getattr(function, '__name__', type(function).__name__)}"
        self._timeout = timeout_seconds
        self._gate = Gate(concurrency)
        self._takes_request = _takes_request(function)

    @property
    def name(self) -> str:
        """`function:` and the function's name, or the name it was given."""
        return self._name

    async def reply(self, request: ChatRequest) -> ChatReply:
        """Return what the function answers.

        Raises:
            ProviderError: the function failed, took too long, or returned something else.
        """
        asked: Any = request
        if not self._takes_request:
            messages = request.messages if request.schema is None else asked_in_words(request)
            asked = [{"role": m.role, "content": m.content} for m in messages]
        async with self._gate.turn():
            watch = Stopwatch()
            try:
                async with asyncio.timeout(self._timeout):
                    answer = await _call(self._function, asked)
            except TimeoutError as error:
                raise TimedOutError(self._name, f"no answer in {self._timeout:g} s", retryable=True) from error
            except ProviderError:
                raise
            except Exception as error:
                # What a caller's function may raise is not for us to know.
                message = f"failed: {type(error).__name__}: {error}"
                raise ProviderError(self._name, message, retryable=isinstance(error, OSError)) from error
            return replace(self._read(request, answer), milliseconds=watch.milliseconds())

    def _read(self, request: ChatRequest, answer: object) -> ChatReply:
        if isinstance(answer, ChatReply):
            return answer
        if not isinstance(answer, str):
            message = f"returned {type(answer).__name__}, not a str or a ChatReply"
            raise BadReplyError(self._name, message, retryable=False)
        return ChatReply(text=unwrapped(answer) if request.schema is not None else answer, model=self._name)


class ClientSender:
    """Calls *create* of a caller's client, which has time-outs and retries of its own, within *timeout_seconds*."""

    def __init__(self, create: Callable[..., Any], provider: str, timeout_seconds: float) -> None:
        self._create = create
        self._provider = provider
        self._timeout = timeout_seconds

    async def ask(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        allowed: Sequence[int] = (),
        check: Callable[[Any], None] | None = None,
    ) -> Answered:
        """Return the client's reply; one of a status in *allowed* is returned too, not raised.

        Raises:
            ProviderError: the client failed.
        """
        try:
            async with asyncio.timeout(self._timeout):
                reply = await _call(functools.partial(_spread, self._create), dict(body), like=self._create)
        except TimeoutError as error:
            raise TimedOutError(self._provider, f"no answer in {self._timeout:g} s", retryable=True) from error
        except Exception as error:
            # The client's errors are of its own tree, which is not imported here.
            return self._failed(error, allowed)
        found = _as_json(reply)
        if check is not None:
            check(found)
        return Answered(status=200, body=found, text="", attempts=1)

    def failure(self, answered: Answered) -> ProviderError:
        """Return the error that a bad status stands for."""
        code, text = answered.status, answered.text[:300]
        if code in (401, 403):
            return AuthenticationError(self._provider, f"the key was refused ({code})", retryable=False)
        kind = RateLimitError if code == 429 else ProviderError
        message = f"answered {code}: {text}"
        return kind(self._provider, message, retryable=code in RETRYABLE, retry_after=answered.retry_after)

    async def close(self) -> None:
        """Do nothing: the client is its maker's to close."""

    def _failed(self, error: Exception, allowed: Sequence[int]) -> Answered:
        status = getattr(error, "status_code", None)
        if isinstance(status, int):
            wait = retry_after_seconds(_header(error, "retry-after"))
            answered = Answered(status=status, body=None, text=_said(error), attempts=1, retry_after=wait)
            if status in allowed:
                return answered
            raise self.failure(answered) from error
        kind = type(error).__name__
        if "Timeout" in kind:
            raise TimedOutError(self._provider, str(error), retryable=True) from error
        unreachable = isinstance(error, OSError) or "Connection" in kind
        raise ProviderError(self._provider, f"failed: {kind}: {error}", retryable=unreachable) from error


def client_model(
    client: object,
    model: str,
    *,
    timeout_seconds: float = TIMEOUT_SECONDS,
    concurrency: int = CONCURRENCY,
    prices: Prices | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> ChatCompletions | AnthropicMessages:
    """Return *model* as asked through *client*, of `openai` or `anthropic`, blocking or not.

    The client keeps its key, address, time-outs and retries; `close` leaves it open.

    Raises:
        ConfigError: *client* is neither.
    """
    base_url = str(getattr(client, "base_url", ""))
    completions = getattr(getattr(getattr(client, "chat", None), "completions", None), "create", None)
    if callable(completions):
        return ChatCompletions(
            model,
            ClientSender(completions, "openai", timeout_seconds),
            provider="openai",
            base_url=base_url,
            concurrency=concurrency,
            prices=prices,
            parameters=parameters,
        )
    messages = getattr(getattr(client, "messages", None), "create", None)
    if callable(messages):
        return AnthropicMessages(
            model,
            ClientSender(messages, "anthropic", timeout_seconds),
            base_url=base_url,
            concurrency=concurrency,
            prices=prices,
            parameters=parameters,
        )
    raise ConfigError(f"{type(client).__name__} has neither chat.completions.create nor messages.create.")


def is_client(value: object) -> bool:
    """Return whether *value* looks like a client of `openai` or `anthropic`."""
    return hasattr(getattr(value, "chat", None), "completions") or hasattr(getattr(value, "messages", None), "create")


def _takes_request(function: Function) -> bool:
    try:
        first = next(iter(inspect.signature(function).parameters.values()), None)
    except (TypeError, ValueError):
        return False
    if first is None:
        raise ConfigError("A function used as a chat model takes one argument: the messages, or `request`.")
    kind = first.annotation
    named = kind if isinstance(kind, str) else getattr(kind, "__name__", "")
    return first.name == "request" or named.rpartition(".")[2] == "ChatRequest"


async def _call(function: Function, argument: object, like: Function | None = None) -> Any:
    """What *function* returns: awaited if it is to be, and else from a thread."""
    if _is_async(like or function):
        return await function(argument)
    answer = await asyncio.to_thread(function, argument)
    return await answer if isinstance(answer, Awaitable) else answer


def _is_async(function: Function) -> bool:
    bare = inspect.unwrap(function)
    return inspect.iscoroutinefunction(bare) or inspect.iscoroutinefunction(getattr(bare, "__call__", None))  # noqa: B004


def _spread(create: Callable[..., Any], body: Mapping[str, Any]) -> Any:
    return create(**body)


def _as_json(reply: Any) -> Any:
    """The reply as JSON values: SDKs give Pydantic models."""
    dump = getattr(reply, "model_dump", None)
    return dump(mode="json") if callable(dump) else reply


def _said(error: Exception) -> str:
    body = getattr(error, "body", None)
    return f"{error} {json.dumps(body, default=str)}" if body is not None else str(error)


def _header(error: Exception, name: str) -> str | None:
    headers: object = getattr(getattr(error, "response", None), "headers", None)
    return headers.get(name) if isinstance(headers, Mapping) else None
