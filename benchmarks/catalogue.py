"""Measures what the listings for people, and what a server asks on every request, cost on a large store.

    python -m benchmarks.catalogue [--memories 100000] [--users 1000] [--keep DIR]

Fills a store (without an embedder) with users that have five sessions each, one of two agents in every second one,
then asks for pages of 50: of a user, of a session, of an agent, of the whole tenant; the first page, and one from the
middle of the list. Prints the milliseconds of CPU (the median of nine calls), the SQL statements and the rows of each.
With --keep the store is filled once and asked again.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw

from keepstone import Memory
from keepstone.control import ApiKey, Role
from keepstone.errors import ConflictError
from keepstone.stores.sqlite import SqliteStore
from keepstone.types import Listing, Scope

SESSIONS = 5
CALLS = 9
LIMIT = 50
DIGEST = hashlib.sha256(b"benchmark").digest()

Ask = Callable[[str | None], Awaitable[Any]]


class Counted:
    """Counts the statements of all connections that are opened after it was made."""

    def __init__(self) -> None:
        self.statements = 0
        apsw.connection_hooks.append(self._watch)

    def _watch(self, db: apsw.Connection) -> None:
        db.exec_trace = self._count

    def _count(self, *_: object) -> bool:
        self.statements += 1
        return True


def fill(path: Path, memories: int, users: int) -> None:
    """Fill the store session by session, so that users and their sessions are mixed as they would be."""
    each = memories // (users * SESSIONS)
    with Memory(path, embedder="none") as memory:
        for session in range(SESSIONS):
            for user in range(users):
                said = [
                    {"content": f"In session {session} user {user} speaks of harbour {n} and lantern {n * user % 97}."}
                    for n in range(each)
                ]
                agent = f"agent{user % 2}" if session % 2 else None
                memory.add(said, user_id=f"user{user:06}", agent_id=agent, run_id=f"run{session}")


def asked(store: SqliteStore, users: int) -> dict[str, Ask]:
    """Return what is asked for, by name."""
    user, now = f"user{users // 2:06}", datetime.now(UTC)
    mine, session = Scope(user_id=user), Scope(user_id=user, run_id="run3")
    agent, tenant = Scope(agent_id="agent1"), Scope()
    since = now - timedelta(days=30)
    scopes = {"a user": mine, "a session": session, "an agent": agent, "the tenant": tenant}
    found: dict[str, Ask] = {
        "owners": lambda c: store.owners("", cursor=c, limit=LIMIT),
        "owners, a prefix": lambda c: store.owners("", prefix="user0005", cursor=c, limit=LIMIT),
    }
    for name, scope in scopes.items():
        found |= {
            f"conversations of {name}": lambda c, s=scope: store.conversations(s, cursor=c, limit=LIMIT),  # type: ignore[misc]
            f"transcript of {name}": lambda c, s=scope: store.transcript(s, cursor=c, limit=LIMIT),  # type: ignore[misc]
            f"transcript of {name}, newest first": lambda c, s=scope: store.transcript(  # type: ignore[misc]
                s, cursor=c, limit=LIMIT, newest_first=True
            ),
            f"log of {name}": lambda c, s=scope: store.log(s, cursor=c, limit=LIMIT),  # type: ignore[misc]
            f"events of {name}": lambda _, s=scope: store.events(s, limit=LIMIT, newest_first=True),  # type: ignore[misc]
        }
    return found | {
        "days of a user": lambda _: store.days(mine, since, now),
        "days of the tenant": lambda _: store.days(tenant, since, now),
        "queue_counts": lambda _: store.queue_counts(tenant, now),
        "key": lambda _: store.key(DIGEST),
        "last_event": lambda _: store.last_event(),
    }


async def measure(path: Path, users: int) -> None:
    """Ask for everything, and print what it cost."""
    counted, store = Counted(), SqliteStore(path)
    key = ApiKey(
        id="bench", tenant="", name="bench", role=Role.READ, prefix="ks_", pin=Scope(), created_at=datetime.now(UTC)
    )
    try:
        await store.put_key(key, DIGEST)
    except ConflictError:
        print("The store is one that was filled before.")
    for _ in range(8):
        # Each reader's connection is opened at its first call.
        await asyncio.gather(*(store.last_event() for _ in range(8)))
    print(f"{'what':<42}{'page':>8}{'rows':>6}{'statements':>12}{'CPU ms':>9}")
    for name, ask in asked(store, users).items():
        await report(name, "first", ask, None, counted)
        cursor = await middle(ask)
        if cursor is not None:
            await report(name, "middle", ask, cursor, counted)
    await store.close()


async def middle(ask: Ask) -> str | None:
    """Return the cursor in the middle of a list, at most 200 pages in; None if there is one page only."""
    cursors: list[str] = []
    cursor = None
    while len(cursors) < 400:
        page = await ask(cursor)
        if not isinstance(page, Listing) or page.next_cursor is None:
            break
        cursor = page.next_cursor
        cursors.append(cursor)
    return cursors[len(cursors) // 2] if cursors else None


async def report(name: str, page: str, ask: Ask, cursor: str | None, counted: Counted) -> None:
    """Ask several times for one page, and print a line."""
    spent = []
    answer: Any = None
    before = counted.statements
    for _ in range(CALLS):
        start = time.process_time()
        answer = await ask(cursor)
        spent.append((time.process_time() - start) * 1000)
    # Two of them begin and end the transaction of each call.
    statements = (counted.statements - before) // CALLS - 2
    rows = len(answer.items) if isinstance(answer, Listing) else len(answer) if isinstance(answer, list) else 1
    print(f"{name:<42}{page:>8}{rows:>6}{statements:>12}{statistics.median(spent):>9.2f}")


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
        size = sum(f.stat().st_size for f in path.parent.iterdir() if f.name.startswith(path.name))
        print(f"{options.memories} memories of {options.users} users, {size / options.memories:.0f} bytes a memory")
        asyncio.run(measure(path, options.users))


if __name__ == "__main__":
    main()
