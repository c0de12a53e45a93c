"""Holds the measures that ship with Keepstone against a scorer that was written apart from them.

    python -m benchmarks.agreement [SCORER] [PACK ...]

SCORER is score_retrieval.py; by default it and the packs come from ../shared. Both score the same retriever. Ends with
1 if a measure of any question differs by more than a billionth. `--limit-records N` takes the first records only.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.retrieval import SHARED, score
from benchmarks.retriever import embedder
from keepstone.evaluation.measuring import evaluate
from keepstone.evaluation.pack import files, read
from keepstone.evaluation.results import Evaluation
from keepstone.evaluation.retriever import KeepstoneRetriever

TOLERANCE = 1e-9
TAKES_TIME = {"ms", "tokens"}

Figures = Mapping[tuple[str, str, str], Mapping[str, Any]]


def theirs(scorer: Path, packs: Sequence[Path], limit: int | None) -> Figures:
    """Return the scorer's row of each question."""
    with tempfile.TemporaryDirectory(prefix="keepstone-agreement-") as folder:
        result = Path(folder) / "result.json"
        options = ["--json", str(result)] + ([] if limit is None else ["--limit-records", str(limit)])
        score(scorer, packs, options, quiet=True)
        rows = json.loads(result.read_text(encoding="utf-8"))["rows"]
    return {(r["component"], r["record"], r["id"]): r for r in rows}


def ours(packs: Sequence[Path], limit: int | None) -> Evaluation:
    """Return our own evaluation of the same retriever."""
    loaded = [read(p, limit) for p in packs]
    return evaluate(loaded, lambda record: KeepstoneRetriever(record, embedder()), name="agreement", version="")


def disagreements(found: Evaluation, other: Figures) -> list[str]:
    """Return a line for each question that only one side has, and for each measure that differs."""
    mine = {r.key: r.measures for r in found.rows}
    lines = [f"{key}: asked by one side only" for key in sorted(mine.keys() ^ other.keys())]
    for key in mine.keys() & other.keys():
        measures = {m: v for m, v in mine[key].items() if m not in TAKES_TIME}
        measures["tokens10"] = mine[key]["tokens"]
        for measure, value in measures.items():
            there = other[key].get(measure)
            if there is None or abs(there - value) > TOLERANCE:
                lines.append(f"{key} {measure}: ours {value}, theirs {there}")
    return lines


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("scorer", nargs="?", type=Path, default=SHARED / "bench" / "score_retrieval.py")
    arguments.add_argument("packs", nargs="*", type=Path)
    arguments.add_argument("--limit-records", type=int)
    given = arguments.parse_args()
    if not given.scorer.exists():
        raise SystemExit(f"{given.scorer} is not there; name the scorer and the packs.")
    packs = files(given.packs or [SHARED / "data"])
    found = ours(packs, given.limit_records)
    lines = disagreements(found, theirs(given.scorer, packs, given.limit_records))
    print("\n".join(lines[:50]))
    print(f"agreement: {len(found.rows)} questions of {len(packs)} packs, {len(lines)} differences", file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
