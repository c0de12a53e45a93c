"""Prompts, and asking a chat model once, for the tests of chat models."""

import asyncio
import json
from collections.abc import Callable
from typing import Any, Protocol

from keepstone.chat import ChatMessage, ChatReply, ChatRequest, Tool


class Closable(Protocol):
    async def reply(self, request: ChatRequest) -> ChatReply: ...

    async def close(self) -> None: ...


SCHEMA = {
    "type": "object",
    "properties": {"likes": {"type": "string"}},
    "required": ["likes"],
    "additionalProperties": False,
}
TEA = {"likes": "龙井茶"}
REMEMBER = Tool(
    name="remember",
    description="Keeps a fact.",
    parameters={"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
)
SYSTEM = ChatMessage(role="system", content="You read what people say.")
SAID = ChatMessage(role="user", content="I like 龙井茶.")

PLAIN = ChatRequest(messages=(SYSTEM, SAID), max_output_tokens=321)
SHAPED = ChatRequest(messages=(SYSTEM, SAID), schema=SCHEMA, schema_name="facts", max_output_tokens=321)
TOOLED = ChatRequest(messages=(SYSTEM, SAID), tools=(REMEMBER,), max_output_tokens=321)


def ask(make: Callable[[], Closable], *requests: ChatRequest) -> list[ChatReply]:
    """Return what a model answers, one request after another, and close it."""

    async def run() -> list[ChatReply]:
        model = make()
        try:
            return [await model.reply(request) for request in requests]
        finally:
            await model.close()

    return asyncio.run(run())


def likes(reply: ChatReply) -> Any:
    return json.loads(reply.text)
