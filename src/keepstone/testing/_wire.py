"""Chat requests and replies as OpenAI and Anthropic send them over HTTP, seen from the server."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from keepstone.chat import ChatMessage, ChatReply, ChatRequest, Tool

COMPLETIONS = "/v1/chat/completions"
MESSAGES = "/v1/messages"


@dataclass(frozen=True, slots=True)
class Sent:
    """An answer to send; `body` goes as JSON unless it is text."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def raw(self) -> bytes:
        """The bytes of the body."""
        return (self.body if isinstance(self.body, str) else json.dumps(self.body, ensure_ascii=False)).encode()


@dataclass(frozen=True, slots=True)
class Spoken:
    """One interface: reading a request, and writing a reply to a request's body."""

    request: Callable[[Mapping[str, Any]], ChatRequest]
    reply: Callable[[ChatReply, Mapping[str, Any]], dict[str, Any]]


def failed(path: str, status: int, message: str, headers: Mapping[str, str] | None = None) -> Sent:
    """Return an error as the interface at *path* says it."""
    error = {"type": "error", "error": {"type": "api_error", "message": message}}
    return Sent(status, error if path == MESSAGES else {"error": {"message": message, "code": None}}, headers or {})


def completions_request(body: Mapping[str, Any]) -> ChatRequest:
    """Return what OpenAI's clients ask."""
    functions = [tool["function"] for tool in body.get("tools", ())]
    tools = [Tool(name=f["name"], description=f.get("description", ""), parameters=f["parameters"]) for f in functions]
    named = body.get("response_format", {}).get("json_schema")
    limit = body.get("max_completion_tokens", body.get("max_tokens", 4_000))
    shape = (named["schema"], named["name"]) if named else None
    return _request([_message(m) for m in body["messages"]], tools, _forced(body), shape, limit)


def messages_request(body: Mapping[str, Any]) -> ChatRequest:
    """Return what Anthropic's clients ask."""
    system = [ChatMessage(role="system", content=_text(body["system"]))] if body.get("system") else []
    tools = [
        Tool(name=t["name"], description=t.get("description", ""), parameters=t["input_schema"])
        for t in body.get("tools", ())
    ]
    # Their name for a schema of the answer, which our adapter does without.
    wanted = body.get("output_config", {}).get("format", {}).get("schema")
    shape = (wanted, "reply") if wanted else None
    return _request([*system, *map(_message, body["messages"])], tools, _forced(body), shape, body["max_tokens"])


def _forced(body: Mapping[str, Any]) -> str | None:
    """The name of the tool that the model is made to use, None if it is free to use none, or any of several."""
    choice, tools = body.get("tool_choice"), body.get("tools", ())
    if isinstance(choice, dict) and choice.get("type") in ("tool", "function"):
        name: str = choice["name"] if "name" in choice else choice["function"]["name"]
        return name
    must = choice == "required" or (isinstance(choice, dict) and choice.get("type") == "any")
    return tools[0].get("function", tools[0])["name"] if must and len(tools) == 1 else None


def _request(
    messages: list[ChatMessage],
    tools: list[Tool],
    forced: str | None,
    shape: tuple[Mapping[str, Any], str] | None,
    limit: int,
) -> ChatRequest:
    for tool in tools:
        if tool.name == forced:
            shape, tools = (tool.parameters, forced), []
    schema, name = shape or (None, "reply")
    return ChatRequest(
        messages=tuple(messages), schema=schema, schema_name=name, tools=tuple(tools), max_output_tokens=limit
    )


def _message(message: Mapping[str, Any]) -> ChatMessage:
    role: Literal["system", "user", "assistant"] = "system" if message["role"] == "developer" else message["role"]
    return ChatMessage(role=role, content=_text(message["content"]))


def _text(content: str | Sequence[Mapping[str, Any]] | None) -> str:
    """The text of a content, which clients send whole or in parts."""
    if isinstance(content, str):
        return content
    return "".join(part["text"] for part in content or () if part["type"] == "text")


def completions_reply(reply: ChatReply, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return *reply* as OpenAI's servers send it."""
    calls = [(call.name, call.arguments) for call in reply.tool_calls]
    refused = reply.finish == "refusal"
    forced = _forced(body)
    if forced is not None and reply.text and not refused:
        calls = [(forced, reply.text)]
    message: dict[str, Any] = {"role": "assistant", "content": None if calls or refused else reply.text}
    if refused:
        message["refusal"] = reply.text
    if calls:
        message["tool_calls"] = [
            {"id": f"call_{n}", "type": "function", "function": {"name": name, "arguments": arguments}}
            for n, (name, arguments) in enumerate(calls)
        ]
    finish = "length" if reply.finish == "length" else "tool_calls" if calls else "stop"
    usage: dict[str, float | None] = {"prompt_tokens": reply.input_tokens, "completion_tokens": reply.output_tokens}
    usage["total_tokens"] = (reply.input_tokens or 0) + (reply.output_tokens or 0)
    if reply.price_usd is not None:
        usage["cost"] = reply.price_usd
    choices = [{"index": 0, "message": message, "finish_reason": finish}]
    told = {"id": "chatcmpl-0", "object": "chat.completion", "created": 0, "model": reply.model}
    return {**told, "choices": choices, "usage": usage}


def messages_reply(reply: ChatReply, body: Mapping[str, Any]) -> dict[str, Any]:
    """Return *reply* as Anthropic's servers send it; arguments that are no JSON come as text."""
    calls = [(call.name, call.arguments) for call in reply.tool_calls]
    forced = _forced(body)
    if forced is not None and reply.text and reply.finish != "refusal":
        calls = [(forced, reply.text)]
    content: list[dict[str, Any]] = []
    for n, (name, arguments) in enumerate(calls):
        try:
            content.append({"type": "tool_use", "id": f"toolu_{n}", "name": name, "input": json.loads(arguments)})
        except (ValueError, RecursionError):
            content.append({"type": "text", "text": arguments})
    if not calls:
        content = [{"type": "text", "text": reply.text}]
    stop = {"length": "max_tokens", "refusal": "refusal"}.get(reply.finish, "tool_use" if calls else "end_turn")
    return {
        "id": "msg_0",
        "type": "message",
        "role": "assistant",
        "model": reply.model,
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": {"input_tokens": reply.input_tokens, "output_tokens": reply.output_tokens},
    }


SPOKEN: Mapping[str, Spoken] = {
    COMPLETIONS: Spoken(completions_request, completions_reply),
    MESSAGES: Spoken(messages_request, messages_reply),
}
