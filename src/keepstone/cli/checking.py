"""The command that looks whether everything is in order, and says what to do where it is not."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from keepstone import AsyncMemory, config, providers
from keepstone.cli import options, output
from keepstone.cli.running import Target, run
from keepstone.errors import KeepstoneError
from keepstone.protocols import Embedder
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


def doctor(store: options.Store = None, embedder: options.Embedder = None, as_json: options.Json = False) -> None:
    """Check the environment, the store's file and its indexes; exit with 1 if something is wrong."""
    path = store.expanduser() if store is not None else config.default_path()
    found = [*_environment(), *_file(path)]
    if path.exists() and all(v.ok for v in found):
        found += run(Target(path, "none"), lambda memory: _collected(_store(memory)))
    sound = path.exists() and all(v.ok for v in found)
    found += run(Target(path, "none"), lambda memory: _collected(_embedding(memory, embedder, sound)))
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


def _is_remote(choice: str | None) -> bool:
    return (choice or config.default_embedder() or "").startswith("openai:")
