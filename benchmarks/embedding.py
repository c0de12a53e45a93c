"""Measures what one text costs with the local embedder: CPU milliseconds, single and in a call of a hundred.

    python -m benchmarks.embedding

Texts of about 28 tokens; medians over 50 single texts, one call of 100.
"""

from __future__ import annotations

import asyncio
import statistics
import time

from keepstone.embedders.local import LocalEmbedder
from keepstone.logic.text import estimate_tokens

TEXT = (
    "Number {}: my sister moved to the coast last spring and opened a small bakery near the old station with friends."
)


async def measure() -> None:
    """Print the figures."""
    embedder = LocalEmbedder()
    texts = [TEXT.format(i) for i in range(100)]
    await embedder.embed(texts[:1], "document")
    single = []
    for text in texts[:50]:
        cpu, wall = time.process_time(), time.perf_counter()
        await embedder.embed([text], "document")
        single.append((time.process_time() - cpu, time.perf_counter() - wall))
    cpu, wall = time.process_time(), time.perf_counter()
    await embedder.embed(texts, "document")
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    print(f"tokens a text, estimated: {estimate_tokens(texts[0])}")
    print(
        f"one text: {1000 * statistics.median(c for c, _ in single):.1f} ms CPU, "
        f"{1000 * statistics.median(w for _, w in single):.1f} ms wall"
    )
    print(f"a text in a call of 100: {10 * cpu:.1f} ms CPU, {10 * wall:.1f} ms wall")


if __name__ == "__main__":
    asyncio.run(measure())
