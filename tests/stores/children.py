"""What child processes of the tests do, run as `python -m tests.stores.children NAME PATH`; each fails by raising."""

import asyncio
import json
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw

from keepstone import Memory, StoreError
from keepstone.stores.sqlite import SqliteStore, schema

WRITES = 12
JOBS_DUE = datetime(2026, 3, 2, tzinfo=UTC)
NOBODY = 65_534


def wait_for(pid: int) -> None:
    """Assert that a child ended well."""
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, f"the child ended with {status}"


def child(work: Callable[[], Any]) -> int:
    """Fork, do *work* in the child, and return the child's id to the parent."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            work()
            code = 0
        except BaseException:
            # The parent sees only the exit code; whatever it was must be on its screen.
            traceback.print_exc()
        finally:
            os._exit(code)
    return pid


def write(memory: Memory, who: str, count: int = WRITES) -> None:
    """Add *count* memories, and find each of them again."""
    for i in range(count):
        record = memory.add(f"The word of {who} is number {i}", user_id="alice").memories[0]
        hits = memory.search(f"word of {who} number {i}", user_id="alice", limit=1_000)
        assert record.id in {h.id for h in hits}, f"{who} does not find what it added"


def expect(path: str, *writers: str) -> None:
    """Assert that a fresh look at the file finds all that *writers* wrote, and nothing broken."""
    with Memory(path, embedder="hashing") as memory:
        texts = {r.text for r in memory.get_all(user_id="alice", limit=10_000).items}
    missing = {f"The word of {w} is number {i}" for w in writers for i in range(WRITES)} - texts
    assert not missing, f"lost: {sorted(missing)}"


def fork_after_use(path: str) -> None:
    """The child writes while the parent closes what both had open, and goes on after that."""
    memory = Memory(path, embedder="hashing")
    write(memory, "parent")
    ready, go = multiprocessing.Event(), multiprocessing.Event()

    def work() -> None:
        write(memory, "child-1")
        ready.set()
        assert go.wait(60)
        write(memory, "child-2")

    pid = child(work)
    assert ready.wait(60)
    write(memory, "parent-2")
    memory.close()
    go.set()
    wait_for(pid)
    expect(path, "parent", "child-1", "parent-2", "child-2")


def fork_after_the_local_model(path: str) -> None:
    """The model was loaded and used before; parent and child embed on."""
    memory = Memory(path, embedder="local")
    before = memory.search("nothing yet", user_id="alice")
    assert before == []
    memory.add([{"content": f"The cat sleeps on chair {i}"} for i in range(20)], user_id="alice")
    first = memory.search("Where is the cat?", user_id="alice", limit=3)

    def work(who: str) -> None:
        assert [h.id for h in memory.search("Where is the cat?", user_id="alice", limit=3)] == [h.id for h in first]
        write(memory, who, 3)
        memory.close()

    pids = [child(lambda who=who: work(who)) for who in ("child-1", "child-2")]  # type: ignore[misc]
    write(memory, "parent", 3)
    for pid in pids:
        wait_for(pid)
    assert len(memory.get_all(user_id="alice").items) == 20 + 3 * 3
    memory.close()


def fork_while_threads_write(path: str) -> None:
    """Forks fall where they may between the reads and writes of other threads."""
    memory = Memory(path, embedder="hashing")
    threads = [threading.Thread(target=write, args=(memory, f"thread-{i}")) for i in range(4)]
    for thread in threads:
        thread.start()
    pids = [child(lambda i=i: write(memory, f"child-{i}")) for i in range(4)]  # type: ignore[misc]
    for thread in threads:
        thread.join()
    for pid in pids:
        wait_for(pid)
    memory.close()
    expect(path, *(f"thread-{i}" for i in range(4)), *(f"child-{i}" for i in range(4)))


def fork_twice(path: str) -> None:
    """A child that never used the memory forks again."""
    memory = Memory(path, embedder="hashing")
    write(memory, "parent")

    def work() -> None:
        pid = child(lambda: write(memory, "grandchild"))
        write(memory, "child")
        wait_for(pid)

    wait_for(child(work))
    memory.close()
    expect(path, "parent", "child", "grandchild")


def fork_of_what_is_closed(path: str) -> None:
    """What was closed stays closed in a child."""
    from keepstone import StoreClosedError

    memory = Memory(path, embedder="hashing")
    write(memory, "parent")
    memory.close()

    def work() -> None:
        try:
            memory.search("word", user_id="alice")
        except StoreClosedError:
            return
        raise AssertionError("a closed memory was used")

    wait_for(child(work))


_inherited: Memory


def _pool_work(who: str) -> int:
    write(_inherited, who, 3)
    return len(_inherited.get_all(user_id="alice", limit=1_000).items)


def fork_by_multiprocessing(path: str) -> None:
    """Workers of a pool that were forked with a used memory, as pre-forking servers do."""
    global _inherited
    _inherited = Memory(path, embedder="hashing")
    write(_inherited, "parent", 3)
    with multiprocessing.get_context("fork").Pool(3) as pool:
        pool.map(_pool_work, [f"worker-{i}" for i in range(6)], chunksize=1)
        pool.close()
        pool.join()
    assert len(_inherited.get_all(user_id="alice", limit=1_000).items) == 3 + 6 * 3
    _inherited.close()


def exit_without_close(path: str) -> None:
    """The interpreter ends with everything open."""
    write(Memory(path, embedder="hashing"), "leaver")


def exit_while_writing(path: str) -> None:
    """The interpreter ends while threads are in the middle of adding."""
    memory = Memory(path, embedder="hashing")
    write(memory, "leaver")
    for i in range(4):
        threading.Thread(target=write, args=(memory, f"thread-{i}", 100_000), daemon=True).start()
    write(memory, "leaver-2")


def serve(path: str) -> None:
    """Answer each line of stdin, a query of Alice's or the name of a verb, with how many memories are found."""
    memory = Memory(path, embedder="hashing")
    for line in sys.stdin:
        found: list[Any] = memory.search(line.strip(), user_id="alice", limit=1_000)
        listed = memory.get_all(user_id="alice", limit=1_000).items
        print(len([h for h in found if line.strip() in h.text]), len(found), len(listed), flush=True)
    memory.close()


def write_alone(path: str) -> None:
    """Write under the name of this process."""
    memory = Memory(store=SqliteStore(Path(path)), embedder="hashing")
    write(memory, f"process-{os.getpid()}")
    memory.close()


def read_only(path: str) -> None:
    """As a user who may only read: say how each verb ends."""
    scratch = Memory(Path(path).parent.parent / "scratch.db", embedder="hashing")
    write(scratch, "anyone", 1)  # what is loaded lazily is loaded while it can be read
    scratch.close()
    if os.getuid() == 0:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    memory = Memory(path, embedder="hashing")
    verbs: dict[str, Callable[[], Any]] = {
        "search": lambda: len(memory.search("word", user_id="alice", limit=1_000)),
        "get_all": lambda: len(memory.get_all(user_id="alice", limit=1_000).items),
        "add": lambda: memory.add("The word of nobody", user_id="alice"),
        "delete_all": lambda: memory.delete_all(user_id="alice"),
        "erase": lambda: memory.erase(user_id="alice"),
        "reset": lambda: memory.reset(confirm=True),
    }
    print(json.dumps({name: _how_it_ends(verb) for name, verb in verbs.items()}))
    memory.close()


def _how_it_ends(verb: Callable[[], Any]) -> Any:
    try:
        return verb()
    except Exception as error:
        # How it ends is what the test asks for.
        return type(error).__name__


def file_size_limit(path: str) -> None:
    """Fill the file up to the most that this process may write, then go on with more room."""
    import resource

    memory = Memory(path, embedder="hashing")
    write(memory, "before", 3)
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, hard))
    added = fill(memory)
    assert {h.text for h in memory.search("word of before", user_id="alice", limit=3)}
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    write(memory, "after", 3)
    held = {r.id for r in memory.get_all(user_id="alice", limit=10_000).items}
    assert set(added) <= held, "what was acknowledged is there"
    assert len(held) == 3 + len(added) + 3, "what was refused is not"
    memory.close()


def fill(memory: Memory) -> list[str]:
    """Add until the store has no more room, and return the ids of what was acknowledged."""
    added: list[str] = []
    for i in range(100_000):
        turns = [{"content": f"Filling {i}, part {p}: " + "sand and stones " * 40} for p in range(3)]
        try:
            added += [r.id for r in memory.add(turns, user_id="alice").memories]
        except StoreError:
            assert memory.search("sand", user_id="alice", limit=1), "reading goes on"
            return added
    raise AssertionError("there was no end to it")


def take_jobs(path: str) -> None:
    """Claim jobs of the store one at a time until there are none, and print their ids; then die with all leases."""
    asyncio.run(_take_jobs(path))
    os.kill(os.getpid(), signal.SIGKILL)


async def _take_jobs(path: str) -> None:
    store = SqliteStore(path)
    sys.stdin.readline()
    while True:
        claimed = await store.claim(["test"], 1, JOBS_DUE, JOBS_DUE + timedelta(seconds=60))
        if not claimed:
            return
        print(claimed[0].id, flush=True)


def killed_while_migrating(path: str) -> None:
    """Kill the migration before each of its statements: the file stays whole, at its version, with all its rows."""
    counted = "SELECT (SELECT count(*) FROM memories), (SELECT count(*) FROM changes), (SELECT count(*) FROM jobs)"
    db = apsw.Connection(path)
    db.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL")
    version, rows = db.pragma("user_version"), db.execute(counted).fetchall()
    db.close()
    for statement in range(1_000):
        pid = os.fork()
        if pid == 0:
            _migrate(path, statement)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        db = apsw.Connection(path)
        found = db.pragma("user_version"), db.pragma("integrity_check"), db.execute(counted).fetchall()
        db.close()
        if os.waitstatus_to_exitcode(status) == 0:
            assert found == (schema.VERSION, "ok", rows), found
            assert statement > 5, "the migration was killed at none of its statements"
            return
        assert found == (version, "ok", rows), found
    raise AssertionError("there was no end to it")


def _migrate(path: str, killed_at: int) -> None:
    left = killed_at

    def count(_: apsw.Cursor, statement: str, __: object) -> bool:
        nonlocal left
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return True

    db = apsw.Connection(path)
    db.exec_trace = count
    schema.prepare(db, path)
    db.close()


if __name__ == "__main__":
    globals()[sys.argv[1]](sys.argv[2])
