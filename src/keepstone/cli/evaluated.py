"""What the commands of `eval` print and write."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from keepstone.cli import output
from keepstone.errors import InvalidRequestError

if TYPE_CHECKING:
    from keepstone.evaluation.asserting import Outcome
    from keepstone.evaluation.intervals import Estimate
    from keepstone.evaluation.results import Evaluation


def show(runs: Sequence[Evaluation]) -> None:
    """Show the figures of one run, or how the second of two differs from the first."""
    if len(runs) == 2:
        _differences(runs[0], runs[1])
    else:
        _figures(runs[0])


def outcomes(found: Sequence[Outcome], open_ones: int) -> None:
    """Show which assertions passed, and why the others did not."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for outcome in found:
        cell = Text(output.one_line(outcome.question))
        for failure in outcome.failures:
            cell.append(f"\n→ {output.one_line(failure)}", style="yellow")
        for text in outcome.found if outcome.failures else ():
            cell.append(f"\n  found: {output.one_line(text)}", style="dim")
        mark = Text("ok", style="green") if outcome.passed else Text("FAILED", style="bold red")
        table.add_row(mark, cell)
    Console(highlight=False).print(table)
    passed = sum(o.passed for o in found)
    left = f"; {open_ones} not filled in" if open_ones else ""
    output.note(f"{passed} of {len(found)} passed{left}.")


def write_json(path: Path, runs: Sequence[Evaluation]) -> None:
    """Write one run, or of two both and their differences, to *path*."""
    from keepstone.evaluation.results import differences
    from keepstone.types import plain

    if len(runs) == 1:
        document = runs[0].to_dict()
    else:
        document = {"runs": [r.to_dict() for r in runs], "differences": plain(differences(runs[0], runs[1]))}
    write(path, json.dumps(document, ensure_ascii=False, indent=1) + "\n")


def write(path: Path, text: str) -> None:
    """Write *text* to *path*, which has its name once it is whole.

    Raises:
        InvalidRequestError: it cannot be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(path)
    except OSError as error:
        raise InvalidRequestError(f"{path} cannot be written: {error.strerror}.") from error


def _figures(run: Evaluation) -> None:
    from keepstone.evaluation.results import SHOWN, SHOWN_BY_CATEGORY, by_category, by_pack, summary

    for name, rows in by_pack(run.rows).items():
        table = titled(name, "measure", "mean", "95 % interval", "questions")
        for measure, found in summary(rows, SHOWN).items():
            table.add_row(measure, _number(measure, found.mean), _range(measure, found), str(found.count))
        for measure, value in run.certainty.get(name, {}).items():
            table.add_row(measure, f"{value:.3f}", "", "")
        print_table(table)
    for name, rows in by_pack(run.rows).items():
        categories = {c: (len(m), summary(m, SHOWN_BY_CATEGORY)) for c, m in by_category(rows).items()}
        print_table(_by_category(name, SHOWN_BY_CATEGORY, categories))
    output.note(f"{len(run.rows)} questions, {len(run.misses)} misses; taken in within {run.index_seconds:.1f} s.")


def _by_category(
    name: str, measures: Sequence[str], categories: Mapping[str, tuple[int, Mapping[str, Estimate]]]
) -> Table:
    table = titled(name, "category", "n", *measures)
    for category, (count, found) in categories.items():
        cells = (_number(m, found[m].mean) if m in found else "" for m in measures)
        table.add_row(Text(output.one_line(category)), str(count), *cells)
    return table


def _differences(first: Evaluation, second: Evaluation) -> None:
    from keepstone.evaluation.results import differences

    for name, found in differences(first, second).items():
        title = f"{name}: {first.name}, then {second.name}"
        table = titled(title, "measure", "first", "second", "difference", "95 % interval", "questions")
        for d in found:
            change = _number(d.measure, d.difference.mean, sign="+")
            cells = (_number(d.measure, d.first), _number(d.measure, d.second), change)
            table.add_row(d.measure, *cells, _range(d.measure, d.difference, sign="+"), str(d.difference.count))
        print_table(table)


def titled(title: str, *headings: str) -> Table:
    """Return an empty table; all columns but the first are aligned to the right."""
    made = Table(
        title=Text(output.one_line(title), style="bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
    )
    for number, heading in enumerate(headings):
        made.add_column(
            Text(output.one_line(heading)), justify="right" if number else "left", overflow="fold", no_wrap=number > 0
        )
    return made


def print_table(made: Table) -> None:
    """Print a table and a line of space."""
    console = Console(highlight=False)
    console.print(made)
    console.print()


def _number(measure: str, value: float, sign: str = "") -> str:
    return f"{value:{sign}.{1 if measure in ('ms', 'tokens') else 3}f}"


def _range(measure: str, found: Estimate, sign: str = "") -> str:
    if found.low is None or found.high is None:
        return ""
    return f"{_number(measure, found.low, sign)} to {_number(measure, found.high, sign)}"
