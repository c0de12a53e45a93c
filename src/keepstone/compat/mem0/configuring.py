"""What a configuration of Mem0 says that means something to Keepstone."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keepstone.errors import ConfigError

# The providers whose names and models both know.
_LLMS = ("openai", "anthropic")
_EMBEDDERS = ("openai",)
_IGNORED = ("version", "history_db_path", "reranker", "graph_store", "enable_graph")
_FILE = "keepstone.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """The arguments of a memory that a configuration gives; None leaves the default."""

    path: str | None = None
    chat_model: str | None = None
    embedder: str | None = None
    instructions: str | None = None


def read(config: object) -> Configured:
    """Return what *config* (a dict, or an object with its keys as attributes) says; the rest is warned of.

    Raises:
        ConfigError: it names what Keepstone cannot do: another provider, an unknown setting.
    """
    given = config if isinstance(config, Mapping) else _of_object(config)
    strange = next((k for k in given if k not in _KNOWN and k not in _IGNORED), None)
    if strange is not None:
        raise ConfigError(f"Unknown setting {strange!r}; known: {', '.join((*_KNOWN, *_IGNORED))}.")
    for name in _IGNORED:
        if given.get(name) is not None and name != "version":
            _warn(f"{name} means nothing to Keepstone and is ignored: it has one file and its own ranking.")
    return Configured(
        path=_path(given.get("vector_store")),
        chat_model=_model("llm", given.get("llm"), _LLMS),
        embedder=_model("embedder", given.get("embedder"), _EMBEDDERS),
        instructions=given.get("custom_instructions"),
    )


_KNOWN = ("vector_store", "llm", "embedder", "custom_instructions")


def _of_object(config: object) -> Mapping[str, Any]:
    dumped = getattr(config, "model_dump", None)
    found = dumped(exclude_unset=True) if callable(dumped) else None
    if not isinstance(found, Mapping):
        raise ConfigError(f"A configuration is a dict, not {type(config).__name__}.")
    return found


def _part(name: str, given: object) -> tuple[str | None, Mapping[str, Any]]:
    if not isinstance(given, Mapping):
        raise ConfigError(f"{name} is a dict with provider and config.")
    settings = given.get("config") or {}
    provider = given.get("provider")
    if not isinstance(settings, Mapping) or not (provider is None or isinstance(provider, str)):
        raise ConfigError(f"{name} is a dict with provider and config.")
    return provider, settings


def _path(given: object) -> str | None:
    """The file for what was a folder of vectors; the store is always Keepstone's own."""
    if given is None:
        return None
    _, settings = _part("vector_store", given)
    for name in settings:
        if name != "path":
            _warn(f"vector_store.config.{name} is ignored: Keepstone has one file.")
    path = settings.get("path")
    if path is None:
        return None
    # Mem0's path is a folder, which may be there with its own files in it.
    return str(path) if str(path).endswith(".db") else f"{str(path).rstrip('/')}/{_FILE}"


def _model(name: str, given: object, known: tuple[str, ...]) -> str | None:
    if given is None:
        return None
    provider, settings = _part(name, given)
    model = settings.get("model")
    if provider not in known or not isinstance(model, str):
        raise ConfigError(
            f"{name} needs a model of {' or '.join(known)} here. For any other, make a keepstone.Memory with it, "
            "and give it as memory=."
        )
    for setting in settings:
        if setting != "model":
            _warn(f"{name}.config.{setting} is ignored: keys and addresses come from the environment.")
    return f"{provider}:{model}"


def _warn(sentence: str) -> None:
    warnings.warn(sentence, UserWarning, stacklevel=5)
