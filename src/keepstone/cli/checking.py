"""The command that looks whether everything is in order, and says what to do where it is not."""

from __future__ import annotations

import asyncio
import os
import platform
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from keepstone import AsyncMemory, config, providers
from keepstone.chat import ChatMessage, ChatRequest
from keepstone.cli import options, output
from keepstone.cli.running import Target, missing_for_server, run
from keepstone.errors import KeepstoneError
from keepstone.protocols import ChatModel, Embedder
from keepstone.types import Scope

# Older ones can corrupt a WAL file when two connections checkpoint at once.
SQLITE_MIN = (3, 51, 3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One thing that was checked: what was seen, and what to do about it; `inside` the store's file, or around it."""

    name: str
    ok: bool
    detail: str
    advice: str = ""
    inside: bool = False


def doctor(
    store: options.Store = None,
    embedder: options.Embedder = None,
    chat_model: options.ChatModel = None,
    online: Annotated[
        bool, typer.Option("--online", help="Ask the chat model one word, which may cost money.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Check the environment, the store's file and its indexes; exit with 1 if something is wrong."""
    path = store.expanduser() if store is not None else config.default_path()
    found = [*_environment(), *_file(path)]
    if path.exists() and all(v.ok for v in found):
        found += run(Target(path, "none"), lambda memory: _collected(_store(memory)))
    sound = path.exists() and all(v.ok for v in found)
    found += run(Target(path, "none"), lambda memory: _collected(_embedding(memory, embedder, sound)))
    found.append(asyncio.run(_chat_model(chat_model, online)))
    found.append(_server())
    if as_json:
        output.show_json({"ok": all(v.ok for v in found), "checks": found})
    else:
        output.verdicts((v.ok, v.name, v.detail, v.advice) for v in _summed_up(found))
    if not all(v.ok for v in found):
        raise typer.Exit(1)


def _summed_up(found: list[Verdict]) -> list[Verdict]:
    """Passed checks of the store's insides in one line: people read the others."""
    inside = [v for v in found if v.inside]
    passed = Verdict(name="indexes", ok=True, detail=f"{sum(v.ok for v in inside)} of {len(inside)} checks passed")
    shown = [v for v in found if not (v.inside and v.ok)]
    return [*shown, passed] if inside else shown


def _environment() -> list[Verdict]:
    import apsw

    version = apsw.sqlite_lib_version()
    new_enough = tuple(map(int, version.split("."))) >= SQLITE_MIN
    return [
        Verdict(
            name="Python",
            ok=sys.version_info >= (3, 11),
            detail=f"{platform.python_version()} on {platform.system()} {platform.machine()}",
            advice="" if sys.version_info >= (3, 11) else "Install Python 3.11 or newer.",
        ),
        Verdict(
            name="SQLite",
            ok=new_enough,
            detail=f"{version} (apsw {apsw.apsw_version()})",
            advice="" if new_enough else "This version can damage files: pip install --upgrade apsw",
        ),
    ]


def _file(path: Path) -> list[Verdict]:
    folder = path.parent
    nearest = next(p for p in (folder, *folder.parents) if p.exists())
    usable = nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
    found = [
        Verdict(
            name="folder",
            ok=usable,
            detail=f"{folder}" + ("" if folder.exists() else " (not there yet)"),
            advice="" if usable else f"{nearest} cannot be written: change its rights, or name another with --store.",
        )
    ]
    if not path.exists():
        return [*found, Verdict(name="file", ok=True, detail=f"{path} (not there yet; the first `add` makes it)")]
    right = path.is_file() and os.access(path, os.R_OK | os.W_OK)
    advice = "" if right else "It must be a file that you may read and write: change its rights or its owner."
    return [*found, Verdict(name="file", ok=right, detail=f"{path}, {_size(path)}", advice=advice)]


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f} MB"


async def _collected(verdicts: AsyncIterator[Verdict]) -> list[Verdict]:
    """All verdicts up to the first error, which is a verdict too."""
    found = []
    try:
        async for verdict in verdicts:
            found.append(verdict)
    except KeepstoneError as error:
        found.append(
            Verdict(
                name="store",
                ok=False,
                detail=str(error),
                advice="Restore a backup or an archive (`keepstone import`) into a new file.",
            )
        )
    return found


async def _store(memory: AsyncMemory) -> AsyncIterator[Verdict]:
    counts = await memory.store.stats(Scope())
    yield Verdict(
        name="contents",
        ok=True,
        detail=f"{counts.messages} messages, {counts.memories} memories, schema {counts.schema_version}",
    )
    check: Any = getattr(memory.store, "check", None)
    for finding in await check() if check is not None else ():
        yield Verdict(name=finding.name, ok=finding.ok, detail=finding.detail, advice=finding.advice, inside=True)


async def _embedding(memory: AsyncMemory, choice: str | None, sound: bool) -> AsyncIterator[Verdict]:
    try:
        embedder = providers.embedder(choice)
        # Asking a provider would send something out and cost money; the local model can be tried.
        if embedder is not None and not _is_remote(choice):
            await embedder.embed(["check"], "query")
    except KeepstoneError as error:
        yield Verdict(
            name="embedder", ok=False, detail=str(error), advice="Name another with --embedder or KEEPSTONE_EMBEDDER."
        )
        return
    if embedder is None:
        advice = "Search goes by words alone. Install the local model, or name an embedder, then `keepstone reembed`."
        yield Verdict(name="embedder", ok=True, detail="none", advice="" if choice == "none" else advice)
        return
    if not sound or _is_remote(choice):
        yield Verdict(name="embedder", ok=True, detail=choice or config.default_embedder() or str(embedder.key))
        return
    yield await _agreement(memory, embedder)


async def _agreement(memory: AsyncMemory, embedder: Embedder) -> Verdict:
    """Whether the vectors in the store are those of the embedder."""
    stored = await memory.store.embedder()
    missing = (await memory.store.stats(Scope())).unembedded
    if stored is not None and stored != embedder.key:
        detail = f"the store was embedded by {stored}, this is {embedder.key}"
        return Verdict(name="embedder", ok=False, detail=detail, advice="Use the first, or run `keepstone reembed`.")
    if missing:
        detail = f"{missing} passages have no vector of {embedder.key}"
        return Verdict(name="embedder", ok=False, detail=detail, advice="Run `keepstone reembed`.")
    return Verdict(name="embedder", ok=True, detail=str(embedder.key))


async def _chat_model(choice: str | None, online: bool) -> Verdict:
    """Which chat model is asked, and where that was said; with *online*, whether it answers."""
    source = "--chat-model" if choice is not None else "KEEPSTONE_CHAT_MODEL"
    try:
        model = providers.chat_model(choice)
        if model is None:
            return _no_chat_model()
        detail = f"{model.name}, from {source}"
        return Verdict(name="chat model", ok=True, detail=detail + (await _asked(model) if online else ""))
    except KeepstoneError as error:
        advice = f"Set what is missing, or name another with --chat-model or KEEPSTONE_CHAT_MODEL; now: {source}."
        return Verdict(name="chat model", ok=False, detail=str(error), advice=advice)


def _no_chat_model() -> Verdict:
    """What a model would add, and which one could be asked; nothing uses one that was not chosen."""
    adds = "none: memories are what was said, word for word; a model would distil facts and keep them current"
    found = providers.found_chat_model()
    if found is None:
        return Verdict(name="chat model", ok=True, detail=adds)
    name, variable = found
    advice = f"{variable} is set: chat_model='auto' or KEEPSTONE_CHAT_MODEL=auto would use {name}."
    return Verdict(name="chat model", ok=True, detail=adds, advice=advice)


async def _asked(model: ChatModel) -> str:
    asking = ChatMessage(role="user", content="Answer with the word: yes")
    try:
        # Models that think first need room for it.
        reply = await model.reply(ChatRequest(messages=(asking,), max_output_tokens=500))
    finally:
        close = getattr(model, "close", None)
        if close is not None:
            await close()
    price = "at no known price" if reply.price_usd is None else f"for ${reply.price_usd:.6f}"
    return f"; answered in {reply.milliseconds:,.0f} ms, {price}"


def _server() -> Verdict:
    """Whether `keepstone serve` can run here; who needs no server lacks nothing."""
    missing = missing_for_server()
    if not missing:
        return Verdict(name="server", ok=True, detail="can be started: keepstone serve")
    advice = "For `keepstone serve`: pip install 'keepstone[server]'"
    return Verdict(name="server", ok=True, detail=f"not installed: {', '.join(missing)} missing", advice=advice)


def _is_remote(choice: str | None) -> bool:
    return (choice or config.default_embedder() or "").startswith("openai:")
