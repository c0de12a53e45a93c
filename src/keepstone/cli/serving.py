"""The commands that run Keepstone as a service, and show what it would run with."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import keepstone
from keepstone import config
from keepstone.cli import options, output
from keepstone.cli.running import missing_for_server, need_server

if TYPE_CHECKING:
    from keepstone.server.configuring import Configured
    from keepstone.server.starting import Started

app = typer.Typer(name="config", help="The settings of a server: where each comes from.", no_args_is_help=True)


Host = Annotated[
    str | None, typer.Option("--host", help="By default 127.0.0.1, this machine.", rich_help_panel=options.REACH)
]
Port = Annotated[
    int | None, typer.Option("--port", "-p", help="By default 8765; 0 takes a free one.", rich_help_panel=options.REACH)
]
TlsTerminated = Annotated[
    bool | None,
    typer.Option(
        "--tls-terminated/--no-tls-terminated",
        help="State that something in front of it speaks TLS.",
        rich_help_panel=options.REACH,
    ),
]
TlsCertificate = Annotated[
    Path | None, typer.Option("--tls-certificate", help="A certificate chain, PEM.", rich_help_panel=options.REACH)
]
TlsKey = Annotated[
    Path | None, typer.Option("--tls-key", help="The key of the certificate, PEM.", rich_help_panel=options.REACH)
]
AllowedHosts = Annotated[
    list[str] | None,
    typer.Option(
        "--allowed-host",
        help="A name by which browsers may reach it; may be repeated.",
        metavar="NAME",
        rich_help_panel=options.REACH,
    ),
]
Workers = Annotated[
    int | None, typer.Option("--workers", help="Jobs done at once, by default 4; 0 leaves them to `worker`.")
]
Concurrency = Annotated[int | None, typer.Option("--concurrency", help="Jobs done at once, by default 4.")]


def serve(
    host: Host = None,
    port: Port = None,
    tls_terminated: TlsTerminated = None,
    tls_certificate: TlsCertificate = None,
    tls_key: TlsKey = None,
    allowed_hosts: AllowedHosts = None,
    workers: Workers = None,
    store: options.Store = None,
    embedder: options.Embedder = None,
    chat_model: options.ChatModel = None,
    log_format: options.LogFormat = None,
    log_level: options.LogLevel = None,
    more: options.Set = None,
) -> None:
    """Run the server: REST, MCP, Mem0's interfaces, the memory proxy, the dashboard and a worker, in one process.

    The first start makes an admin key and shows it once. Ctrl-C or SIGTERM stops it in order, a second one at once.
    """
    need_server("The server")
    from keepstone.server import logs, starting

    configured = _configured(
        more,
        host=host,
        port=port,
        tls_terminated=tls_terminated,
        tls_certificate=tls_certificate,
        tls_key=tls_key,
        allowed_hosts=tuple(allowed_hosts) if allowed_hosts else None,
        workers=workers,
        store=store,
        embedder=embedder,
        chat_model=chat_model,
        log_format=log_format,
        log_level=log_level,
    )
    settings = configured.settings
    logs.configure(settings.log_format, settings.log_level)
    starting.serve(settings, _announce, sources=configured.sources)


def worker(
    concurrency: Concurrency = None,
    store: options.Store = None,
    embedder: options.Embedder = None,
    chat_model: options.ChatModel = None,
    log_format: options.LogFormat = None,
    log_level: options.LogLevel = None,
    more: options.Set = None,
) -> None:
    """Do the jobs of a store, beside a server: a chat model reads what was said. Stops as `serve` does."""
    need_server("A worker")
    from keepstone.server import logs, starting

    settings = _configured(
        more,
        workers=concurrency,
        store=store,
        embedder=embedder,
        chat_model=chat_model,
        log_format=log_format,
        log_level=log_level,
    ).settings
    if settings.workers == 0:
        raise typer.BadParameter("a worker that does no jobs is none.", param_hint="--concurrency")
    logs.configure(settings.log_format, settings.log_level)
    done_at_once = f"{settings.workers} jobs at once" if settings.workers > 1 else "one job at a time"
    asyncio.run(
        starting.work(settings, lambda: output.line(f"Working on {store_path(settings.store)}, {done_at_once}."))
    )


@app.command("show")
def show(as_json: options.Json = False, more: options.Set = None) -> None:
    """Print each setting with its value and where it comes from; secrets are masked.

    A flag of `serve` comes before a variable (KEEPSTONE_…), then keepstone.toml or [tool.keepstone] in pyproject.toml
    of the working folder, then keepstone.toml of the user, then the default.
    """
    need_server("The server")
    shown = _configured(more).shown()
    if as_json:
        output.show_json({"settings": shown, "user_file": str(config.user_file())})
        return
    output.settings((s["name"], s["value"], s["source"]) for s in shown)
    output.note(f"The user's file is {config.user_file()}.")


def store_path(given: Path | None) -> Path:
    """Return the file that is given, else the one that a server started here would use."""
    if given is None and not missing_for_server():
        given = _configured(None).settings.store
    return given.expanduser() if given is not None else config.default_path()


def _configured(more: list[str] | None, **flags: Any) -> Configured:
    from keepstone.server import configuring

    given = {name: value for name, value in flags.items() if value is not None}
    return configuring.configure({**configuring.assignments(more or ()), **given})


def _announce(started: Started) -> None:
    """Tell where everything is, and the first key; nobody can get it again."""
    settings, url = started.settings, started.url
    places = (
        ("REST", "/api/v1", True),
        ("Dashboard", "/ui/", settings.dashboard),
        ("MCP", "/mcp", settings.mcp),
        ("Mem0", "/mem0", settings.mem0),
        ("Mem0 OSS", "/mem0-oss", settings.mem0_oss),
        ("Proxy", "/v1", settings.proxy),
    )
    output.line(f"Keepstone {keepstone.__version__} serves {store_path(settings.store)}\n")
    for name, path, is_on in places:
        if is_on:
            output.line(f"  {name:<10} {url}{path}")
    if started.secret is not None:
        output.line("\n  Admin key, shown only this once; keep it:\n")
        output.line(f"    {started.secret}\n")
        output.line("  More keys: keepstone keys create --help")
    output.line("\nCtrl-C stops it.")
