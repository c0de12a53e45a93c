"""Distillation with a model that answers rightly: what the machinery keeps of what a model gives it.

    python -m benchmarks.distillation FOLDER

FOLDER has data/scenarios_{en,zh}.jsonl and data/updates_{en,zh}.jsonl; what is not there is left out. The replies come
from the labels, so the figures say nothing about a model: they say whether known memories are found and shown, right
changes let through, and the current ones found. Ends with 1 if a bar is missed.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.retriever import embedder
from keepstone.evaluation.gates import Gate, failed, measure
from keepstone.evaluation.pack import read
from keepstone.evaluation.retriever import LastQuery
from tests.evaluation.oracle import Oracle

PACKS = ("scenarios_en", "scenarios_zh", "updates_en", "updates_zh")


def run(path: Path) -> list[Gate]:
    """Print every gate of one pack, and what the model could not answer, and return the gates."""
    pack = read(path)
    oracle = Oracle(pack.records)
    found = measure(pack, oracle, LastQuery(embedder()))
    print(f"{pack.name}: {oracle.calls} calls, {len(oracle.repairs)} repairs, {len(oracle.unanswered)} not shown")
    for gate in found:
        figure = "" if gate.figure is None else f"{gate.figure:.3f}"
        print(
            f"  {gate.name:16} {gate.verdict:13} {figure:>7}  {gate.bar:7} {gate.count or '':>5}  {gate.reason or ''}"
        )
    for repair in oracle.repairs:
        print(f"  repair: {repair[:300]!r}")
    for action in oracle.unanswered:
        print(f"  not shown: {action.op} {action.target!r}")
    return found


def main(folder: Path) -> int:
    """Run every pack that is there."""
    paths = [p for name in PACKS if (p := folder / "data" / f"{name}.jsonl").exists()]
    if not paths:
        print(f"{folder} has none of {', '.join(PACKS)}.")
        return 1
    return int(failed([gate for path in paths for gate in run(path)]))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
