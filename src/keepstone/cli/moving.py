"""The commands that move many memories: import, export, reembed, demo."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from keepstone.cli import coming, options, output
from keepstone.cli.running import STDIN, Target, ids, run, text_or_file
from keepstone.errors import InvalidRequestError
from keepstone.types import Scope

if TYPE_CHECKING:
    from keepstone.transfer import ImportReport

FORMATS = "messages, openai, claude, sessions, keepstone, mem0 or mem0-api; of a file, told from its content."


def import_(
    path: Annotated[
        str | None,
        typer.Argument(help="The file, or Mem0's folder; - reads stdin.", metavar="FILE", show_default=False),
    ] = None,
    format: Annotated[str | None, typer.Option("--format", help=FORMATS)] = None,
    server: Annotated[
        str | None, typer.Option("--from", help="The server, for mem0-api; its key is in MEM0_API_KEY.", metavar="URL")
    ] = None,
    history: Annotated[
        Path | None, typer.Option("--history", help="Mem0's history.db, if it is not in or beside its folder.")
    ] = None,
    user: options.User = None,
    agent: options.Agent = None,
    app: options.App = None,
    run_id: options.Run = None,
    instructions: options.Instructions = None,
    procedures: options.Procedures = False,
    wait: options.Wait = None,
    store: options.Store = None,
    embedder: options.Embedder = None,
    chat_model: options.ChatModel = None,
    as_json: options.Json = False,
) -> None:
    """Bring messages in from a file, restore an archive, or bring memories over from Mem0; a second run adds nothing.

    Reads JSON lines of messages, the data exports of ChatGPT and Claude (conversations.json), dialogue collections
    with sessions and turns, and what `keepstone export` wrote. A chat model, if one is named, makes facts of messages.
    With --format mem0, FILE is the folder of Mem0's default store; with mem0-api, a server is asked (--from).
    """
    whose = ids(user, agent, app, run_id)
    if format in (coming.FILES, coming.SERVER):
        with output.progress("Importing") as progress:
            brought = run(
                Target(store, embedder),
                lambda memory: coming.bring(memory, format, path, server, history, whose, progress),
            )
        _told(brought, as_json)
        return
    if path is None or server is not None or history is not None:
        raise InvalidRequestError("Name a FILE (- is stdin); --from and --history go with --format mem0-api and mem0.")
    from keepstone.transfer import import_stream

    wanted = text_or_file(instructions)
    with _source(path) as stream, output.progress("Importing") as progress:
        report = run(
            Target(store, embedder, chat_model),
            lambda memory: import_stream(
                memory,
                stream,
                format=format,
                **whose,
                progress=progress,
                instructions=wanted,
                procedures=procedures,
                wait=wait,
            ),
        )
    _told(report, as_json)


def _told(report: ImportReport, as_json: bool) -> None:
    if as_json:
        output.show_json(report.to_dict())
        return
    output.pairs({**report.to_dict(), "distilled": None})
    if report.distilled is None:
        return
    output.pairs(report.distilled.to_dict())
    if report.distilled.pending:
        output.note("The model is not done: keepstone flush")
    if report.distilled.failed:
        output.note("Something is left over: keepstone jobs", style="yellow")


def export(
    path: Annotated[str, typer.Argument(help="The file to write; - is stdout.", metavar="FILE")] = STDIN,
    user: options.User = None,
    agent: options.Agent = None,
    app: options.App = None,
    run_id: options.Run = None,
    include_retired: Annotated[
        bool, typer.Option("--include-retired", help="The texts of deleted memories too.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    store: options.Store = None,
    as_json: options.Json = False,
) -> None:
    """Write messages, memories and history of a scope, or of the whole store, as JSON lines."""
    from keepstone.transfer import export as write

    scope = Scope(**ids(user, agent, app, run_id))
    with _destination(path, force) as out, output.progress("Exporting") as progress:
        counts = run(
            Target(store, "none").existing(),
            lambda memory: write(memory.store, scope, out, include_retired=include_retired, progress=progress),
        )
    if as_json and path != STDIN:
        output.show_json(counts)
    else:
        output.note(f"Exported {', '.join(f'{count} {name}' for name, count in counts.items())}.")


def reembed(
    store: options.Store = None,
    embedder: options.Embedder = None,
    as_json: options.Json = False,
) -> None:
    """Give every memory a vector of an embedder, and make it the store's; can be stopped and goes on."""
    with output.progress("Embedding") as progress:
        made = run(Target(store, embedder).existing(), lambda memory: memory.reembed(progress=progress))
    if as_json:
        output.show_json({"made": made})
    else:
        output.line(f"Made {made} vectors.")


def demo(
    store: Annotated[
        Path | None, typer.Option("--store", help="A file to keep; by default a temporary one.", dir_okay=False)
    ] = None,
    embedder: options.Embedder = None,
) -> None:
    """Show what Keepstone does, on a conversation in English and Chinese that comes with it."""
    import asyncio

    from rich.console import Console

    from keepstone.demo import show

    asyncio.run(show(Console(highlight=False), path=store, embedder=embedder))


@contextmanager
def _source(path: str) -> Iterator[io.BufferedReader]:
    """Open the file, or stdin."""
    if path == STDIN:
        # A program may have put another stream in its place.
        yield sys.stdin.buffer if isinstance(sys.stdin.buffer, io.BufferedReader) else _buffered(sys.stdin.buffer)
        return
    try:
        stream = Path(path).expanduser().open("rb")
    except OSError as error:
        raise InvalidRequestError(f"{path} cannot be read: {error.strerror}.") from error
    with stream:
        yield stream


def _buffered(stream: io.BufferedIOBase | object) -> io.BufferedReader:
    return io.BufferedReader(stream)  # type: ignore[arg-type]


@contextmanager
def _destination(path: str, force: bool) -> Iterator[TextIO]:
    """Open the file, readable by its owner only, or stdout; it has its name once it is whole."""
    if path == STDIN:
        yield sys.stdout
        return
    final = Path(path).expanduser()
    if final.exists() and not force:
        raise InvalidRequestError(f"{path} is there already; --force replaces it.")
    part = final.with_name(final.name + ".part")
    try:
        part.unlink(missing_ok=True)
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise InvalidRequestError(f"{path} cannot be written: {error.strerror}.") from error
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        part.replace(final)
    finally:
        part.unlink(missing_ok=True)
