"""The commands around what a model makes of messages: flush, jobs, usage, feedback."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from keepstone.cli import options, output
from keepstone.cli.running import Target, ids, run
from keepstone.results import FeedbackValue

ALL = "all"


class Opinion(StrEnum):
    """What feedback may say of a memory."""

    POSITIVE = "positive"
    NEGATIVE = "negative"
    VERY_NEGATIVE = "very-negative"


VALUES: dict[Opinion, FeedbackValue] = {
    Opinion.POSITIVE: "positive",
    Opinion.NEGATIVE: "negative",
    Opinion.VERY_NEGATIVE: "very_negative",
}


def flush(
    user: options.User = None,
    agent: options.Agent = None,
    app: options.App = None,
    run_id: options.Run = None,
    wait: Annotated[
        float | None,
        typer.Option("--wait", help="Wait at most so long; by default until all is done.", metavar="SECONDS"),
    ] = None,
    store: options.Store = None,
    embedder: options.Embedder = None,
    chat_model: options.ChatModel = None,
    as_json: options.Json = False,
) -> None:
    """Let the chat model do what waits in the queue, of a scope or of the whole store; show what is left."""
    left = run(
        Target(store, embedder, chat_model).existing(),
        lambda memory: memory.flush(wait, **ids(user, agent, app, run_id)),
    )
    if as_json:
        output.show_json(left)
    else:
        output.jobs(left)


def jobs(
    user: options.User = None,
    agent: options.Agent = None,
    app: options.App = None,
    run_id: options.Run = None,
    retry: Annotated[
        str | None, typer.Option("--retry", help="Let a dead job, or all of them, be tried anew.", metavar="ID|all")
    ] = None,
    store: options.Store = None,
    as_json: options.Json = False,
) -> None:
    """List the jobs that wait, run, or are dead with an error, of a scope or of the whole store."""
    target, scope = Target(store, "none").existing(), ids(user, agent, app, run_id)
    if retry is None:
        found = run(target, lambda memory: memory.jobs(**scope))
        if as_json:
            output.show_json(found)
        else:
            output.jobs(found)
        return
    revived = run(target, lambda memory: memory.retry(None if retry == ALL else retry, **scope))
    if as_json:
        output.show_json({"retried": revived})
    else:
        output.line(f"Waiting again: {revived}. To do it now: keepstone flush")


def usage(
    user: options.User = None,
    agent: options.Agent = None,
    app: options.App = None,
    run_id: options.Run = None,
    since: Annotated[
        str | None, typer.Option("--since", help="From this time on: ISO 8601 with zone.", metavar="TIME")
    ] = None,
    until: Annotated[
        str | None, typer.Option("--until", help="Before this time: ISO 8601 with zone.", metavar="TIME")
    ] = None,
    store: options.Store = None,
    as_json: options.Json = False,
) -> None:
    """Show what the calls of chat models cost, for a scope or for the whole store."""
    found = run(
        Target(store, "none").existing(),
        lambda memory: memory.usage(since=since, until=until, **ids(user, agent, app, run_id)),
    )
    if as_json:
        output.show_json(found)
    else:
        output.usage(found)


def feedback(
    id: options.MemoryId,
    value: Annotated[Opinion, typer.Argument(help="How it was to have it.", show_default=False)],
    user: options.User = None,
    agent: options.Agent = None,
    app: options.App = None,
    run_id: options.Run = None,
    reason: options.Reason = None,
    store: options.Store = None,
    as_json: options.Json = False,
) -> None:
    """Say whether a memory was good to have, which moves its rank a little; `undo` takes it back."""
    change = run(
        Target(store, "none").existing(),
        lambda memory: memory.feedback(id, VALUES[value], reason=reason, **ids(user, agent, app, run_id)),
    )
    if as_json:
        output.show_json(change)
    else:
        output.line(f"Noted. To take it back: keepstone undo {change.id}")
