"""A store that an older Keepstone made opens with all that it holds, and takes what is new.

`golden/version-N.db.gz` was made by the code that had schema N; `version-N.json` is what that code showed of it.
"""

import gzip
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from keepstone.operations import EnterCall, Feedback, Finish, Join
from keepstone.results import Receipt
from keepstone.stores.sqlite import SqliteStore, schema
from keepstone.testing._script import ALICE, START, Script, archived, listed
from keepstone.types import Action, Change, LedgerMessage, Scope, plain
from tests.stores.test_sqlite_processes import run

GOLDEN = Path(__file__).parent / "golden"
VERSIONS = sorted(int(f.stem.split("-")[1]) for f in GOLDEN.glob("version-*.json"))


@pytest.fixture(params=VERSIONS)
def old(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """Return a store of an older version, and what that version showed of it."""
    path = tmp_path / "memory.db"
    path.write_bytes(gzip.decompress((GOLDEN / f"version-{request.param}.db.gz").read_bytes()))
    shown: dict[str, Any] = json.loads((GOLDEN / f"version-{request.param}.json").read_text())
    return path, shown


@pytest.fixture
async def store(old: tuple[Path, dict[str, Any]]) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(old[0])
    yield opened
    await opened.close()


def test_every_older_version_has_a_golden_file() -> None:
    assert list(range(1, schema.VERSION)) == VERSIONS


async def test_everything_is_still_there(store: SqliteStore, old: tuple[Path, dict[str, Any]]) -> None:
    shown = old[1]
    for tenant, rows in shown["archive"].items():
        there = [plain(r) for r in await archived(store, Scope(tenant=tenant), include_retired=True)]
        assert len(there) == len(rows)
        for now, then in zip(there, rows, strict=True):
            kind = then.pop("type")
            then_record = then.pop("record", {})
            for after, before in zip(now.get("revisions", ()), then.get("revisions", ()), strict=True):
                if "entities" not in before:
                    assert after.pop("entities") == [], "version 1 knew of none"
            assert {k: now[k] for k in then} == then, kind
            assert {k: now["record"][k] for k in then_record} == then_record
    visible = [r.to_dict() for r in await listed(store, Script(), scope=Scope())]
    assert [{k: now[k] for k in then} for now, then in zip(visible, shown["visible"], strict=True)] == shown["visible"]
    asked = await store.candidates(Script().ask("harbour office guqin"))
    assert sorted([c.memory_id, c.unit, round(c.bm25, 6)] for c in asked.items) == shown["found"]
    assert (await store.stats(ALICE)).schema_version == schema.VERSION
    assert [f for f in await store.check() if not f.ok] == []


async def test_it_takes_what_is_new(store: SqliteStore, old: tuple[Path, dict[str, Any]]) -> None:
    script = Script(seed=99)
    records = {r.text: r for r in await listed(store, script)}
    fact, previous = records["Alice learns the guqin on Wednesdays"], records["The harbour office is on Mill Lane"]
    assert (fact.derived_from, fact.strength) == ((records["我每周三去学古琴"].id,), 0.0)
    assert previous.superseded_by == records["The harbour office is on Quay Street"].id
    later = script.now + timedelta(hours=1)
    (job,) = await store.claim(["extract"], 9, later, later + timedelta(seconds=60), scope=Scope())
    said = script.say("I never miss the Wednesday lesson")
    receipt = Receipt(
        model="laws:one", purpose="extract", prompt="p/1/en", input_tokens=1, output_tokens=1, milliseconds=1.0,
        at=script.now,
    )  # fmt: skip
    operations = (
        said,
        Join(memory_id=fact.id, sources=script.fact("", [said.id]).memory.sources),
        Feedback(memory_id=fact.id, value=0.5),
        Finish(job_id=job.id, attempts=job.attempts),
        EnterCall(id=script.id(), scope=ALICE, receipt=receipt),
    )
    await store.apply(script.batch(*operations, details={"model": "laws:one"}))
    (now,) = await store.get([fact.id], ALICE)
    assert (now.strength, now.sources) == (0.5, (*fact.sources, said.id))
    last = (await store.history(fact.id, ALICE))[-1]
    assert (last.action, last.details) == (Action.FEEDBACK, {"model": "laws:one", "strength": [0.0, 0.5]})
    states = [j.state for j in await store.jobs(Scope(), at=script.now)]
    assert states == ["dead"], "the dead letter of before is still one"
    assert (await store.usage(ALICE, None, None)).calls == 1


async def test_what_was_there_is_counted(store: SqliteStore) -> None:
    listed_owners = (await store.owners("")).items
    assert [(o.kind, o.id, o.memories, o.messages) for o in listed_owners] == await _counted(store)
    rows = [r for r in await archived(store, Scope(), include_retired=True) if isinstance(r, LedgerMessage | Change)]
    days = await store.days(Scope(), START - timedelta(days=9), START + timedelta(days=9))
    assert [(d.day, d.messages, sum(d.changes.values())) for d in days] == [
        ("2026-03-01", sum(isinstance(r, LedgerMessage) for r in rows), sum(isinstance(r, Change) for r in rows))
    ]
    assert await store.events(Scope()) == [], "nothing is told of what was before"
    assert [t.id for t in (await store.tenants()).items] == [""]


async def _counted(store: SqliteStore) -> list[tuple[str, str, int, int]]:
    counts = [(user, await store.stats(Scope(user_id=user))) for user in ("alice", "bob")]
    return [("user", user, stats.memories, stats.messages) for user, stats in counts]


def test_a_migration_that_is_killed_leaves_the_older_version(old: tuple[Path, dict[str, Any]]) -> None:
    run("killed_while_migrating", old[0])
