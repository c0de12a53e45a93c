"""Anthropic's `/v1/messages`. JSON is asked for by a tool that the model is made to use, else in words."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from keepstone.chat import ChatReply, ChatRequest, Tool, ToolCall
from keepstone.errors import BadReplyError
from keepstone.llms._calls import Sender, asked_in_words, count, total, unwrapped
from keepstone.llms._forms import Form, Forms, UnsupportedError
from keepstone.llms._prices import Prices, price_usd
from keepstone.llms._shaped import ShapedModel
from keepstone.transport import Answered

UNSUPPORTED = (400, 404, 422, 501)
ABOUT_TOOLS = re.compile(r"tool|thinking|not supported|unsupported", re.IGNORECASE)
CUT = ("max_tokens", "model_context_window_exceeded")


class AnthropicMessages(ShapedModel):
    """*model* behind *sender*; whether it can be made to use a tool is found once and remembered by this object."""

    def __init__(
        self,
        model: str,
        sender: Sender,
        *,
        base_url: str,
        concurrency: int,
        prices: Prices | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        forms = Forms(("tool", "words"))
        super().__init__(model, sender, "anthropic", base_url, concurrency, prices, parameters, forms)

    async def _asked(self, request: ChatRequest, form: Form | None) -> ChatReply:
        answered = await self._sender.ask("/v1/messages", self._body(request, form), allowed=UNSUPPORTED, check=_check)
        if answered.status >= 300:
            raise self._unsupported(answered, form)
        return replace(self._read(answered.body, form), attempts=answered.attempts)

    def _unsupported(self, answered: Answered, form: Form | None) -> Exception:
        error = self._sender.failure(answered)
        if form == "tool" and (answered.status == 501 or ABOUT_TOOLS.search(answered.text)):
            return UnsupportedError(error, answered.attempts)
        return error

    def _body(self, request: ChatRequest, form: Form | None) -> dict[str, Any]:
        messages = asked_in_words(request) if form == "words" else request.messages
        system = "\n\n".join(m.content for m in messages if m.role == "system")
        turns = [{"role": m.role, "content": m.content} for m in messages if m.role != "system"]
        body: dict[str, Any] = {
            "model": self._model,
            "max_tokens": request.max_output_tokens,
            # There must be something that the user says.
            "messages": turns or [{"role": "user", "content": system}],
            **self._parameters,
        }
        if turns and system:
            body["system"] = system
        if request.tools:
            body["tools"] = [_tool(t) for t in request.tools]
        elif form == "tool":
            answer = Tool(name=request.schema_name, description="Gives the answer.", parameters=request.schema or {})
            body["tools"] = [_tool(answer)]
            body["tool_choice"] = {"type": "tool", "name": request.schema_name, "disable_parallel_tool_use": True}
        return body

    def _read(self, body: Any, form: Form | None) -> ChatReply:
        blocks = [block for block in body["content"] if isinstance(block, dict)]
        text = "".join(b["text"] for b in blocks if isinstance(b.get("text"), str))
        calls = tuple(
            ToolCall(name=str(b.get("name")), arguments=json.dumps(b.get("input"), ensure_ascii=False))
            for b in blocks
            if b.get("type") == "tool_use"
        )
        if form is not None:
            text = unwrapped(calls[0].arguments if calls else text)
        usage = body.get("usage")
        input_tokens, output_tokens = _tokens(usage if isinstance(usage, dict) else {})
        return ChatReply(
            text=text,
            model=self.name,
            tool_calls=calls if form is None else (),
            finish=_finish(body.get("stop_reason")),
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            price_usd=price_usd(self._host, self.name, input_tokens, output_tokens, self._prices),
        )


def _tool(tool: Tool) -> dict[str, Any]:
    return {"name": tool.name, "description": tool.description, "input_schema": dict(tool.parameters)}


def _tokens(usage: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Tokens in and out; what was written to or read from the cache of prompts was read by the model too."""
    cached = [count(usage.get(f"cache_{kind}_input_tokens")) or 0 for kind in ("creation", "read")]
    return total([count(usage.get("input_tokens")), *cached]), count(usage.get("output_tokens"))


def _check(body: Any) -> None:
    if not isinstance(body, dict) or not isinstance(body.get("content"), list):
        raise BadReplyError("anthropic", "the reply has no content", retryable=True)


def _finish(reason: Any) -> Literal["stop", "length", "refusal"]:
    if reason in CUT:
        return "length"
    return "refusal" if reason == "refusal" else "stop"
