"""Holds what search finds against measured bounds, on the small packs and one long dialogue.

    python -m benchmarks.gates FOLDER

FOLDER has bench/score_retrieval.py and data/*.jsonl. Ends with 1, saying which figures fell, if any is beyond its
bound. Takes about three minutes where nothing is embedded yet, half a minute after.
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

LONG = "locomo_en"
HITS_ONLY = "benchmarks.retriever:hits_only"
MEASURES = ("R@10", "full@10", "R@1000t", "hit@3", "fresh", "abstain", "leak@10", "distract@1")
LOWER_IS_BETTER = ("leak@10", "distract@1")

# What may not be passed downwards, or upwards for the measures of which less is better: measured figures with 0.02 of
# room, 0.03 where a pack has fewer than 100 questions, and one question where few questions have the measure.
BOUNDS: Mapping[str, Mapping[str, float]] = {
    "locomo_en": {"R@10": 0.787, "full@10": 0.733, "R@1000t": 0.866, "hit@3": 0.72},
    "madial_en": {"R@10": 0.682, "R@1000t": 0.893},
    "madial_zh": {"R@10": 0.697, "R@1000t": 0.906},
    "memorybank_en": {"R@10": 0.97, "R@1000t": 0.97, "hit@3": 0.857, "abstain": 0.831},
    "memorybank_zh": {"R@10": 0.964, "R@1000t": 0.97, "hit@3": 0.803, "abstain": 0.878},
    "scenarios_en": {
        "R@10": 0.915,
        "R@1000t": 0.97,
        "fresh": 0.749,
        "abstain": 0.917,
        "leak@10": 0.0,
        "distract@1": 0.126,
    },
    "scenarios_zh": {
        "R@10": 0.915,
        "R@1000t": 0.97,
        "fresh": 0.874,
        "abstain": 0.927,
        "leak@10": 0.0,
        "distract@1": 0.064,
    },
    "updates_en": {
        "R@10": 0.924,
        "full@10": 0.92,
        "R@1000t": 0.969,
        "hit@3": 0.855,
        "fresh": 0.683,
        "abstain": 0.919,
        "leak@10": 0.068,
        "distract@1": 0.035,
    },
    "updates_zh": {
        "R@10": 0.924,
        "full@10": 0.924,
        "R@1000t": 0.971,
        "hit@3": 0.821,
        "fresh": 0.695,
        "abstain": 0.935,
        "leak@10": 0.068,
        "distract@1": 0.012,
    },
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
            score(scorer, files, [*options, "--json", str(result)], quiet=True, retriever=HITS_ONLY)
            found.update(means(json.loads(result.read_text(encoding="utf-8"))))
    return found


def packs(folder: Path) -> list[Path]:
    """Return the files that have bounds.

    Raises:
        SystemExit: one of them is missing.
    """
    files = [folder / "data" / f"{name}.jsonl" for name in BOUNDS]
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
    """Return a line for each figure beyond its bound, or missing."""
    lines = []
    for name, bounds in BOUNDS.items():
        for measure, bound in bounds.items():
            value = found.get(name, {}).get(measure)
            room = None if value is None else value - bound
            if measure in LOWER_IS_BETTER and room is not None:
                room = -room
            if room is None or room < 0:
                lines.append(f"{name}: {measure} is {value if value is None else round(value, 3)}, its bound {bound}")
    return lines


def table(found: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return the figures with their bounds, in markdown."""
    lines = ["| pack | " + " | ".join(f"{m} (bound)" for m in MEASURES) + " |", "|" + "---|" * (len(MEASURES) + 1)]
    for name, bounds in BOUNDS.items():
        cells = []
        for measure in MEASURES:
            value, bound = found.get(name, {}).get(measure), bounds.get(measure)
            cells.append("" if value is None else f"{value:.3f}" if bound is None else f"{value:.3f} ({bound:.3f})")
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
