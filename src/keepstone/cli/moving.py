"""The commands that move many memories: import, export, reembed, demo."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, TextIO

import typer

from keepstone.cli import options, output
from keepstone.cli.running import STDIN, Target, ids, run, text_or_file
from keepstone.errors import InvalidRequestError
from keepstone.types import Scope

FORMATS = "messages, openai, claude, sessions or keepstone; told from the content if not given."


def import_(
    path: Annotated[str, typer.Argument(help="The file; - reads stdin.", metavar="FILE", show_default=False)],
    format: Annotated[str | None, typer.Option("--format", help=FORMATS)] = None,
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
    """Bring messages in from a file, or restore an archive; a second run adds nothing.

    Reads JSON lines of messages, the data exports of ChatGPT and Claude (conversations.json), dialogue collections
    with sessions and turns, and what `keepstone export` wrote. A chat model, if one is named, makes facts of messages.
    """
    from keepstone.transfer import import_stream

    wanted = text_or_file(instructions)
    with _source(path) as stream, output.progress("Importing") as progress:
        report = run(
            Target(store, embedder, chat_model),
            lambda memory: import_stream(
                memory,
                stream,
                format=format,
                **ids(user, agent, app, run_id),
                progress=progress,
                instructions=wanted,
                procedures=procedures,
                wait=wait,
            ),
        )
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
