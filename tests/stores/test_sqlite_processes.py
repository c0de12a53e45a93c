"""One file under many threads, processes, forks and event loops: nothing lost, nothing stale, no surprise."""

import asyncio
import os
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw
import pytest

from keepstone import AddResult, AsyncMemory, InvalidRequestError, KeepstoneError, Memory, StoreClosedError
from keepstone.embedders.hashing import HashingEmbedder
from keepstone.stores.sqlite import Finding, SqliteStore, schema
from tests.stores import children

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 120


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the store is."""
    return tmp_path / "memory.db"


@pytest.fixture
def memory(path: Path) -> Iterator[Memory]:
    """Return a memory of that file."""
    with Memory(path, embedder="hashing") as opened:
        yield opened


def sound(path: Path) -> None:
    """Assert that the file is whole and every index agrees with the truth."""

    async def look() -> list[Finding]:
        store = SqliteStore(path)
        findings = await store.check()
        await store.close()
        return findings

    with ThreadPoolExecutor(1) as pool:
        findings = pool.submit(lambda: asyncio.run(look())).result()
    assert [f for f in findings if not f.ok] == []


def command(name: str, path: Path) -> list[str]:
    return [sys.executable, "-W", "ignore", "-m", "tests.stores.children", name, str(path)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])}


def start(name: str, path: Path) -> subprocess.Popen[str]:
    """Start a child process that does *name* of `children`, with pipes to talk to it."""
    return subprocess.Popen(
        command(name, path),
        cwd=ROOT,
        env=environment(),
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def run(name: str, path: Path) -> None:
    """Do *name* of `children` in a process of its own, which must end well and in time."""
    done = subprocess.run(
        command(name, path), cwd=ROOT, env=environment(), text=True, timeout=SECONDS_MAX, capture_output=True
    )
    assert done.returncode == 0, done.stderr[-3_000:]


def test_8_threads(memory: Memory, path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda i: children.write(memory, f"thread-{i}"), range(8)))
    children.expect(str(path), *(f"thread-{i}" for i in range(8)))
    sound(path)


def test_8_processes_then_all_see_all(path: Path) -> None:
    # Readers that cached the store before the last write must see it all the same.
    readers = [start("serve", path) for _ in range(2)]
    writers = [start("write_alone", path) for _ in range(8)]
    for _ in range(3):
        for reader in readers:
            ask(reader, "word")
    for writer in writers:
        stop(writer)
    total = 8 * children.WRITES
    assert [ask(r, "word") for r in readers] == [[total, total, total]] * 2
    children.expect(str(path), *(f"process-{w.pid}" for w in writers))
    for reader in readers:
        stop(reader)
    sound(path)


def test_a_store_that_another_process_makes_meanwhile_is_no_foreign_one(path: Path) -> None:
    db, other = apsw.Connection(str(path)), apsw.Connection(str(path))
    assert db.pragma("journal_mode", "wal") == "wal"
    statements: list[str] = []

    def made_meanwhile(_: apsw.Cursor, statement: str, __: object) -> bool:
        statements.append(statement)
        if "sqlite_master" in statement:
            schema.prepare(other, "other")
        return True

    db.exec_trace = made_meanwhile
    assert schema.found_version(db, "this") == 0
    assert any("sqlite_master" in s for s in statements)
    db.exec_trace = None
    assert schema.found_version(db, "this") == schema.VERSION
    db.close()
    other.close()


def ask(child: subprocess.Popen[str], line: str) -> list[int]:
    """Return what a serving child finds for *line*: hits that hold it, hits, memories listed."""
    write, read = child.stdin, child.stdout
    assert write is not None
    assert read is not None
    write.write(line + "\n")
    write.flush()
    return [int(n) for n in read.readline().split()]


def stop(child: subprocess.Popen[str]) -> None:
    """Close the input of a child, wait for its end, and assert that it ended well."""
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.close()
    assert child.wait(SECONDS_MAX) == 0
    child.stdout.close()


def test_what_one_process_changes_another_sees_at_once(memory: Memory, path: Path) -> None:
    records = memory.add([{"content": f"Fish {c} swims"} for c in "abcdefgh"], user_id="alice").memories
    other = start("serve", path)
    assert ask(other, "Fish") == [8, 8, 8]
    for gone, record in enumerate(records[:4], 1):
        change = memory.delete(record.id)
        assert ask(other, "Fish") == [8 - gone] * 3
    memory.undo(change.id)
    assert ask(other, "Fish") == [5, 5, 5]
    memory.update(records[4].id, text="Bird e flies")
    assert ask(other, "Fish") == [4, 5, 5]
    assert ask(other, "Bird") == [1, 5, 5]
    memory.erase(records[4].id)
    assert ask(other, "Bird") == [0, 4, 4]
    memory.add("Bird f flies", user_id="alice")
    assert ask(other, "Bird") == [1, 5, 5]
    assert memory.delete_all(user_id="alice") == 5
    assert ask(other, "Fish") == [0, 0, 0]
    stop(other)


def test_reset_leaves_no_stale_index_in_another_process(memory: Memory, path: Path) -> None:
    """As many writes as before, so that counters alone would not tell the new partition from the old."""
    for round_ in ("apples", "pears", "plums"):
        memory.add([{"content": f"About {round_}, note {i}"} for i in range(5)], user_id="alice")
        if round_ == "apples":
            other = start("serve", path)
        assert ask(other, round_) == [5, 5, 5]
        memory.reset(confirm=True)
    stop(other)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    "name",
    [
        "fork_after_use",
        "fork_after_the_local_model",
        "fork_while_threads_write",
        "fork_twice",
        "fork_of_what_is_closed",
        "fork_by_multiprocessing",
    ],
)
def test_forks(name: str, path: Path) -> None:
    run(name, path)
    sound(path)


@pytest.mark.parametrize("name", ["exit_without_close", "exit_while_writing"])
def test_exit_without_close(name: str, path: Path) -> None:
    run(name, path)
    children.expect(str(path), *(["leaver"] if name == "exit_without_close" else ["leaver", "leaver-2"]))
    sound(path)


async def test_gather_of_200_adds(path: Path) -> None:
    async with AsyncMemory(path, embedder="hashing") as memory:
        results = await asyncio.gather(
            *(memory.add(f"Note number {i}", user_id=f"user-{i % 3}") for i in range(200)),
            *(memory.search("note", user_id="user-1") for _ in range(20)),
        )
        added = [r.memories[0].id for r in results if isinstance(r, AddResult)]
        assert len(set(added)) == 200
        listed = await memory.get_all(all_scopes=True, limit=1_000)
        assert {r.id for r in listed.items} == set(added)
        for user in range(3):
            sequences = [r.sequence for r in listed.items if r.user_id == f"user-{user}"]
            assert sequences == list(range(1, len(sequences) + 1))
    sound(path)


def test_two_event_loops_one_after_the_other(path: Path) -> None:
    memory = AsyncMemory(path, embedder="hashing")

    async def add(text: str) -> int:
        await memory.add(text, user_id="alice")
        return len(await memory.search("loop", user_id="alice"))

    assert [asyncio.run(add("First loop here")), asyncio.run(add("Second loop here"))] == [1, 2]
    asyncio.run(memory.close())


def test_two_event_loops_at_once(path: Path) -> None:
    memory = AsyncMemory(path, embedder="hashing")

    async def many(who: str) -> None:
        await asyncio.gather(*(memory.add(f"The word of {who} is number {i}", user_id="alice") for i in range(12)))

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda who: asyncio.run(many(who)), ["loop-1", "loop-2", "loop-3"]))
    asyncio.run(memory.close())
    children.expect(str(path), "loop-1", "loop-2", "loop-3")


async def test_memory_inside_a_running_loop(path: Path) -> None:
    """As in a notebook, whose cells run inside an event loop."""
    memory = Memory(path, embedder="hashing")
    memory.add("A cell adds this", user_id="alice")
    assert [h.text for h in memory.search("cell", user_id="alice")] == ["A cell adds this"]
    memory.close()


def test_memory_from_its_own_loop_says_so(memory: Memory) -> None:
    """Waiting there would never end."""
    memory.add("Something to embed again", user_id="alice")
    with pytest.raises(InvalidRequestError, match="AsyncMemory"):
        memory.reembed(HashingEmbedder(64), progress=lambda done, total: print(memory.stats()))
    assert memory.stats().memories == 1


async def test_cancelled_adds_are_whole_or_not_there(path: Path) -> None:
    chance = random.Random(20260504)
    async with AsyncMemory(path, embedder="hashing") as memory:
        await memory.add("Before it all", user_id="alice")

        async def one(number: int) -> bool:
            turns = [{"content": f"Part {p} of call {number}"} for p in range(3)]
            task = asyncio.create_task(memory.add(turns, user_id=f"user-{number}"))
            await asyncio.sleep(chance.random() * 0.02)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                return False
            return True

        done = await asyncio.gather(*(one(i) for i in range(120)))
        assert len((await memory.add("After it all", user_id="alice")).memories) == 1
        kept = [len((await memory.get_all(user_id=f"user-{i}")).items) for i in range(120)]
        assert set(kept) <= {0, 3}
        assert all(k == 3 for k, is_done in zip(kept, done, strict=True) if is_done)
        assert not all(done), "some were cancelled"
    sound(path)


def test_close_during_use(path: Path) -> None:
    memory = Memory(path, embedder="hashing")
    memory.add("The first note", user_id="alice")
    acknowledged: list[str] = []
    others: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for i in range(100_000):
                acknowledged.append(memory.add(f"Note {i} of {number}", user_id="alice").memories[0].id)
                memory.search("note", user_id="alice", limit=3)
        except StoreClosedError:
            return
        except BaseException as error:
            # Anything but StoreClosedError fails the test, in the thread that looks.
            others.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    while len(acknowledged) < 60:
        threading.Event().wait(0.001)
    memory.close()
    for thread in threads:
        thread.join(SECONDS_MAX)
        assert not thread.is_alive()
    assert others == []
    open_files = [f for f in open_names() if f.startswith(str(path))]
    assert open_files == [], "everything was closed"
    with Memory(path, embedder="hashing") as again:
        assert set(acknowledged) <= {r.id for r in again.get_all(user_id="alice", limit=10_000).items}
    sound(path)


def open_names() -> list[str]:
    """Names of the files that this process has open; none where the system does not tell."""
    folder = Path("/proc/self/fd")
    found = []
    for entry in folder.iterdir() if folder.exists() else ():
        try:
            found.append(str(entry.readlink()))
        except OSError:
            continue
    return found


VERBS: dict[str, Callable[[Memory], object]] = {
    "add": lambda m: m.add("Something", user_id="alice"),
    "search": lambda m: m.search("something", user_id="alice"),
    "get": lambda m: m.get("0190a000-0000-7000-8000-000000000000"),
    "get_all": lambda m: m.get_all(user_id="alice"),
    "delete_all": lambda m: m.delete_all(user_id="alice"),
    "erase": lambda m: m.erase(user_id="alice"),
    "reset": lambda m: m.reset(confirm=True),
    "stats": lambda m: m.stats(),
    "reembed": lambda m: m.reembed(),
}


@pytest.mark.parametrize("is_used", [True, False])
def test_use_after_close(path: Path, is_used: bool) -> None:
    memory = Memory(path, embedder="hashing")
    if is_used:
        memory.add("Something", user_id="alice")
    memory.close()
    memory.close()
    for verb in VERBS.values():
        with pytest.raises(StoreClosedError):
            verb(memory)


def test_one_handle_closed_another_goes_on(path: Path, memory: Memory) -> None:
    with Memory(path, embedder="hashing") as other:
        other.add("By the other", user_id="alice")
        memory.add("By the first", user_id="alice")
    memory.add("By the first again", user_id="alice")
    assert len(memory.search("by the", user_id="alice")) == 3


def test_errors_are_of_our_tree() -> None:
    assert issubclass(StoreClosedError, KeepstoneError)
