"""Jobs under several processes, and under one that is killed."""

import signal
import subprocess
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from keepstone.operations import Enqueue, Finish
from keepstone.stores.sqlite import SqliteStore
from keepstone.testing._script import ALICE, Script, listed
from tests.stores.children import JOBS_DUE
from tests.stores.test_sqlite_processes import SECONDS_MAX, start

LATER = JOBS_DUE + timedelta(seconds=60)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "memory.db")
    yield opened
    await opened.close()


def taken(workers: list[subprocess.Popen[str]]) -> list[str]:
    """Let all workers begin, and return what each job's id was printed by, until all were killed."""
    found = []
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("\n")
        worker.stdin.flush()
    for worker in workers:
        out, _ = worker.communicate(timeout=SECONDS_MAX)
        assert worker.returncode == -signal.SIGKILL
        found += out.split()
    return found


async def test_no_two_processes_hold_a_job_and_none_is_lost_with_a_process(store: SqliteStore, tmp_path: Path) -> None:
    script = Script()
    jobs = [Enqueue(id=script.id(), scope=ALICE, kind="test", payload={}) for _ in range(40)]
    await store.apply(script.batch(*jobs))
    ids = taken([start("take_jobs", tmp_path / "memory.db") for _ in range(3)])
    assert sorted(ids) == sorted(j.id for j in jobs), "each job went to one process"
    assert await store.claim(["test"], 99, LATER - timedelta(seconds=1), LATER) == [], "the dead still hold them"
    again = await store.claim(["test"], 99, LATER, LATER + timedelta(seconds=60))
    assert [(j.id, j.attempts) for j in again] == [(j.id, 2) for j in jobs], "then all are handed out again"
    said = script.say("What the job did")
    await store.apply(script.batch(said, Finish(job_id=again[0].id, attempts=2)))
    assert len(await store.jobs(ALICE, at=LATER)) == 39
    assert [r.text for r in await listed(store, script)] == ["What the job did"]
