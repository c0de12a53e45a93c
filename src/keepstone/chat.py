"""The values that cross the waist to a chat model: what it is asked, and what it answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatMessage:
    """One message of a prompt."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function that the model may call; `parameters` is the JSON schema of its arguments."""

    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call that the model asks for; `arguments` is JSON as the model wrote it, not checked."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """A prompt, and the shape of the answer: JSON of *schema*, calls of *tools*, or plain text if neither is given.

    `schema` is strict: every property required, no others. `max_output_tokens` bounds the answer. `prompt` names the
    prompt with its version and language, as in `single_pass/1/zh`; it is for records and is not sent.
    """

    messages: tuple[ChatMessage, ...]
    schema: Mapping[str, Any] | None = None
    schema_name: str = "reply"
    tools: tuple[Tool, ...] = ()
    max_output_tokens: int = 4_000
    prompt: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatReply:
    """What the model answered, unread: with a schema, `text` should be JSON, and may be anything.

    `finish` is `length` for an answer that was cut, `refusal` for one that the model would not give. Tokens are None
    where the provider counts none, `price_usd` where the price is not known.
    """

    text: str
    model: str
    tool_calls: tuple[ToolCall, ...] = ()
    finish: Literal["stop", "length", "refusal"] = "stop"
    input_tokens: int | None = None
    output_tokens: int | None = None
    price_usd: float | None = None
    milliseconds: float = 0.0
    attempts: int = 1
