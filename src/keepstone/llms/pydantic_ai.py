"""Chat models of every provider that `pydantic-ai` knows: the extra `llm`."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from keepstone.chat import ChatReply, ChatRequest, ToolCall
from keepstone.errors import (
    AuthenticationError,
    BadReplyError,
    ConfigError,
    MissingExtraError,
    ProviderError,
    RateLimitError,
    TimedOutError,
)
from keepstone.llms._calls import CONCURRENCY, TIMEOUT_SECONDS, Gate, Stopwatch, asked_in_words, count, unwrapped
from keepstone.llms._forms import Form
from keepstone.llms._prices import Prices, price_usd

if TYPE_CHECKING:
    from pydantic_ai.exceptions import ModelAPIError
    from pydantic_ai.messages import ModelMessage, ModelRequestPart, ModelResponse
    from pydantic_ai.models import Model, ModelRequestParameters

FEATURE = "Asking a model through pydantic-ai"
Finish: TypeAlias = Literal["stop", "length", "refusal"]


class PydanticAIChatModel:
    """*model* of pydantic-ai: an object, or a name such as `google:gemini-3.8-flash`.

    JSON of a schema is asked for as the model's profile says: by schema, else by a tool that it must call, else in
    words. Retries are those of the provider's SDK, within *timeout_seconds* in all; *concurrency* calls run at once in
    one event loop. *prices* are `{model: (input, output)}` in US dollars a million tokens; without them the price is
    what pydantic-ai says.

    Raises:
        MissingExtraError: pydantic-ai is not installed.
        ConfigError: it does not know the name, or lacks a key or an SDK for it.
    """

    def __init__(
        self,
        model: Model | str,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
        concurrency: int = CONCURRENCY,
        prices: Prices | None = None,
    ) -> None:
        self._model = _found(model) if isinstance(model, str) else model
        self._name = model if isinstance(model, str) else f"{self._model.system}:{self._model.model_name}"
        self._timeout = timeout_seconds
        self._gate = Gate(concurrency)
        self._prices = prices

    @property
    def name(self) -> str:
        """Provider and model, as in `google:gemini-3.8-flash`."""
        return self._name

    @property
    def form(self) -> Form:
        """How JSON of a schema is asked for: `schema`, `tool` or `words`."""
        profile = self._model.profile
        if profile.get("supports_json_schema_output"):
            return "schema"
        return "tool" if profile.get("supports_tools", True) else "words"

    async def reply(self, request: ChatRequest) -> ChatReply:
        """Return what the model answers; whether it is what was asked for is for the caller to check.

        Raises:
            ProviderError: the provider failed.
        """
        from pydantic_ai import direct
        from pydantic_ai.exceptions import AgentRunError, ContentFilterError, ModelAPIError, UserError

        form = self.form if request.schema is not None and not request.tools else None
        messages, parameters = _messages(request, form), _parameters(request, form)
        settings = {"max_tokens": request.max_output_tokens}
        async with self._gate.turn():
            watch = Stopwatch()
            try:
                async with asyncio.timeout(self._timeout):
                    response = await direct.model_request(
                        self._model,
                        messages,
                        model_settings=settings,  # type: ignore[arg-type]
                        model_request_parameters=parameters,
                    )
            except TimeoutError as error:
                raise TimedOutError(self._name, f"no answer in {self._timeout:g} s", retryable=True) from error
            except ContentFilterError as error:
                return ChatReply(text=str(error), model=self._name, finish="refusal")
            except ModelAPIError as error:
                raise _failure(self._name, error) from error
            except AgentRunError as error:
                raise BadReplyError(self._name, str(error), retryable=True) from error
            except UserError as error:
                raise ProviderError(self._name, str(error), retryable=False) from error
            return replace(self._read(response, form), milliseconds=watch.milliseconds())

    def _read(self, response: ModelResponse, form: Form | None) -> ChatReply:
        # As the model wrote it, where it wrote text.
        calls = tuple(
            ToolCall(name=c.tool_name, arguments=c.args if isinstance(c.args, str) else c.args_as_json_str())
            for c in response.tool_calls
        )
        text = response.text or ""
        if form is not None:
            text = unwrapped(calls[0].arguments if calls else text)
        usage = response.usage
        measured = usage.has_values()
        input_tokens = count(usage.input_tokens) if measured else None
        output_tokens = count(usage.output_tokens) if measured else None
        own = price_usd("", self._name, input_tokens, output_tokens, self._prices)
        return ChatReply(
            text=text,
            model=self._name,
            tool_calls=calls if form is None else (),
            finish=_finish(response.finish_reason),
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            price_usd=_listed(response) if own is None and measured else own,
        )


def is_model(value: object) -> bool:
    """Return whether *value* is a model of pydantic-ai, without importing it."""
    return any(kind.__name__ == "Model" and kind.__module__ == "pydantic_ai.models" for kind in type(value).__mro__)


def _found(name: str) -> Model:
    try:
        from pydantic_ai.exceptions import UserError
        from pydantic_ai.models import infer_model
    except ImportError as error:
        raise MissingExtraError(FEATURE, "llm") from error
    try:
        return infer_model(name)
    except (UserError, ValueError, ImportError) as error:
        raise ConfigError(f"pydantic-ai cannot make the chat model {name!r}: {error}") from error


def _messages(request: ChatRequest, form: Form | None) -> list[ModelMessage]:
    from pydantic_ai import messages as theirs

    found: list[ModelMessage] = []
    asked: list[ModelRequestPart] = []
    for message in asked_in_words(request) if form == "words" else request.messages:
        if message.role == "assistant":
            found += [theirs.ModelRequest(parts=asked)] if asked else []
            found.append(theirs.ModelResponse(parts=[theirs.TextPart(message.content)]))
            asked = []
        elif message.role == "system":
            asked.append(theirs.SystemPromptPart(message.content))
        else:
            asked.append(theirs.UserPromptPart(message.content))
    return [*found, theirs.ModelRequest(parts=asked)] if asked else found


def _parameters(request: ChatRequest, form: Form | None) -> ModelRequestParameters:
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.output import OutputObjectDefinition
    from pydantic_ai.tools import ToolDefinition

    if form in (None, "words"):
        return ModelRequestParameters(
            function_tools=[
                ToolDefinition(name=t.name, description=t.description, parameters_json_schema=dict(t.parameters))
                for t in request.tools
            ]
        )
    schema = dict(request.schema or {})
    if form == "schema":
        wanted = OutputObjectDefinition(json_schema=schema, name=request.schema_name, strict=True)
        return ModelRequestParameters(output_mode="native", output_object=wanted)
    answer = ToolDefinition(
        name=request.schema_name, description="Gives the answer.", parameters_json_schema=schema, kind="output"
    )
    return ModelRequestParameters(output_mode="tool", output_tools=[answer], allow_text_output=False)


def _failure(name: str, error: ModelAPIError) -> ProviderError:
    from pydantic_ai import exceptions as theirs

    text = str(error)[:300]
    if isinstance(error, theirs.ModelAuthenticationError):
        return AuthenticationError(name, "the key was refused", retryable=False)
    if isinstance(error, theirs.ModelRateLimitError):
        return RateLimitError(name, text, retryable=True, retry_after=error.retry_after)
    if isinstance(error, theirs.ModelTimeoutError):
        return TimedOutError(name, text, retryable=True)
    lasting = (theirs.ModelRequestRejectedError, theirs.ModelQuotaExceededError)
    status = getattr(error, "status_code", 500)
    retryable = not isinstance(error, lasting) and (status >= 500 or status in (408, 409, 429))
    return ProviderError(name, text, retryable=retryable, retry_after=error.retry_after)


def _listed(response: ModelResponse) -> float | None:
    try:
        return float(response.cost().total_price)
    except (LookupError, AssertionError, ValueError):
        # It has no price for this model, or does not know whose it is.
        return None


def _finish(reason: str | None) -> Finish:
    if reason == "length":
        return "length"
    return "refusal" if reason == "content_filter" else "stop"
