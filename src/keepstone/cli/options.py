"""Options that several commands share, so that they have one name, one help text and one meaning."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

WHOSE = "Whose memory"
WHERE = "Where"
MODEL = "What a model makes of it"
REACH = "Where it listens, and who may come in"

Store = Annotated[
    Path | None,
    typer.Option(
        "--store",
        help="The store's file. By default memory.db in KEEPSTONE_HOME, or in the user's folder for data.",
        rich_help_panel=WHERE,
        dir_okay=False,
    ),
]
Embedder = Annotated[
    str | None,
    typer.Option(
        "--embedder",
        help="local, hashing, none or openai:MODEL. By default KEEPSTONE_EMBEDDER, else local.",
        rich_help_panel=WHERE,
    ),
]
ChatModel = Annotated[
    str | None,
    typer.Option(
        "--model",
        "--chat-model",
        help="openai:MODEL, anthropic:MODEL, ollama:MODEL, …, auto, none. By default KEEPSTONE_CHAT_MODEL, or none.",
        rich_help_panel=WHERE,
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Any other setting (`keepstone config show` lists them); may be repeated.", metavar="NAME=VALUE"
    ),
]
LogFormat = Annotated[str | None, typer.Option("--log-format", help="text or json, to stderr.")]
LogLevel = Annotated[str | None, typer.Option("--log-level", help="debug, info, warning or error.")]
Instructions = Annotated[
    str | None,
    typer.Option(
        "--instructions",
        help="What the model is to keep, and what never; @FILE reads a file.",
        metavar="TEXT|@FILE",
        rich_help_panel=MODEL,
    ),
]
Procedures = Annotated[
    bool, typer.Option("--procedures", help="Keep how things were done, too.", rich_help_panel=MODEL)
]
Wait = Annotated[
    float | None,
    typer.Option(
        "--wait",
        help="Wait at most so long for the model; by default until it is done, 0 leaves it to `flush`.",
        metavar="SECONDS",
        rich_help_panel=MODEL,
    ),
]
User = Annotated[str | None, typer.Option("--user", "-u", help="The user's id.", rich_help_panel=WHOSE)]
Agent = Annotated[str | None, typer.Option("--agent", help="The agent's id.", rich_help_panel=WHOSE)]
App = Annotated[str | None, typer.Option("--app", help="The application's id.", rich_help_panel=WHOSE)]
Run = Annotated[str | None, typer.Option("--run", help="The session's id.", rich_help_panel=WHOSE)]
AllScopes = Annotated[bool, typer.Option("--all-scopes", help="Read every scope of the store.", rich_help_panel=WHOSE)]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, for programs.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Reason = Annotated[str | None, typer.Option("--reason", help="Why, for the history.")]
Metadata = Annotated[str | None, typer.Option("--metadata", help="A JSON object.", metavar="JSON")]
ExpiresAt = Annotated[str | None, typer.Option("--expires-at", help="An ISO 8601 time with zone.", metavar="TIME")]
Filter = Annotated[
    str | None,
    typer.Option("--filter", help='Conditions as JSON, such as \'{"rating": {"gte": 3}}\'.', metavar="JSON"),
]
Kinds = Annotated[
    list[str] | None, typer.Option("--kind", help="Only this kind of memory; may be repeated.", metavar="KIND")
]
IncludeExpired = Annotated[bool, typer.Option("--include-expired", help="Show expired memories too.")]
HideSuperseded = Annotated[bool, typer.Option("--hide-superseded", help="Leave out what is no longer true.")]
AsOf = Annotated[
    str | None,
    typer.Option("--as-of", help="What held in the world at this ISO 8601 time with zone.", metavar="TIME"),
]
KnownAt = Annotated[
    str | None,
    typer.Option("--known-at", help="What the store knew at this ISO 8601 time with zone.", metavar="TIME"),
]
MemoryId = Annotated[str, typer.Argument(help="The memory's id.", metavar="ID", show_default=False)]
