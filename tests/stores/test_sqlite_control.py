"""What only the file can show of a server's own business: two processes' stores, its bytes, its plans."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import apsw
import pytest

from keepstone.control import StoredReply
from keepstone.stores.sqlite import SqliteStore, catalogue, keys, schema
from keepstone.testing._catalogue import pages
from keepstone.testing._control import a_webhook, an_api_key, digest
from keepstone.testing._script import ALICE, START, Script
from keepstone.types import Scope

HOUR = timedelta(hours=1)


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[tuple[SqliteStore, SqliteStore]]:
    """Return two stores over one file."""
    async with AsyncExitStack() as stack:
        stores = (SqliteStore(tmp_path / "memory.db"), SqliteStore(tmp_path / "memory.db"))
        for store in stores:
            stack.push_async_callback(store.close)
        yield stores


async def test_two_processes_fan_out_and_lease_each_event_once(two: tuple[SqliteStore, SqliteStore]) -> None:
    script = Script()
    await two[0].put_webhook(a_webhook("hook"))
    for n in range(40):
        await two[n % 2].apply(script.batch(script.say(f"Sentence {n}")))
    now = script.now
    looked = await asyncio.gather(*(two[n % 2].fan_out(now, 7) for n in range(12)))
    assert sum(looked) == 40
    leased = await asyncio.gather(*(two[n % 2].due_deliveries(now, now + HOUR, 5) for n in range(12)))
    sequences = [delivery.event.sequence for some in leased for _, delivery in some]
    assert sorted(sequences) == list(range(1, 41))


async def test_no_reply_is_left_in_the_bytes_after_an_erase(tmp_path: Path) -> None:
    store, script = SqliteStore(tmp_path / "memory.db"), Script()
    secret = "the cormorant nests behind the boathouse 鸬鹚在船屋后面筑巢"
    said = script.say(secret)
    await store.apply(script.batch(said))
    await store.begin_reply("", b"k", b"f", START, START + HOUR)
    reply = StoredReply(fingerprint=b"f", status=200, body=secret.encode() * 300)
    await store.keep_reply("", b"k", reply)
    assert await store.begin_reply("", b"k", b"f", START, START + HOUR) == reply
    receipt = await store.erase(ALICE, [said.id], script.batch())
    assert receipt.verified
    await store.close()
    assert b"cormorant" not in _bytes(tmp_path)
    assert "鸬鹚".encode() not in _bytes(tmp_path)


def _bytes(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir())


async def test_erasing_a_user_leaves_ids_and_counts_alone(tmp_path: Path) -> None:
    store, script = SqliteStore(tmp_path / "memory.db"), Script()
    said = script.say("The cormorant nests behind the boathouse", id="m-1")
    await store.put_webhook(a_webhook("hook"))
    await store.apply(script.batch(said, reason="heard at the boathouse"))
    await store.erase(ALICE, None, script.batch())
    await store.fan_out(script.now, 9)
    kept = [*await store.events(Scope()), *(await store.deliveries("", "hook")).items]
    kept += await store.days(Scope(), START - HOUR, START + HOUR)
    assert len(kept) == 2 + 2 + 1
    assert not any(word in str(kept) for word in ("cormorant", "boathouse", "m-1"))
    await store.close()


@pytest.fixture
def plans() -> apsw.Connection:
    """Return a connection on an empty store."""
    db = apsw.Connection(":memory:")
    schema.prepare(db, "plans")
    return db


def test_a_key_is_one_lookup_in_an_index(plans: apsw.Connection) -> None:
    asked: list[str] = []
    keys.put_key(plans, an_api_key("one"), digest("one"))

    def trace(_: apsw.Cursor, statement: str, __: object) -> bool:
        asked.append(statement)
        return True

    plans.exec_trace = trace
    found = keys.key(plans, digest("one"))
    plans.exec_trace = None
    assert found == an_api_key("one")
    (sql,) = asked
    (step,) = [row[3] for row in plans.execute(f"EXPLAIN QUERY PLAN {sql}", (b"",))]
    assert step.startswith("SEARCH api_keys USING INDEX"), step


async def test_a_long_log_is_looked_up_where_walking_would_not_end(tmp_path: Path) -> None:
    """What others changed lately is not walked through without end, and the pages stay those of the scope."""
    store, script = SqliteStore(tmp_path / "memory.db"), Script(space=None)
    rare = [Scope(user_id="alice", run_id="rare"), Scope(user_id="bob", agent_id="rare"), Scope(user_id="eve")]
    ids = {s: [script.say(f"Rare {n}", scope=s) for n in range(5)] for s in rare}
    await store.apply(script.batch(*(one for some in ids.values() for one in some)))
    other = Script(Scope(tenant="acme", user_id="alice"), space=None)
    for writer, scope in ((script, ALICE), (other, other.scope)):
        said = [writer.say(f"Common {n}", scope=scope) for n in range(catalogue.LOOKED_AT_MAX + 10)]
        await store.apply(writer.batch(*said))
    for scope, some in ((rare[0], ids[rare[0]]), (Scope(agent_id="rare"), ids[rare[1]])):
        log = await pages(lambda c, s=scope: store.log(s, cursor=c, limit=2))  # type: ignore[misc]
        assert [c.memory_id for c in log] == [one.memory.id for one in reversed(some)]
    whole = await pages(lambda c: store.log(Scope(), cursor=c, limit=500))
    assert len(whole) == 15 + catalogue.LOOKED_AT_MAX + 10
    assert [c.memory_id for c in whole[-15:]] == [one.memory.id for s in reversed(rare) for one in reversed(ids[s])]
    await store.close()
