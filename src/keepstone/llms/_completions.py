"""OpenAI's `/chat/completions`, as OpenAI and the many that imitate it speak it.

JSON is asked for by a schema as `response_format`, else by a call of a tool that the model is made to use, else in
words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from keepstone.chat import ChatMessage, ChatReply, ChatRequest, Tool, ToolCall
from keepstone.errors import BadReplyError, ProviderError, RateLimitError
from keepstone.llms._calls import Sender, amount, asked_in_words, count, unwrapped
from keepstone.llms._forms import Form, Forms, UnsupportedError
from keepstone.llms._prices import Prices, price_usd
from keepstone.llms._shaped import ShapedModel
from keepstone.transport import RETRYABLE, Answered

# How endpoints say that they cannot do what a request asks for; and what they mean when they say it otherwise.
UNSUPPORTED = (400, 404, 422, 501)
ELSEWHERE = re.compile(
    r"context.?(?:length|window|size)|too (?:long|large)|maximum.{0,40}tokens|not_found_error|quota|billing|credit"
    r"|(?:model|deployment)\b.{0,120}(?:not found|not exist)",
    re.IGNORECASE | re.DOTALL,
)
REFUSED = re.compile(r"content_filter|content_policy", re.IGNORECASE)
LIMITS = ("max_completion_tokens", "max_tokens", None)
TOO_LARGE = re.compile(r"too large|maximum|at most|exceed", re.IGNORECASE)


class ChatCompletions(ShapedModel):
    """*model* behind *sender*; *base_url* tells which limit on the length of an answer it is likely to know.

    Which form of answer and which limit the endpoint understands is found with the first request that needs it, and
    remembered by this object.
    """

    def __init__(
        self,
        model: str,
        sender: Sender,
        *,
        provider: str,
        base_url: str,
        concurrency: int,
        prices: Prices | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        forms = Forms(("schema", "tool", "words"))
        super().__init__(model, sender, provider, base_url, concurrency, prices, parameters, forms)
        is_openai = self._host.endswith("api.openai.com")
        self._limits = list(LIMITS if is_openai else (LIMITS[1], LIMITS[0], LIMITS[2]))

    async def _asked(self, request: ChatRequest, form: Form | None) -> ChatReply:
        attempts = 0
        for limit in list(self._limits):
            body = self._body(request, form)
            if limit is not None:
                body[limit] = request.max_output_tokens
            answered = await self._sender.ask(
                "/chat/completions", body, allowed=UNSUPPORTED, check=lambda b: _check(b, self._provider)
            )
            attempts += answered.attempts
            if answered.status < 300:
                return replace(self._read(answered.body, form), attempts=attempts)
            if limit is not None and re.search("max_(completion_)?tokens", answered.text):
                self._forget(limit, answered)
                continue
            return self._unsupported(answered, attempts)
        raise AssertionError("unreachable: the last limit is none")

    def _forget(self, limit: str, answered: Answered) -> None:
        """Drop a limit that the endpoint does not know; one that is only too large this time stays."""
        if not TOO_LARGE.search(answered.text) and limit in self._limits:
            self._limits.remove(limit)

    def _unsupported(self, answered: Answered, attempts: int) -> ChatReply:
        error = self._sender.failure(answered)
        if answered.status == 400 and REFUSED.search(answered.text):
            return ChatReply(text=str(error), model=self.name, finish="refusal", attempts=attempts)
        if answered.status != 501 and ELSEWHERE.search(answered.text):
            raise error
        raise UnsupportedError(error, attempts)

    def _body(self, request: ChatRequest, form: Form | None) -> dict[str, Any]:
        messages = asked_in_words(request) if form == "words" else request.messages
        body: dict[str, Any] = {"model": self._model, "messages": [_message(m) for m in messages], **self._parameters}
        if self._provider == "openrouter":
            body["usage"] = {"include": True}
        if request.tools:
            body["tools"] = [_tool(t) for t in request.tools]
        elif form == "schema":
            schema = {"name": request.schema_name, "strict": True, "schema": dict(request.schema or {})}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif form == "tool":
            answer = Tool(name=request.schema_name, description="Gives the answer.", parameters=request.schema or {})
            body["tools"] = [_tool(answer)]
            body["tool_choice"] = {"type": "function", "function": {"name": request.schema_name}}
        return body

    def _read(self, body: Any, form: Form | None) -> ChatReply:
        choice, usage = body["choices"][0], body.get("usage")
        message, usage = choice["message"], usage if isinstance(usage, dict) else {}
        refusal = message.get("refusal")
        calls = tuple(_calls(message))
        text = refusal if isinstance(refusal, str) and refusal else _text(message.get("content"))
        if form is not None:
            # A model that was made to call the tool may still have answered without it.
            text = unwrapped(calls[0].arguments if calls and form == "tool" else text)
        input_tokens, output_tokens = count(usage.get("prompt_tokens")), count(usage.get("completion_tokens"))
        listed = price_usd(self._host, self.name, input_tokens, output_tokens, self._prices)
        stated = amount(usage.get("cost"))
        return ChatReply(
            text=text,
            model=self.name,
            tool_calls=calls if form is None else (),
            finish="refusal" if refusal else _finish(choice.get("finish_reason")),
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            price_usd=listed if stated is None else stated,
        )


def _message(message: ChatMessage) -> dict[str, str]:
    return {"role": message.role, "content": message.content}


def _tool(tool: Tool) -> dict[str, Any]:
    described = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": described}


def _check(body: Any, provider: str) -> None:
    """Raise what a good status hides: a provider behind the endpoint that failed, or a reply of another shape."""
    error = body.get("error") if isinstance(body, dict) else None
    if error and not body.get("choices"):
        code = error.get("code") if isinstance(error, dict) else None
        kind = RateLimitError if code == 429 else ProviderError
        raise kind(provider, f"answered with an error: {str(error)[:300]}", retryable=code in RETRYABLE)
    try:
        good = isinstance(body["choices"][0]["message"], dict)
    except (KeyError, IndexError, TypeError):
        good = False
    if not good:
        raise BadReplyError(provider, "the reply has no message", retryable=True)


def _text(content: Any) -> str:
    """The text of a content, which some endpoints send in parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return "".join(t for t in texts if isinstance(t, str))


def _calls(message: Mapping[str, Any]) -> list[ToolCall]:
    found = []
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else []:
        function = call.get("function") if isinstance(call, dict) else None
        if isinstance(function, dict):
            name, arguments = function.get("name"), function.get("arguments")
            if isinstance(name, str) and isinstance(arguments, str):
                found.append(ToolCall(name=name, arguments=arguments))
    return found


def _finish(reason: Any) -> Literal["stop", "length", "refusal"]:
    if reason == "length":
        return "length"
    return "refusal" if reason == "content_filter" else "stop"
