"""The application: which commands there are, and how an error becomes a line and an exit code."""

from __future__ import annotations

import logging
import signal
import sys
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import keepstone
from keepstone.cli import (
    backing_up,
    checking,
    describing,
    evaluating,
    keys,
    learning,
    mcp_,
    moving,
    naming,
    output,
    reading,
    recording,
    revising,
    serving,
    writing,
)
from keepstone.errors import InvalidRequestError, KeepstoneError

FAILED, ASKED_WRONGLY = 1, 2


class Commands(TyperGroup):
    """All commands; errors raised on purpose end as one line on stderr, without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except KeepstoneError as error:
            output.note(f"Error: {error}", style="red")
            code = ASKED_WRONGLY if isinstance(error, InvalidRequestError) else FAILED
            raise typer.Exit(code) from error


app = typer.Typer(
    cls=Commands,
    name="keepstone",
    help="Memory for applications built on language models: what was said, found again.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

for name, command in (
    ("demo", moving.demo),
    ("add", writing.add),
    ("search", reading.search),
    ("context", reading.context),
    ("profile", describing.profile),
    ("trace", reading.trace),
    ("get", reading.get),
    ("list", reading.list_),
    ("update", writing.update),
    ("delete", writing.delete),
    ("history", reading.history),
    ("undo", writing.undo),
    ("feedback", learning.feedback),
    ("erase", writing.erase),
    ("import", moving.import_),
    ("export", moving.export),
    ("stats", reading.stats),
    ("flush", learning.flush),
    ("jobs", learning.jobs),
    ("usage", learning.usage),
    ("reextract", revising.reextract),
    ("consolidate", revising.consolidate),
    ("reembed", moving.reembed),
    ("serve", serving.serve),
    ("worker", serving.worker),
    ("backup", backing_up.backup),
    ("restore", backing_up.restore),
    ("doctor", checking.doctor),
    ("reset", writing.reset),
):
    app.command(name)(command)
evaluating.app.command("record")(recording.record)
evaluating.app.command("gates")(recording.gates)
app.add_typer(mcp_.app)
app.add_typer(naming.app)
app.add_typer(serving.app)
app.add_typer(keys.keys)
app.add_typer(keys.tenants)
app.add_typer(evaluating.app)


def _version(wanted: bool) -> None:
    if wanted:
        output.line(f"keepstone {keepstone.__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Memory for applications built on language models: what was said, found again."""


def main() -> None:
    """Run the command line with the arguments of this process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("Note: %(message)s"))
    logging.getLogger("keepstone").addHandler(handler)
    # asyncio would keep the first Ctrl-C for its next turn, which never comes while stdin is being waited for.
    signal.signal(signal.SIGINT, _interrupt)
    app()


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
