"""`kill -9` while a model reads: no word is lost, no job is lost, and no fact is applied twice."""

import asyncio
import json
import random
import threading
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from keepstone import Action, AsyncMemory, Kind
from keepstone.config import utc_now
from keepstone.embedders.hashing import HashingEmbedder
from keepstone.testing import ScriptedChatModel
from tests.distillation.speaking import repeated_all
from tests.torture.distiller import USERS, text
from tests.torture.test_kill import CYCLES, SEED, Life
from tests.torture.truth import LISTED_MAX, findings

MODULE = "tests.torture.distiller"


def later() -> datetime:
    """The time when every lease of the dead has run out."""
    return utc_now() + timedelta(minutes=10)


def keys_of(lines: Iterable[str]) -> dict[str, list[str]]:
    """Return what one life said was added, by user; the last line may be torn."""
    told: dict[str, list[str]] = {}
    for line in lines:
        if line.endswith("\n"):
            said = json.loads(line)
            told.setdefault(said["user"], []).extend(said["keys"])
    return told


async def looked_at(path: Path, name: str, told: dict[str, set[str]], *, finish: bool) -> int:
    """Assert all there is to assert about the users of one writer; return how many facts they have.

    With *finish*, the jobs of the dead are done first, and then every message must have its fact.
    """
    memory = AsyncMemory(path, embedder=HashingEmbedder(48), chat_model=ScriptedChatModel(repeated_all), clock=later)
    made = 0
    for user in (f"{name}-{n}" for n in range(USERS)):
        if finish:
            await memory.retry(user_id=user)
            assert await memory.flush(user_id=user) == []
        jobs = await memory.jobs(user_id=user)
        items = (await memory.get_all(user_id=user, limit=LISTED_MAX)).items
        said = {r.sources[0]: r.text for r in items if r.kind is Kind.EPISODE}
        assert told.get(user, set()) <= said.keys(), "an acknowledged message is lost"
        assert all(words == text(key) for key, words in said.items())
        facts = Counter(r.text for r in items if r.kind is Kind.FACT)
        assert set(facts) <= set(said.values()), "a fact came from nowhere"
        assert [t for t, count in facts.items() if count > 1] == [], "a fact was applied twice"
        unread = {i for job in jobs for i in (job.payload or {})["messages"]}
        queued = {m.content for job in jobs for m in await memory.store.messages(sorted(unread), job.scope)}
        assert set(said.values()) - set(facts) <= queued, "a message has neither a fact nor a job"
        for record in [r for r in items if r.kind is Kind.FACT][-20:]:
            assert [c.action for c in await memory.history(record.id)] == [Action.ADD]
            assert record.text in [h.text for h in await memory.search(record.text, user_id=user)]
        made += len(facts)
    await memory.close()
    return made


def campaign(path: Path, cycles: int, names: str) -> int:
    """Kill one distilling writer after the other; of several on the same file one at a time."""
    chance = random.Random(SEED)
    told: dict[str, set[str]] = {}
    lives: dict[str, Life] = {}
    made = 0
    for cycle in range(cycles):
        for name in names:
            if name not in lives:
                lives[name] = Life(path, name, cycle, chance.randrange(10**9), MODULE)
        turn = names[cycle % len(names)]
        assert lives[turn].has_spoken.wait(60)
        threading.Event().wait(chance.expovariate(4))
        for user, keys in keys_of(lives.pop(turn).kill()).items():
            told.setdefault(user, set()).update(keys)
        try:
            made = asyncio.run(looked_at(path, turn, told, finish=chance.random() < 0.3))
            assert lives or findings(path) == []
        except AssertionError as error:
            raise AssertionError(f"cycle {cycle}, seed {SEED}: {error}") from error
    for life in lives.values():
        for user, keys in keys_of(life.kill()).items():
            told.setdefault(user, set()).update(keys)
    made = sum(asyncio.run(looked_at(path, name, told, finish=True)) for name in names)
    assert findings(path) == []
    print(f"{cycles} cycles, {sum(map(len, told.values()))} acknowledged messages, {made} facts, seed {SEED}")
    assert made >= sum(map(len, told.values())) > 0
    return made


def test_a_writer_that_distils(tmp_path: Path) -> None:
    campaign(tmp_path / "memory.db", 3, "w")


@pytest.mark.slow
def test_a_writer_that_distils_for_long(tmp_path: Path) -> None:
    assert campaign(tmp_path / "memory.db", CYCLES, "w") > CYCLES


@pytest.mark.slow
def test_two_writers_that_distil_for_long(tmp_path: Path) -> None:
    assert campaign(tmp_path / "memory.db", max(10, CYCLES // 4), "ab") > CYCLES // 4
