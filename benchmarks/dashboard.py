"""Measures what each page of the dashboard costs on a large store.

    python -m benchmarks.dashboard [--memories 100000] [--users 1000] [--keep DIR]

Fills a store with equal users (hashing embedder), and one whose thousand facts name 300 people and whose thousand jobs
wait; logs in, and asks for each page as a browser does. Prints the SQL statements, the milliseconds of CPU of the whole
process (the median of nine calls) and the bytes of the page, then the bytes of the static files that a browser loads
once. With --keep the store is filled once and asked again.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import httpx2

from benchmarks.catalogue import Counted
from benchmarks.workload import query, text
from keepstone import Memory
from keepstone.config import utc_now
from keepstone.control import Role
from keepstone.embedders.hashing import HashingEmbedder
from keepstone.ids import IdSource
from keepstone.logic.ids import bucket
from keepstone.naming import Mention
from keepstone.operations import AddMemory, Batch, Enqueue, NewMemory, Operation
from keepstone.queueing import DISTIL
from keepstone.server.app import create_app
from keepstone.server.service import Service
from keepstone.server.settings import Settings
from keepstone.server.ui.assets import STATIC, asset
from keepstone.stores.sqlite import SqliteStore
from keepstone.types import Kind, Scope

CALLS = 9
FILL_CHUNK = 50
# Beside the equal users there is one whose memories name so many, and so many jobs wait.
WELL_KNOWN, NAMES, NAMING_MEMORIES, JOBS = "well-known", 300, 1_000, 1_000
ON_EVERY_PAGE = ("app.css", "app.js", "icon.svg", "vendor/htmx/htmx.min.js")


def fill(path: Path, memories: int, users: int) -> None:
    """Store texts, so many of a user at once that filling does not take long, users mixed."""
    each = memories // users
    with Memory(path, embedder=HashingEmbedder()) as memory:
        for start in range(0, each, FILL_CHUNK):
            for user in range(users):
                numbers = range(user * each + start, user * each + min(start + FILL_CHUNK, each))
                memory.add([{"content": text(n)} for n in numbers], user_id=f"user{user:06}", infer=False)


async def name_and_queue(path: Path) -> None:
    """Let one user's memories name many people, each memory three of them, and leave jobs in the queue."""
    store, now, new_id = SqliteStore(path), utc_now(), IdSource()
    scope = Scope(user_id=WELL_KNOWN)
    facts: list[Operation] = []
    for n in range(NAMING_MEMORIES):
        names = {f"Person {n % NAMES}", f"Person {n * 7 % NAMES}", f"Person {n * n % NAMES}"}
        mentions = tuple(Mention(name=name, kind="person") for name in sorted(names))
        text = f"{', '.join(sorted(names))} met."
        memory = NewMemory(id=new_id(now, bucket(scope)), scope=scope, text=text, kind=Kind.FACT, entities=mentions)
        facts.append(AddMemory(memory=memory))
    waiting = [
        Enqueue(id=new_id(now, bucket(scope)), scope=scope, kind=DISTIL, payload={"messages": []}) for _ in range(JOBS)
    ]
    operations = (*facts, *waiting)
    batch = Batch(id=new_id(now, bucket(scope)), tenant="", at=now, actor="benchmark", operations=operations)
    await store.apply(batch)
    await store.close()


def pages(user: str, memory_id: str, change_id: str) -> dict[str, str]:
    """Return the addresses that are asked for, by name."""
    asked = query(7).replace(" ", "+")
    return {
        "overview": "/ui/overview",
        "overview, owners by prefix": "/ui/overview?prefix=user0005",
        "memories, choose": "/ui/memories",
        "memories of a user": f"/ui/memories?user_id={user}",
        "memories, searched": f"/ui/memories?user_id={user}&q={asked}",
        "time of the tenant": "/ui/time",
        "time of a user": f"/ui/time?user_id={user}",
        "time of a user, as of": f"/ui/time?user_id={user}&as_of=2099-01-01",
        "versions": f"/ui/time/memories/{memory_id}",
        "undo": f"/ui/time/undo/{change_id}",
        "search lab": f"/ui/search?user_id={user}&query={asked}",
        "search lab, traced": f"/ui/search?user_id={user}&query={asked}&expect={memory_id}",
        "conversations of the tenant": "/ui/conversations",
        "transcript of the tenant": "/ui/conversations/said",
        "transcript of a user": f"/ui/conversations/said?user_id={user}",
        "sources of a memory": f"/ui/memories/{memory_id}/sources",
        "sources, 100 around": f"/ui/memories/{memory_id}/sources?around=100",
        "entities of a user": f"/ui/entities?user_id={user}",
        "entities of who has many": f"/ui/entities?user_id={WELL_KNOWN}",
        "jobs of the tenant": "/ui/running",
        "jobs of a user": f"/ui/running?user_id={WELL_KNOWN}",
        "webhooks": "/ui/running/webhooks",
        "keys": "/ui/running/keys",
        "audit": "/ui/running/audit",
        "settings": "/ui/running/settings",
        "erase, what would go": f"/ui/erase?user_id={user}",
    }


async def measure(path: Path, users: int) -> None:
    """Ask for every page, and print what it cost."""
    counted = Counted()
    service = Service(Settings(store=path, requests_a_minute=0), embedder=HashingEmbedder())
    app = create_app(service)
    _, secret = await service.keys.create("", "benchmark", Role.ADMIN)
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8765") as client:
        entered = await client.post("/ui/login", data={"key": secret})
        assert entered.status_code == 303, entered.text
        user = f"user{users // 2:06}"
        found = await service.memory_of("").get_all(user_id=user, limit=1)
        memory_id = found.items[0].id
        change = (await service.memory_of("").history(memory_id))[0]
        print(f"{'page':<30}{'statements':>12}{'CPU ms':>9}{'bytes':>9}")
        for name, path_asked in pages(user, memory_id, change.id).items():
            await report(client, name, path_asked, counted)
    await service.stop()


async def report(client: httpx2.AsyncClient, name: str, path: str, counted: Counted) -> None:
    """Ask several times for one page, and print a line."""
    # The first call opens connections and fills caches.
    (await client.get(path)).raise_for_status()
    spent, size, before = [], 0, counted.statements
    for _ in range(CALLS):
        start = time.process_time()
        size = len((await client.get(path)).content)
        spent.append((time.process_time() - start) * 1000)
    statements = (counted.statements - before) // CALLS
    print(f"{name:<30}{statements:>12}{statistics.median(spent):>9.1f}{size:>9}")


def static_files() -> None:
    """Print what a browser loads once."""
    names = sorted(p.relative_to(STATIC).as_posix() for p in STATIC.rglob("*") if p.suffix in (".css", ".js", ".svg"))
    print(f"{'static file':<42}{'bytes, compressed':>18}")
    for name in names:
        found = asset(name)
        print(f"{name:<42}{len(found.compressed or found.content):>18}{' *' if name in ON_EVERY_PAGE else ''}")
    print("* on every page")


def main() -> None:
    """Fill and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--memories", type=int, default=100_000)
    parser.add_argument("--users", type=int, default=1_000)
    parser.add_argument("--keep", type=Path, help="a folder for the store; without it, one that is removed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        path = (options.keep or Path(scratch)) / "memory.db"
        if not path.exists():
            fill(path, options.memories, options.users)
            asyncio.run(name_and_queue(path))
        asyncio.run(measure(path, options.users))
    static_files()


if __name__ == "__main__":
    main()
