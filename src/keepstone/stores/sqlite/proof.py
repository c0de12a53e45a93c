"""The proof of an erase: the bytes of the store's files are searched for pieces of what was erased."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import apsw
import numpy as np

FRAGMENT_CHARS = 24
FRAGMENT_BYTES_MIN = 8
FRAGMENTS_MAX = 20_000
_CHUNK = 1 << 24
_SPREAD = np.uint32(2_654_435_761)

# Everywhere that text of one memory or message can stand in the tables.
_TEXTS = (
    ("messages", ("content", "name", "metadata", "external_id")),
    ("revisions", ("text", "metadata")),
    ("changes", ("reason", "actor", "details")),
    ("memories", ("name", "categories")),
    ("scopes", ("user_id", "agent_id", "app_id", "run_id")),
    ("jobs", ("payload", "error", "reply", "kind", "lane", "dedupe")),
    ("calls", ("model", "purpose", "prompt")),
    ("feedback", ("reason", "actor")),
    ("mentions", ("name", "folded")),
    ("merges", ("reason", "actor")),
    # Ids alone; the payload of a job that is erased has some of the same.
    ("batches", ("outcomes",)),
    ("audit", ("target", "user_id", "agent_id", "app_id", "run_id")),
    ("deliveries", ("user_id", "agent_id", "app_id", "run_id")),
)


def fragments(texts: Iterable[str]) -> list[str]:
    """Return pieces from the start, the middle and the end of each text; of very many texts, an even sample."""
    found: dict[str, None] = {}
    for text in texts:
        middle = max(0, (len(text) - FRAGMENT_CHARS) // 2)
        for start in (0, middle, max(0, len(text) - FRAGMENT_CHARS)):
            piece = text[start : start + FRAGMENT_CHARS]
            if len(piece.encode()) >= FRAGMENT_BYTES_MIN:
                found[piece] = None
    step = -(-len(found) // FRAGMENTS_MAX) or 1
    return list(found)[::step]


def residue(db: apsw.Connection, files: Sequence[Path], wanted: Sequence[str]) -> list[str]:
    """Return the pieces that stand in the files and in no row that is left.

    A piece that other messages hold too proves nothing, and is not counted.
    """
    if not wanted:
        return []
    search = _Search(wanted)
    for file in files:
        for window in _windows(file, search.longest):
            search.look_through(window)
    return [f for f in search.found if not _stands_elsewhere(db, f)]


class _Search:
    """Looks for many pieces at once: a table of hashed beginnings says where a look is worth it."""

    def __init__(self, wanted: Sequence[str]) -> None:
        self.found: set[str] = set()
        self._by_start: dict[bytes, list[tuple[bytes, str]]] = {}
        for piece in wanted:
            needle = piece.encode()
            self._by_start.setdefault(needle[:4], []).append((needle, piece))
        self.longest = max(len(n) for of_start in self._by_start.values() for n, _ in of_start)
        starts = np.frombuffer(b"".join(self._by_start), dtype="<u4")
        self._table = np.zeros(1 << 16, dtype=np.bool_)
        self._table[(starts * _SPREAD) >> np.uint32(16)] = True

    def look_through(self, window: bytes) -> None:
        """Add the pieces that stand in *window* to those found."""
        for shift in range(min(4, max(0, len(window) - 3))):
            words = np.frombuffer(window, dtype="<u4", offset=shift, count=(len(window) - shift) // 4)
            for place in np.flatnonzero(self._table[(words * _SPREAD) >> np.uint32(16)]).tolist():
                at = 4 * place + shift
                for needle, piece in self._by_start.get(window[at : at + 4], ()):
                    if window.startswith(needle, at):
                        self.found.add(piece)


def _windows(file: Path, overlap: int) -> Iterator[bytes]:
    """The bytes of a file in chunks that overlap.

    The main file is read through SQLite's own layer: opening and closing it here would drop the locks that this
    process holds on it (POSIX), and another process could take the WAL away. The shared memory holds no content.
    """
    if not file.exists() or file.name.endswith("-shm"):
        return
    tail = b""
    if file.name.endswith("-wal"):
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                yield tail + chunk
                tail = chunk[-overlap:]
        return
    flags = [apsw.SQLITE_OPEN_MAIN_DB | apsw.SQLITE_OPEN_READONLY, 0]
    opened = apsw.VFSFile("", str(file.resolve()), flags)
    try:
        size = opened.xFileSize()
        for start in range(0, size, _CHUNK):
            chunk = opened.xRead(min(_CHUNK, size - start), start)
            yield tail + chunk
            tail = chunk[-overlap:]
    finally:
        opened.xClose()


def _stands_elsewhere(db: apsw.Connection, fragment: str) -> bool:
    for table, columns in _TEXTS:
        for column in columns:
            sql = f"SELECT 1 FROM {table} WHERE instr({column}, ?) LIMIT 1"
            if next(iter(db.execute(sql, (fragment,))), None) is not None:
                return True
    return False
