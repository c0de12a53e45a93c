"""What requests to forget do to packs of dialogues: `python -m benchmarks.forgetting PACK.jsonl …`.

Every session goes through `Memory.add` in order. Printed are all memories that were taken back, with the request, and
all suggestions; then how many of the turns that a question forbids were taken back or ranked lower, how often such a
question still finds one of them among ten hits (leak@10), and how many other turns, and how much evidence of other
questions, were taken back (which should be none) or ranked lower.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import numpy as np

from benchmarks import unseen_dialogues
from benchmarks.retriever import embedder
from keepstone import AddResult, Memory
from keepstone.evaluation.pack import Record, conversations, read
from keepstone.evaluation.retriever import LIMITS, USER, StandingClock
from keepstone.logic.forgetting import forget_request
from keepstone.protocols import Embedder

HITS = 10


class Counts:
    """What was counted over one pack.

    `meant` are the turns that a question forbids; `retired_meant` and `lowered_meant` those of them that were taken
    back and ranked lower, `innocent` what else was ranked lower; `wrong` is evidence of another question taken back.
    """

    def __init__(self) -> None:
        self.turns = self.suggested = self.forbidden = self.leaked = 0
        self.meant: set[tuple[str, str]] = set()
        self.retired: set[tuple[str, str]] = set()
        self.lowered: set[tuple[str, str]] = set()
        self.evidence: set[tuple[str, str]] = set()

    @property
    def wrong(self) -> set[tuple[str, str]]:
        """Evidence of other questions that was taken back."""
        return self.evidence & self.retired - self.meant

    @property
    def innocent(self) -> set[tuple[str, str]]:
        """What was ranked lower and no question forbids."""
        return self.lowered - self.meant

    def __str__(self) -> str:
        """The figures in a line."""
        meant = len(self.meant)
        return (
            f"{self.turns} turns, {meant} to be forgotten: {len(self.meant & self.retired)} retired,"
            f" {len(self.meant & self.lowered)} ranked lower; leak@{HITS} {self.leaked}/{self.forbidden};"
            f" {len(self.retired - self.meant)} others retired ({len(self.wrong)} evidence),"
            f" {len(self.innocent)} others ranked lower ({len(self.innocent & self.evidence)} evidence),"
            f" {self.suggested} suggested"
        )


def run(records: Sequence[Record], model: Embedder | str, *, loud: bool) -> Counts:
    """Return the counts of *records*, in a store for each of them."""
    counts = Counts()
    for record in records:
        with tempfile.TemporaryDirectory(prefix="keepstone-bench-") as folder:
            clock = StandingClock()
            with Memory(Path(folder) / "memory.db", embedder=model, clock=clock, limits=LIMITS) as memory:
                _fill(memory, record, clock, counts, loud=loud)
                _ask(memory, record, clock, counts)
    return counts


def _fill(memory: Memory, record: Record, clock: StandingClock, counts: Counts, *, loud: bool) -> None:
    for session, messages in conversations(record):
        if messages[0].timestamp is not None:
            clock.now = messages[0].timestamp
        result = memory.add(messages, user_id=USER, run_id=session)
        counts.turns += len(messages)
        counts.suggested += len(result.suggestions)
        counts.retired |= {(record.id, f.text) for f in result.forgotten}
        counts.lowered |= {(record.id, s.text) for s in result.suggestions if s.change_id is not None}
        if loud:
            _show(result, {str(m.id): m.content for m in messages})


def _show(result: AddResult, texts: dict[str, str]) -> None:
    for taken in result.forgotten:
        print(f"  retired    {taken.text!r}\n      by     {texts.get(taken.message_id)!r}")
    for hint in result.suggestions:
        done = "suggested" if hint.change_id is None else "lowered  "
        print(f"  {done}  {hint.text!r}\n      by     {texts.get(hint.message_id)!r} ({hint.reason})")


def _ask(memory: Memory, record: Record, clock: StandingClock, counts: Counts) -> None:
    turns = {t.id: t.text for t in record.turns}
    for question in record.questions:
        if question.at is not None:
            clock.now = question.at + timedelta(days=1)
        counts.evidence |= {(record.id, turns[e]) for e in question.evidence if e in turns}
        if question.forbidden:
            hits = memory.search(question.text, user_id=USER, limit=HITS)
            counts.meant |= {(record.id, turns[f]) for f in question.forbidden}
            counts.forbidden += 1
            counts.leaked += any(set(question.forbidden) & set(h.sources) for h in hits)


def background(packs: Mapping[str, Sequence[Record]]) -> tuple[float, float]:
    """Return mean and deviation of the cosines of what requests name with the texts of other records."""
    model = embedder()
    found: list[float] = []
    for records in packs.values():
        for record in records:
            words = [r.referent for t in record.turns if (r := forget_request(t.text)) is not None]
            others = [t.said for other in records if other is not record for t in other.turns]
            if words and others:
                asked = np.array(asyncio.run(model.embed(words, "query")))
                found += (asked @ np.array(asyncio.run(model.embed(others, "document"))).T).ravel().tolist()
    return statistics.fmean(found), statistics.pstdev(found)


def main() -> None:
    """Run on the packs named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("packs", nargs="*", type=Path)
    parser.add_argument("--unseen", action="store_true", help="also the dialogues that come along")
    parser.add_argument("--embedder", default="", help="another embedder; none is words alone")
    parser.add_argument("--quiet", action="store_true")
    parser.add_argument("--background", action="store_true", help="only how far requests are from unrelated texts")
    given = parser.parse_args()
    packs = {p.stem: read(p).records for p in given.packs}
    if given.unseen:
        sets, tags = unseen_dialogues.SETS, unseen_dialogues.LANGUAGES
        packs |= {f"{of}_{tag}": unseen_dialogues.records(tag, of) for of in sets for tag in tags}
    if given.background:
        print("mean {:.3f}, deviation {:.3f}".format(*background(packs)))
        return
    for name, records in packs.items():
        print(name)
        found = run(records, given.embedder or embedder(), loud=not given.quiet)
        print(f"{name}: {found}")


if __name__ == "__main__":
    main()
