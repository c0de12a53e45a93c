"""Backups are whole, whatever goes on meanwhile; putting one back is one step, or nothing."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from keepstone import AsyncMemory, Memory, providers
from keepstone.errors import ConfigError, ConflictError, StoreBusyError, StoreCorruptError, StoreVersionError
from keepstone.stores.sqlite import SqliteStore
from tests.cli.running import answer, environment, run

SHORT = ["I keep bees.", "茶要热的。"]


def fill(path: Path, texts: list[str] = SHORT, user: str = "alice") -> None:
    with Memory(path, embedder="hashing") as memory:
        memory.add([{"role": "user", "content": t} for t in texts], user_id=user)


def texts_of(path: Path, user: str = "alice") -> list[str]:
    with Memory(path, embedder="hashing") as memory:
        return [r.text for r in memory.get_all(user_id=user, limit=10_000).items]


def checked(path: Path) -> None:
    async def look() -> None:
        store = SqliteStore(path)
        assert [f for f in await store.check() if not f.ok] == []
        await store.close()

    asyncio.run(look())


def test_a_backup_holds_everything_and_nobody_else_reads_it(tmp_path: Path) -> None:
    fill(tmp_path / "live.db")
    made = providers.back_up(tmp_path / "live.db", tmp_path / "copy.db")
    assert (made.messages, made.memories, made.path) == (2, 2, str(tmp_path / "copy.db"))
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith((".", "copy"))) == ["copy.db"]
    checked(tmp_path / "copy.db")
    assert texts_of(tmp_path / "copy.db") == SHORT


def test_a_file_that_is_there_stays_unless_it_is_forced(tmp_path: Path) -> None:
    fill(tmp_path / "live.db")
    (tmp_path / "copy.db").write_text("precious")
    with pytest.raises(ConflictError, match="--force"):
        providers.back_up(tmp_path / "live.db", tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_text() == "precious"
    providers.back_up(tmp_path / "live.db", tmp_path / "copy.db", force=True)
    assert texts_of(tmp_path / "copy.db") == SHORT


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="There is no store"):
        providers.back_up(tmp_path / "nothing.db", tmp_path / "copy.db")
    (tmp_path / "text.db").write_text("no store " * 1000)
    (tmp_path / "empty.db").touch()
    for name in ("text.db", "empty.db"):
        with pytest.raises(StoreCorruptError):
            providers.back_up(tmp_path / name, tmp_path / "copy.db")
        with pytest.raises(StoreCorruptError):
            providers.restore(tmp_path / name, tmp_path / "other.db")
    assert not (tmp_path / "copy.db").exists()
    assert not (tmp_path / "other.db").exists()


def test_damage_is_found_before_the_backup_has_its_name(tmp_path: Path) -> None:
    fill(tmp_path / "live.db", [f"Hive {i} hums." for i in range(300)])
    damage(tmp_path / "live.db")
    with pytest.raises(StoreCorruptError):
        providers.back_up(tmp_path / "live.db", tmp_path / "copy.db")
    assert sorted(p.name for p in tmp_path.iterdir() if "copy" in p.name) == []


def damage(path: Path) -> None:
    """Overwrite pages in the middle, which nobody has open."""
    raw = bytearray(path.read_bytes())
    middle = len(raw) // 2 // 4096 * 4096
    raw[middle : middle + 4 * 4096] = b"\xa5" * 4 * 4096
    path.write_bytes(raw)


def test_a_killed_backup_leaves_no_half_file(tmp_path: Path) -> None:
    fill(tmp_path / "live.db")
    child = """
import os, signal, sys
from pathlib import Path
from keepstone import providers
from keepstone.stores.sqlite import backup
backup.PAGES_A_STEP = 1
die = lambda done, pages: done * 2 > pages and os.kill(os.getpid(), signal.SIGKILL)
providers.back_up(Path(sys.argv[1]), Path(sys.argv[2]), progress=die)
"""
    assert killed(child, tmp_path / "live.db", tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()
    providers.back_up(tmp_path / "live.db", tmp_path / "copy.db")
    assert texts_of(tmp_path / "copy.db") == SHORT
    assert sorted(p.name for p in tmp_path.iterdir() if "copy" in p.name) == ["copy.db"]


def killed(child: str, *arguments: Path) -> bool:
    command = [sys.executable, "-c", child, *map(str, arguments)]
    return subprocess.run(command, env=environment(), timeout=60, check=False).returncode == -signal.SIGKILL


def test_restore_puts_back_what_was(tmp_path: Path) -> None:
    live, copy = tmp_path / "live.db", tmp_path / "copy.db"
    fill(live)
    providers.back_up(live, copy)
    fill(live, ["Said afterwards."])
    with pytest.raises(ConflictError, match="--force"):
        providers.restore(copy, live)
    assert len(texts_of(live)) == 3
    providers.restore(copy, live, force=True)
    checked(live)
    assert texts_of(live) == SHORT
    providers.restore(copy, tmp_path / "folder" / "new.db")
    assert texts_of(tmp_path / "folder" / "new.db") == SHORT
    with pytest.raises(ConfigError, match="the same file"):
        providers.restore(live, live, force=True)


def test_a_store_in_use_is_not_replaced(tmp_path: Path) -> None:
    live, copy = tmp_path / "live.db", tmp_path / "copy.db"
    fill(live)
    providers.back_up(live, copy)
    child = """
import sys
from keepstone import Memory
memory = Memory(sys.argv[1], embedder="hashing")
memory.add("Said by somebody else.", user_id="alice")
print("open", flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-c", child, str(live)]
    with subprocess.Popen(command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"open\n"
        with pytest.raises(StoreBusyError, match="open in another process"):
            providers.restore(copy, live, force=True)
        other.communicate(timeout=60)
    assert texts_of(live) == [*SHORT, "Said by somebody else."]


def test_a_damaged_store_is_replaced(tmp_path: Path) -> None:
    live, copy = tmp_path / "live.db", tmp_path / "copy.db"
    fill(live)
    providers.back_up(live, copy)
    live.write_bytes(b"\0" * 100_000)
    live.with_name("live.db-wal").write_bytes(b"left over")
    providers.restore(copy, live, force=True)
    checked(live)
    assert texts_of(live) == SHORT


def test_a_backup_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "live.db")
    providers.back_up(tmp_path / "live.db", tmp_path / "copy.db")
    db = apsw.Connection(str(tmp_path / "copy.db"))
    db.pragma("user_version", 999)
    db.close()
    with pytest.raises(StoreVersionError):
        providers.restore(tmp_path / "copy.db", tmp_path / "live.db", force=True)
    assert texts_of(tmp_path / "live.db") == SHORT


def test_a_killed_restore_leaves_the_old_store(tmp_path: Path) -> None:
    live, copy = tmp_path / "live.db", tmp_path / "copy.db"
    # Larger than SQLite's cache, so that pages are on the disk when the process dies.
    fill(copy, [f"{i} " + "x" * 20_000 for i in range(200)])
    fill(live, [f"{i} " + "y" * 20_000 for i in range(200)], "bob")
    child = """
import os, signal, sys
from pathlib import Path
from keepstone import providers
from keepstone.stores.sqlite import backup
copy_pages = backup._copy_pages
def dying(source, target, progress=None):
    if progress is not None:
        return copy_pages(source, target, progress)
    with target.backup("main", source, "main") as running:
        running.step(900)
        os.kill(os.getpid(), signal.SIGKILL)
backup._copy_pages = dying
providers.restore(Path(sys.argv[1]), Path(sys.argv[2]), force=True, progress=lambda done, pages: None)
"""
    assert killed(child, copy, live)
    assert live.with_name("live.db-journal").stat().st_size > 0
    checked(live)
    assert (len(texts_of(live)), len(texts_of(live, "bob"))) == (0, 200)


async def test_the_store_backs_itself_up_in_its_process(tmp_path: Path) -> None:
    async with AsyncMemory(tmp_path / "live.db", embedder="hashing") as memory:
        await memory.add("I keep bees.", user_id="alice")
        assert isinstance(memory.store, SqliteStore)
        made = await memory.store.backup(tmp_path / "copy.db")
        assert made.memories == 1
        with pytest.raises(ConflictError):
            await memory.store.backup(tmp_path / "copy.db")
        await memory.add("I keep hens.", user_id="alice")


def test_the_commands(tmp_path: Path) -> None:
    assert run("add", "I keep bees.", "--user", "alice").exit_code == 0
    made = answer("backup", str(tmp_path / "copy.db"))
    assert made["memories"] == 1
    again = run("backup", str(tmp_path / "copy.db"))
    assert (again.exit_code, "--force" in again.output) == (1, True)
    assert run("reset", "--yes").exit_code == 0
    assert answer("restore", str(tmp_path / "copy.db"), "--force")["memories"] == 1
    assert [r["text"] for r in answer("list", "--user", "alice")["items"]] == ["I keep bees."]
