"""Backups of a server that is being written to."""

import asyncio
import threading
from pathlib import Path

from keepstone import Memory
from keepstone.stores.sqlite import SqliteStore
from tests.cli.running import answer
from tests.server.serving import Serving, serving

THREADS = 3


def texts_of(path: Path, user: str) -> list[str]:
    with Memory(path, embedder="hashing") as memory:
        return [r.text for r in memory.get_all(user_id=user, limit=10_000).items]


def findings(path: Path) -> list[str]:
    async def look() -> list[str]:
        store = SqliteStore(path)
        found = [f.name for f in await store.check() if not f.ok]
        await store.close()
        return found

    return asyncio.run(look())


class Writers:
    """Threads that add through a server, each for a user of its own, and count what was acknowledged."""

    def __init__(self, server: Serving) -> None:
        self.acknowledged = [0] * THREADS
        self._server, self._stop = server, threading.Event()
        self._threads = [threading.Thread(target=self._add, args=(who,)) for who in range(THREADS)]

    def __enter__(self) -> "Writers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def until(self, each: int) -> None:
        while min(self.acknowledged) < each:
            self._stop.wait(0.01)

    def _add(self, who: int) -> None:
        with self._server.client() as client:
            while not self._stop.is_set():
                said = {"messages": f"This is number {self.acknowledged[who]}.", "user_id": f"user {who}"}
                client.post("/api/v1/memories", json=said).raise_for_status()
                self.acknowledged[who] += 1


def test_a_backup_holds_all_that_was_acknowledged_before_and_a_prefix_of_what_came_after(tmp_path: Path) -> None:
    live = tmp_path / "live.db"
    bounds = []
    with serving(store=SqliteStore(live)) as server, Writers(server) as writers:
        store = server.service.store
        assert isinstance(store, SqliteStore)
        for number in range(4):
            writers.until(5 * (number + 1))
            before, target = list(writers.acknowledged), tmp_path / f"copy {number}.db"
            # By the process that serves, and by the command beside it.
            if number % 2:
                server.run(store.backup(target))
            else:
                answer("backup", str(target), "--store", str(live))
            bounds.append((target, before, list(writers.acknowledged)))
    for target, before, after in bounds:
        assert findings(target) == []
        for who in range(THREADS):
            found = texts_of(target, f"user {who}")
            assert found == [f"This is number {i}." for i in range(len(found))]
            assert before[who] <= len(found) <= after[who] + 1
