"""The work of the speed benchmark, the same for every product: texts, vectors, steps, and how they are timed.

Only the standard library and numpy: it also runs in the environment of the other product.
"""

from __future__ import annotations

import hashlib
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")
Floats = npt.NDArray[np.float32]

DIMENSIONS = 384
CATEGORIES = 7
TOPICS = (
    "coffee tea hiking Berlin Tokyo dog cat guitar piano vegan pasta marathon Python Rust doctor nurse "
    "Monday spring blue quiet morning train garden novel cinema chess allergy peanut sister office"
).split()
FILL_CHUNK = 500
ADDS = 100
BATCH = 100
BATCHES = 5


def text(number: int) -> str:
    """Return text *number*: ten topics drawn by the digest of the number."""
    digest = hashlib.md5(str(number).encode()).digest()
    return f"fact {number}: " + " ".join(TOPICS[byte % len(TOPICS)] for byte in digest[:10])


def vector(of: str) -> Floats:
    """Return the unit vector that stands for a text: random, seeded by the text's digest."""
    seed = int.from_bytes(hashlib.sha256(of.encode()).digest()[:8], "little")
    drawn = np.random.default_rng(seed).standard_normal(DIMENSIONS)
    return (drawn / np.linalg.norm(drawn)).astype(np.float32)


def query(number: int) -> str:
    """Return question *number*."""
    return f"query {number} coffee Berlin"


class Side(Protocol):
    """One product with an open store, driven through its public API."""

    def fill(self, numbers: Iterable[int], users: int) -> None:
        """Store the texts of *numbers*, in bulk, text i for user `u{i % users}` with category i % 7."""
        ...

    def add(self, number: int, user: str) -> None:
        """Store one text, durably."""
        ...

    def add_many(self, texts: Sequence[str], user: str) -> None:
        """Store several messages in one call."""
        ...

    def search(self, question: str, user: str, *, filtered: bool) -> int:
        """Return the number of hits among the first ten; *filtered* wants category 1 or 2."""
        ...

    def first_page(self, user: str) -> int:
        """Return the number of memories on the first page of 20."""
        ...

    def delete_all(self, user: str) -> None:
        """Remove all memories of *user*."""
        ...

    def close(self) -> None:
        """Release everything."""
        ...


class Samples:
    """CPU and wall times of single operations; CPU is of the whole process, all threads."""

    def __init__(self) -> None:
        self.cpu: list[float] = []
        self.wall: list[float] = []

    def time(self, operation: Callable[[], T]) -> T:
        """Carry out *operation*, note its times and return its result."""
        cpu, wall = time.process_time(), time.perf_counter()
        result = operation()
        self.wall.append(time.perf_counter() - wall)
        self.cpu.append(time.process_time() - cpu)
        return result

    def summary(self) -> dict[str, Any]:
        """Return medians and 95th percentiles in milliseconds."""
        return {
            "n": len(self.cpu),
            "cpu_ms": _milliseconds(statistics.median(self.cpu)),
            "wall_ms": _milliseconds(statistics.median(self.wall)),
            "cpu_p95_ms": _milliseconds(percentile(self.cpu, 0.95)),
            "wall_p95_ms": _milliseconds(percentile(self.wall, 0.95)),
        }


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that *share* of *values* do not exceed, by nearest rank."""
    ordered = sorted(values)
    return ordered[round(share * (len(ordered) - 1))]


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 4)


def run(side: Side, count: int, users: int, queries: int) -> dict[str, dict[str, Any]]:
    """Fill an empty store with *count* texts and time every kind of work on it."""
    results: dict[str, dict[str, Any]] = {}
    adds = min(ADDS, count // 2)
    filling = Samples()
    filling.time(lambda: side.fill(range(count - adds), users))
    results["fill"] = filling.summary()
    single = Samples()
    for number in range(count - adds, count):
        single.time(lambda n=number: side.add(n, f"u{n % users}"))  # type: ignore[misc]
    results["add"] = single.summary()
    results["search_first"] = _searches(side, range(min(users, queries)), users, filtered=False)
    results["search"] = _searches(side, range(queries), users, filtered=False)
    results["search_in_first"] = _searches(side, range(min(users, queries)), users, filtered=True)
    results["search_in"] = _searches(side, range(queries), users, filtered=True)
    pages = Samples()
    for number in range(max(5, queries // 2)):
        hits = pages.time(lambda n=number: side.first_page(f"u{n % users}"))  # type: ignore[misc]
    results["first_page"] = {**pages.summary(), "hits": hits}
    results["search_after_add"] = _searches_between_adds(side, count, users, min(10, queries))
    many = Samples()
    for number in range(BATCHES):
        texts = [f"message {i} of batch {number}, one hundred in one call" for i in range(BATCH)]
        many.time(lambda t=texts: side.add_many(t, "u0"))  # type: ignore[misc]
    results["add_100"] = many.summary()
    return results


def run_delete(side: Side, count: int) -> dict[str, dict[str, Any]]:
    """Fill an empty store with *count* texts of one user and time their deletion."""
    side.fill(range(count), 1)
    removal = Samples()
    removal.time(lambda: side.delete_all("u0"))
    return {"delete_all": removal.summary()}


def run_reopen(opening: Callable[[], Side], users: int) -> dict[str, dict[str, Any]]:
    """Time the opening of a filled store in a fresh process together with the first search."""
    both = Samples()

    def first() -> Side:
        side = opening()
        side.search(query(0), "u1" if users > 1 else "u0", filtered=False)
        return side

    both.time(first).close()
    return {"reopen": both.summary()}


def _searches(side: Side, numbers: Iterable[int], users: int, *, filtered: bool) -> dict[str, Any]:
    samples, hits = Samples(), []
    for number in numbers:
        found = samples.time(lambda n=number: side.search(query(n), f"u{n % users}", filtered=filtered))  # type: ignore[misc]
        hits.append(found)
    return {**samples.summary(), "hits": statistics.median(hits)}


def _searches_between_adds(side: Side, count: int, users: int, queries: int) -> dict[str, Any]:
    samples = Samples()
    for number in range(queries):
        user = f"u{number % users}"
        side.add(count + number, user)
        samples.time(lambda n=number, u=user: side.search(query(n), u, filtered=False))  # type: ignore[misc]
    return samples.summary()
