"""The commands that measure: `eval` on packs of labelled dialogues, and assertions on one's own store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

import keepstone
from keepstone import config
from keepstone.cli import evaluated, options, output, recording
from keepstone.cli.running import Target, ids, run
from keepstone.errors import ConfigError, InvalidRequestError
from keepstone.types import Scope

if TYPE_CHECKING:
    from keepstone.evaluation.results import Evaluation
    from keepstone.evaluation.retriever import Factory

DEFAULT = "run"
RESULT_SUFFIX = ".json"
RECORDING_SUFFIX = ".jsonl"
SETTINGS = ("embedder", "retriever")


class WithDefault(TyperGroup):
    """A group whose first argument is the name of a command, or else belongs to `run`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put `run` in front unless a command or help is asked for."""
        asked = args[0] if args else ""
        if asked not in self.commands and asked not in ctx.help_option_names:
            args = [DEFAULT, *args]
        return list(super().parse_args(ctx, args))


app = typer.Typer(
    cls=WithDefault,
    name="eval",
    help="Measure what is found: on packs of labelled dialogues, or by assertions on your own store.",
)

Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Only the first so many records of each pack.")]
Retriever = Annotated[
    str | None,
    typer.Option("--retriever", help="module:factory of another retriever; default: Keepstone.", metavar="NAME"),
]
Configs = Annotated[
    list[str] | None,
    typer.Option(
        "--config", help="Settings to measure with, such as embedder=none; may be repeated.", metavar="KEY=VALUE"
    ),
]
Compare = Annotated[
    bool, typer.Option("--compare", help="Compare two: results of earlier runs (.json), or two --config.")
]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write all figures as JSON.", metavar="FILE")]
HtmlFile = Annotated[Path | None, typer.Option("--html", help="Write a report to look at.", metavar="FILE")]
AssertionPath = Annotated[
    Path, typer.Argument(help="The file of questions (TOML).", metavar="FILE", show_default=False)
]


@app.command(DEFAULT)
def measure(
    packs: Annotated[
        list[Path] | None,
        typer.Argument(help="Packs (.jsonl) or folders of them; default: the ones that come along.", metavar="[PACK]…"),
    ] = None,
    retriever: Retriever = None,
    embedder: options.Embedder = None,
    configs: Configs = None,
    compare: Compare = False,
    limit: Limit = None,
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
) -> None:
    """Measure what is found in packs of dialogues with labelled evidence (what `keepstone eval PACK…` does)."""
    given = packs or []
    if compare:
        results = [p for p in given if p.suffix == RESULT_SUFFIX]
        runs = [_result(p) for p in results]
        wanted = configs or ([] if len(runs) == 2 else [""])
    else:
        results, runs, wanted = [], [], configs or [""]
    settings = [_settings(c, embedder, retriever) for c in wanted]
    if len(runs) + len(settings) != (2 if compare else 1):
        raise InvalidRequestError("--compare takes two results or --config, everything else one.")
    rest = [p for p in given if p not in results]
    runs += [_evaluate(rest, s, limit) for s in settings]
    # Files first: a reader of the tables who goes away must not cost them.
    if json_file is not None:
        evaluated.write_json(json_file, runs)
    if html_file is not None:
        from keepstone.evaluation.report import page

        evaluated.write(html_file, page(runs))
    evaluated.show(runs)


@app.command("init")
def init(
    path: AssertionPath,
    user: options.User = None,
    agent: options.Agent = None,
    app_id: options.App = None,
    run_id: options.Run = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most this many memories.")] = 20,
    store: options.Store = None,
) -> None:
    """Write a file of questions from your own store, or add newer memories to one; what you wrote is kept."""
    from keepstone.evaluation import assertions, proposing

    known = assertions.load(path) if path.exists() else None
    scope = Scope(**ids(user, agent, app_id, run_id)) if known is None else known.scope
    if known is not None and not Scope(**ids(user, agent, app_id, run_id)).sees(scope):
        raise InvalidRequestError(f"{path} is about another scope; name another file.")
    records = run(_existing(store, "none"), lambda memory: proposing.select(memory, scope, limit))
    if known is None:
        text, added = proposing.write(scope, records), len(records)
    else:
        text, added = proposing.extend(path.read_text(encoding="utf-8"), records)
    evaluated.write(path, text)
    output.note(f"{path}: {added} memories added. Fill in questions, then: keepstone eval check {path}")


@app.command("check")
def check(
    path: AssertionPath,
    min_recall: Annotated[
        float | None, typer.Option("--min-recall", min=0, max=1, help="Instead of that of the file's defaults.")
    ] = None,
    at_most_rank: Annotated[
        int | None, typer.Option("--at-most-rank", min=1, max=1000, help="Instead of that of the file's defaults.")
    ] = None,
    within_tokens: Annotated[
        int | None, typer.Option("--within-tokens", min=1, help="Instead of that of the file's defaults.")
    ] = None,
    store: options.Store = None,
    embedder: options.Embedder = None,
    as_json: options.Json = False,
) -> None:
    """Ask your own store the questions of a file; exit with 1 if an answer is missing. Changes nothing.

    A recording of `eval record` (.jsonl) is checked for its form instead, and needs no store.
    """
    from keepstone.evaluation import asserting, assertions

    if path.suffix == RECORDING_SUFFIX:
        recording.check(path, as_json=as_json)
        return
    given = {"min_recall": min_recall, "at_most_rank": at_most_rank, "within_tokens": within_tokens}
    wanted = assertions.load(path, {k: v for k, v in given.items() if v is not None})
    open_ones = sum(a.is_open for a in wanted.assertions)
    if open_ones == len(wanted.assertions):
        raise InvalidRequestError(f"{path} has no question that is filled in, so nothing can be checked.")
    outcomes = run(_existing(store, embedder), lambda memory: asserting.check(memory, wanted))
    passed = all(o.passed for o in outcomes)
    if as_json:
        output.show_json({"passed": passed, "open": open_ones, "questions": outcomes})
    else:
        evaluated.outcomes(outcomes, open_ones)
    if not passed:
        raise typer.Exit(1)


def _evaluate(paths: list[Path], settings: dict[str, str], limit: int | None) -> Evaluation:
    from keepstone.evaluation.measuring import evaluate
    from keepstone.evaluation.pack import files, own_packs, read

    packs = [read(p, limit) for p in (files(paths) if paths else own_packs())]
    name = ",".join(f"{k}={v}" for k, v in settings.items()) or "keepstone"
    with output.progress(f"Measuring {name}") as progress:
        return evaluate(packs, _factory(settings), name=name, version=keepstone.__version__, progress=progress)


def _factory(settings: dict[str, str]) -> Factory:
    from keepstone.evaluation.retriever import foreign, product

    named = settings.get("retriever")
    return product(settings.get("embedder")) if named is None else foreign(named)


def _settings(config_text: str, embedder: str | None, retriever: str | None) -> dict[str, str]:
    """The settings of one run: those of all runs, then its own."""
    found = {k: v for k, v in (("embedder", embedder), ("retriever", retriever)) if v is not None}
    for part in filter(None, config_text.split(",")):
        key, sign, value = part.partition("=")
        if key not in SETTINGS or not sign or not value:
            raise InvalidRequestError(f"--config {part!r} is not one of {', '.join(SETTINGS)} with a value.")
        found[key] = value
    return found


def _result(path: Path) -> Evaluation:
    from keepstone.evaluation.results import read_result

    return read_result(path)


def _existing(store: Path | None, embedder: str | None) -> Target:
    """The store to read, which must be there: reading must not make an empty one, the default one neither."""
    path = store.expanduser() if store is not None else config.default_path()
    if not path.exists():
        raise ConfigError(f"There is no store at {path}.")
    return Target(path, embedder)
