"""One way to open a memory for tests: every store, through both faces, with the same blocking verbs."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, Protocol, cast

from keepstone import AsyncMemory, Memory
from keepstone.contract import EmbedderKey, Vector
from keepstone.embedders.hashing import HashingEmbedder
from keepstone.protocols import Store
from keepstone.stores.inmemory import InMemoryStore
from keepstone.stores.sqlite import SqliteStore

STORES: dict[str, Callable[[Path], Store]] = {"inmemory": lambda _: InMemoryStore(), "sqlite": SqliteStore}
FACES = ("Memory", "AsyncMemory")


class Open(Protocol):
    """What the fixture `open_memory` gives: a new memory; `store` to share one, else a fresh one is made."""

    def __call__(self, *, store: Store | None = None, **settings: Any) -> Memory: ...


class Awaited:
    """The verbs of an `AsyncMemory`, each run to its end on one loop, so that one test serves both faces."""

    def __init__(self, memory: AsyncMemory, runner: asyncio.Runner) -> None:
        self._memory = memory
        self._runner = runner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._memory, name)
        if not callable(found) or name in ("store", "embedder"):
            return found
        return lambda *args, **named: self._runner.run(found(*args, **named))


def opener(store_name: str, face: str, folder: Path) -> Iterator[Open]:
    """Yield what opens memories of one store through one face, and close them all in the end."""
    with ExitStack() as closing:
        runner = closing.enter_context(asyncio.Runner())
        count = iter(range(1_000_000))

        def make(*, store: Store | None = None, **settings: Any) -> Memory:
            settings.setdefault("embedder", HashingEmbedder())
            store = store or STORES[store_name](folder / f"{next(count)}.db")
            if face == "Memory":
                memory = Memory(store=store, **settings)
            else:
                memory = cast(Memory, Awaited(AsyncMemory(store=store, **settings), runner))
            closing.callback(memory.close)
            return memory

        yield make


class BrokenEmbedder:
    """An embedder that answers with whatever `spoil` makes of the right vectors, or raises it."""

    def __init__(self, spoil: Callable[[list[Vector]], Any] = lambda vectors: vectors, dimensions: int = 256) -> None:
        self.spoil = spoil
        self._good = HashingEmbedder(dimensions)

    @property
    def key(self) -> EmbedderKey:
        return self._good.key

    async def embed(self, texts: Sequence[str], kind: Literal["query", "document"]) -> list[Vector]:
        answer = self.spoil(await self._good.embed(texts, kind))
        if isinstance(answer, BaseException):
            raise answer
        return cast(list[Vector], answer)


def texts_of(memory: Memory, **scope: Any) -> list[str]:
    """All texts that a scope lists, in order, over all pages."""
    found: list[str] = []
    cursor = None
    while True:
        page = memory.get_all(limit=50, cursor=cursor, **scope)
        found += [r.text for r in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return found
