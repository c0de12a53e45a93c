"""The commands about whom and what memories mention: `entities`, to list, merge and split them."""

from __future__ import annotations

from typing import Annotated

import typer

from keepstone.cli import options, output
from keepstone.cli.running import Target, ids, run

EntityId = Annotated[str, typer.Argument(help="The id of an entity, from `entities list`.", show_default=False)]

app = typer.Typer(
    name="entities",
    help="List the people, places, organisations and things that memories mention; merge and split them.",
    no_args_is_help=True,
)


@app.command("list")
def list_(
    user: options.User = None,
    agent: options.Agent = None,
    app: options.App = None,
    run_id: options.Run = None,
    store: options.Store = None,
    as_json: options.Json = False,
) -> None:
    """List what the memories of a scope mention, that which most of them mention first."""
    found = run(Target(store, "none").existing(), lambda memory: memory.entities(**ids(user, agent, app, run_id)))
    if as_json:
        output.show_json(found)
    else:
        output.entities(found)


@app.command()
def merge(
    id: EntityId,
    into: Annotated[str, typer.Argument(help="The id of the entity that it is.", show_default=False)],
    user: options.User = None,
    agent: options.Agent = None,
    app: options.App = None,
    run_id: options.Run = None,
    reason: options.Reason = None,
    store: options.Store = None,
    as_json: options.Json = False,
) -> None:
    """Take one entity to be another; `split` takes it back."""
    found = run(
        Target(store, "none").existing(),
        lambda memory: memory.merge_entities(id, into, reason=reason, **ids(user, agent, app, run_id)),
    )
    if as_json:
        output.show_json(found)
    else:
        output.entities([found])


@app.command()
def split(
    id: EntityId,
    user: options.User = None,
    agent: options.Agent = None,
    app: options.App = None,
    run_id: options.Run = None,
    store: options.Store = None,
    as_json: options.Json = False,
) -> None:
    """Take a merged entity out of what it was merged into."""
    found = run(
        Target(store, "none").existing(), lambda memory: memory.split_entity(id, **ids(user, agent, app, run_id))
    )
    if as_json:
        output.show_json(found)
    else:
        output.entities([found])
