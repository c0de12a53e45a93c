"""Mem0's side of the speed benchmark, run by the Python that has mem0ai.

    python -m benchmarks.speed_peer SCRIPT run|delete|reopen --folder DIR [--count 50000] [--users 1] [--queries 20]

SCRIPT is peer_mem0.py, which opens Mem0's default embedded store with a stub embedder and without telemetry, and
fills it in bulk. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import workload


class PeerSide:
    """Mem0's `Memory` over its own vector store and history."""

    def __init__(self, script: Path, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        os.environ["MEM0_DIR"] = str(folder / "home")
        self._script: Any = _load(script)
        self._memory: Any = self._script.open_memory(str(folder))

    def fill(self, numbers: Iterable[int], users: int) -> None:
        wanted = list(numbers)
        self._script.bulk_fill(self._memory, wanted[0], wanted[-1] + 1, users)

    def add(self, number: int, user: str) -> None:
        metadata = {"cat": number % workload.CATEGORIES}
        self._memory.add(workload.text(number), user_id=user, infer=False, metadata=metadata)

    def add_many(self, texts: Sequence[str], user: str) -> None:
        self._memory.add([{"role": "user", "content": t} for t in texts], user_id=user, infer=False)

    def search(self, question: str, user: str, *, filtered: bool) -> int:
        filters = {"user_id": user, "cat": {"in": [1, 2]}} if filtered else {"user_id": user}
        return len(self._memory.search(question, filters=filters, top_k=10, threshold=0.0)["results"])

    def first_page(self, user: str) -> int:
        return len(self._memory.get_all(filters={"user_id": user}, top_k=20)["results"])

    def delete_all(self, user: str) -> None:
        self._memory.delete_all(user_id=user)

    def close(self) -> None:
        self._memory.close()
        self._memory.vector_store.client.close()


def _load(script: Path) -> Any:
    spec = importlib.util.spec_from_file_location("peer_script", script)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{script} is not a Python script.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if module.text(7) != workload.text(7) or abs(sum(module.StubEmbedder().embed("x") - workload.vector("x"))) > 1e-5:
        raise SystemExit(f"{script} makes other texts or vectors than benchmarks/workload.py.")
    return module


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("script", type=Path)
    arguments.add_argument("work", choices=["run", "delete", "reopen"])
    arguments.add_argument("--folder", type=Path, required=True)
    arguments.add_argument("--count", type=int, default=50_000)
    arguments.add_argument("--users", type=int, default=1)
    arguments.add_argument("--queries", type=int, default=20)
    given = arguments.parse_args()
    if given.work == "reopen":
        importlib.import_module("mem0")  # imports are measured apart
        results = workload.run_reopen(lambda: PeerSide(given.script, given.folder), given.users)
    else:
        side = PeerSide(given.script, given.folder)
        if given.work == "run":
            results = workload.run(side, given.count, given.users, given.queries)
        else:
            results = workload.run_delete(side, given.count)
        side.close()
    print(json.dumps({"results": results, "load": os.getloadavg()}))


if __name__ == "__main__":
    main()
