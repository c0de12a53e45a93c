"""Memories come over from Mem0's default store and from its REST API, with ids, times, metadata and history."""

import io
import pickle
import sqlite3
import sys
import types
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from keepstone import AsyncMemory
from keepstone.errors import AuthenticationError, InvalidRequestError, LimitError, ProviderError
from keepstone.testing import HashingEmbedder, InMemoryStore
from keepstone.transfer import import_mem0, read_folder, read_server
from keepstone.transfer.mem0 import pickles
from keepstone.transfer.mem0.records import Remembered
from tests.cli.running import answer, run
from tests.server.serving import serving

ID = "6f1c0d3e-8a55-4a4e-9b1f-0a8f3f6f2a1{}"
MODULE = "qdrant_client.http.models.models"


def named(name: str) -> Any:
    return getattr(sys.modules[MODULE], name)


@pytest.fixture(autouse=True)
def classes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Classes with Qdrant's names, so that pickles can name them."""
    module = types.ModuleType(MODULE)
    for name in ("PointStruct", "SparseVector"):
        setattr(module, name, type(name, (), {"__module__": MODULE}))
    for part in ("qdrant_client", "qdrant_client.http", "qdrant_client.http.models"):
        monkeypatch.setitem(sys.modules, part, types.ModuleType(part))
    monkeypatch.setitem(sys.modules, MODULE, module)


def pickled(id: str, payload: Any, vector: Any = (0.1, 0.2)) -> bytes:
    point = named("PointStruct")()
    point.__dict__.update(id=id, vector=list(vector), payload=payload)
    return pickle.dumps(point, protocol=4)


def payload(text: str, at: str, **more: Any) -> dict[str, Any]:
    own = {"data": text, "hash": "x", "text_lemmatized": "x", "created_at": at, "updated_at": at, "user_id": "ana"}
    return {**own, **more}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    points = [
        (ID.format(1), payload("I live in Nice.", "2026-02-01T10:00:00+00:00", topic="home", role="user")),
        (
            ID.format(2),
            payload("我喜欢徒步。", "2025-05-01T10:00:00+00:00", expiration_date="2999-12-31", actor_id="A"),
        ),
        (ID.format(3), payload("Ben rows.", "2025-06-01T10:00:00+00:00", user_id="ben", run_id="r1")),
        (ID.format(4), {"user_id": "ana"}),
        (ID.format(5), payload("nobody's", "2025-06-01T10:00:00+00:00", user_id=None)),
        (ID.format(6), {**payload("Nice", "2025-06-01T10:00:00+00:00"), "entity_type": "place"}),
    ]
    written(tmp_path / "qdrant" / "collection" / "mem0" / "storage.sqlite", points)
    with closing(sqlite3.connect(tmp_path / "history.db")) as db, db:
        db.execute(
            "CREATE TABLE history (id TEXT, memory_id TEXT, old_memory TEXT, new_memory TEXT, event TEXT,"
            " created_at TEXT, updated_at TEXT, is_deleted INTEGER, actor_id TEXT, role TEXT)"
        )
        rows = [
            (ID.format(1), None, "I live in Lyon.", "ADD"),
            (ID.format(1), "I live in Lyon.", "I live in Nice.", "UPDATE"),
            (ID.format(9), None, "I was deleted.", "ADD"),
            (ID.format(9), "I was deleted.", None, "DELETE"),
        ]
        db.executemany("INSERT INTO history (memory_id, old_memory, new_memory, event) VALUES (?, ?, ?, ?)", rows)
    return tmp_path


def written(file: Path, points: list[tuple[str, Any]]) -> None:
    file.parent.mkdir(parents=True)
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("CREATE TABLE points (id TEXT PRIMARY KEY, point BLOB)")
        db.executemany("INSERT INTO points VALUES (?, ?)", [(i, pickled(i, p)) for i, p in points])


@pytest.fixture
async def memory() -> Any:
    found = AsyncMemory(store=InMemoryStore(), embedder=HashingEmbedder(), chat_model="none")
    yield found
    await found.close()


async def test_a_folder_comes_over_once(folder: Path, memory: AsyncMemory) -> None:
    report = await import_mem0(memory, read_folder(folder))
    assert (report.messages, report.memories, report.changes, report.known) == (3, 3, 1, 0)
    assert report.skipped == {
        "deleted memory": 1,
        "entity of Mem0's own": 1,
        "memory without a user, agent, app or run": 1,
        "point without text": 1,
    }
    mine = (await memory.get_all(user_id="ana")).items
    assert [r.text for r in mine] == ["我喜欢徒步。", "I live in Nice."]
    hiking, home = mine
    assert (hiking.sources, hiking.name) == ((ID.format(2),), "A")
    assert hiking.expires_at is not None
    assert hiking.expires_at.isoformat() == "3000-01-01T00:00:00+00:00"
    assert home.occurred_at is not None
    assert home.occurred_at.isoformat() == "2026-02-01T10:00:00+00:00"
    assert dict(home.metadata) == {"topic": "home"}
    history = await memory.history(home.id)
    assert [(c.old_text, c.new_text) for c in history][-1] == ("I live in Lyon.", "I live in Nice.")
    assert [r.run_id for r in (await memory.get_all(user_id="ben")).items] == ["r1"]
    before = [r.to_dict() for r in mine]
    again = await import_mem0(memory, read_folder(folder / "qdrant"))
    assert (again.messages, again.changes, again.known) == (0, 0, 3)
    assert [r.to_dict() for r in (await memory.get_all(user_id="ana")).items] == before


async def test_what_was_changed_or_deleted_here_stays_so(folder: Path, memory: AsyncMemory) -> None:
    await import_mem0(memory, read_folder(folder))
    hiking, home = (await memory.get_all(user_id="ana")).items
    await memory.update(home.id, text="I live in Brest.")
    await memory.delete(hiking.id)
    await import_mem0(memory, read_folder(folder))
    assert [r.text for r in (await memory.get_all(user_id="ana")).items] == ["I live in Brest."]


async def test_ids_that_are_given_count(folder: Path, memory: AsyncMemory) -> None:
    await import_mem0(memory, read_folder(folder, folder / "history.db"), user_id="eve")
    assert len((await memory.get_all(user_id="eve")).items) == 4


async def test_a_memory_that_cannot_be_kept_is_named(folder: Path, memory: AsyncMemory) -> None:
    found = [r for r in read_folder(folder) if isinstance(r, Remembered)]
    wide = {"x": "y" * 100_000}
    with pytest.raises(LimitError, match="mem0, point"):
        await import_mem0(memory, [*found, replace(found[-1], id="wide", metadata=wide)])
    assert len((await memory.get_all(user_id="ana")).items) == 2


def test_the_last_row_of_a_point_counts(tmp_path: Path) -> None:
    file = tmp_path / "collection" / "mem0" / "storage.sqlite"
    written(file, [("a", payload("Old.", "2025-05-01T10:00:00"))])
    with closing(sqlite3.connect(file)) as db, db:
        db.execute("INSERT INTO points VALUES ('b', ?)", [pickled("a", payload("New.", "2025-05-01T10:00:00"))])
    found = read_folder(file.parent)
    assert [r.texts for r in found if isinstance(r, Remembered)] == [("New.",)]


def test_what_is_no_store_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="no collection"):
        read_folder(tmp_path)
    (tmp_path / "storage.sqlite").write_text("not a database, though it is long enough to look like a file of one")
    with pytest.raises(InvalidRequestError, match="SQLite"):
        read_folder(tmp_path)
    with pytest.raises(InvalidRequestError, match="no file"):
        read_folder(tmp_path, tmp_path / "no.db")


class Harmful:
    """Pickles to a call that writes a file."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


def hostile(file: Path) -> Iterator[bytes]:
    yield pickle.dumps(Harmful(file))
    yield pickled("a", {"data": Harmful(file)})
    yield pickled("a", {"data": Path(file)})
    # The same names, with something else done to them.
    yield b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R."
    yield b"cos\nsystem\n(S'touch x'\ntR."
    yield b"\x80\x04\x8c" + bytes([len(MODULE)]) + MODULE.encode() + b"\x8c\x0bPointStruct\x93}b."
    yield b"\x80\x04\x8c" + bytes([len(MODULE)]) + MODULE.encode() + b"\x8c\x14PointStruct.__init__\x93."
    yield b"\x80\x04P1\n."
    yield b"\x80\x04\x82\x01."
    yield b"\x80\x04"
    yield b""
    yield pickle.dumps([1, 2])
    yield pickled("a", "not a payload")


def test_a_pickle_runs_nothing(tmp_path: Path) -> None:
    file = tmp_path / "touched"
    for raw in hostile(file):
        with pytest.raises(InvalidRequestError):
            pickles.read_point(raw, "here")
    assert not file.exists()
    with pytest.raises(LimitError):
        pickles.read_point(b"x" * (pickles.POINT_BYTES_MAX + 1), "here")
    # What is refused is not refused for being unreadable.
    pickle.Unpickler(io.BytesIO(pickle.dumps(Harmful(file)))).load()
    assert file.exists()


@pytest.mark.parametrize("surface", ["/mem0", "/mem0-oss"])
async def test_a_server_is_read(surface: str, memory: AsyncMemory) -> None:
    with serving() as server, server.client() as client:
        for text, ids in (
            ("I live in Lyon.", {"user_id": "ana"}),
            ("我喜欢徒步。", {"agent_id": "bot", "run_id": "r1"}),
        ):
            body = {"messages": {"content": text, "timestamp": "2025-05-01T10:00:00Z"}, "metadata": {"a": 1}, **ids}
            made = client.post("/api/v1/memories", json=body).json()["memories"][0]["id"]
            if "user_id" in ids:
                client.patch(f"/api/v1/memories/{made}", json={"text": "I live in Nice."})
        found = await read_server(server.url + surface, server.secret)
        report = await import_mem0(memory, found)
        assert (report.messages, report.changes) == (2, 1)
        home = (await memory.get_all(user_id="ana")).items[0]
        assert (home.text, home.metadata["a"], home.occurred_at.year) == ("I live in Nice.", 1, 2025)  # type: ignore[union-attr]
        assert [r.text for r in (await memory.get_all(agent_id="bot", run_id="r1")).items] == ["我喜欢徒步。"]
        again = await import_mem0(memory, await read_server(server.url + surface, server.secret))
        assert (again.messages, again.changes, again.known) == (0, 0, 2)
        with pytest.raises(AuthenticationError):
            await read_server(server.url + surface, "ks_no")
        with pytest.raises((InvalidRequestError, AuthenticationError)):
            await read_server(server.url + "/nothing", server.secret)
    with pytest.raises(InvalidRequestError, match="address"):
        await read_server("file:///x", "key")


async def test_a_server_that_is_not_there_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keepstone.transfer.mem0.remote.TRIES", 1)
    with pytest.raises(ProviderError, match="cannot be reached"):
        await read_server("http://127.0.0.1:9", "key")


def test_the_command_brings_a_folder_and_a_server_over(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ("import", "--embedder", "hashing", "--store", str(folder / "ours.db"), "--format")
    first = answer(*command, "mem0", str(folder))
    assert (first["format"], first["messages"], first["changes"]) == ("mem0", 3, 1)
    with serving() as server, server.client() as client:
        client.post("/api/v1/memories", json={"messages": "I row.", "user_id": "cat"})
        monkeypatch.setenv("MEM0_API_KEY", server.secret)
        second = answer(*command, "mem0-api", "--from", server.url + "/mem0")
    assert (second["format"], second["messages"]) == ("mem0-api", 1)
    monkeypatch.delenv("MEM0_API_KEY")
    for wrong in (
        ("mem0-api", "--from", "http://127.0.0.1:9"),
        ("mem0-api",),
        ("mem0",),
        ("messages", str(folder / "x.jsonl"), "--from", "http://127.0.0.1:9"),
    ):
        assert run(*command, *wrong).exit_code != 0
