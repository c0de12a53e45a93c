"""Simulates users who tell what they think of what they were shown, and measures where the memories they like stand.

    python -m benchmarks.feedback [--rounds 8] [--shown 4] [--noise 0.1] [--users 5] [--seed 1]

Each user has a dozen memories that answer one question about equally well, and a hidden preference for a third of
them. In every round the first few hits are judged, some wrongly. A bystander has the same memories and never judges.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from keepstone import Memory
from keepstone.protocols import Embedder
from keepstone.testing import InMemoryStore

BYSTANDER = "bystander"
# Each answers its question about as well as the others.
MATTERS = {
    "en": (
        "Where could I have lunch?",
        "I had lunch at {}, near the office.",
        "Alder Bluebell Cedar Daisy Elder Fern Gorse Hazel Iris Juniper Laurel Maple".split(),
    ),
    "zh": (
        "我中午可以去哪里吃饭？",
        "我中午在{}吃过饭，离公司不远。",
        "松园 竹园 梅园 兰园 菊园 荷园 桂园 桃园 李园 杏园 枫园 柳园".split(),
    ),
}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Mean rank of the memories that a user likes, after each round (the first is before any feedback).

    `moved` counts the hits of the bystander that stand elsewhere at the end, `highest` the largest share that
    feedback added to a rank.
    """

    ranks: tuple[float, ...]
    moved: int
    highest: float


def simulate(
    language: str, *, rounds: int, shown: int, noise: float, seed: int, embedder: Embedder | str | None = None
) -> Outcome:
    """Return what became of the memories of one user."""
    question, pattern, names = MATTERS[language]
    chance = random.Random(seed)
    liked = set(chance.sample(names, len(names) // 3))
    texts = [pattern.format(name) for name in chance.sample(names, len(names))]
    wanted = {pattern.format(name) for name in liked}
    with Memory(store=InMemoryStore(), embedder=embedder) as memory:
        for user in ("judge", BYSTANDER):
            memory.add([{"content": text} for text in texts], user_id=user)

        def found(user: str) -> list[str]:
            return [hit.text for hit in memory.search(question, user_id=user, limit=len(names))]

        before = found(BYSTANDER)
        ranks = [_mean_rank(found("judge"), wanted)]
        for _ in range(rounds):
            for hit in memory.search(question, user_id="judge", limit=shown):
                likes = (hit.text in wanted) != (chance.random() < noise)
                memory.feedback(hit.id, "positive" if likes else "negative", user_id="judge")
            ranks.append(_mean_rank(found("judge"), wanted))
        hits = memory.search(question, user_id="judge", limit=len(names), explain=True)
        added = [
            abs(s.contribution) for h in hits if h.explanation for s in h.explanation.signals if s.name == "strength"
        ]
        moved = sum(a != b for a, b in zip(before, found(BYSTANDER), strict=True))
    return Outcome(ranks=tuple(ranks), moved=moved, highest=max(added, default=0.0))


def _mean_rank(texts: Sequence[str], wanted: set[str]) -> float:
    return statistics.fmean(place for place, text in enumerate(texts, 1) if text in wanted)


def main() -> None:
    """Print the mean rank round by round, over all users of a language."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--shown", type=int, default=4)
    parser.add_argument("--noise", type=float, default=0.1)
    parser.add_argument("--users", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    for language in MATTERS:
        outcomes = [
            simulate(language, rounds=given.rounds, shown=given.shown, noise=given.noise, seed=given.seed + user)
            for user in range(given.users)
        ]
        rounds = zip(*(o.ranks for o in outcomes), strict=True)
        print(
            f"{language}  mean rank of {given.users} users: " + "  ".join(f"{statistics.fmean(r):.2f}" for r in rounds)
        )
        print(
            f"    hits of bystanders that moved: {sum(o.moved for o in outcomes)}; "
            f"most that feedback added or took: {max(o.highest for o in outcomes):.2f}"
        )


if __name__ == "__main__":
    main()
