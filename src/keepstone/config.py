"""Settings from outside: where data lives, what the environment says, what time it is. The only reader of both."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

STORE_FILE = "memory.db"
USER_FILE = "keepstone.toml"
SERVER_URL = "http://127.0.0.1:8765"


def environment(name: str) -> str | None:
    """Return an environment variable; None if it is unset or empty."""
    return os.environ.get(name) or None


def environment_names(prefix: str) -> list[str]:
    """Return the names of the environment's variables that begin with *prefix* and are not empty, in order."""
    return sorted(name for name, value in os.environ.items() if name.startswith(prefix) and value)


def user_file() -> Path:
    """Return the file of the user's own settings, which need not be there."""
    import platformdirs

    return Path(platformdirs.user_config_dir("keepstone", appauthor=False)) / USER_FILE


def data_folder() -> Path:
    """Return the folder of the default store: `KEEPSTONE_HOME`, else the platform's user data folder."""
    home = environment("KEEPSTONE_HOME")
    if home is not None:
        return Path(home).expanduser()
    import platformdirs

    return Path(platformdirs.user_data_dir("keepstone", appauthor=False))


def default_path() -> Path:
    """Return the file of the default store."""
    return data_folder() / STORE_FILE


def default_embedder() -> str | None:
    """Return the embedder that `KEEPSTONE_EMBEDDER` names, None for the built-in choice."""
    return environment("KEEPSTONE_EMBEDDER")


def default_chat_model() -> str | None:
    """Return the chat model that `KEEPSTONE_CHAT_MODEL` names, None if no model is to be asked."""
    return environment("KEEPSTONE_CHAT_MODEL")


def server_url() -> str:
    """Return where clients find a server: `KEEPSTONE_URL`, else this machine at the usual port."""
    return environment("KEEPSTONE_URL") or SERVER_URL


def api_key() -> str | None:
    """Return the key that clients send, `KEEPSTONE_API_KEY`; None if there is none."""
    return environment("KEEPSTONE_API_KEY")


def utc_now() -> datetime:
    """Return the time, in UTC: the default clock."""
    return datetime.now(UTC)
