"""Measures a large store under a bounded cache, and what the cost of a search depends on.

    python -m benchmarks.scale --memories 1000000 --users 1000 --keep DIR [--seconds 500]
    python -m benchmarks.scale --scopes 1000,10000,100000 --keep DIR [--seconds 500]

The first form fills a store of equal users, the second one of a user for each size. Filling goes on where it was
stopped (by --seconds) when the command is given again with the same folder; once the store is full, a fresh process
opens it and measures: opening, the first search in each of some scopes (cold: its index is not in the cache), the
last of these scopes again (warm), memory in use, and bytes on disk. A search includes the stub embedder (0.03 ms).
Texts have about 25 tokens of 20,000 made-up words, as frequent as words are; the vectors are random.

Run the first form with several numbers of memories and the same number for each user to see that the cost of a
search does not grow with the store.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.stub import StubEmbedder
from benchmarks.workload import Samples
from keepstone import Memory
from keepstone.logic.text import estimate_tokens
from keepstone.stores.sqlite import SqliteStore

CHUNK = 1_000
TOKENS = 25
VOCABULARY = 20_000
SEARCHED = 200
WARM = 50
LIMIT = 10


class Texts:
    """Made-up texts of about 25 tokens; the frequencies of their words follow Zipf's law."""

    def __init__(self) -> None:
        syllables = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "er", "il")]
        drawn = np.random.default_rng(7)
        parts = drawn.integers(len(syllables), size=(VOCABULARY, 3))
        self._words = ["".join(syllables[i] for i in row[: 2 + row[0] % 2]) for row in parts]
        weights = 1 / (np.arange(VOCABULARY) + 2.7)
        self._cumulated = np.cumsum(weights / weights.sum())

    def many(self, seed: int, count: int) -> list[str]:
        """Return *count* texts."""
        drawn = np.random.default_rng(seed).random((count, TOKENS))
        numbers = np.searchsorted(self._cumulated, drawn).clip(max=VOCABULARY - 1)
        return [self._text([self._words[i] for i in row]) for row in numbers.tolist()]

    def query(self, seed: int) -> str:
        """Return a query of six words."""
        return " ".join(self.many(1_000_000_000 + seed, 1)[0].split()[:6])

    def _text(self, words: list[str]) -> str:
        size = 0
        for count, word in enumerate(words):
            size += len(word) + 1
            if size >= 4 * TOKENS:
                return " ".join(words[: count + 1])
        return " ".join(words)


@dataclass(frozen=True, slots=True)
class Plan:
    """Which users there are, and how many memories each has."""

    sizes: tuple[int, ...]

    @property
    def total(self) -> int:
        """All memories of the store."""
        return sum(self.sizes)

    def chunks(self) -> Iterator[tuple[int, int]]:
        """Yield user and number of memories of each call of `add`."""
        for user, size in enumerate(self.sizes):
            for start in range(0, size, CHUNK):
                yield user, min(CHUNK, size - start)


def opened(folder: Path, cache_megabytes: int) -> Memory:
    """Return a memory over the store in *folder* with a bounded cache."""
    store = SqliteStore(folder / "memory.db", cache_bytes=cache_megabytes * 1_000_000)
    return Memory(store=store, embedder=StubEmbedder())


def fill(folder: Path, plan: Plan, cache_megabytes: int, seconds: float) -> bool:
    """Fill the store from where an earlier call stopped; return whether it is full."""
    progress = folder / "progress.json"
    done: dict[str, float] = {"chunks": 0, "cpu": 0.0, "wall": 0.0}
    if progress.exists():
        done = json.loads(progress.read_text(encoding="utf-8"))
    texts, start, cpu = Texts(), time.perf_counter(), time.process_time()
    with opened(folder, cache_megabytes) as memory:
        for number, (user, count) in enumerate(plan.chunks()):
            if number < done["chunks"]:
                continue
            if time.perf_counter() - start > seconds:
                return False
            said = [{"content": t} for t in texts.many(number, count)]
            # A chunk that was stored just before a stop is not stored twice.
            memory.add(said, user_id=f"u{user}", idempotency_key=f"chunk {number}")
            spent = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - start}
            state = {"chunks": number + 1, **{k: done[k] + v for k, v in spent.items()}}
            progress.write_text(json.dumps(state), encoding="utf-8")
    return True


def measure(folder: Path, plan: Plan, cache_megabytes: int) -> dict[str, Any]:
    """Open a full store and measure it; to be called in a fresh process."""
    texts, opening = Texts(), Samples()
    memory = opened(folder, cache_megabytes)
    opening.time(memory.__enter__)
    results: dict[str, Any] = {"memories": plan.total, "users": len(plan.sizes), "open": opening.summary()}
    results["rss_open_mb"] = resident("VmRSS")
    equal = len(set(plan.sizes)) == 1
    if equal:
        step = max(1, len(plan.sizes) // SEARCHED)
        users = list(range(0, len(plan.sizes), step))[:SEARCHED]
        results.update(searches(memory, texts, users, users[-WARM:]))
    else:
        for user, size in enumerate(plan.sizes):
            found = searches(memory, texts, [user], [user] * WARM)
            results.update({f"{size} {name}": value for name, value in found.items()})
    results |= {"rss_mb": resident("VmRSS"), "peak_mb": resident("VmHWM"), "load": os.getloadavg()}
    memory.close()
    size_on_disk = sum(f.stat().st_size for f in folder.iterdir() if f.name.startswith("memory.db"))
    results["bytes_per_memory"] = round(size_on_disk / plan.total)
    results["tokens"] = round(float(np.mean([estimate_tokens(t) for t in texts.many(0, CHUNK)])), 1)
    progress = json.loads((folder / "progress.json").read_text(encoding="utf-8"))
    results["fill"] = {k: round(progress[k], 1) for k in ("cpu", "wall")}
    return results


def searches(memory: Memory, texts: Texts, first: Sequence[int], again: Sequence[int]) -> dict[str, Any]:
    """Time the first search of each user in *first*, then searches of those in *again*, and the stages of these."""
    results: dict[str, Any] = {}
    for name, users, seed in (("cold", first, 0), ("warm", again, 100_000)):
        samples, stages = Samples(), []
        for user, question in [(u, texts.query(seed + n)) for n, u in enumerate(users)]:
            owner = f"u{user}"
            samples.time(lambda q=question, u=owner: memory.search(q, user_id=u, limit=LIMIT))  # type: ignore[misc]
            hits = memory.search(question, user_id=owner, limit=LIMIT, explain=True) if name == "warm" else []
            stages += [h.explanation.timings_ms for h in hits[:1] if h.explanation is not None]
        results[name] = samples.summary()
    results["stages_wall_ms"] = {k: round(statistics.median(s[k] for s in stages), 3) for k in stages[0]}
    return results


def resident(what: str) -> float:
    """Return a field of the kernel's account of this process's memory, in megabytes; 0 where there is none."""
    status = Path("/proc/self/status")
    lines = status.read_text(encoding="ascii").splitlines() if status.exists() else []
    return next((round(int(line.split()[1]) / 1000, 1) for line in lines if line.startswith(f"{what}:")), 0.0)


def table(results: Mapping[str, Any]) -> list[str]:
    """Return the measurements as markdown."""
    lines = ["| what | CPU p50 ms | CPU p95 | wall p50 | wall p95 |", "|---|---|---|---|---|"]
    for name, value in results.items():
        if isinstance(value, dict) and "cpu_ms" in value:
            cells = (value[k] for k in ("cpu_ms", "cpu_p95_ms", "wall_ms", "wall_p95_ms"))
            lines.append(f"| {name} (n = {value['n']}) | " + " | ".join(f"{c:.2f}" for c in cells) + " |")
    lines += ["", *(f"- {k}: {v}" for k, v in results.items() if not (isinstance(v, dict) and "cpu_ms" in v))]
    return lines


def parsed() -> argparse.Namespace:
    """Return the command line's arguments."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--memories", type=int, default=1_000_000)
    arguments.add_argument("--users", type=int, default=1_000)
    arguments.add_argument("--scopes", help="sizes of users, instead of equal ones")
    arguments.add_argument("--cache-mb", type=int, default=256)
    arguments.add_argument("--keep", type=Path, help="the folder of the store, which stays (default: a temporary one)")
    arguments.add_argument("--seconds", type=float, default=math.inf, help="stop filling after this time")
    arguments.add_argument("--json", type=Path, help="keep the measurements in this file")
    arguments.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    return arguments.parse_args()


def main() -> None:
    given = parsed()
    sizes = [int(s) for s in given.scopes.split(",")] if given.scopes else [given.memories // given.users] * given.users
    plan = Plan(tuple(sizes))
    if given.measure:
        print(json.dumps(measure(given.keep, plan, given.cache_mb)))
        return
    with tempfile.TemporaryDirectory(prefix="keepstone-scale-") as temporary:
        folder = given.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if not fill(folder, plan, given.cache_mb, given.seconds):
            print("Not full yet: give the same command again to go on.", file=sys.stderr)
            return
        # A fresh process, so that neither the cache nor the memory in use is that of the filling.
        command = [sys.executable, str(Path(__file__)), *sys.argv[1:], "--keep", str(folder), "--measure"]
        results = json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    print("\n".join(table(results)))
    if given.json:
        given.json.write_text(json.dumps(results, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
