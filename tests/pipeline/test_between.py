"""What somebody else does between the write of a verb and its answer: the answer tells what the verb did."""

from collections.abc import Awaitable, Callable

import pytest

from keepstone import AsyncMemory, NotFoundError
from keepstone.operations import Applied, Batch
from keepstone.testing import HashingEmbedder, InMemoryStore

Between = Callable[[], Awaitable[object]]


class Interrupted(InMemoryStore):
    """A store at which somebody is quick: `between` is called once, after the next commit and before it is told."""

    between: Between | None = None

    async def apply(self, batch: Batch) -> Applied:
        applied = await super().apply(batch)
        between, self.between = self.between, None
        if between is not None:
            await between()
        return applied


@pytest.fixture
def store() -> Interrupted:
    return Interrupted()


@pytest.fixture
def memory(store: Interrupted) -> AsyncMemory:
    return AsyncMemory(store=store, embedder=HashingEmbedder())


async def said(memory: AsyncMemory) -> str:
    return (await memory.add("I live in Lyon.", user_id="alice")).memories[0].id


async def test_an_update_is_told_though_the_memory_was_deleted_since(memory: AsyncMemory, store: Interrupted) -> None:
    id = await said(memory)
    store.between = lambda: memory.delete(id)
    updated = await memory.update(id, text="我住在里昂。", metadata={"a": 1})
    assert (updated.text, dict(updated.metadata), updated.language) == ("我住在里昂。", {"a": 1}, "zh")
    assert [c.action for c in await memory.history(id)] == ["ADD", "UPDATE", "DELETE"]


async def test_an_update_is_told_and_not_the_one_after_it(memory: AsyncMemory, store: Interrupted) -> None:
    id = await said(memory)
    store.between = lambda: memory.update(id, text="I live in Nice.")
    updated = await memory.update(id, text="I live in Paris.")
    assert (updated.text, updated.revision, updated.edited) == ("I live in Paris.", 2, True)
    now = await memory.get(id)
    assert (now.text, now.revision) == ("I live in Nice.", 3)


CHANGING: dict[str, Callable[[AsyncMemory, str], Awaitable[object]]] = {
    "update": lambda memory, id: memory.update(id, text="I live in Paris."),
    "delete": lambda memory, id: memory.delete(id),
    "feedback": lambda memory, id: memory.feedback(id, "positive"),
}


@pytest.mark.parametrize("verb", CHANGING)
async def test_what_was_erased_since_is_not_found(memory: AsyncMemory, store: Interrupted, verb: str) -> None:
    id = await said(memory)
    store.between = lambda: memory.erase(id)
    with pytest.raises(NotFoundError):
        await CHANGING[verb](memory, id)
