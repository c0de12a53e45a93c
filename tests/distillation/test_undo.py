"""What a model changed can be taken back, one change or all of a batch, and that, too; said twice is said once."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepstone import AsyncMemory, Kind, Status
from keepstone.chat import ChatRequest
from keepstone.stores.inmemory import InMemoryStore
from keepstone.testing import ScriptedChatModel
from keepstone.types import Scope
from tests.distillation.speaking import (
    OPS,
    STORES,
    STORIES,
    Story,
    Turn,
    as_bullets,
    as_calls,
    change,
    episodes,
    facts,
    good,
    known_in,
    opened,
    records,
    reply,
    still,
)


@dataclass(slots=True)
class Director:
    """A model that replies with the change it was told to make."""

    op: str = "add"
    text: str = ""
    target: str | None = None

    def __call__(self, request: ChatRequest) -> Any:
        target = None if self.target is None else known_in(request).get(self.target, "k99")
        return reply(change(self.op, self.text, target=target))


async def shown(memory: AsyncMemory) -> list[tuple[Any, ...]]:
    """Return all that can be seen of the facts."""
    return [
        (r.id, r.text, r.status, r.valid_from, r.valid_to, r.superseded_by, r.sources)
        for r in await records(memory, user_id="u")
        if r.kind is Kind.FACT
    ]


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("op", ["add", "update", "supersede", "delete"])
@pytest.mark.parametrize("language", STORIES)
@pytest.mark.parametrize("store", STORES)
async def test_a_change_is_taken_back_and_that_too(
    store: str, language: str, op: str, whole: bool, tmp_path: Path
) -> None:
    story = STORIES[language]
    turn = None
    memory = opened(STORES[store](tmp_path / "m.db"), lambda request: good(request, story, turn), clock=still())
    await memory.add(story.first, user_id="u")
    before, spoken = await shown(memory), await episodes(memory, user_id="u")
    turn = story.turns[op]
    result = await memory.add(turn.said, user_id="u")
    assert result.distilled is not None
    after, left = await shown(memory), await episodes(memory, user_id="u")
    assert after != before
    ids = list(result.distilled.batch_ids) if whole else [c.change_id for c in reversed(result.distilled.changes)]
    taken = [await memory.undo(id) for id in ids]
    assert sorted(await shown(memory)) == sorted(before)
    assert await episodes(memory, user_id="u") == [*spoken, turn.said]
    for changes in reversed(taken):
        await memory.undo(changes[0].batch_id)
    assert sorted(map(str, await shown(memory))) == sorted(map(str, after))
    assert await episodes(memory, user_id="u") == left
    await memory.close()


@pytest.mark.parametrize("named", [True, False], ids=["ids", "times"])
@pytest.mark.parametrize("language", STORIES)
@pytest.mark.parametrize("store", STORES)
async def test_a_conversation_that_comes_twice_changes_nothing(
    store: str, language: str, named: bool, tmp_path: Path
) -> None:
    story = STORIES[language]
    turns = iter([None, story.turns["add"], story.turns["supersede"]])
    model = ScriptedChatModel(lambda request: good(request, story, next(turns)))
    memory = opened(STORES[store](tmp_path / "m.db"), model)
    words = (story.first, story.turns["add"].said, story.turns["supersede"].said)

    async def converse() -> None:
        for n, text in enumerate(words):
            told = {"id": f"n{n}"} if named else {"timestamp": datetime(2025, 5, 1 + n, tzinfo=UTC)}
            await memory.add({"role": "user", "content": text, **told}, user_id="u")

    await converse()
    rows = await memory.store.dump(Scope(user_id="u"), None, 1_000, include_retired=True)
    assert len(await facts(memory, user_id="u")) == 2
    await converse()
    assert await memory.store.dump(Scope(user_id="u"), None, 1_000, include_retired=True) == rows
    assert (len(model.calls), await memory.jobs()) == (3, [])
    await memory.close()


KEYS = st.integers(11, 13)
ACTS = st.one_of(
    st.tuples(st.just("add"), KEYS),
    st.tuples(st.just("supersede"), KEYS),
    st.tuples(st.just("delete"), KEYS),
    st.tuples(st.sampled_from(["undo", "redo"]), KEYS),
)


@dataclass(slots=True)
class Expected:
    """What must be there: facts that hold, those that were superseded, and the turns shown, by what they say."""

    current: dict[int, str] = field(default_factory=dict)
    past: tuple[str, ...] = ()

    def copy(self) -> "Expected":
        return Expected(dict(self.current), self.past)


async def lived(acts: list[tuple[str, int]]) -> None:
    """Carry *acts* out and compare with a model after each."""
    director = Director()
    memory = opened(InMemoryStore(), director)
    now = Expected()
    done: list[tuple[str, Expected, Expected]] = []
    undone: list[tuple[str, Expected, Expected]] = []
    for n, (act, key) in enumerate(acts, 100):
        if act in ("undo", "redo"):
            here, there = (done, undone) if act == "undo" else (undone, done)
            if not here:
                continue
            batch, before, after = here.pop()
            (first, *_) = await memory.undo(batch)
            there.append((first.batch_id, after, before))
            now = before.copy()
        else:
            known = now.current.get(key)
            if known is None:
                act = "add"
            elif act == "add":
                act = "supersede"
            said = f"The brass key {key} hangs on hook {n}."
            if act == "delete":
                said = f"No, the brass key {key} was never there, as of note {n}."
            director.op, director.text, director.target = act, said if act != "delete" else "", known
            result = await memory.add(said, user_id="u")
            assert result.distilled is not None
            assert result.distilled.status == "done", result.distilled
            before, now = now, now.copy()
            if known is not None:
                del now.current[key]
            if act != "delete":
                now.current[key] = said
            if act == "supersede" and known is not None:
                now.past = (*now.past, known)
            done.append((result.distilled.batch_ids[0], before, now))
            undone.clear()
        seen = [(t, s) for _, t, s, *_ in await shown(memory)]
        assert sorted(t for t, s in seen if s is Status.CURRENT) == sorted(now.current.values()), acts
        assert sorted(t for t, s in seen if s is Status.SUPERSEDED) == sorted(now.past), acts


@settings(max_examples=60)
@given(st.lists(ACTS, min_size=3, max_size=10))
def test_any_sequence_of_changes_and_undos_leaves_what_it_must(acts: list[tuple[str, int]]) -> None:
    asyncio.run(lived(acts))


async def end_of(story: Story, op: str, strategy: str) -> tuple[list[str], list[str], list[str]]:
    """Return the facts, the superseded ones and the turns that a strategy leaves after one turn."""
    turn: Turn | None = None

    def model(request: ChatRequest) -> Any:
        right = good(request, story, turn)
        if strategy == "single_pass":
            return right
        if request.tools:
            return as_calls(right)
        return as_bullets(reply(change("add", (turn.text if turn else "") or story.fact)))

    memory = opened(InMemoryStore(), model, strategy=strategy)
    await memory.add(story.first, user_id="u")
    turn = story.turns[op]
    result = await memory.add(turn.said, user_id="u")
    assert result.distilled is not None
    assert result.distilled.status == "done"
    # The two-step method knows no way to say a thing more fully: it replaces.
    past = [] if op == "update" else await facts(memory, superseded=True, user_id="u")
    return await facts(memory, user_id="u"), past, await episodes(memory, user_id="u")


@pytest.mark.parametrize("op", OPS)
@pytest.mark.parametrize("language", STORIES)
async def test_both_strategies_come_to_the_same(language: str, op: str) -> None:
    story = STORIES[language]
    left = await end_of(story, op, "single_pass")
    assert left == await end_of(story, op, "two_step")
    assert left[0] == sorted(story.turns[op].facts)
