"""Telling MCP clients of Keepstone: which file each one reads, in which shape, and what would change in it."""

from __future__ import annotations

import difflib
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import urlencode, urlsplit, urlunsplit

from keepstone.cli import settings_files
from keepstone.cli.settings_files import Entry
from keepstone.config import environment
from keepstone.control import Role
from keepstone.errors import InvalidRequestError

KEY_VARIABLE = "KEEPSTONE_API_KEY"
MCP_PATH = "/mcp"
SHOWN_CHARS = 10

Style: TypeAlias = Literal["json", "toml"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How a client is to reach Keepstone: the `url` of a server, or a process with `options`.

    *key* is written into the file as it is; None leaves the name of a variable there.
    """

    url: str | None
    options: tuple[str, ...] = ()
    key: str | None = None
    name: str = "keepstone"
    everywhere: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class McpClient:
    """A client: its files, the section for servers in them, and how it writes one.

    `remote` is None for a client that only starts processes.
    """

    section: str
    project: str | None
    everywhere: Callable[[], Path]
    local: Callable[[list[str]], Entry]
    remote: Callable[[Launch], Entry] | None
    style: Style = "json"
    advice: str = ""


def plan(client: str, launch: Launch, *, project: Path | None = None) -> Plan:
    """Return what to write where; nothing is written yet.

    Raises:
        InvalidRequestError: there is no such client, or what is asked contradicts itself.
        ConfigError: the file is there and cannot be changed without losing something; the sentence has what to paste.
    """
    kind = CLIENTS.get(client)
    if kind is None:
        raise InvalidRequestError(f"--client is one of {', '.join(CLIENTS)}.")
    if launch.key is not None and launch.url is None:
        raise InvalidRequestError("A key is for a server: give --url too, or leave --key out.")
    path = _file(client, kind, launch, project)
    entry = _entry(kind, launch)
    old = settings_files.read(path)
    change = settings_files.with_json if kind.style == "json" else settings_files.with_toml
    new = change(path, old, kind.section, launch.name, entry)
    needs_key = launch.url is not None and launch.key is None
    advice = [kind.advice, f"The client needs the key in {KEY_VARIABLE}." if needs_key else ""]
    return Plan(path=path, old=old, new=new, secret=launch.key, advice=" ".join(a for a in advice if a))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A file, what it holds, and what it is to hold; `secret` is a key that the new text has."""

    path: Path
    old: str | None
    new: str
    secret: str | None
    advice: str

    @property
    def is_there_already(self) -> bool:
        """Whether nothing is to be changed."""
        return self.old == self.new

    def difference(self) -> str:
        """Return what would change, line by line, without the key."""
        old, new = self.old or "", self.new
        shown = "\n".join(
            difflib.unified_diff(old.splitlines(), new.splitlines(), str(self.path), str(self.path), lineterm="")
        )
        return shown if self.secret is None else shown.replace(self.secret, self.secret[:SHOWN_CHARS] + "…")

    def write(self) -> None:
        """Put the new text in the place of the old one, all of it or nothing.

        Raises:
            ConfigError: the file has changed meanwhile, or cannot be written.
        """
        settings_files.write(self.path, self.old, self.new, is_secret=self.secret is not None)


def address(url: str, profile: str | None, user: str | None) -> str:
    """Return the address of a server's MCP, with the profile and the user in it.

    Raises:
        InvalidRequestError: it is no address of HTTP.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise InvalidRequestError("--url is an address such as http://127.0.0.1:8765/mcp.")
    asked = [(name, value) for name, value in (("profile", profile), ("user_id", user)) if value is not None]
    query = "&".join(part for part in (parts.query, urlencode(asked)) if part)
    path = parts.path if parts.path.strip("/") else MCP_PATH
    return urlunsplit((parts.scheme, parts.netloc, path, query, ""))


def stdio_options(user: str | None, profile: str | None, role: Role | None, store: Path | None) -> tuple[str, ...]:
    """Return the options of `keepstone mcp` that say the same."""
    given = (
        ("--user", user),
        ("--profile", profile),
        ("--role", role),
        ("--store", None if store is None else str(store.expanduser().absolute())),
    )
    return tuple(word for name, value in given if value is not None for word in (name, str(value)))


def _file(client: str, kind: McpClient, launch: Launch, project: Path | None) -> Path:
    if launch.everywhere and project is not None:
        raise InvalidRequestError("Give --global or --project, not both.")
    if kind.project is None:
        if project is not None:
            raise InvalidRequestError(f"{client} has no files for projects.")
        return kind.everywhere()
    if launch.everywhere:
        return kind.everywhere()
    folder = project or Path.cwd()
    if not folder.is_dir():
        raise InvalidRequestError(f"There is no folder {folder}.")
    return folder / kind.project


def _entry(kind: McpClient, launch: Launch) -> Entry:
    if launch.url is not None and kind.remote is not None:
        return kind.remote(launch)
    is_shared = kind.project is not None and not launch.everywhere
    if launch.url is None:
        return kind.local([*_program(is_shared), "mcp", *launch.options])
    entry = kind.local([*_program(is_shared), "mcp", "--url", launch.url])
    return entry if launch.key is None else {**entry, "env": {KEY_VARIABLE: launch.key}}


def _program(is_shared: bool) -> list[str]:
    """Return how Keepstone is started: by its name in a file that others share, else by its full path."""
    found = shutil.which("keepstone")
    if found is None:
        return [sys.executable, "-m", "keepstone"]
    return ["keepstone"] if is_shared else [found]


def _bearer(launch: Launch, reference: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {launch.key if launch.key is not None else reference}"}


def _process(command: list[str]) -> Entry:
    return {"command": command[0], "args": command[1:]}


def _typed_process(command: list[str]) -> Entry:
    return {"type": "stdio", **_process(command)}


def _claude_code(launch: Launch) -> Entry:
    return {"type": "http", "url": launch.url or "", "headers": _bearer(launch, f"${{{KEY_VARIABLE}}}")}


def _cursor(launch: Launch) -> Entry:
    return {"url": launch.url or "", "headers": _bearer(launch, f"${{env:{KEY_VARIABLE}}}")}


def _vscode(launch: Launch) -> Entry:
    return {"type": "http", **_cursor(launch)}


def _codex(launch: Launch) -> Entry:
    if launch.key is None:
        return {"url": launch.url or "", "bearer_token_env_var": KEY_VARIABLE}
    return {"url": launch.url or "", "http_headers": _bearer(launch, "")}


def _programs_folder() -> Path:
    """Where programs with windows keep their settings."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    if sys.platform == "win32":
        return Path(environment("APPDATA") or Path.home() / "AppData" / "Roaming")
    return Path(environment("XDG_CONFIG_HOME") or Path.home() / ".config")


def _codex_home() -> Path:
    return Path(environment("CODEX_HOME") or Path.home() / ".codex")


CLIENTS: Mapping[str, McpClient] = {
    "claude-code": McpClient(
        section="mcpServers",
        project=".mcp.json",
        everywhere=lambda: Path.home() / ".claude.json",
        local=_typed_process,
        remote=_claude_code,
        advice="Start Claude Code anew; /mcp shows it.",
    ),
    "cursor": McpClient(
        section="mcpServers",
        project=".cursor/mcp.json",
        everywhere=lambda: Path.home() / ".cursor" / "mcp.json",
        local=_typed_process,
        remote=_cursor,
        advice="Cursor's settings for MCP show it.",
    ),
    "codex": McpClient(
        section="mcp_servers",
        project=".codex/config.toml",
        everywhere=lambda: _codex_home() / "config.toml",
        local=_process,
        remote=_codex,
        style="toml",
        advice="Start Codex anew; it reads a project's file only if the project is trusted.",
    ),
    "vscode": McpClient(
        section="servers",
        project=".vscode/mcp.json",
        everywhere=lambda: _programs_folder() / "Code" / "User" / "mcp.json",
        local=_typed_process,
        remote=_vscode,
        advice="`MCP: List Servers` in VS Code shows it.",
    ),
    "claude-desktop": McpClient(
        section="mcpServers",
        project=None,
        everywhere=lambda: _programs_folder() / "Claude" / "claude_desktop_config.json",
        local=_process,
        remote=None,
        advice="Start Claude Desktop anew.",
    ),
}
