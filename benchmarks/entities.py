"""How well names are found by rules, and what links by those names are worth in the rank.

    python -m benchmarks.entities [PACK.jsonl …]

Labelled are the sentences in `tests/logic/entities/`. For packs, the best HITS of each question are ranked anew by what
they had plus a weight times the share of the names in the question that the memory holds; names of speakers are left
out, since the ranking knows those. Printed is the share of the evidence among the first ten.

Then what links by names that a model gave are worth (`entity_links`), among the turns of the first record of each pack
too.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Set
from pathlib import Path

from benchmarks import entity_links
from benchmarks.retriever import embedder
from keepstone import Hit
from keepstone.evaluation.pack import Record, read
from keepstone.evaluation.retriever import USER, KeepstoneRetriever
from keepstone.logic.entities import fold, mentions

LABELLED = Path(__file__).resolve().parents[1] / "tests" / "logic" / "entities"
HITS = 40
FIRST = 10
WEIGHTS = (0.0, 0.3, 0.8, 1.5)


def label(path: Path) -> None:
    """Print precision and recall over one file of sentences, and what went wrong."""
    right = wrong = missed = total = 0
    for line in path.read_text(encoding="utf-8").splitlines():
        text, names = line.split(" => ")
        wanted = set() if names == "-" else {fold(n) for n in names.split("; ")}
        found = {fold(m.name) for m in mentions(text)}
        right, wrong, missed = right + len(wanted & found), wrong + len(found - wanted), missed + len(wanted - found)
        total += 1
        if found != wanted:
            print(f"  {text!r}: {', '.join(found) or 'nothing'}, not {names}")
    precision, recall = right / (right + wrong), right / (right + missed)
    print(f"{path.stem}: {total} sentences, precision {precision:.3f}, recall {recall:.3f}")


def asked_for(question: str, known: Set[str]) -> set[str]:
    """Return the *known* names that stand in a question."""
    text = question.lower()
    return {n for n in known if (re.search(rf"(?<!\w){re.escape(n)}(?!\w)", text) if n.isascii() else n in text)}


def reranked(hits: list[Hit], named: dict[str, Set[str]], asked: Set[str], weight: float) -> list[Hit]:
    """Return *hits* ordered by their fused value and the share of the names asked for that each holds."""

    def value(hit: Hit) -> float:
        assert hit.explanation is not None
        linked = len(asked & named[hit.id]) / len(asked) if asked else 0.0
        return hit.explanation.fused + weight * linked

    return sorted(hits, key=value, reverse=True)


def measure(record: Record, found: dict[float, list[float]]) -> int:
    """Enter the recall of each question by weight; return how many questions hold a known name."""
    retriever = KeepstoneRetriever(record, embedder())
    speakers = {fold(t.speaker) for t in record.turns}
    named: dict[str, Set[str]] = {}
    holding = 0
    for question in record.questions:
        if not question.evidence:
            continue
        hits = retriever.memory.search(question.text, user_id=USER, limit=HITS, explain=True)
        for hit in hits:
            if hit.id not in named:
                named[hit.id] = {fold(m.name) for m in mentions(hit.text)} - speakers
        asked = asked_for(question.text, set().union(*(named[h.id] for h in hits)))
        holding += bool(asked)
        for weight in WEIGHTS:
            first = {s for h in reranked(hits, named, asked, weight)[:FIRST] for s in h.sources}
            found[weight].append(len(first & set(question.evidence)) / len(set(question.evidence)))
    return holding


def main() -> None:
    """Measure the labelled sentences, and the packs named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packs", nargs="*", type=Path)
    parser.add_argument("--links-only", action="store_true", help="Leave out what rules would be worth.")
    given = parser.parse_args()
    for path in sorted(LABELLED.glob("*.txt")):
        label(path)
    entity_links.measure([read(pack).records[0] for pack in given.packs])
    if given.links_only:
        return
    for pack in given.packs:
        found: dict[float, list[float]] = {w: [] for w in WEIGHTS}
        holding = sum(measure(record, found) for record in read(pack).records)
        print(f"{pack.stem}: {len(found[0.0])} questions, {holding} with a name")
        for weight, values in found.items():
            print(f"  weight {weight}: recall@{FIRST} {sum(values) / len(values):.4f}")


if __name__ == "__main__":
    main()
