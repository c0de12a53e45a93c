"""The bytes of every file after an erase, searched here and not by what erased: no copy of any piece is left."""

import random
import subprocess
import sys
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import pytest

from keepstone import Memory
from keepstone.embedders.hashing import HashingEmbedder
from keepstone.logic.entities import Registry
from keepstone.naming import Mention
from keepstone.operations import Enqueue, Feedback, MergeNames
from keepstone.stores.sqlite import SqliteStore
from keepstone.testing._script import ALICE, START, Script

PIECE = 12
STEP_MAX = 400
READ = "import pathlib, sys; [sys.stdout.buffer.write(f.read_bytes()) for f in pathlib.Path(sys.argv[1]).iterdir()]"


class Speaker:
    """Says what nobody else says: every run of a dozen characters of it is its own."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self.said: list[str] = []

    def say(self, length: int, *, chinese: bool = False) -> str:
        """Return a new text of about *length* characters."""
        if chinese:
            text = "".join(chr(self._chance.randrange(0x4E00, 0x9FA5)) for _ in range(length))
        else:
            words = (f"{self._chance.randrange(16**10):010x}" for _ in range(length // 11 + 1))
            text = " ".join(words)
        self.said.append(text)
        return text


def bytes_of(folder: Path) -> bytes:
    """Return all files of a store as another process reads them: reading here would drop this process's locks."""
    return subprocess.run([sys.executable, "-c", READ, str(folder)], check=True, capture_output=True).stdout


def left(folder: Path, texts: Iterable[str]) -> list[str]:
    """Return the pieces of *texts* that stand in the files, whatever row or gap they stand in."""
    data = bytes_of(folder)
    pieces: set[str] = set()
    for text in texts:
        step = max(PIECE // 2, min(len(text) // 10, STEP_MAX))
        pieces.update(text[i : i + PIECE] for i in range(0, max(1, len(text) - PIECE + 1), step))
    return [p for p in sorted(pieces) if p.encode() in data]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of the store, which holds nothing else."""
    return tmp_path / "store"


@pytest.fixture
def speaker() -> Speaker:
    """Return whose words are erased."""
    return Speaker(20260504)


def test_scan_can_fail(folder: Path, speaker: Speaker) -> None:
    with Memory(folder / "memory.db", embedder="hashing") as memory:
        text = speaker.say(200)
        memory.delete(memory.add(text, user_id="alice").memories[0].id)
        assert left(folder, [text]), "a deletion keeps the text for the history"


def test_every_field_of_one_memory(folder: Path, speaker: Speaker) -> None:
    say = speaker.say
    with Memory(folder / "memory.db", embedder="hashing") as memory:
        kept = memory.add("This one is kept by Alice", user_id="alice").memories[0]
        record = memory.add(
            {
                "content": say(60),
                "id": say(24),
                "name": say(16),
                "role": say(16),
                "metadata": {say(16): [say(16)]},
            },
            user_id="alice",
            metadata={"of the call": say(20)},
            idempotency_key=say(20),
        ).memories[0]
        memory.update(record.id, text=say(60), metadata={"now": say(20)}, reason=say(20))
        memory.search(say(16), user_id="alice", filters={"now": {"exists": True}})
        deleting = memory.delete(record.id, reason=say(20))
        memory.undo(deleting.id)
        assert left(folder, speaker.said[:-2]), "all of it is there before"
        assert memory.erase(record.id).verified
        assert left(folder, speaker.said) == []
        assert [r.id for r in memory.get_all(user_id="alice").items] == [kept.id]
    assert left(folder, speaker.said) == [], "nor when closed"


@pytest.mark.parametrize("chinese", [False, True], ids=["English", "Chinese"])
def test_long_texts_on_overflow_pages(folder: Path, speaker: Speaker, chinese: bool) -> None:
    with Memory(folder / "memory.db", embedder="hashing") as memory:
        other = Speaker(1)
        for length in (3_000, 20_000, 60_000):
            record = memory.add(speaker.say(length, chinese=chinese), user_id="alice").memories[0]
            memory.add(other.say(length, chinese=chinese), user_id="bob")
            memory.update(record.id, text=speaker.say(length // 2, chinese=chinese))
        assert memory.erase(user_id="alice").verified
        assert left(folder, speaker.said) == []
        assert [r.text for r in memory.get_all(user_id="bob").items] == other.said


def test_after_many_updates_and_page_splits(folder: Path, speaker: Speaker) -> None:
    chance, other = random.Random(7), Speaker(2)
    with Memory(folder / "memory.db", embedder="hashing") as memory:
        ids = []
        for _ in range(12):
            turns = [{"content": speaker.say(chance.randrange(8, 900)), "id": speaker.say(16)} for _ in range(12)]
            ids += [r.id for r in memory.add(turns, user_id="alice").memories]
            memory.add([{"content": other.say(chance.randrange(8, 900))} for _ in range(4)], user_id="bob")
        for id in chance.sample(ids, 60):
            memory.update(id, text=speaker.say(chance.randrange(8, 1_500)), metadata={"m": speaker.say(100)})
        for id in chance.sample(ids, 20):
            memory.delete(id)
        # Some first, one by one, so that pages are emptied in parts and filled again.
        for id in chance.sample(ids, 10):
            memory.erase(id)
        memory.add([{"content": other.say(300)} for _ in range(20)], user_id="bob")
        memory.reembed(HashingEmbedder(64))
        assert memory.erase(user_id="alice").verified
        assert left(folder, speaker.said) == []
        assert len(left(folder, (t[:PIECE] for t in other.said))) == len(other.said)
        assert {r.text for r in memory.get_all(user_id="bob", limit=1_000).items} == set(other.said)
    assert left(folder, speaker.said) == []


def test_one_of_many_leaves_the_rest(folder: Path, speaker: Speaker) -> None:
    with Memory(folder / "memory.db", embedder="hashing") as memory:
        records = memory.add([{"content": speaker.say(120)} for _ in range(200)], user_id="alice").memories
        for record in records[::20]:
            assert memory.erase(record.id).verified
        erased = [r.text for r in records[::20]]
        assert left(folder, erased) == []
        kept = [r.text for r in records if r.text not in erased]
        assert [r.text for r in memory.get_all(user_id="alice", limit=1_000).items] == kept


def test_what_another_user_said_too_stays(folder: Path, speaker: Speaker) -> None:
    with Memory(folder / "memory.db", embedder="hashing") as memory:
        same, own = speaker.say(80), speaker.say(80)
        memory.add([{"content": same}, {"content": own}], user_id="alice")
        memory.add(same, user_id="bob")
        assert memory.erase(user_id="alice").verified
        assert left(folder, [own]) == []
        assert [r.text for r in memory.get_all(user_id="bob").items] == [same]
        assert memory.search(same, user_id="bob")[0].text == same
        assert memory.erase(user_id="bob").verified
        assert left(folder, [same]) == []


def test_reset_leaves_nothing(folder: Path, speaker: Speaker) -> None:
    with Memory(folder / "memory.db", embedder="hashing") as memory:
        memory.add([{"content": speaker.say(400), "name": speaker.say(16)} for _ in range(60)], user_id=speaker.say(20))
        memory.reset(confirm=True)
        assert left(folder, speaker.said) == []


def test_another_process_has_the_store_open(folder: Path, speaker: Speaker) -> None:
    path = folder / "memory.db"
    with Memory(path, embedder="hashing") as memory:
        memory.add([{"content": speaker.say(300)} for _ in range(30)], user_id="alice")
        other = subprocess.Popen(
            [sys.executable, "-m", "tests.stores.children", "serve", str(path)],
            cwd=Path(__file__).resolve().parents[2],
            env={"PYTHONPATH": ":".join([str(Path(__file__).resolve().parents[2]), *sys.path])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert other.stdin is not None
        assert other.stdout is not None
        with other.stdin, other.stdout:
            print("anything", file=other.stdin, flush=True)
            assert other.stdout.readline()
            assert memory.erase(user_id="alice").verified
            assert left(folder, speaker.said) == []
            print("anything", file=other.stdin, flush=True)
            assert other.stdout.readline().split() == ["0", "0", "0"]
        assert other.wait(60) == 0


async def test_what_stands_beside_the_words(folder: Path, speaker: Speaker) -> None:
    script, say, later = Script(), speaker.say, START + timedelta(days=1)
    store = SqliteStore(folder / "memory.db")
    erased, kept = script.say(say(60)), script.say("This one is kept by Alice")
    await store.apply(script.batch(erased, kept))
    fact, beside = script.fact(say(40), [erased.id]), script.fact("Alice keeps one", [kept.id, erased.id])
    job = Enqueue(id=script.id(), scope=ALICE, kind="distil", payload={"messages": [erased.id], "text": say(80)})
    await store.apply(script.batch(fact, beside, job, details={"model": "laws:one", "quote": say(60)}))
    for memory in (fact, beside):
        reason = say(30) if memory is fact else "it helped"
        await store.apply(script.batch(Feedback(memory_id=memory.memory.id, value=0.5, reason=reason)))
    await store.claim(["distil"], 1, later, later)
    await store.retry(job.id, say(40), None, reply=say(3_000))
    assert left(folder, speaker.said), "it is there before"
    assert (await store.erase(ALICE, [erased.id], script.batch())).verified
    assert left(folder, speaker.said) == []
    assert [c.details for c in await store.history(beside.memory.id, ALICE)] == [{}, {"strength": [0.0, 0.5]}]
    await store.close()
    assert left(folder, speaker.said) == [], "nor when closed"


async def test_names_and_merges(folder: Path, speaker: Speaker) -> None:
    script, say = Script(), speaker.say
    store = SqliteStore(folder / "memory.db")
    aliases = (say(20), say(20, chinese=True))
    fact = script.fact("Somebody paints", entities=(Mention(name=say(20), kind="person", aliases=aliases),))
    other = script.fact("Ana sings", entities=(Mention(name="Ana", kind="person"),))
    await store.apply(script.batch(fact, other))
    revised = script.revise(fact.memory.id, "Nobody paints", entities=(Mention(name=say(20), kind="person"),))
    await store.apply(script.batch(revised))
    there = {e.name: e.id for e in Registry(await store.naming(ALICE, START)).entities()}
    merge = MergeNames(scope=ALICE, one=there[speaker.said[-1]], into=there["Ana"], reason=say(40))
    await store.apply(script.batch(merge))
    assert left(folder, speaker.said), "it is there before"
    assert (await store.erase(ALICE, [fact.memory.id], script.batch())).verified
    assert left(folder, speaker.said) == []
    assert [e.name for e in Registry(await store.naming(ALICE, START)).entities()] == ["Ana"]
    await store.close()
    assert left(folder, speaker.said) == [], "nor when closed"
