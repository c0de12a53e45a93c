"""Distillation with a model that answers rightly: what the machinery keeps of what a model gives it.

    python -m benchmarks.distillation [--refused] FOLDER

FOLDER has data/scenarios_{en,zh}.jsonl and data/updates_{en,zh}.jsonl; what is not there is left out. The replies come
from the labels, so the figures say nothing about a model: they say whether known memories are found and shown, right
changes let through, and the current ones found. Ends with 1 if a bar is missed.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.retriever import embedder
from keepstone import Memory
from keepstone.evaluation.gates import Gate, failed, measure
from keepstone.evaluation.pack import Record, read
from keepstone.evaluation.retriever import LastQuery, StandingClock, ingest
from keepstone.results import Refused
from keepstone.testing import InMemoryStore
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


def refused(path: Path) -> int:
    """Print what the checks refused of one pack, by reason, and return how much that is."""
    pack, found = read(path), defaultdict[str, list[tuple[str, Refused]]](list)
    for record in pack.records:
        for refusal in _refused_of(record):
            found[refusal.reason].append((record.id, refusal))
    count = sum(map(len, found.values()))
    print(f"{pack.name}: {count} refused")
    for reason, refusals in sorted(found.items(), key=lambda item: -len(item[1])):
        print(f"  {reason}: {len(refusals)}")
        for record_id, refusal in refusals:
            print(f"    {record_id}: {refusal.text!r}: {refusal.detail}")
    return count


def _refused_of(record: Record) -> list[Refused]:
    clock = StandingClock()
    memory = Memory(store=InMemoryStore(), embedder=embedder(), chat_model=Oracle([record]), clock=clock)
    try:
        taken = [added.distilled for _, added in ingest(memory, clock, record)]
    finally:
        memory.close()
    return [r for distilled in taken if distilled is not None for r in distilled.refused]


def main() -> int:
    """Run every pack that is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--refused", action="store_true")
    options = parser.parse_args()
    paths = [p for name in PACKS if (p := options.folder / "data" / f"{name}.jsonl").exists()]
    if not paths:
        print(f"{options.folder} has none of {', '.join(PACKS)}.")
        return 1
    if options.refused:
        return int(sum([refused(path) for path in paths]) > 0)
    return int(failed([gate for path in paths for gate in run(path)]))


if __name__ == "__main__":
    sys.exit(main())
