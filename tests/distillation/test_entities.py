"""Entities: with a model they come from the same call; aliases and merges join names, and a split parts them again."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from keepstone import AsyncMemory
from keepstone.chat import ChatRequest
from keepstone.errors import InvalidRequestError, NotFoundError, ScopeError
from keepstone.testing import FakeClock
from tests.distillation.speaking import STORES, change, facts, heard, known_in, opened, reply, still


def entity(name: str, *aliases: str, sort: str = "person") -> dict[str, Any]:
    return {"name": name, "type": sort, "aliases": list(aliases)}


SAID: dict[str, list[dict[str, Any]]] = {
    "Robert, whom I call Bob, shares my office.": [
        change("add", "Robert, called Bob, shares the user's office.", entities=[entity("Robert", "Bob", "my office")])
    ],
    "Robert plays the cello.": [change("add", "Robert plays the cello.", entities=[entity("Robert")])],
    "I had lunch at the Bluebell Café.": [
        change("add", "User had lunch at the Bluebell Café.", entities=[entity("Bluebell Café", sort="place")])
    ],
    "同事周瑾的外号是小闪电。": [
        change("add", "用户的同事周瑾外号是小闪电。", entities=[entity("周瑾", "小闪电", "同事")])
    ],
    "周瑾会弹古琴。": [change("add", "周瑾会弹古琴。", entities=[entity("周瑾")])],
    "We call him Robbie now.": [
        change("add", "Robbie is what we call him now.", entities=[entity("Robbie"), entity("him")])
    ],
}


def answered(request: ChatRequest) -> dict[str, Any]:
    return reply(*SAID.get(heard(request), []))


@pytest.fixture
def clock() -> FakeClock:
    return still()


@pytest.fixture(params=STORES)
async def memory(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> AsyncIterator[AsyncMemory]:
    made = opened(STORES[request.param](tmp_path / "m.db"), answered, clock=clock)
    yield made
    await made.close()


async def told(memory: AsyncMemory, *texts: str, **scope: Any) -> None:
    for text in texts:
        done = (await memory.add(text, **(scope or {"user_id": "ann"}))).distilled
        assert done is not None
        assert (done.status, done.refused) == ("done", ())


async def signals(memory: AsyncMemory, question: str, **scope: Any) -> dict[str, float]:
    found = await memory.search(question, explain=True, kinds=["fact"], **(scope or {"user_id": "ann"}))
    return {h.text: s.value for h in found if h.explanation for s in h.explanation.signals if s.name == "entity"}


async def test_a_question_with_an_alias_finds_what_has_the_other_name(memory: AsyncMemory) -> None:
    await told(memory, *SAID)
    known = "Robert, called Bob, shares the user's office."
    assert await signals(memory, "Which instrument does Bob have?") == {"Robert plays the cello.": 1.0, known: 1.0}
    assert await signals(memory, "小闪电会什么？") == {"周瑾会弹古琴。": 1.0, "用户的同事周瑾外号是小闪电。": 1.0}
    assert await signals(memory, "What was for lunch?") == {}
    assert await signals(memory, "Who is my colleague?") == {}, "what anybody may be is no name"


async def test_entities_are_listed_for_whom_they_are(memory: AsyncMemory) -> None:
    await told(memory, *SAID)
    found = await memory.entities(user_id="ann")
    assert [(e.name, e.kind, e.aliases, e.memories) for e in found] == [
        ("Robert", "person", ("Bob",), 2),
        ("周瑾", "person", ("小闪电",), 2),
        ("Bluebell Café", "place", (), 1),
        ("Robbie", "person", (), 1),
    ]
    assert all(e.scope.ids == ("ann", None, None, None) for e in found)
    assert await memory.entities(user_id="ben") == []
    with pytest.raises(ScopeError):
        await memory.entities()


async def test_a_merge_joins_and_a_split_gives_back_what_was(memory: AsyncMemory, clock: FakeClock) -> None:
    await told(memory, *SAID)
    before = await memory.entities(user_id="ann")
    by_name = {e.name: e for e in before}
    clock.advance(timedelta(seconds=5))
    both = await memory.merge_entities(
        by_name["Robbie"].id, by_name["Robert"].id, reason="the same friend", user_id="ann"
    )
    assert (both.id, both.name, both.aliases, both.memories) == (by_name["Robert"].id, "Robert", ("Bob", "Robbie"), 3)
    (merged,) = both.merged
    assert (merged.id, merged.name, merged.reason) == (by_name["Robbie"].id, "Robbie", "the same friend")
    assert (merged.actor, merged.at) == ("api", clock())
    assert "Robert plays the cello." in await signals(memory, "What does Robbie play?")
    with pytest.raises(InvalidRequestError, match="one entity already"):
        await memory.merge_entities(by_name["Robert"].id, by_name["Robbie"].id, user_id="ann")
    with pytest.raises(InvalidRequestError, match="was not merged"):
        await memory.split_entity(by_name["Robert"].id, user_id="ann")
    assert await memory.split_entity(merged.id, user_id="ann") == by_name["Robbie"]
    assert await memory.entities(user_id="ann") == before
    assert "Robert plays the cello." not in await signals(memory, "What does Robbie play?")


async def test_of_a_chain_of_merges_each_is_taken_back_alone(memory: AsyncMemory) -> None:
    await told(memory, *SAID)
    before = await memory.entities(user_id="ann")
    robert, zhou, _, robbie = (e.id for e in before)
    await memory.merge_entities(robbie, robert, user_id="ann")
    chain = await memory.merge_entities(robert, zhou, user_id="ann")
    assert chain.id == zhou
    assert {m.id for m in chain.merged} == {robert, robbie}
    alone = await memory.split_entity(robert, user_id="ann")
    assert (alone.id, [m.id for m in alone.merged]) == (robert, [robbie]), "what was merged into it stays with it"
    await memory.split_entity(robbie, user_id="ann")
    assert await memory.entities(user_id="ann") == before


async def test_nobody_merges_or_splits_what_is_not_theirs(memory: AsyncMemory) -> None:
    await told(memory, "Robert plays the cello.", "We call him Robbie now.")
    await told(memory, "Robert plays the cello.", user_id="ben")
    await told(memory, "We call him Robbie now.", user_id="ben", run_id="r")
    mine = [e.id for e in await memory.entities(user_id="ann")]
    theirs = {e.name: e.id for e in await memory.entities(user_id="ben")}
    for verb in (memory.merge_entities(mine[0], mine[1], user_id="ben"), memory.split_entity(mine[0], user_id="ben")):
        with pytest.raises(NotFoundError):
            await verb
    with pytest.raises(NotFoundError):
        await memory.merge_entities(theirs["Robbie"], theirs["Robert"], user_id="ben", run_id="r")
    await memory.merge_entities(theirs["Robbie"], theirs["Robert"], user_id="ben")
    assert [len(e.merged) for e in await memory.entities(user_id="ann")] == [0, 0]


async def test_what_is_forgotten_names_nobody(memory: AsyncMemory) -> None:
    await told(memory, "Robert, whom I call Bob, shares my office.", "Robert plays the cello.")
    (known,) = [r for r in (await memory.get_all(user_id="ann", kinds=["fact"])).items if "Bob" in r.text]
    deleted = await memory.delete(known.id, user_id="ann")
    assert [(e.name, e.aliases) for e in await memory.entities(user_id="ann")] == [("Robert", ())]
    assert await signals(memory, "What does Bob play?") == {}
    await memory.undo(deleted.batch_id, user_id="ann")
    assert [(e.name, e.aliases) for e in await memory.entities(user_id="ann")] == [("Robert", ("Bob",))]
    assert (await memory.erase(known.id, user_id="ann")).verified
    assert [(e.name, e.aliases) for e in await memory.entities(user_id="ann")] == [("Robert", ())]
    await memory.erase(user_id="ann")
    assert await memory.entities(user_id="ann") == []


async def test_an_edit_keeps_the_names_that_the_new_text_has(memory: AsyncMemory) -> None:
    await told(memory, "Robert, whom I call Bob, shares my office.")
    (record,) = (await memory.get_all(user_id="ann", kinds=["fact"])).items
    await memory.update(record.id, text="Bob works elsewhere now.", user_id="ann")
    assert [(e.name, e.aliases) for e in await memory.entities(user_id="ann")] == [("Robert", ("Bob",))]
    await memory.update(record.id, text="Somebody works elsewhere now.", user_id="ann")
    assert await memory.entities(user_id="ann") == []


@pytest.mark.parametrize("alias", [True, False], ids=["known", "unknown"])
async def test_a_model_may_use_a_name_that_is_known_to_be_the_same(alias: bool, tmp_path: Path) -> None:
    """An alias that an earlier session told is no invention in a later one; a name that nothing told is."""

    def answer(request: ChatRequest) -> dict[str, Any]:
        if not known_in(request):
            names = entity("Robert", *(["Bob"] if alias else []))
            return reply(change("add", "Robert shares the user's office.", entities=[names]))
        return reply(change("add", "Bob moved to Ghent."))

    memory = opened(STORES["inmemory"](tmp_path), answer)
    await memory.add("Robert, whom I call Bob, shares my office.", user_id="ann", run_id="one")
    done = (await memory.add("Robert moved to Ghent.", user_id="ann", run_id="two")).distilled
    assert done is not None
    assert ("Bob moved to Ghent." in await facts(memory, user_id="ann")) is alias
    assert bool(done.refused) is not alias
    await memory.close()
