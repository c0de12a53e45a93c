"""Keepstone's side of the speed benchmark: the blocking `Memory`, through its public verbs.

    python -m benchmarks.speed_keepstone run|delete|reopen --folder DIR [--count 50000] [--users 1] [--queries 20]

Prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks import workload
from benchmarks.stub import StubEmbedder
from keepstone import Memory


class KeepstoneSide:
    """A store in one SQLite file, as `Memory(path)` makes it."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._memory = Memory(folder / "memory.db", embedder=StubEmbedder())

    def fill(self, numbers: Iterable[int], users: int) -> None:
        by_user: dict[int, list[dict[str, object]]] = {}
        for number in numbers:
            message: dict[str, object] = {"content": workload.text(number)}
            message["metadata"] = {"cat": number % workload.CATEGORIES}
            by_user.setdefault(number % users, []).append(message)
        for user, messages in by_user.items():
            for start in range(0, len(messages), workload.FILL_CHUNK):
                self._memory.add(messages[start : start + workload.FILL_CHUNK], user_id=f"u{user}")

    def add(self, number: int, user: str) -> None:
        self._memory.add(workload.text(number), user_id=user, metadata={"cat": number % workload.CATEGORIES})

    def add_many(self, texts: Sequence[str], user: str) -> None:
        self._memory.add([{"role": "user", "content": t} for t in texts], user_id=user)

    def search(self, question: str, user: str, *, filtered: bool) -> int:
        where = {"cat": {"in": [1, 2]}} if filtered else None
        return len(self._memory.search(question, user_id=user, limit=10, filters=where))

    def first_page(self, user: str) -> int:
        return len(self._memory.get_all(user_id=user, limit=20).items)

    def delete_all(self, user: str) -> None:
        self._memory.delete_all(user_id=user)

    def close(self) -> None:
        self._memory.close()


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("work", choices=["run", "delete", "reopen"])
    arguments.add_argument("--folder", type=Path, required=True)
    arguments.add_argument("--count", type=int, default=50_000)
    arguments.add_argument("--users", type=int, default=1)
    arguments.add_argument("--queries", type=int, default=20)
    given = arguments.parse_args()
    if given.work == "reopen":
        results = workload.run_reopen(lambda: KeepstoneSide(given.folder), given.users)
    else:
        side = KeepstoneSide(given.folder)
        if given.work == "run":
            results = workload.run(side, given.count, given.users, given.queries)
        else:
            results = workload.run_delete(side, given.count)
        side.close()
    print(json.dumps({"results": results, "load": os.getloadavg()}))


if __name__ == "__main__":
    main()
