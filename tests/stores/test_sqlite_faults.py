"""Files that cannot be written, read or believed: each gives one clear error, and nothing is lost."""

import asyncio
import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

from keepstone import (
    KeepstoneError,
    Memory,
    StoreBusyError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
    StoreVersionError,
)
from keepstone.stores.sqlite import SqliteStore
from tests.stores import children

ROOT = Path(__file__).resolve().parents[2]
PAGE = 4_096

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="permissions and locks are others there")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a store with something in it is, closed."""
    file = tmp_path / "memory.db"
    with Memory(file, embedder="hashing") as memory:
        children.write(memory, "before", 3)
    return file


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """Return a folder that other users can reach, which pytest's own are not."""
    folder = Path(tempfile.mkdtemp(prefix="keepstone-"))
    folder.chmod(0o777)
    yield folder
    shutil.rmtree(folder)


def run(name: str, path: Path) -> str:
    """Do *name* of `children` in a process of its own, which must end well, and return what it says."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.stores.children", name, str(path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        text=True,
        timeout=120,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    return done.stdout


def wrong(path: Path) -> list[str]:
    """Return what a check of the file finds wrong; what cannot even be opened is wrong, too."""

    async def look() -> list[str]:
        store = SqliteStore(path)
        try:
            return [f.name for f in await store.check() if not f.ok]
        except StoreCorruptError:
            return ["opening"]
        finally:
            await store.close()

    return asyncio.run(look())


READS = ("search", "get_all")
WRITES = ("add", "delete_all", "erase", "reset")


@pytest.mark.parametrize(
    ("folder_mode", "file_mode", "can_read"),
    [(0o777, 0o444, True), (0o555, 0o666, False), (0o555, 0o444, False)],
    ids=["file", "folder", "both"],
)
def test_read_only(open_to_all: Path, folder_mode: int, file_mode: int, can_read: bool) -> None:
    path = open_to_all / "store" / "memory.db"
    with Memory(path, embedder="hashing") as memory:
        children.write(memory, "before", 3)
    path.chmod(file_mode)
    path.parent.chmod(folder_mode)
    try:
        ends = json.loads(run("read_only", path))
    finally:
        path.parent.chmod(0o777)
        path.chmod(0o666)
    assert {ends[v] for v in WRITES} == {"StoreReadOnlyError"}
    assert {ends[v] for v in READS} == ({3} if can_read else {"StoreReadOnlyError"})
    with Memory(path, embedder="hashing") as memory:
        assert len(memory.get_all(user_id="alice").items) == 3
        children.write(memory, "after", 1)
    assert wrong(path) == []


def test_new_store_in_a_read_only_folder(open_to_all: Path) -> None:
    folder = open_to_all / "store"
    folder.mkdir(mode=0o555)
    ends = json.loads(run("read_only", folder / "memory.db"))
    folder.chmod(0o777)
    assert set(ends.values()) == {"StoreReadOnlyError"}
    assert list(folder.iterdir()) == []


def test_limit_of_the_file_size(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    run("file_size_limit", path)
    assert wrong(path) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a file system of 2 MB, where this user may make one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.getuid() != 0:
        pytest.skip("only root mounts file systems")
    if subprocess.run([mount, "-t", "tmpfs", "-o", "size=2m", "none", str(folder)], capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_full_disk(small_disk: Path) -> None:
    path = small_disk / "memory.db"
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(600_000))
    with Memory(path, embedder="hashing") as memory:
        children.write(memory, "before", 3)
        added = children.fill(memory)
        with pytest.raises(StoreFullError, match="nothing was stored"):
            memory.add([{"content": "sand " * 2_000}] * 20, user_id="alice")
        assert len(memory.get_all(user_id="alice", limit=10_000).items) == 3 + len(added)
        ballast.unlink()
        children.write(memory, "after", 3)
        held = {r.id for r in memory.get_all(user_id="alice", limit=10_000).items}
        assert set(added) <= held
        assert len(held) == 3 + len(added) + 3
    assert wrong(path) == []


def test_full_disk_before_the_first_write(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        for _ in range(1_000):
            file.write(bytes(4_096))
    memory = Memory(small_disk / "memory.db", embedder="hashing")
    with pytest.raises(StoreError):
        memory.add("The first note of all", user_id="alice")
    ballast.unlink()
    assert len(memory.add("The first note of all", user_id="alice").memories) == 1
    memory.close()


def newer(path: Path) -> None:
    db = apsw.Connection(str(path))
    db.execute("PRAGMA user_version=99")
    db.close()


def foreign(path: Path) -> None:
    path.unlink()
    db = apsw.Connection(str(path))
    db.execute("CREATE TABLE notes(text); INSERT INTO notes VALUES('mine')")
    db.close()


def of_another_application(path: Path) -> None:
    path.unlink()
    db = apsw.Connection(str(path))
    db.execute("PRAGMA application_id=7; PRAGMA user_version=1")
    db.close()


STRANGE: dict[str, tuple[Callable[[Path], Any], type[StoreError], str]] = {
    "a newer version": (newer, StoreVersionError, "newer Keepstone"),
    "another application's": (of_another_application, StoreCorruptError, "not a Keepstone store"),
    "a foreign database": (foreign, StoreCorruptError, "not a Keepstone store"),
    "no database": (lambda p: p.write_text("Dear diary, " * 500), StoreCorruptError, "not a Keepstone store"),
    "a short text": (lambda p: p.write_text("Dear diary"), StoreCorruptError, "not a Keepstone store"),
}


@pytest.mark.parametrize(("make", "kind", "words"), STRANGE.values(), ids=STRANGE)
def test_strange_files_are_refused_and_left_alone(
    path: Path, make: Callable[[Path], Any], kind: type[StoreError], words: str
) -> None:
    make(path)
    before = path.read_bytes()
    memory = Memory(path, embedder="hashing")
    for verb in (
        lambda: memory.search("word", user_id="alice"),
        lambda: memory.add("A new one", user_id="alice"),
        lambda: memory.reset(confirm=True),
    ):
        with pytest.raises(StoreError, match=words) as caught:
            verb()
        assert type(caught.value) is kind
        assert str(path) in str(caught.value)
    memory.close()
    assert path.read_bytes() == before


def test_places_where_no_file_can_be(tmp_path: Path) -> None:
    (tmp_path / "folder.db").mkdir()
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "folder.db", tmp_path / "file" / "memory.db", tmp_path / "file" / "deeper" / "memory.db"):
        memory = Memory(place, embedder="hashing")
        with pytest.raises(StoreReadOnlyError, match=str(place.name if place.exists() else place.parent)):
            memory.add("A note", user_id="alice")
        memory.close()


def test_missing_folders_are_made(tmp_path: Path) -> None:
    with Memory(tmp_path / "one" / "two" / "memory.db", embedder="hashing") as memory:
        children.write(memory, "anyone", 1)


def test_busy_writer(path: Path) -> None:
    store = SqliteStore(path, busy_seconds=0.05)
    memory = Memory(store=store, embedder="hashing")
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreBusyError, match="try again"):
        memory.add("A note", user_id="alice")
    assert len(memory.search("word", user_id="alice")) == 3, "readers do not wait"
    other.execute("ROLLBACK")
    children.write(memory, "after", 2)
    memory.close()
    other.close()


async def test_many_adds_behind_a_busy_writer_all_hear_of_it(path: Path) -> None:
    from keepstone import AsyncMemory

    store = SqliteStore(path, busy_seconds=0.2)
    memory = AsyncMemory(store=store, embedder="hashing")
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    waiting = [asyncio.create_task(memory.add(f"Note {i} of many", user_id="alice")) for i in range(20)]
    done = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(d) for d in done} == {StoreBusyError}
    other.execute("ROLLBACK")
    assert len((await memory.get_all(user_id="alice")).items) == 3
    other.close()
    await memory.close()


def filled(path: Path) -> tuple[list[str], bytes]:
    """Make a store of a few hundred memories; return their texts and the bytes of the file."""
    with Memory(path, embedder="hashing") as memory:
        turns = [{"content": f"Note {i} about " + "rivers and lakes " * (i % 30)} for i in range(150)]
        texts = [r.text for r in memory.add(turns, user_id="damage").memories]
        first = memory.get_all(user_id="damage", limit=1).items[0]
        texts[0] = memory.update(first.id, text="This one was changed later").text
    return texts, path.read_bytes()


def look_at(path: Path) -> list[list[str] | None]:
    """Return what each way of reading gives of a damaged file: texts, or None for a clear error."""
    memory = Memory(path, embedder="hashing")
    ways: list[Callable[[], list[str]]] = [
        lambda: [r.text for r in memory.get_all(user_id="damage", limit=1_000).items],
        lambda: [h.text for h in memory.search("note", user_id="damage", limit=1_000)],
        lambda: [h.text for h in memory.search("note", user_id="damage", limit=1_000, filters={"role": "user"})],
    ]
    answers: list[list[str] | None] = []
    for way in ways:
        try:
            answers.append(way())
        except KeepstoneError:
            answers.append(None)
    memory.close()
    return answers


def test_truncated_files(path: Path) -> None:
    texts, whole = filled(path)
    for share in (0.02, 0.3, 0.5, 0.8, 0.99):
        path.write_bytes(whole[: int(len(whole) * share)])
        answers = look_at(path)
        assert wrong(path) or all(a is not None and sorted(a) == sorted(texts) for a in answers)
        assert all(a is None or sorted(a) == sorted(texts) for a in answers), f"silently less at {share}"
    path.write_bytes(whole)
    assert wrong(path) == []


@pytest.mark.parametrize("size", [1, 64, PAGE], ids=["a bit", "a line", "a page"])
def test_damage_in_the_middle(path: Path, size: int) -> None:
    """Whatever bytes change, either all is as it was, or a check says that it is not; and errors are ours."""
    texts, whole = filled(path)
    chance = random.Random(size)
    noticed = 0
    for _ in range(25):
        damaged = bytearray(whole)
        at = chance.randrange(len(whole) // size) * size
        for i in range(at, min(at + size, len(damaged))):
            damaged[i] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        is_intact = all(a is not None and sorted(a) == sorted(texts) for a in look_at(path))
        is_reported = bool(wrong(path))
        assert is_intact or is_reported, f"not noticed: {size} bytes at {at}"
        noticed += is_reported
    assert noticed, "some damage was done"


def test_changed_letter_is_reported(path: Path) -> None:
    """SQLite cannot tell that a letter changed; the key of what was said can."""
    texts, whole = filled(path)
    letter = whole.index(texts[70].encode()) + 5
    path.write_bytes(whole[:letter] + bytes([whole[letter] ^ 1]) + whole[letter + 1 :])
    assert wrong(path) == ["texts changed on the device"]
