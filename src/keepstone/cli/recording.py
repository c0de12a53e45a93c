"""The commands of `eval` for recorded replies of a model: `record`, `gates`, and the check of a recording."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from keepstone import providers
from keepstone.cli import evaluated, options, output
from keepstone.errors import ConfigError, InvalidRequestError

if TYPE_CHECKING:
    from keepstone.evaluation.gates import Gate
    from keepstone.evaluation.pack import Pack
    from keepstone.evaluation.recordings import RecordingChatModel
    from keepstone.evaluation.rehearsing import Rehearsal

PER_MILLION = 1_000_000

Packs = Annotated[
    list[Path] | None,
    typer.Argument(help="Packs (.jsonl) or folders of them; default: the ones that come along.", metavar="[PACK]…"),
]
Strategy = Annotated[
    str, typer.Option("--strategy", help="How the model is asked: single_pass or two_step.", metavar="NAME")
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="Only the first so many records of each pack.")]


def record(
    packs: Packs = None,
    model: Annotated[
        str | None, typer.Option("--model", help="The model to ask, such as openai:gpt-5-mini.", metavar="NAME")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="The recording, which is added to; of a dry run, the prompts.", metavar="FILE"),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Ask nothing: write the first prompt of each session, and count.")
    ] = False,
    limit: Limit = None,
    strategy: Strategy = "single_pass",
    embedder: options.Embedder = None,
) -> None:
    """Record what a model replies when packs are taken in, to replay it without the model. What is there is kept."""
    from keepstone.evaluation.retriever import shared_embedder

    chosen = _packs(packs, limit)
    if dry_run:
        _rehearse(chosen, model, out, embedder)
        return
    if model is None or out is None:
        raise InvalidRequestError("Recording needs --model NAME and --out FILE; --dry-run needs neither.")
    chat_model = providers.chat_model(model)
    if chat_model is None:
        raise ConfigError(f"{model!r} is no model that could be recorded.")
    from keepstone.evaluation.ingesting import record_packs
    from keepstone.evaluation.recordings import RecordingChatModel

    recorder = RecordingChatModel(chat_model, out)
    try:
        with output.progress(f"Recording {model}") as progress:
            record_packs(chosen, shared_embedder(embedder), recorder, progress, strategy)
    finally:
        # Also of a recording that was broken off: what is there is kept, and the next run goes on.
        _tell(recorder, out)


def gates(
    packs: Packs = None,
    recording: Annotated[
        Path | None, typer.Option("--recording", help="Recorded replies of a model (.jsonl).", metavar="FILE")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Whose replies, if the recording has several models'.", metavar="NAME")
    ] = None,
    limit: Limit = None,
    strategy: Strategy = "single_pass",
    embedder: options.Embedder = None,
    as_json: options.Json = False,
) -> None:
    """Hold what a model's recorded replies make of packs against bars; exit with 1 if one is missed.

    Without a recording nothing is measured, and every gate says so.
    """
    from keepstone.evaluation import gates as holding

    chosen = _packs(packs, limit)
    if recording is None:
        found = holding.unmeasured([p.name for p in chosen])
    else:
        from keepstone.evaluation.recordings import ReplayingChatModel
        from keepstone.evaluation.retriever import shared_embedder

        replaying = ReplayingChatModel(recording, model)
        with output.progress(f"Replaying {replaying.name}") as progress:
            found = holding.gates(chosen, replaying, shared_embedder(embedder), progress, strategy)
    failed = holding.failed(found)
    if as_json:
        output.show_json({"failed": failed, "gates": found})
    else:
        _show(found)
    if failed:
        raise typer.Exit(1)


def check(path: Path, *, as_json: bool = False) -> None:
    """Check the form of a recording, and say what is in it; exit with 1 if something is wrong."""
    from keepstone.evaluation.recordings import faults_of

    replies, faults = faults_of(path)
    counts = Counter((r.prompt, r.model, r.reply.finish) for r in replies)
    rows = [
        {"prompt": prompt, "model": model, "finish": finish, "replies": count}
        for (prompt, model, finish), count in sorted(counts.items())
    ]
    if as_json:
        output.show_json({"passed": not faults, "replies": rows, "faults": faults})
    else:
        table = evaluated.titled(path.name, "prompt", "model", "finish", "replies")
        for row in rows:
            table.add_row(*(Text(output.one_line(str(cell))) for cell in row.values()))
        evaluated.print_table(table)
        for fault in faults:
            output.note(fault, style="red")
        output.note(f"{len(replies)} replies, {len(faults)} faults.")
    if faults:
        raise typer.Exit(1)


def _packs(paths: list[Path] | None, limit: int | None) -> list[Pack]:
    from keepstone.evaluation.pack import files, own_packs, read

    return [read(p, limit) for p in (files(paths) if paths else own_packs())]


def _rehearse(packs: list[Pack], model: str | None, out: Path | None, embedder: str | None) -> None:
    from keepstone.evaluation.rehearsing import rehearse
    from keepstone.evaluation.retriever import shared_embedder

    with output.progress("Writing prompts") as progress:
        found = rehearse(packs, shared_embedder(embedder), progress)
    text = "".join(p.line() for p in found.prompts)
    if out is None:
        output.line(text.removesuffix("\n"))
    else:
        evaluated.write(out, text)
    output.note(
        f"{found.sessions} sessions, {found.calls} calls, about {found.input_tokens} tokens of input. The prompts are "
        "written as if nothing were known: every reply is unknown yet. With a model, later prompts also show what it "
        "made of the earlier sessions, so they are longer, and refused replies are asked for once more."
    )
    if model is not None:
        output.note(_cost(model, found))


def _cost(model: str, found: Rehearsal) -> str:
    price = providers.list_price(model)
    if price is None:
        return f"The price of {model} is not known."
    dollars = (found.input_tokens * price[0] + found.output_tokens * price[1]) / PER_MILLION
    return (
        f"{model} would cost about {dollars:.2f} US dollars: {price[0]:g} a million tokens of input and {price[1]:g} a "
        f"million of output, with {found.output_tokens} tokens of output guessed."
    )


def _tell(recorder: RecordingChatModel, out: Path) -> None:
    asked = recorder.asked
    tokens_in, tokens_out = (sum(filter(None, counts)) for counts in _tokens(recorder))
    priced = [r.price_usd for r in asked if r.price_usd is not None]
    cost = f", {sum(priced):.2f} US dollars" if priced else ""
    output.note(
        f"{out}: {len(asked)} replies recorded ({tokens_in} tokens of input, {tokens_out} of output{cost}), "
        f"{len(recorder.kept)} were there."
    )


def _tokens(recorder: RecordingChatModel) -> tuple[list[int | None], list[int | None]]:
    return [r.input_tokens for r in recorder.asked], [r.output_tokens for r in recorder.asked]


def _show(found: list[Gate]) -> None:
    for pack in dict.fromkeys(g.pack for g in found):
        table = evaluated.titled(pack, "gate", "verdict", "figure", "bar", "cases")
        for gate in (g for g in found if g.pack == pack):
            figure = "" if gate.figure is None else f"{gate.figure:.3f}"
            style = {"passed": "green", "FAILED": "bold red"}.get(gate.verdict, "yellow")
            table.add_row(gate.name, Text(gate.verdict, style=style), figure, gate.bar, str(gate.count or ""))
        evaluated.print_table(table)
    counts = Counter(g.verdict for g in found)
    reasons = ", ".join(sorted({g.reason for g in found if g.reason}))
    because = f" ({reasons})" if reasons else ""
    output.note(
        f"{counts['passed']} passed, {counts['FAILED']} failed, {counts['not measured']} not measured{because}."
    )
