"""The commands that copy a store whole, and put a copy back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from keepstone import providers
from keepstone.cli import options, output
from keepstone.cli.serving import store_path
from keepstone.results import Backup

Force = Annotated[bool, typer.Option("--force", help="Replace a file that is there.")]


def backup(
    destination: Annotated[Path, typer.Argument(help="The file to write.", metavar="DEST", show_default=False)],
    force: Force = False,
    store: options.Store = None,
    as_json: options.Json = False,
) -> None:
    """Copy the store into one file while others use it; the copy is checked, and readable by you alone.

    It holds all that was stored when it began, deleted memories and keys included.
    """
    with output.progress("Copying") as progress:
        made = providers.back_up(store_path(store), destination.expanduser(), force=force, progress=progress)
    _show(made, as_json)


def restore(
    source: Annotated[Path, typer.Argument(help="A backup.", metavar="SRC", show_default=False)],
    force: Force = False,
    store: options.Store = None,
    as_json: options.Json = False,
) -> None:
    """Put a backup in the place of the store, which no process may have open; it is checked before.

    A store of an older version is brought up when it is opened the next time.
    """
    with output.progress("Copying") as progress:
        made = providers.restore(source.expanduser(), store_path(store), force=force, progress=progress)
    _show(made, as_json)


def _show(made: Backup, as_json: bool) -> None:
    if as_json:
        output.show_json(made)
    else:
        output.pairs(made.to_dict())
