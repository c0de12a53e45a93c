"""What an evaluation found: a row a question, the misses, and their summaries; to JSON and back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keepstone.errors import InvalidRequestError
from keepstone.evaluation.intervals import Estimate, estimate
from keepstone.evaluation.scoring import BUDGETS, CONTEXT_BUDGETS, PLACES
from keepstone.types import plain

FORMAT = "keepstone-evaluation/1"
ALL = "all"
LOWER_IS_BETTER = frozenset({"leak@10", "distract@1", "ms", "tokens"})
MEASURES: tuple[str, ...] = (
    *(f"R@{k}" for k in PLACES),
    *(f"full@{k}" for k in PLACES),
    *(f"hit@{k}" for k in PLACES),
    "MRR",
    *(f"R@{b}t" for b in BUDGETS),
    *(f"C@{b}t" for b in CONTEXT_BUDGETS),
    "fresh",
    "leak@10",
    "distract@1",
    "ms",
    "tokens",
)
# What people look at first; the JSON has all of them.
SHOWN = (
    "R@10",
    "full@10",
    "hit@3",
    "MRR",
    *(f"R@{b}t" for b in BUDGETS),
    *(f"C@{b}t" for b in CONTEXT_BUDGETS),
    "fresh",
    "leak@10",
    "distract@1",
    "ms",
    "tokens",
)
SHOWN_BY_CATEGORY = ("R@10", "MRR", "R@1000t", "fresh", "leak@10", "distract@1")

Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """The measures of one question; `ms` is the time of its search, `tokens` those of its first ten hits."""

    pack: str
    record: str
    id: str
    category: str
    language: str
    measures: Mapping[str, float]

    @property
    def key(self) -> Key:
        """What names the question in every run."""
        return (self.pack, self.record, self.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """A question that went wrong: why, what was expected, what came instead, and the trace where there is one.

    `unwanted` are the stale, forgotten or foreign turns that came where they should not.
    """

    pack: str
    record: str
    id: str
    category: str
    question: str
    answer: str
    reasons: tuple[str, ...]
    expected: tuple[str, ...]
    unwanted: tuple[str, ...]
    found: tuple[str, ...]
    trace: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """One run over some packs.

    `name` says what was evaluated, `version` is that of Keepstone. `certainty` has by pack the AUROC of the first hit's
    score for the pack's own answerable questions against questions of other records (`abstain`) and against those that
    the record cannot answer (`unanswerable`). `index_seconds` is the time to take all records in.
    """

    name: str
    version: str
    rows: tuple[Row, ...]
    misses: tuple[Miss, ...] = ()
    certainty: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    index_seconds: float = 0.0

    @property
    def packs(self) -> tuple[str, ...]:
        """The names of the packs, in order."""
        return tuple(dict.fromkeys(r.pack for r in self.rows))

    def to_dict(self) -> dict[str, Any]:
        """Return the run with its summaries as JSON-ready dicts and lists."""
        summaries = {name: summary(rows) for name, rows in by_pack(self.rows).items()}
        return {"format": FORMAT, **plain(self), "summary": plain(summaries)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """A measure in two runs, on the questions that both have: the second less the first, paired."""

    measure: str
    first: float
    second: float
    difference: Estimate


def summary(rows: Iterable[Row], measures: Sequence[str] = MEASURES) -> dict[str, Estimate]:
    """Return the mean of each measure that some of *rows* have, in the order of *measures*."""
    values: dict[str, list[float]] = {m: [] for m in measures}
    for row in rows:
        for measure in values.keys() & row.measures.keys():
            values[measure].append(row.measures[measure])
    return {m: estimate(v) for m, v in values.items() if v}


def by_pack(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return the rows of each pack, and, of several packs, all of them together under `all`."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.pack, []).append(row)
    return {ALL: list(rows), **groups} if len(groups) > 1 else groups


def by_category(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Return the rows of each category, in the order of their names."""
    groups: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda r: r.category):
        groups.setdefault(row.category, []).append(row)
    return groups


def differences(first: Evaluation, second: Evaluation) -> dict[str, list[Difference]]:
    """Return by pack how *second* differs from *first* in each measure shown.

    Raises:
        InvalidRequestError: the runs have no question in common.
    """
    before = {r.key: r for r in first.rows}
    pairs = [(before[r.key], r) for r in second.rows if r.key in before]
    if not pairs:
        raise InvalidRequestError("The two runs have no question in common.")
    groups = by_pack([b for _, b in pairs])
    found = {}
    for name, rows in groups.items():
        keys = {r.key for r in rows}
        found[name] = _differences([(a, b) for a, b in pairs if b.key in keys])
    return found


def _differences(pairs: Sequence[tuple[Row, Row]]) -> list[Difference]:
    found = []
    for measure in SHOWN:
        both = [
            (a.measures[measure], b.measures[measure])
            for a, b in pairs
            if measure in a.measures and measure in b.measures
        ]
        if both:
            before, after = [a for a, _ in both], [b for _, b in both]
            found.append(
                Difference(
                    measure=measure,
                    first=sum(before) / len(both),
                    second=sum(after) / len(both),
                    difference=estimate([b - a for a, b in both]),
                )
            )
    return found


def read_result(path: Path) -> Evaluation:
    """Return the run that `--json` wrote to *path*.

    Raises:
        InvalidRequestError: the file cannot be read, or is something else.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(raw, dict) or raw.get("format") != FORMAT:
            raise InvalidRequestError(f"{path} is not the result of an evaluation ({FORMAT}).")
        return Evaluation(
            name=str(raw["name"]),
            version=str(raw["version"]),
            rows=tuple(Row(**r) for r in raw["rows"]),
            misses=tuple(_miss(m) for m in raw["misses"]),
            certainty=raw["certainty"],
            index_seconds=float(raw["index_seconds"]),
        )
    except (OSError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequestError(f"{path} cannot be read: {error}.") from error
    except (ValueError, TypeError, KeyError) as error:
        raise InvalidRequestError(f"{path} is not the result of an evaluation: {error!r}.") from error


def _miss(raw: Mapping[str, Any]) -> Miss:
    lists = {name: tuple(raw[name]) for name in ("reasons", "expected", "unwanted", "found")}
    return Miss(**{**raw, **lists})
