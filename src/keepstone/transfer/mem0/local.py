"""Mem0's default store: a folder of Qdrant collections, and a SQLite file with the history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keepstone.errors import InvalidRequestError
from keepstone.transfer.formats import Skipped
from keepstone.transfer.mem0.pickles import read_point
from keepstone.transfer.mem0.records import OWN_KEYS, Remembered, remembered, versions

if TYPE_CHECKING:
    import sqlite3

Read = Remembered | Skipped
History = Mapping[str, list[dict[str, Any]]]

_POINTS = "storage.sqlite"
_HISTORY = "history.db"
# How far below the folder a collection may lie: FOLDER/qdrant/collection/NAME/storage.sqlite.
_DEPTHS = ("", "*/", "*/*/", "*/*/*/")
_COLUMNS = ("memory_id", "old_memory", "new_memory", "event", "created_at", "updated_at")


def read_folder(path: str | Path, history: str | Path | None = None) -> list[Read]:
    """Return the memories under *path*, in the order of their making, and what is left out.

    *path* is Mem0's folder, that of its vectors, or a collection in it. *history* is its history file, by default
    `history.db` in or beside the folder, if it is there. The files are only read.

    Raises:
        InvalidRequestError: there is no collection, or a file cannot be understood.
    """
    folder = Path(path).expanduser()
    files = sorted({f for depth in _DEPTHS for f in folder.glob(f"{depth}{_POINTS}")})
    if not files:
        raise InvalidRequestError(f"There is no collection of Qdrant ({_POINTS}) in {folder} or below it.")
    changes = _history(_history_file(folder, history))
    found: list[Read] = [r for file in files for r in _points(file, changes)]
    there = {r.id for r in found if isinstance(r, Remembered)}
    found += [Skipped("deleted memory") for id in changes if id not in there]
    return sorted(found, key=lambda r: _when(r))


def _when(read: Read) -> str:
    at = read.created_at if isinstance(read, Remembered) else None
    return "" if at is None else at.isoformat()


def _history_file(folder: Path, given: str | Path | None) -> Path | None:
    if given is not None:
        file = Path(given).expanduser()
        if not file.is_file():
            raise InvalidRequestError(f"There is no file {file}.")
        return file
    return next((f for f in (folder / _HISTORY, folder.parent / _HISTORY) if f.is_file()), None)


def _points(file: Path, changes: History) -> Iterator[Read]:
    seen: set[str] = set()
    with closing(_opened(file)) as db:
        # A point may stand in several rows; the last one written counts.
        for rowid, raw in db.execute("SELECT rowid, point FROM points ORDER BY rowid DESC"):
            place = f"{file.parent.name}, point {rowid}"
            id, payload = read_point(bytes(raw), place)
            if id not in seen:
                seen.add(id)
                yield _memory(id, payload, changes.get(id, []), place)


def _memory(id: str, payload: Mapping[str, Any], history: list[dict[str, Any]], place: str) -> Read:
    text = payload.get("data")
    if "entity_type" in payload:
        return Skipped("entity of Mem0's own")
    if not isinstance(text, str) or not text.strip():
        return Skipped("point without text")
    metadata = {k: v for k, v in payload.items() if k not in OWN_KEYS}
    if isinstance(payload.get("metadata"), Mapping):
        metadata.update(payload["metadata"])
    return remembered({**payload, "id": id}, metadata, versions(history, text), place)


def _history(file: Path | None) -> History:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    if file is None:
        return found
    with closing(_opened(file)) as db:
        rows = db.execute(f"SELECT {', '.join(_COLUMNS)} FROM history ORDER BY rowid")
        for values in rows:
            row = dict(zip(_COLUMNS, values, strict=True))
            if row["memory_id"]:
                found[str(row["memory_id"])].append(row)
    return found


def _opened(file: Path) -> sqlite3.Connection:
    import sqlite3

    try:
        db = sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True)
        db.execute("SELECT name FROM sqlite_master").fetchall()
    except sqlite3.Error as error:
        raise InvalidRequestError(f"{file} cannot be read as a SQLite file: {error}.") from error
    return db
