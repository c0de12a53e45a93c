"""Vectors as an embedder answers them: checked before anything is made of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from keepstone.contract import EmbedderKey, Vector
from keepstone.errors import BadReplyError


def checked(vectors: Sequence[Vector], texts: int, space: EmbedderKey) -> Sequence[Vector]:
    """Return *vectors* if there is one for each of so many *texts*, all finite and of the dimension of *space*.

    Raises:
        BadReplyError: they are not; an index would keep such a vector and never find its text again.
    """
    if len(vectors) != texts:
        raise BadReplyError(space.name, f"{texts} texts, {len(vectors)} vectors", retryable=False)
    for vector in vectors:
        if len(vector) != space.dimensions:
            message = f"a vector of {len(vector)} dimensions, not {space.dimensions}"
            raise BadReplyError(space.name, message, retryable=False)
        # A sum is finite only if all of it is; an array adds itself up a good deal faster than `sum` does.
        total = vector.sum() if hasattr(vector, "sum") else sum(vector)
        if not math.isfinite(total):
            raise BadReplyError(space.name, "a vector is not finite", retryable=False)
    return vectors
