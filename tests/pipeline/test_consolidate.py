"""`consolidate`: what says the same becomes one with the sources of all, and can be taken apart again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from keepstone import AsyncMemory, Kind, MemoryRecord, ScopeError
from keepstone.stores.inmemory import InMemoryStore
from keepstone.testing import FakeClock
from tests.distillation.speaking import STORES, change, episodes, facts, heard, opened, records, reply

MAY, JUNE = (datetime(2025, month, 1, tzinfo=UTC) for month in (5, 6))
# In each language: two messages, what is made of each, and how a person words the second.
TALES = {
    "en": (
        {
            "I keep bees on the roof.": "User keeps bees on the roof.",
            "My bees like the roof.": "User's bees like the roof.",
        },
        "The user now keeps bees on the roof.",
    ),
    "zh": (
        {"我在屋顶上养蜂。": "用户在屋顶上养蜂。", "屋顶上的蜂很乖。": "屋顶上的蜂很乖。"},
        "用户现在在屋顶上养蜂。",
    ),
}
ENGLISH, AGAIN = TALES["en"]
FIRST, *_ = ENGLISH


async def twice(memory: AsyncMemory, language: str = "en", **second: Any) -> tuple[MemoryRecord, MemoryRecord]:
    """Let a user say two things that a person then words alike, the later one first, and return the facts.

    *second* goes with the later one.
    """
    made, alike = TALES[language]
    for said, more, at in zip(made, ({}, second), (MAY, JUNE), strict=True):
        await memory.add({"content": said, "timestamp": at}, **{"user_id": "u", **more})
    one, other = [r for r in await records(memory, user_id="u") if r.kind is Kind.FACT]
    return one, await memory.update(other.id, text=alike)


def teller(language: str = "en", **settings: Any) -> Any:
    """Return what makes a memory whose model knows the tale."""
    made = TALES[language][0]
    return lambda store: opened(store, lambda r: reply(change("add", made[heard(r)])), clock=FakeClock(), **settings)


async def held(memory: AsyncMemory) -> list[MemoryRecord]:
    """Return what the user's scope shows, but for when it was last touched."""
    return [replace(r, updated_at=r.created_at) for r in await records(memory, user_id="u")]


@pytest.mark.parametrize("language", TALES)
@pytest.mark.parametrize("store", STORES)
async def test_what_says_the_same_becomes_one_with_all_sources(store: str, language: str, tmp_path: Path) -> None:
    memory = teller(language)(STORES[store](tmp_path / "m.db"))
    stays, goes = await twice(memory, language)
    before = await held(memory)

    changes = await memory.consolidate(user_id="u")

    assert [(c.action, c.memory_id) for c in changes] == [("UPDATE", stays.id), ("DELETE", goes.id)]
    assert len({c.batch_id for c in changes}) == 1
    assert await facts(memory, user_id="u") == [stays.text]
    assert (await memory.get(stays.id)).sources == stays.sources + goes.sources
    assert await episodes(memory, user_id="u") == list(TALES[language][0])
    context = str(await memory.context(stays.text, user_id="u"))
    assert stays.text in context
    assert goes.text not in context
    assert await memory.consolidate(user_id="u") == []

    await memory.undo(changes[0].batch_id)
    assert await held(memory) == before
    await memory.close()


@pytest.mark.parametrize("store", STORES)
async def test_as_of_any_moment_the_first_is_shown(store: str, tmp_path: Path) -> None:
    memory = teller()(STORES[store](tmp_path / "m.db"))
    stays, goes = await twice(memory)
    await memory.consolidate(user_id="u")
    for moment, shown in ((MAY - timedelta(days=1), []), (MAY, [stays.id]), (JUNE, [stays.id])):
        found = await memory.search("bees", user_id="u", as_of=moment, kinds=["fact"])
        assert [h.id for h in found] == shown
    assert goes.id not in [r.id for r in await records(memory, user_id="u")]
    await memory.close()


async def test_what_was_merged_goes_with_all_that_says_it() -> None:
    memory = teller()(InMemoryStore())
    stays, _ = await twice(memory)
    await memory.consolidate(user_id="u")
    await memory.delete(stays.id)
    assert await records(memory, user_id="u") == []


@pytest.mark.parametrize(
    "second",
    [
        {"user_id": "u", "run_id": "r"},
        {"metadata": {"by": "phone"}},
        {"expires_at": datetime(2027, 1, 1, tzinfo=UTC)},
    ],
)
async def test_what_another_scope_filter_or_day_would_miss_stays(second: dict[str, Any]) -> None:
    memory = teller()(InMemoryStore())
    await twice(memory, **second)
    assert await memory.consolidate(user_id="u") == []
    assert len(await facts(memory, user_id="u")) == 2


@pytest.mark.parametrize(
    "other",
    [
        "User keeps bees on the barn.",
        "User does not keep bees on the roof.",
        "She keeps bees on the roof.",
        "User keeps 2 bees on the roof.",
    ],
)
async def test_what_differs_by_a_word_that_counts_stays(other: str) -> None:
    memory = teller()(InMemoryStore())
    _, second = await twice(memory)
    await memory.update(second.id, text=other)
    assert await memory.consolidate(user_id="u") == []


async def test_what_was_said_twice_stays_said_twice() -> None:
    memory = teller()(InMemoryStore())
    for moment in (MAY, JUNE):
        await memory.add({"content": FIRST, "timestamp": moment}, user_id="u", infer=False)
    assert await episodes(memory, user_id="u") == [FIRST, FIRST]
    assert await memory.consolidate(user_id="u") == []


async def test_others_are_left_alone_and_a_scope_is_needed() -> None:
    memory = teller()(InMemoryStore())
    await twice(memory)
    assert await memory.consolidate(user_id="v") == []
    with pytest.raises(ScopeError):
        await memory.consolidate()
    assert len(await facts(memory, user_id="u")) == 2
