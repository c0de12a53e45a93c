"""The commands that write: add, update, delete, undo, erase, reset."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from keepstone.cli import options, output
from keepstone.cli.running import Target, confirm, ids, json_object, run, text_or_file, text_or_stdin
from keepstone.results import AddResult

NEVER = "never"
# What became of a message that made no memory.
THERE = {
    "replay": "Already there",
    "refreshed": "Said again; it is now the newest",
    "echo": "Only repeats what was recalled",
}


def add(
    text: Annotated[str, typer.Argument(help="What was said; - reads stdin.", show_default=False)],
    user: options.User = None,
    agent: options.Agent = None,
    app: options.App = None,
    run_id: options.Run = None,
    role: Annotated[str, typer.Option("--role", help="Who speaks: user, assistant, …")] = "user",
    name: Annotated[str | None, typer.Option("--name", help="The speaker's name.")] = None,
    timestamp: Annotated[
        str | None, typer.Option("--timestamp", help="When it was said: ISO 8601 with zone.", metavar="TIME")
    ] = None,
    message_id: Annotated[str | None, typer.Option("--message-id", help="Your own id of the message.")] = None,
    metadata: options.Metadata = None,
    expires_at: options.ExpiresAt = None,
    idempotency_key: Annotated[
        str | None, typer.Option("--idempotency-key", help="A second call with the same key does nothing.")
    ] = None,
    instructions: options.Instructions = None,
    procedures: options.Procedures = False,
    wait: options.Wait = None,
    store: options.Store = None,
    embedder: options.Embedder = None,
    chat_model: options.ChatModel = None,
    as_json: options.Json = False,
) -> None:
    """Keep a message; a chat model, if one is named, makes facts of it."""
    message: dict[str, Any] = {
        "role": role,
        "content": text_or_stdin(text),
        "name": name,
        "timestamp": timestamp,
        "id": message_id,
    }
    about, wanted = json_object(metadata, "--metadata"), text_or_file(instructions)
    result = run(
        Target(store, embedder, chat_model),
        lambda memory: memory.add(
            [message],
            **ids(user, agent, app, run_id),
            metadata=about,
            expires_at=expires_at,
            idempotency_key=idempotency_key,
            instructions=wanted,
            procedures=procedures,
            wait=wait,
        ),
    )
    if as_json:
        output.show_json(result)
    else:
        _show(result)


def _show(result: AddResult) -> None:
    if result.memories:
        output.records(result.memories)
    for duplicate in result.duplicates:
        output.line(f"{THERE[duplicate.reason]}: {duplicate.memory_id}")
    for taken in result.forgotten:
        output.line(f"Forgotten, as asked: {output.one_line(taken.text)} (keepstone undo {taken.change_id})")
    for hint in result.suggestions:
        todo = f"keepstone delete {hint.memory_id}"
        done = "Not forgotten"
        if hint.change_id is not None:
            done, todo = "Ranked lower", f"{todo}, or keepstone undo {hint.change_id}"
        output.line(f"{done}, {hint.reason}: {output.one_line(hint.text)} ({todo})")
    if result.distilled is not None:
        output.distilled(result.distilled)


def update(
    id: options.MemoryId,
    text: Annotated[str | None, typer.Argument(help="The new text; - reads stdin.", show_default=False)] = None,
    user: options.User = None,
    agent: options.Agent = None,
    app: options.App = None,
    run_id: options.Run = None,
    metadata: options.Metadata = None,
    expires_at: Annotated[
        str | None, typer.Option("--expires-at", help="An ISO 8601 time with zone, or never.", metavar="TIME")
    ] = None,
    reason: options.Reason = None,
    store: options.Store = None,
    embedder: options.Embedder = None,
    as_json: options.Json = False,
) -> None:
    """Give a memory a new text, metadata (as a whole) or expiry; the old revision stays in the history."""
    new: dict[str, Any] = {}
    if text is not None:
        new["text"] = text_or_stdin(text)
    if metadata is not None:
        new["metadata"] = json_object(metadata, "--metadata")
    if expires_at is not None:
        new["expires_at"] = None if expires_at == NEVER else expires_at
    record = run(
        Target(store, embedder).existing(),
        lambda memory: memory.update(id, **new, reason=reason, **ids(user, agent, app, run_id)),
    )
    if as_json:
        output.show_json(record)
    else:
        output.records([record])


def delete(
    id: Annotated[str | None, typer.Argument(help="The memory's id.", metavar="ID", show_default=False)] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every memory of the scope.")] = False,
    user: options.User = None,
    agent: options.Agent = None,
    app: options.App = None,
    run_id: options.Run = None,
    reason: options.Reason = None,
    yes: options.Yes = False,
    store: options.Store = None,
    as_json: options.Json = False,
) -> None:
    """Take a memory back, or all of a scope; `undo` brings it back, `erase` removes it for good."""
    if (id is None) != everything:
        raise typer.BadParameter("Give the id of a memory, or --all with a scope.", param_hint="ID")
    scope = ids(user, agent, app, run_id)
    target = Target(store, "none").existing()
    if id is not None:
        change = run(target, lambda memory: memory.delete(id, reason=reason, **scope))
        if as_json:
            output.show_json(change)
        else:
            # The batch, not the change: what told the same went with it.
            output.line(f"Deleted. To bring it back: keepstone undo {change.batch_id}")
        return
    if any(scope.values()):
        confirm("Delete every memory of this scope?", yes)
    count = run(target, lambda memory: memory.delete_all(reason=reason, **scope))
    if as_json:
        output.show_json({"deleted": count})
    else:
        output.line(f"Deleted {count} memories.")


def undo(
    id: Annotated[str, typer.Argument(help="The id of a change or a batch, as `history` shows it.", metavar="ID")],
    cascade: Annotated[bool, typer.Option("--cascade", help="Later changes that depend on it too.")] = False,
    user: options.User = None,
    agent: options.Agent = None,
    app: options.App = None,
    run_id: options.Run = None,
    store: options.Store = None,
    as_json: options.Json = False,
) -> None:
    """Take one change, or a whole batch, back."""
    done = run(
        Target(store, "none").existing(),
        lambda memory: memory.undo(id, cascade=cascade, **ids(user, agent, app, run_id)),
    )
    if as_json:
        output.show_json(done)
    else:
        output.changes(done)


def erase(
    memory_ids: Annotated[
        list[str] | None, typer.Argument(help="Ids of memories or messages; none for a whole scope.", metavar="ID...")
    ] = None,
    user: options.User = None,
    agent: options.Agent = None,
    app: options.App = None,
    run_id: options.Run = None,
    reason: options.Reason = None,
    yes: options.Yes = False,
    store: options.Store = None,
    as_json: options.Json = False,
) -> None:
    """Remove every copy of memories, or of everything in a scope, for good, and prove it."""
    scope = ids(user, agent, app, run_id)
    if memory_ids or any(scope.values()):
        what = f"{len(memory_ids)} of your ids" if memory_ids else "everything in this scope"
        confirm(f"Erase {what}? This cannot be undone.", yes)
    receipt = run(
        Target(store, "none").existing(),
        lambda memory: memory.erase(memory_ids or None, reason=reason, **scope),
    )
    if as_json:
        output.show_json(receipt)
    else:
        output.pairs({**receipt.to_dict(), "tombstones": len(receipt.tombstones)})


def reset(
    yes: options.Yes = False,
    store: options.Store = None,
    as_json: options.Json = False,
) -> None:
    """Empty the store: memories, messages, history, everything."""
    target = Target(store, "none").existing()
    confirm("Empty the whole store? This cannot be undone.", yes)
    run(target, lambda memory: memory.reset(confirm=True))
    if as_json:
        output.show_json({"reset": True})
    else:
        output.line("The store is empty.")
