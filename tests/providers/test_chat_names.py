"""Names of chat models, what the environment says, and what may be given instead of a name."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from keepstone import ConfigError, Memory, config, providers
from keepstone.llms._prices import LIST_PRICES, price_usd
from keepstone.protocols import ChatModel
from keepstone.testing import ChatServer, ScriptedChatModel
from tests.providers.asking import PLAIN, TEA


def made(choice: object = None) -> ChatModel:
    model = providers.chat_model(choice)
    assert model is not None
    return model


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("ollama:qwen3:8b", "http://localhost:11434/v1"),
        ("lmstudio:qwen3", "http://localhost:1234/v1"),
        ("vllm:Qwen/Qwen3-8B", "http://localhost:8000/v1"),
        ("llamacpp:any", "http://localhost:8080/v1"),
        ("litellm:any", "http://localhost:4000/v1"),
    ],
)
def test_local_servers_need_no_key(name: str, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert made(name).name == name
    with ChatServer(["Tea"]) as server:
        monkeypatch.setenv(f"{name.partition(':')[0].upper()}_BASE_URL", server.url)
        assert asyncio.run(_text(made(name))) == "Tea"
    assert server.requests[0].body["model"] == name.partition(":")[2]
    assert "authorization" not in server.requests[0].headers
    assert providers.ENDPOINTS[name.partition(":")[0]][0] == url


async def _text(model: Any) -> str:
    try:
        return (await model.reply(PLAIN)).text  # type: ignore[no-any-return]
    finally:
        await model.close()


@pytest.mark.parametrize("name", ["openai:gpt-5-mini", "openrouter:vendor/model", "deepseek:m", "anthropic:claude"])
def test_services_need_a_key_or_an_address(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    variable = name.partition(":")[0].upper()
    with pytest.raises(ConfigError, match=f"{variable}_API_KEY"):
        providers.chat_model(name)
    monkeypatch.setenv(f"{variable}_API_KEY", "sk-from-outside")
    assert made(name).name == name
    with ChatServer(["Tea"], api_key="sk-from-outside") as server:
        monkeypatch.setenv(f"{variable}_BASE_URL", server.root if variable == "ANTHROPIC" else server.url)
        assert asyncio.run(_text(made(name))) == "Tea"


@pytest.mark.parametrize("name", ["gpt-5-mini", "openai:", "anthropic:", "nobody:model", "", ":"])
def test_unknown_names_are_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk")
    with pytest.raises(ConfigError, match="Unknown chat model"):
        providers.chat_model(name)


def test_without_a_choice_there_is_no_model_whatever_keys_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk")
    assert providers.chat_model(None) is None
    assert providers.chat_model("none") is None
    monkeypatch.setenv("KEEPSTONE_CHAT_MODEL", "ollama:qwen3")
    assert made().name == "ollama:qwen3"
    assert providers.chat_model("none") is None
    monkeypatch.setenv("KEEPSTONE_CHAT_MODEL", "none")
    assert providers.chat_model(None) is None
    assert config.default_chat_model() == "none"


def test_auto_takes_what_there_is_a_key_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert providers.found_chat_model() is None
    with pytest.raises(ConfigError, match="OPENAI_API_KEY, ANTHROPIC_API_KEY"):
        providers.chat_model("auto")
    for key, name in (
        ("DEEPSEEK_API_KEY", "deepseek:deepseek-flash"),
        ("ANTHROPIC_API_KEY", "anthropic:claude-haiku-5-5"),
        ("OPENAI_API_KEY", "openai:gpt-5-mini"),
    ):
        monkeypatch.setenv(key, "sk")
        assert providers.found_chat_model() == (name, key)
        assert made("auto").name == name
    monkeypatch.setenv("OPENAI_MODEL", "gpt-5-nano")
    monkeypatch.setenv("KEEPSTONE_CHAT_MODEL", "auto")
    assert made().name == "openai:gpt-5-nano"


def test_objects_instead_of_names() -> None:
    script = ScriptedChatModel([TEA])
    assert made(script) is script
    assert made(lambda messages: "Tea").name == "function:<lambda>"
    client = SimpleNamespace(messages=SimpleNamespace(create=lambda **_: None))
    assert made((client, "claude")).name == "anthropic:claude"
    for wrong, why in ((client, "which model"), (3, "int is no chat model"), ((1, 2), "tuple is no"), ({}, "dict")):
        with pytest.raises(ConfigError, match=why):
            providers.chat_model(wrong)


def test_every_provider_of_a_found_model_has_a_price() -> None:
    for _, provider, _, model in providers.FOUND_BY:
        assert model in LIST_PRICES[provider]


@pytest.mark.parametrize(
    ("host", "name", "price"),
    [
        ("api.openai.com", "openai:gpt-5-mini", 2.25),
        ("eu.api.openai.com", "openai:gpt-5-mini-2025-08-07", 2.25),
        ("api.anthropic.com", "anthropic:claude-haiku-4-5-20251001", 6.0),
        ("api.openai.com", "openai:gpt-99", None),
        ("localhost", "openai:gpt-5-mini", None),
        ("localhost", "ollama:qwen3", None),
    ],
)
def test_list_prices_are_those_of_the_provider_itself(host: str, name: str, price: float | None) -> None:
    found = price_usd(host, name, 1_000_000, 1_000_000, None)
    assert found == (None if price is None else pytest.approx(price))
    assert price_usd(host, name, None, 5, {name: (1.0, 1.0)}) is None
    assert price_usd(host, name, 1_000_000, 0, {name: (1.5, 1.0)}) == 1.5


def test_a_memory_opens_with_a_function(tmp_path: Path) -> None:
    with Memory(tmp_path / "memory.db", embedder="none", chat_model=lambda messages: "{}") as memory:
        assert memory.get_all(user_id="alice").items == ()
