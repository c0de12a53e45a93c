"""The commands about MCP: `mcp`, which speaks it on stdin and stdout, and `mcp install`, which tells clients of it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from keepstone.cli import installing, options, output
from keepstone.cli.installing import CLIENTS, Launch
from keepstone.cli.running import confirm
from keepstone.config import data_folder, environment
from keepstone.control import Role
from keepstone.errors import ConfigError, MissingExtraError
from keepstone.types import Scope

KEY_VARIABLE = installing.KEY_VARIABLE
PROFILES = "keepstone (the default), mem0, openmemory or chatgpt."

Url = Annotated[
    str | None,
    typer.Option("--url", help="A running server's address, such as http://127.0.0.1:8765/mcp; else the local store."),
]
Profile = Annotated[str | None, typer.Option("--profile", help=f"Which tools are shown: {PROFILES}")]
WhichRole = Annotated[Role, typer.Option("--role", help="What the agent may do.")]

app = typer.Typer(
    name="mcp",
    help="Speak MCP on stdin and stdout, with the local store or a running server; `install` tells clients of it.",
    invoke_without_command=True,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Local:
    """What a process on stdio works with, and what it is held to."""

    store: Path | None
    embedder: str | None
    chat_model: str | None
    role: Role
    pin: Scope
    profile: str | None


@app.callback()
def mcp(
    context: typer.Context,
    user: options.User = None,
    agent: options.Agent = None,
    app: options.App = None,
    run_id: options.Run = None,
    role: WhichRole = Role.ADMIN,
    profile: Profile = None,
    url: Url = None,
    store: options.Store = None,
    embedder: options.Embedder = None,
    chat_model: options.ChatModel = None,
) -> None:
    """Speak MCP on stdin and stdout.

    Without --url, the local store is used, without a key; --user and the like say whose memory it is, and hold the
    agent to it. With --url, a running server is asked, with the key in KEEPSTONE_API_KEY.
    """
    if context.invoked_subcommand is not None:
        return
    pin = Scope(user_id=user, agent_id=agent, app_id=app, run_id=run_id)
    if url is None:
        _speak(_locally(_Local(
            store=store, embedder=embedder, chat_model=chat_model, role=role, pin=pin, profile=profile
        )))  # fmt: skip
        return
    key = environment(KEY_VARIABLE)
    if not key:
        raise ConfigError(f"A server wants a key: put it into {KEY_VARIABLE}.")
    _speak(_remotely(installing.address(url, profile, user), key))


async def _locally(given: _Local) -> None:
    try:
        from keepstone.server import configuring
        from keepstone.server.mcp import profiles, stdio
        from keepstone.server.service import Service
    except ImportError as error:
        raise MissingExtraError("MCP", "server") from error
    flags = {
        "store": given.store,
        "embedder": given.embedder,
        "chat_model": given.chat_model,
        "mcp_profile": given.profile,
    }
    # Not the file of the folder that the agent works in: a project from elsewhere must not say where memory goes.
    settings = configuring.configure(flags, data_folder()).settings
    # Before anything is opened.
    profiles.of(settings.mcp_profile)
    service = Service(settings)
    principal = stdio.local_principal(service, given.role, given.pin)
    await stdio.serve(service, principal, settings.mcp_profile)


async def _remotely(url: str, key: str) -> None:
    try:
        from keepstone.server.mcp import bridge
    except ImportError as error:
        raise MissingExtraError("MCP", "server") from error
    await bridge.serve(url, key)


def _speak(speaking: Coroutine[Any, Any, None]) -> None:
    if sys.stdin.isatty():
        output.note("Waiting for an MCP client on stdin. `keepstone mcp install` tells one of it.")
    try:
        asyncio.run(speaking)
    except KeyboardInterrupt:
        # How a client, or a person, ends it.
        return


@app.command("install")
def install(
    client: Annotated[str, typer.Option("--client", help=f"One of {', '.join(CLIENTS)}.")],
    url: Url = None,
    everywhere: Annotated[bool, typer.Option("--global", help="For all projects of this user.")] = False,
    project: Annotated[
        Path | None, typer.Option("--project", help="For this project; by default the folder you are in.")
    ] = None,
    user: options.User = None,
    profile: Profile = None,
    role: Annotated[Role | None, typer.Option("--role", help="What the agent may do, without --url.")] = None,
    store: options.Store = None,
    name: Annotated[str, typer.Option("--name", help="What the client calls it.")] = "keepstone",
    key: Annotated[
        str | None,
        typer.Option("--key", help=f"Write the key itself into the file, instead of the name {KEY_VARIABLE}."),
    ] = None,
    yes: options.Yes = False,
) -> None:
    """Write Keepstone into the file of an MCP client, after showing the difference."""
    launch = Launch(
        url=None if url is None else installing.address(url, profile, user),
        options=installing.stdio_options(user, profile, role, store) if url is None else (),
        key=key,
        name=name,
        everywhere=everywhere,
    )
    plan = installing.plan(client, launch, project=project)
    if plan.is_there_already:
        output.note(f"{plan.path} has it already.")
        return
    output.line(plan.difference())
    confirm(f"Write this to {plan.path}?", yes)
    plan.write()
    output.note(f"Written to {plan.path}. {plan.advice}")
