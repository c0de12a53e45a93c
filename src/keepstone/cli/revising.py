"""The commands that go over what was distilled: reextract, consolidate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from keepstone.cli import options, output
from keepstone.cli.running import Target, ids, run, text_or_file
from keepstone.drafts import Reextraction
from keepstone.types import Change

if TYPE_CHECKING:
    from keepstone import AsyncMemory


def reextract(
    user: options.User = None,
    agent: options.Agent = None,
    app: options.App = None,
    run_id: options.Run = None,
    strategy: Annotated[
        str | None, typer.Option("--strategy", help="How the model is asked: single_pass or two_step.")
    ] = None,
    instructions: options.Instructions = None,
    procedures: options.Procedures = False,
    accept: Annotated[bool, typer.Option("--accept", help="Make the difference true; `undo` takes it back.")] = False,
    store: options.Store = None,
    embedder: options.Embedder = None,
    chat_model: options.ChatModel = None,
    as_json: options.Json = False,
) -> None:
    """Let a chat model read all that was said again, and show what would change; nothing does without --accept."""
    wanted = text_or_file(instructions)

    async def drafted(memory: AsyncMemory) -> tuple[Reextraction, list[Change]]:
        made = await memory.reextract(
            strategy=strategy, instructions=wanted, procedures=procedures, **ids(user, agent, app, run_id)
        )
        if not as_json:
            output.reextraction(made)
        return made, await memory.accept(made) if accept else []

    made, changes = run(Target(store, embedder, chat_model).existing(), drafted)
    if as_json:
        output.show_json({**made.to_dict(), "rows": None, "changes": changes})
    elif changes:
        output.note(f"{len(changes)} changes. To take them back: keepstone undo {changes[0].batch_id}")
    elif not accept and (made.added or made.dropped):
        output.note("Nothing was changed. With --accept, it is read again and what comes of that is carried out.")


def consolidate(
    user: options.User = None,
    agent: options.Agent = None,
    app: options.App = None,
    run_id: options.Run = None,
    store: options.Store = None,
    as_json: options.Json = False,
) -> None:
    """Merge facts that say the same into one with the sources of all; `undo` takes it back."""
    changes = run(
        Target(store, "none").existing(),
        lambda memory: memory.consolidate(**ids(user, agent, app, run_id)),
    )
    if as_json:
        output.show_json(changes)
    elif changes:
        output.changes(changes)
        output.note(f"To take it back: keepstone undo {changes[0].batch_id}")
    else:
        output.note("Nothing says the same twice.")
