"""An embedder for tests: words hashed into a vector. Deterministic, offline, instant, and not clever."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import Literal

from keepstone.contract import EmbedderKey, Vector
from keepstone.logic.text import tokens


class HashingEmbedder:
    """Texts that share words get close vectors; nothing else does.

    Feature hashing with signs after Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", 2009.
    `calls` and `texts` count what it was asked for.
    """

    def __init__(self, dimensions: int = 256) -> None:
        self._key = EmbedderKey(name="hashing", dimensions=dimensions)
        self.calls = 0
        self.texts = 0

    @property
    def key(self) -> EmbedderKey:
        """The space of its vectors."""
        return self._key

    async def embed(self, texts: Sequence[str], kind: Literal["query", "document"]) -> list[Vector]:
        """Return one unit vector a text."""
        self.calls += 1
        self.texts += len(texts)
        return [self._vector(t) for t in texts]

    def _vector(self, text: str) -> Vector:
        vector = [0.0] * self._key.dimensions
        for token in tokens(text) or [text]:
            number = int.from_bytes(hashlib.blake2b(token.encode(), digest_size=8).digest(), "big")
            vector[number % self._key.dimensions] += 1.0 if number >> 63 else -1.0
        length = math.sqrt(sum(x * x for x in vector))
        if length == 0:
            vector[0] = length = 1.0
        return [x / length for x in vector]
