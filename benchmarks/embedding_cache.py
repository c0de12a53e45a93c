"""An embedder that keeps its vectors on disk, so that a second measurement does not embed anything again.

Vectors are kept as float32, exactly as the embedder gave them, under a digest of the text, its kind and the vector
space; nothing of the text itself is kept. Several processes may use one file at a time.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import apsw
import numpy as np
import numpy.typing as npt
import platformdirs

from keepstone.contract import EmbedderKey, Vector
from keepstone.protocols import Embedder

Floats = npt.NDArray[np.float32]

FOLDER_VARIABLE = "KEEPSTONE_BENCH_CACHE"
CHUNK = 128


def cache_folder() -> Path:
    """Return the folder of the cache: `KEEPSTONE_BENCH_CACHE`, else the platform's folder for caches."""
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named) if named else Path(platformdirs.user_cache_dir("keepstone-bench", appauthor=False))


class CachedEmbedder:
    """Asks *inner* only for texts that the file does not have; `made` counts them, `wanted` all of them."""

    def __init__(self, inner: Embedder, path: Path | None = None) -> None:
        self._inner = inner
        self._path = path or cache_folder() / "vectors.db"
        self._lock = threading.Lock()
        self._connection: apsw.Connection | None = None
        self.made = 0
        self.wanted = 0

    @property
    def key(self) -> EmbedderKey:
        """The space of its vectors, which is that of *inner*."""
        return self._inner.key

    async def embed(self, texts: Sequence[str], kind: Literal["query", "document"]) -> list[Vector]:
        """Return one unit vector a text, as *inner* does."""
        digests = [self._digest(t, kind) for t in texts]
        known = self._read(digests)
        missing = {d: t for d, t in zip(digests, texts, strict=True) if d not in known}
        self.wanted += len(texts)
        self.made += len(missing)
        order = list(missing)
        # In chunks, each kept at once: a run that is stopped has lost little.
        for start in range(0, len(order), CHUNK):
            part = order[start : start + CHUNK]
            vectors = await self._inner.embed([missing[d] for d in part], kind)
            fresh = {d: np.asarray(v, dtype=np.float32) for d, v in zip(part, vectors, strict=True)}
            self._write(fresh)
            known.update(fresh)
        vectors_of: list[Any] = [known[d] for d in digests]
        return vectors_of

    def _digest(self, text: str, kind: str) -> bytes:
        key = self._inner.key
        parts = (key.name, key.version, str(key.dimensions), kind, text)
        return hashlib.sha256("\x00".join(parts).encode()).digest()

    def _open(self) -> apsw.Connection:
        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = apsw.Connection(str(self._path))
            self._connection.set_busy_timeout(60_000)
            self._connection.pragma("journal_mode", "wal")
            # A cache: what a power cut takes is made again.
            self._connection.pragma("synchronous", 1)
            self._connection.execute("CREATE TABLE IF NOT EXISTS vectors(digest BLOB PRIMARY KEY, vector BLOB) STRICT")
        return self._connection

    def _read(self, digests: Sequence[bytes]) -> dict[bytes, Floats]:
        found: dict[bytes, Floats] = {}
        with self._lock:
            connection = self._open()
            for digest in digests:
                row = connection.execute("SELECT vector FROM vectors WHERE digest = ?", (digest,)).fetchone()
                if row is not None:
                    found[digest] = np.frombuffer(row[0], dtype=np.float32)
        return found

    def _write(self, vectors: Mapping[bytes, Floats]) -> None:
        with self._lock:
            connection = self._open()
            with connection:
                rows = [(d, v.tobytes()) for d, v in vectors.items()]
                connection.executemany("INSERT OR IGNORE INTO vectors VALUES (?, ?)", rows)
