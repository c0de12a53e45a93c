"""What requests to forget do to packs of dialogues: `python -m benchmarks.forgetting PACK.jsonl …`.

Every session goes through `Memory.add` in order. Printed are all memories that were taken back, with the request, and
all suggestions; then the share of questions about forgotten turns that still find one of them among ten hits (leak@10),
and the share of evidence turns of all other questions that were taken back (which should be none).
"""

from __future__ import annotations

import argparse
import tempfile
from datetime import timedelta
from pathlib import Path

from benchmarks.retriever import embedder
from keepstone import AddResult, Memory
from keepstone.evaluation.pack import Record, conversations, read
from keepstone.evaluation.retriever import LIMITS, USER, StandingClock
from keepstone.protocols import Embedder

HITS = 10


class Counts:
    """What was counted over one pack."""

    def __init__(self) -> None:
        self.turns = self.retired = self.suggested = 0
        self.forbidden = self.leaked = 0
        self.wrong: list[str] = []


def run(pack: Path, model: Embedder | str, *, loud: bool) -> Counts:
    """Return the counts of *pack*, in a store for each of its records."""
    counts = Counts()
    for record in read(pack).records:
        with tempfile.TemporaryDirectory(prefix="keepstone-bench-") as folder:
            clock = StandingClock()
            with Memory(Path(folder) / "memory.db", embedder=model, clock=clock, limits=LIMITS) as memory:
                gone = _fill(memory, record, clock, counts, loud=loud)
                _ask(memory, record, clock, gone, counts)
    return counts


def _fill(memory: Memory, record: Record, clock: StandingClock, counts: Counts, *, loud: bool) -> set[str]:
    gone: set[str] = set()
    for session, messages in conversations(record):
        if messages[0].timestamp is not None:
            clock.now = messages[0].timestamp
        result = memory.add(messages, user_id=USER, run_id=session)
        counts.turns += len(messages)
        counts.retired += len(result.forgotten)
        counts.suggested += len(result.suggestions)
        texts = {str(m.id): m.content for m in messages}
        if loud:
            _show(result, texts)
        gone.update(f.text for f in result.forgotten)
    return gone


def _show(result: AddResult, texts: dict[str, str]) -> None:
    for taken in result.forgotten:
        print(f"  retired    {taken.text!r}\n      by     {texts.get(taken.message_id)!r}")
    for hint in result.suggestions:
        print(f"  suggested  {hint.text!r}\n      by     {texts.get(hint.message_id)!r} ({hint.reason})")


def _ask(memory: Memory, record: Record, clock: StandingClock, gone: set[str], counts: Counts) -> None:
    turns = {t.id: t.text for s in record.sessions for t in s.turns}
    for question in record.questions:
        if question.at is not None:
            clock.now = question.at + timedelta(days=1)
        if question.forbidden:
            hits = memory.search(question.text, user_id=USER, limit=HITS)
            counts.forbidden += 1
            counts.leaked += any(set(question.forbidden) & set(h.sources) for h in hits)
            continue
        counts.wrong += [turns[e] for e in question.evidence if turns.get(e) in gone]


def main() -> None:
    """Run on the packs named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packs", nargs="+", type=Path)
    parser.add_argument("--embedder", default="", help="another embedder; none is words alone")
    parser.add_argument("--quiet", action="store_true")
    given = parser.parse_args()
    for pack in given.packs:
        print(pack.stem)
        found = run(pack, given.embedder or embedder(), loud=not given.quiet)
        leak = f"{found.leaked}/{found.forbidden}" if found.forbidden else "-"
        print(
            f"{pack.stem}: {found.turns} turns, {found.retired} retired, {found.suggested} suggested,"
            f" leak@{HITS} {leak}, evidence of other questions retired: {len(found.wrong)} {found.wrong or ''}"
        )


if __name__ == "__main__":
    main()
