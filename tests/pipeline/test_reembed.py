"""`reembed`: to another vector space in steps that can stop, while the old one serves and others write."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest

from keepstone import ConfigError, EmbedderMismatchError, Memory, ProviderError
from keepstone.contract import EmbedderKey, Vector
from keepstone.embedders.hashing import HashingEmbedder
from keepstone.reembedding import STEP
from keepstone.stores.sqlite import SqliteStore
from tests.pipeline.opening import Open, texts_of

COUNT = 3 * STEP + 8
OLD, NEW = 64, 96


class Interrupted:
    """The new embedder; before call number *at* it fails, or does something else first."""

    def __init__(self, at: int = 0, error: Exception | None = None) -> None:
        self.inner = HashingEmbedder(NEW)
        self.at, self.error = at, error
        self.during: list[object] = []

    @property
    def key(self) -> EmbedderKey:
        return self.inner.key

    async def embed(self, texts: Sequence[str], kind: Literal["query", "document"]) -> list[Vector]:
        if self.inner.calls + 1 == self.at and self.error is not None:
            raise self.error
        return await self.inner.embed(texts, kind)


def notes(count: int = COUNT) -> list[dict[str, str]]:
    return [{"content": f"Note {i} about birds"} for i in range(count)]


def is_hybrid(memory: Memory) -> bool:
    """Return whether the vectors of the memory's own embedder are used."""
    (hit, *_) = memory.search("birds", user_id="alice", explain=True)
    assert hit.explanation is not None
    return "cosine" in {s.name for s in hit.explanation.signals}


def test_moves_to_another_space(open_memory: Open) -> None:
    memory = open_memory(embedder=HashingEmbedder(OLD))
    memory.add(notes(), user_id="alice")
    new, steps = HashingEmbedder(NEW), list[tuple[int, int]]()
    assert memory.reembed(new, progress=lambda done, total: steps.append((done, total))) == COUNT
    assert steps == [(n, COUNT) for n in (STEP, 2 * STEP, 3 * STEP, COUNT)]
    assert memory.embedder is new
    assert memory.stats().embedder == str(new.key)
    assert is_hybrid(memory)
    memory.add("One more about birds", user_id="alice")
    assert memory.stats().unembedded == 0
    assert memory.reembed() == 0, "nothing is missing"
    again = open_memory(store=memory.store, embedder=HashingEmbedder(NEW))
    assert is_hybrid(again)


def test_goes_on_where_it_stopped_and_the_old_serves_meanwhile(open_memory: Open) -> None:
    memory = open_memory(embedder=HashingEmbedder(OLD))
    memory.add(notes(), user_id="alice")
    failing = Interrupted(at=4, error=ProviderError("test", "is down", retryable=True))
    mover = open_memory(store=memory.store, embedder=HashingEmbedder(OLD))
    with pytest.raises(ProviderError, match="is down"):
        mover.reembed(failing)
    assert memory.stats().embedder == str(HashingEmbedder(OLD).key)
    assert is_hybrid(memory)
    assert is_hybrid(mover), "the one that failed still has its old embedder"
    memory.add("Added in the old space, about birds", user_id="alice")
    memory.delete(memory.get_all(user_id="alice", limit=1).items[0].id)
    second = HashingEmbedder(NEW)
    made = mover.reembed(second)
    assert made == COUNT + 1 - 2 * STEP, "two steps were kept"
    assert second.texts == made + 1, "and are not embedded again, but for the question of its dimension"
    assert memory.stats().unembedded == 0
    with pytest.raises(EmbedderMismatchError, match="keepstone reembed"):
        memory.add("Added too late in the old space", user_id="alice")
    with pytest.raises(EmbedderMismatchError):
        memory.search("birds", user_id="alice")
    assert len(texts_of(mover, user_id="alice")) == COUNT


def test_wrong_vectors_stop_it(open_memory: Open) -> None:
    class Wrong(Interrupted):
        async def embed(self, texts: Sequence[str], kind: Literal["query", "document"]) -> list[Vector]:
            return [v[:-1] for v in await super().embed(texts, kind)]

    memory = open_memory(embedder=HashingEmbedder(OLD))
    memory.add(notes(5), user_id="alice")
    with pytest.raises(ProviderError):
        memory.reembed(Wrong())
    assert is_hybrid(memory)
    assert memory.stats().embedder == str(HashingEmbedder(OLD).key)


def test_adds_during_it_are_taken_along(open_memory: Open) -> None:
    memory = open_memory(embedder=HashingEmbedder(OLD))
    memory.add(notes(), user_id="alice")

    class Busy(Interrupted):
        """Before each of its first calls, somebody adds something in the old space, and changes something."""

        async def embed(self, texts: Sequence[str], kind: Literal["query", "document"]) -> list[Vector]:
            if 1 <= self.inner.calls <= 6:
                await asyncio.to_thread(somebody, self.inner.calls)
            return await super().embed(texts, kind)

    old = Memory(store=memory.store, embedder=HashingEmbedder(OLD))

    def somebody(call: int) -> None:
        old.add([{"content": f"In the middle {call}, about birds"}], user_id="alice")
        first = old.get_all(user_id="alice", limit=1).items[0]
        old.update(first.id, text=f"Changed in the middle {call}, about birds")

    memory.reembed(Busy())
    assert memory.stats().unembedded == 0
    assert memory.stats().embedder == str(HashingEmbedder(NEW).key)
    assert is_hybrid(memory)
    assert sum(t.startswith("In the middle") for t in texts_of(memory, user_id="alice")) == 6
    assert memory.search("Changed in the middle 6", user_id="alice")[0].text.startswith("Changed in the middle 6")


def test_words_alone_gets_its_vectors(open_memory: Open) -> None:
    words = open_memory(embedder="none")
    words.add(notes(10), user_id="alice")
    memory = open_memory(store=words.store, embedder=HashingEmbedder(NEW))
    assert not is_hybrid(memory)
    memory.add("Added before it has any, about birds", user_id="alice")
    with pytest.raises(ConfigError, match="embedder"):
        words.reembed()
    assert memory.reembed() == 11
    assert is_hybrid(memory)
    assert memory.stats().unembedded == 0
    assert len(words.search("birds", user_id="alice", limit=100)) == 11, "words alone still do"


def test_another_embedder_while_one_is_on_its_way(open_memory: Open) -> None:
    """A third space starts anew; nothing of the second is mixed in."""
    memory = open_memory(embedder=HashingEmbedder(OLD))
    memory.add(notes(), user_id="alice")
    with pytest.raises(ProviderError):
        memory.reembed(Interrupted(at=3, error=ProviderError("test", "is down", retryable=True)))
    third = HashingEmbedder(48)
    assert memory.reembed(third) == COUNT
    assert is_hybrid(memory)
    assert memory.reembed(HashingEmbedder(OLD)) == COUNT
    assert is_hybrid(memory)


ADD = """
import sys
from keepstone import EmbedderMismatchError, Memory
from keepstone.embedders.hashing import HashingEmbedder
memory = Memory(sys.argv[1], embedder=HashingEmbedder(64))
for i in range(100_000):
    try:
        memory.add([{"content": f"Other {i}, {p}, about birds"} for p in range(3)], user_id="alice")
    except EmbedderMismatchError:
        print(3 * i)
        break
    if i == 0:
        print("begun", flush=True)
memory.close()
"""


def test_another_process_writes_on_until_it_is_done(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with Memory(path, embedder=HashingEmbedder(OLD)) as memory:
        memory.add(notes(), user_id="alice")
        other = subprocess.Popen(
            [sys.executable, "-c", ADD, str(path)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert other.stdout is not None
        with other.stdout:
            assert other.stdout.readline() == "begun\n"
            memory.reembed(HashingEmbedder(NEW))
            added = int(other.stdout.readline())
        assert other.wait(60) == 0
        stats = memory.stats()
        assert (stats.memories, stats.unembedded) == (COUNT + added, 0)
        assert added >= 3
        assert is_hybrid(memory)

    async def findings() -> list[str]:
        store = SqliteStore(path)
        found = [f.name for f in await store.check() if not f.ok]
        await store.close()
        return found

    assert asyncio.run(findings()) == []
