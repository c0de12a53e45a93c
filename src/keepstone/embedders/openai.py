"""Embeddings from any OpenAI-compatible endpoint."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from typing import Any, Literal

from keepstone.contract import EmbedderKey, Vector
from keepstone.errors import BadReplyError, ConfigError
from keepstone.transport import OpenAITransport

KNOWN_DIMENSIONS = {
    "text-embedding-3-small": 1536,
    "text-embedding-3-large": 3072,
    "text-embedding-ada-002": 1536,
}


class OpenAIEmbedder:
    """Vectors of *model* from an endpoint that speaks OpenAI's `/embeddings`.

    *dimensions* is sent along if given; else the model's own is used, and for a model not known here it is learned
    from the first reply. Texts go *batch* to a request, a few requests at a time.
    """

    def __init__(
        self,
        model: str,
        *,
        api_key: str | None,
        base_url: str | None = None,
        dimensions: int | None = None,
        batch: int = 256,
        timeout_seconds: float = 60.0,
        attempts: int = 5,
    ) -> None:
        self._model = model
        self._asked = dimensions
        self._dimensions = dimensions or KNOWN_DIMENSIONS.get(model)
        self._batch = batch
        self._transport = OpenAITransport(
            api_key=api_key, base_url=base_url, timeout_seconds=timeout_seconds, attempts=attempts
        )

    @property
    def key(self) -> EmbedderKey:
        """The space of its vectors; of an unknown model only after the first embedding.

        Raises:
            ConfigError: the dimension is not known yet.
        """
        if self._dimensions is None:
            raise ConfigError(f"The dimension of {self._model} is not known before its first use; give dimensions=.")
        return EmbedderKey(name=f"openai/{self._model}", dimensions=self._dimensions)

    async def embed(self, texts: Sequence[str], kind: Literal["query", "document"]) -> list[Vector]:
        """Return one unit vector a text.

        Raises:
            ProviderError: the endpoint failed after its retries, or answered something else than vectors.
        """
        chunks = [list(texts[i : i + self._batch]) for i in range(0, len(texts), self._batch)]
        gate = asyncio.Semaphore(4)

        async def one(chunk: list[str]) -> list[Vector]:
            async with gate:
                return await self._request(chunk)

        requests = [asyncio.ensure_future(one(c)) for c in chunks]
        try:
            return [v for part in await asyncio.gather(*requests) for v in part]
        finally:
            # When one has failed, the others need not go on.
            for request in requests:
                request.cancel()

    async def close(self) -> None:
        """Close the connections of the running loop."""
        await self._transport.close()

    async def _request(self, texts: list[str]) -> list[Vector]:
        body: dict[str, Any] = {"model": self._model, "input": texts, "encoding_format": "float"}
        if self._asked is not None:
            body["dimensions"] = self._asked
        reply = await self._transport.post("/embeddings", body)
        try:
            rows = sorted(reply["data"], key=lambda r: r["index"])
            places = [r["index"] for r in rows]
            vectors = [self._checked([float(x) for x in r["embedding"]]) for r in rows]
        except (KeyError, TypeError, ValueError) as error:
            raise BadReplyError("openai", "the reply is not a list of embeddings", retryable=False) from error
        if places != list(range(len(texts))):
            raise BadReplyError("openai", f"{len(texts)} texts, {len(vectors)} vectors", retryable=False)
        return vectors

    def _checked(self, vector: list[float]) -> Vector:
        if self._dimensions is None:
            self._dimensions = len(vector)
        if len(vector) != self._dimensions:
            message = f"{self._model} gave {len(vector)} dimensions, not {self._dimensions}"
            raise BadReplyError("openai", message, retryable=False)
        length = math.sqrt(sum(x * x for x in vector))
        if not math.isfinite(length) or length == 0:
            raise BadReplyError("openai", "a vector is not finite", retryable=False)
        return [x / length for x in vector]
