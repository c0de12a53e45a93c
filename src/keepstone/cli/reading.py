"""The commands that only read: search, context, trace, get, list, history, stats."""

from __future__ import annotations

from typing import Annotated, cast

import typer

from keepstone.cli import options, output
from keepstone.cli.running import Target, ids, json_object, run, text_or_stdin
from keepstone.types import ContextFormat


def search(
    query: Annotated[str, typer.Argument(help="What to look for; - reads stdin.", show_default=False)],
    user: options.User = None,
    agent: options.Agent = None,
    app: options.App = None,
    run_id: options.Run = None,
    all_scopes: options.AllScopes = False,
    limit: Annotated[int, typer.Option("--limit", "-n", help="At most this many hits.")] = 10,
    min_score: Annotated[float, typer.Option("--min-score", help="Only hits with this score, 0 to 1.")] = 0.0,
    where: options.Filter = None,
    kinds: options.Kinds = None,
    include_expired: options.IncludeExpired = False,
    hide_superseded: options.HideSuperseded = False,
    as_of: options.AsOf = None,
    known_at: options.KnownAt = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show which signals found each hit.")] = False,
    store: options.Store = None,
    embedder: options.Embedder = None,
    as_json: options.Json = False,
) -> None:
    """Find the memories that best match a question."""
    wanted, filters = text_or_stdin(query), json_object(where, "--filter")
    found = run(
        Target(store, embedder).existing(),
        lambda memory: memory.search(
            wanted,
            **ids(user, agent, app, run_id),
            limit=limit,
            min_score=min_score,
            filters=filters,
            kinds=kinds,
            include_expired=include_expired,
            include_superseded=not hide_superseded,
            all_scopes=all_scopes,
            as_of=as_of,
            known_at=known_at,
            explain=explain,
        ),
    )
    if as_json:
        output.show_json(found)
    else:
        output.hits(found)


def context(
    query: Annotated[str, typer.Argument(help="What the prompt is about; - reads stdin.", show_default=False)],
    user: options.User = None,
    agent: options.Agent = None,
    app: options.App = None,
    run_id: options.Run = None,
    all_scopes: options.AllScopes = False,
    max_tokens: Annotated[int, typer.Option("--max-tokens", "-t", help="At most this many tokens.")] = 1000,
    format: Annotated[str, typer.Option("--format", help="text, markdown, xml or messages.")] = "text",
    min_score: Annotated[float, typer.Option("--min-score", help="Only hits with this score, 0 to 1.")] = 0.0,
    where: options.Filter = None,
    kinds: options.Kinds = None,
    hide_superseded: options.HideSuperseded = False,
    as_of: options.AsOf = None,
    known_at: options.KnownAt = None,
    store: options.Store = None,
    embedder: options.Embedder = None,
    as_json: options.Json = False,
) -> None:
    """Fit what is known about a question into a token budget, ready for a prompt."""
    wanted, filters = text_or_stdin(query), json_object(where, "--filter")
    found = run(
        Target(store, embedder).existing(),
        lambda memory: memory.context(
            wanted,
            **ids(user, agent, app, run_id),
            max_tokens=max_tokens,
            format=cast(ContextFormat, format),
            min_score=min_score,
            filters=filters,
            kinds=kinds,
            include_superseded=not hide_superseded,
            all_scopes=all_scopes,
            as_of=as_of,
            known_at=known_at,
        ),
    )
    if as_json:
        output.show_json(found)
        return
    if found.text:
        output.line(found.text)
    no_room = sum(r.reason == "budget" for r in found.left_out)
    output.note(f"{found.tokens} of {found.max_tokens} tokens; {no_room} more memories had no room.")


def trace(
    question: Annotated[str, typer.Argument(help="The question to follow; - reads stdin.", show_default=False)],
    expect: Annotated[
        list[str] | None,
        typer.Option("--expect", "-e", help="A memory or message that should be found; may be repeated.", metavar="ID"),
    ] = None,
    user: options.User = None,
    agent: options.Agent = None,
    app: options.App = None,
    run_id: options.Run = None,
    all_scopes: options.AllScopes = False,
    limit: Annotated[int, typer.Option("--limit", "-n", help="At most this many hits.")] = 10,
    min_score: Annotated[float, typer.Option("--min-score", help="Only hits with this score, 0 to 1.")] = 0.0,
    where: options.Filter = None,
    kinds: options.Kinds = None,
    include_expired: options.IncludeExpired = False,
    hide_superseded: options.HideSuperseded = False,
    as_of: options.AsOf = None,
    known_at: options.KnownAt = None,
    max_tokens: Annotated[int, typer.Option("--max-tokens", "-t", help="At most this many in the context.")] = 1000,
    store: options.Store = None,
    embedder: options.Embedder = None,
    as_json: options.Json = False,
) -> None:
    """Show how a question is answered, and at which stage a memory was lost."""
    wanted, filters = text_or_stdin(question), json_object(where, "--filter")
    found = run(
        Target(store, embedder).existing(),
        lambda memory: memory.trace(
            wanted,
            expect=expect or None,
            **ids(user, agent, app, run_id),
            limit=limit,
            min_score=min_score,
            filters=filters,
            kinds=kinds,
            include_expired=include_expired,
            include_superseded=not hide_superseded,
            max_tokens=max_tokens,
            all_scopes=all_scopes,
            as_of=as_of,
            known_at=known_at,
        ),
    )
    if as_json:
        output.show_json(found)
    else:
        output.line(str(found))


def get(
    id: options.MemoryId,
    user: options.User = None,
    agent: options.Agent = None,
    app: options.App = None,
    run_id: options.Run = None,
    store: options.Store = None,
    as_json: options.Json = False,
) -> None:
    """Show one memory in full."""
    record = run(Target(store, "none").existing(), lambda memory: memory.get(id, **ids(user, agent, app, run_id)))
    if as_json:
        output.show_json(record)
    else:
        scope = {k: v for k, v in record.scope.to_dict().items() if v}
        output.pairs({**record.to_dict(), "scope": None, **scope})


def list_(
    user: options.User = None,
    agent: options.Agent = None,
    app: options.App = None,
    run_id: options.Run = None,
    all_scopes: options.AllScopes = False,
    limit: Annotated[int, typer.Option("--limit", "-n", help="At most this many memories.")] = 100,
    cursor: Annotated[str | None, typer.Option("--cursor", help="Where the last page ended.")] = None,
    where: options.Filter = None,
    kinds: options.Kinds = None,
    include_expired: options.IncludeExpired = False,
    hide_superseded: options.HideSuperseded = False,
    as_of: options.AsOf = None,
    known_at: options.KnownAt = None,
    store: options.Store = None,
    as_json: options.Json = False,
) -> None:
    """List the memories of a scope, oldest first, page by page."""
    filters = json_object(where, "--filter")
    page = run(
        Target(store, "none").existing(),
        lambda memory: memory.get_all(
            **ids(user, agent, app, run_id),
            limit=limit,
            cursor=cursor,
            filters=filters,
            kinds=kinds,
            include_expired=include_expired,
            include_superseded=not hide_superseded,
            all_scopes=all_scopes,
            as_of=as_of,
            known_at=known_at,
        ),
    )
    if as_json:
        output.show_json(page)
        return
    output.records(page.items)
    if page.next_cursor is not None:
        output.note(f"There is more: --cursor {page.next_cursor}")


def history(
    id: options.MemoryId,
    user: options.User = None,
    agent: options.Agent = None,
    app: options.App = None,
    run_id: options.Run = None,
    store: options.Store = None,
    as_json: options.Json = False,
) -> None:
    """Show every change of a memory, oldest first, also of a deleted one."""
    found = run(Target(store, "none").existing(), lambda memory: memory.history(id, **ids(user, agent, app, run_id)))
    if as_json:
        output.show_json(found)
    else:
        output.changes(found)


def stats(
    user: options.User = None,
    agent: options.Agent = None,
    app: options.App = None,
    run_id: options.Run = None,
    store: options.Store = None,
    as_json: options.Json = False,
) -> None:
    """Count what a scope holds; without one, the whole store."""
    found = run(Target(store, "none").existing(), lambda memory: memory.stats(**ids(user, agent, app, run_id)))
    if as_json:
        output.show_json(found)
    else:
        output.pairs(found.to_dict())
