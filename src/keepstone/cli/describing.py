"""The commands that describe whom memories are about: profile."""

from __future__ import annotations

from typing import Annotated

import typer

from keepstone.cli import options, output
from keepstone.cli.running import Target, ids, run


def profile(
    user: options.User = None,
    agent: options.Agent = None,
    app: options.App = None,
    run_id: options.Run = None,
    max_tokens: Annotated[int | None, typer.Option("--max-tokens", "-t", help="At most this many tokens.")] = None,
    as_of: Annotated[str | None, typer.Option("--as-of", help="What held at this time.", metavar="TIME")] = None,
    known_at: Annotated[
        str | None, typer.Option("--known-at", help="What was known at this time.", metavar="TIME")
    ] = None,
    store: options.Store = None,
    as_json: options.Json = False,
) -> None:
    """Show what is true of a user now, in sections."""
    found = run(
        Target(store, "none").existing(),
        lambda memory: memory.profile(
            **ids(user, agent, app, run_id), max_tokens=max_tokens, as_of=as_of, known_at=known_at
        ),
    )
    if as_json:
        output.show_json(found)
        return
    if found.text:
        output.line(found.text)
    elif not found.left_out:
        output.note("Nothing is known.")
    if found.left_out:
        output.note(f"{found.tokens} of {found.max_tokens} tokens; {len(found.left_out)} more lines had no room.")
