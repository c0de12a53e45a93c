"""An embedder that costs next to nothing, so that a benchmark measures the store and not a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from benchmarks.workload import DIMENSIONS, vector
from keepstone.contract import EmbedderKey, Vector


class StubEmbedder:
    """Random unit vectors, seeded by the text."""

    key = EmbedderKey(name="stub", dimensions=DIMENSIONS)

    async def embed(self, texts: Sequence[str], kind: Literal["query", "document"]) -> list[Vector]:
        """Return one unit vector a text."""
        return [vector(t) for t in texts]  # type: ignore[misc]
