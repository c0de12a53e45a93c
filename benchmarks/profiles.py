"""How well statements about oneself are found: on labelled sentences, and in dialogues to judge by eye.

    python -m benchmarks.profiles [PACK.jsonl …] [--sample 40] [--seed 1]

Labelled are the sentences in `tests/logic/profile/`: `unseen_*` were written after the rules and were
not used to improve them. Of packs, turns of users count; what an assistant says tells nothing of a user.
"""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path

from keepstone.evaluation.pack import ASSISTANTS, read
from keepstone.logic.profile import Statement, statements

LABELLED = Path(__file__).resolve().parents[1] / "tests" / "logic" / "profile"


def label(path: Path) -> None:
    """Print precision and recall over one file of sentences, and what went wrong."""
    right = wrong = missed = total = 0
    for line in path.read_text(encoding="utf-8").splitlines():
        if line:
            text, slot = line.split(" => ")
            wanted = set() if slot == "-" else set(slot.split(", "))
            found = {s.slot for s in statements(text, "user")}
            right, wrong, missed = (
                right + len(wanted & found),
                wrong + len(found - wanted),
                missed + len(wanted - found),
            )
            total += 1
            if found != wanted:
                print(f"  {text!r}: {', '.join(found) or 'nothing'}, not {slot}")
    precision, recall = right / (right + wrong), right / (right + missed)
    print(f"{path.stem}: {total} sentences, precision {precision:.3f}, recall {recall:.3f}")


def judge(path: Path, sample: int, seed: int) -> None:
    """Print how much is found in the turns of a pack, what it costs, and a sample."""
    turns = [t for r in read(path).records for s in r.sessions for t in s.turns]
    texts = [t.text for t in turns if t.speaker.lower() not in ASSISTANTS]
    began = time.perf_counter()
    found: list[tuple[str, Statement]] = [(text, s) for text in texts for s in statements(text, "user")]
    spent = time.perf_counter() - began
    print(
        f"{path.stem}: {len(texts)} turns, {1_000 * len(found) / len(texts):.1f} statements per 1,000, "
        f"{1e6 * spent / len(texts):.0f} us a turn"
    )
    for text, one in random.Random(seed).sample(found, min(sample, len(found))):
        print(f"  {one.slot}: {text[one.span.start : one.span.end]!r}")


def main() -> None:
    """Measure the labelled sentences, and the packs named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packs", nargs="*", type=Path)
    parser.add_argument("--sample", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    for path in sorted(LABELLED.glob("*.txt")):
        label(path)
    for pack in given.packs:
        judge(pack, given.sample, given.seed)


if __name__ == "__main__":
    main()
