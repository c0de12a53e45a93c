"""What every command does around its verb: open the memory, run, close; read stdin, parse JSON, ask."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, TypeVar

import typer

from keepstone import AsyncMemory
from keepstone.errors import ConfigError, InvalidRequestError, MissingExtraError
from keepstone.limits import DEFAULT_LIMITS

T = TypeVar("T")

STDIN = "-"
FILE = "@"
SERVER_MODULES = ("fastapi", "jinja2", "limits", "mcp", "prometheus_client", "pydantic", "structlog", "uvicorn")


class ScopeIds(TypedDict):
    """The ids of a scope, as the verbs take them."""

    user_id: str | None
    agent_id: str | None
    app_id: str | None
    run_id: str | None


@dataclass(frozen=True, slots=True)
class Target:
    """Which store a command works on, and with which embedder and chat model; None is the default.

    Without *chat_model* no model is asked, whatever the environment says: most commands need none.
    """

    store: Path | None
    embedder: str | None = None
    chat_model: str | None = "none"

    def existing(self) -> Target:
        """Return this target, which a command only reads.

        Raises:
            ConfigError: a file was named and is not there; reading must not make an empty one.
        """
        if self.store is not None and not self.store.expanduser().exists():
            raise ConfigError(f"There is no store at {self.store}.")
        return self


def ids(user: str | None, agent: str | None, app: str | None, run: str | None) -> ScopeIds:
    """Return the scope that the options name."""
    return {"user_id": user, "agent_id": agent, "app_id": app, "run_id": run}


def run(target: Target, work: Callable[[AsyncMemory], Awaitable[T]]) -> T:
    """Return what *work* does with the memory of *target*, closed afterwards."""

    async def opened() -> T:
        # Not entered: entering compares the embedder with the store's, which `list` or `reembed` must not stop at.
        memory = AsyncMemory(target.store, embedder=target.embedder, chat_model=target.chat_model, actor="cli")
        try:
            return await work(memory)
        finally:
            await memory.close()

    return asyncio.run(opened())


def missing_for_server() -> list[str]:
    """Return the modules of the extra `server` that are not installed."""
    return [name for name in SERVER_MODULES if importlib.util.find_spec(name) is None]


def need_server(feature: str) -> None:
    """Let pass where the extra `server` is installed.

    Raises:
        MissingExtraError: it is not.
    """
    if missing_for_server():
        raise MissingExtraError(feature, "server")


def text_or_stdin(given: str) -> str:
    """Return *given*, or all of stdin for `-`.

    Raises:
        InvalidRequestError: stdin is not UTF-8.
    """
    if given != STDIN:
        return given
    # One byte more than fits is enough for the library to refuse it.
    raw = sys.stdin.buffer.read(DEFAULT_LIMITS.message_bytes_max + 1)
    try:
        return raw.decode("utf-8-sig").removesuffix("\n")
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"stdin is not UTF-8 (byte {error.start}).") from error


def text_or_file(given: str | None) -> str | None:
    """Return *given*, or what the file says for `@FILE`; None if it was not given.

    Raises:
        InvalidRequestError: the file cannot be read, or is not UTF-8.
    """
    if given is None or not given.startswith(FILE):
        return given
    path = given.removeprefix(FILE)
    try:
        return Path(path).expanduser().read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidRequestError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"{path} is not UTF-8 (byte {error.start}).") from error


def json_object(given: str | None, option: str) -> dict[str, Any] | None:
    """Return the JSON object that an option holds; None if it was not given."""
    if given is None:
        return None
    try:
        value = json.loads(given)
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"not JSON: {error}", param_hint=option) from error
    if not isinstance(value, dict):
        raise typer.BadParameter("not a JSON object.", param_hint=option)
    return value


def confirm(question: str, yes: bool) -> None:
    """Ask before something that cannot be taken back; where nobody can be asked, `--yes` must say it."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter("there is no terminal to ask on; say it if you mean it.", param_hint="--yes")
    typer.confirm(question, abort=True, err=True)
