"""Holds what search finds against measured floors, on the small packs and one long dialogue.

    python -m benchmarks.gates FOLDER

FOLDER has bench/score_retrieval.py and data/*.jsonl. Ends with 1, saying which figures fell, if any is below its
floor. Takes about three minutes where nothing is embedded yet, half a minute after.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.retrieval import score

MEASURES = ("R@10", "R@1000t", "hit@3", "abstain")
LONG = "locomo_en"

# Floors: measured figures less 0.02, less 0.03 where a pack has fewer than 100 questions.
FLOORS: Mapping[str, tuple[float | None, float | None, float | None, float | None]] = {
    "locomo_en": (0.634, 0.725, 0.520, None),
    "madial_en": (0.660, 0.882, 0.733, None),
    "madial_zh": (0.657, 0.890, 0.733, None),
    "memorybank_en": (0.907, 0.951, 0.762, 0.824),
    "memorybank_zh": (0.896, 0.970, 0.803, 0.901),
    "scenarios_en": (0.762, 0.970, 0.678, 0.938),
    "scenarios_zh": (0.845, 0.970, 0.803, 0.909),
    "updates_en": (0.870, 0.978, 0.769, 0.903),
    "updates_zh": (0.875, 0.971, 0.778, 0.936),
}


def figures(folder: Path) -> dict[str, dict[str, float]]:
    """Return the measures of each pack, by its name; of the long one only the first dialogue."""
    scorer = folder / "bench" / "score_retrieval.py"
    short = [p for p in packs(folder) if p.stem != LONG]
    long = [p for p in packs(folder) if p.stem == LONG]
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="keepstone-gates-") as place:
        for files, options in ((short, []), (long, ["--limit-records", "1"])):
            result = Path(place) / "result.json"
            score(scorer, files, [*options, "--json", str(result)], quiet=True)
            found.update(means(json.loads(result.read_text(encoding="utf-8"))))
    return found


def packs(folder: Path) -> list[Path]:
    """Return the files that have floors.

    Raises:
        SystemExit: one of them is missing.
    """
    files = [folder / "data" / f"{name}.jsonl" for name in FLOORS]
    if missing := [p.name for p in files if not p.exists()]:
        raise SystemExit(f"gates: {folder} lacks {', '.join(missing)}")
    return files


def means(result: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Return the measures of each pack from the scorer's JSON."""
    found: dict[str, dict[str, float]] = {}
    for name in sorted({row["component"] for row in result["rows"]}):
        rows = [row for row in result["rows"] if row["component"] == name]
        of = {m: [row[m] for row in rows if m in row] for m in MEASURES}
        found[name] = {m: statistics.fmean(values) for m, values in of.items() if values}
        if name in result["info"]["abstain"]:
            found[name]["abstain"] = result["info"]["abstain"][name]
    return found


def fallen(found: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return a line for each figure below its floor, or missing."""
    lines = []
    for name, floors in FLOORS.items():
        for measure, floor in zip(MEASURES, floors, strict=True):
            value = found.get(name, {}).get(measure)
            if floor is not None and (value is None or value < floor):
                lines.append(f"{name}: {measure} is {value if value is None else round(value, 3)}, its floor {floor}")
    return lines


def table(found: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return the figures with their floors, in markdown."""
    lines = ["| pack | " + " | ".join(f"{m} (floor)" for m in MEASURES) + " |", "|" + "---|" * (len(MEASURES) + 1)]
    for name, floors in FLOORS.items():
        values = [found.get(name, {}).get(m) for m in MEASURES]
        cells = ["" if v is None else f"{v:.3f}" for v in values]
        cells = [c if f is None else f"{c} ({f:.3f})" for c, f in zip(cells, floors, strict=True)]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def main(arguments: Sequence[str]) -> int:
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    start = time.perf_counter()
    found = figures(Path(arguments[0]))
    print("\n".join(table(found)))
    lines = fallen(found)
    for line in lines:
        print(f"gates: {line}", file=sys.stderr)
    print(f"gates: {'failed' if lines else 'passed'} in {time.perf_counter() - start:.0f} s", file=sys.stderr)
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
