"""`reextract` and `accept`: a draft changes nothing; its difference is told, accepted as one, and taken back as one."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from keepstone import (
    AsyncMemory,
    ConflictError,
    InvalidRequestError,
    Kind,
    MemoryRecord,
    ScopeError,
    SpendingLimits,
    Status,
)
from keepstone.chat import ChatRequest
from keepstone.drafts import Reextraction
from keepstone.errors import AuthenticationError, ConfigError
from keepstone.operations import ArchiveRow
from keepstone.stores.inmemory import InMemoryStore
from keepstone.testing import FakeClock, ScriptedChatModel
from keepstone.types import Scope
from tests.distillation.speaking import STORES, change, episodes, facts, heard, known_in, opened, records, reply

BEES, CELLO = "I keep bees on the roof.", "My sister plays the cello."
LYON, PARIS = "I live in Lyon.", "I moved to Paris."
# In each language: what is said with what the first model makes of it, what the second does, and what both do.
TALES = {
    "en": ({BEES: "User keeps bees on the roof.", CELLO: "User has a sister."}, "User's sister plays the cello."),
    "zh": (
        {"我在屋顶上养蜂。": "用户在屋顶上养蜂。", "我姐姐会拉大提琴。": "用户有一个姐姐。"},
        "用户的姐姐会拉大提琴。",
    ),
}


def says(made: Mapping[str, str]) -> Callable[[ChatRequest], Any]:
    """Return a model that makes one fact of each message that *made* has, and nothing of others."""
    return lambda request: reply(*(change("add", made[m]) for m in [heard(request)] if m in made))


def moves(request: ChatRequest) -> Any:
    """Where somebody lives, superseded by where they moved to."""
    if heard(request) == LYON:
        return reply(change("add", "User lives in Lyon."))
    return reply(change("supersede", "User lives in Paris.", target=known_in(request)["User lives in Lyon."]))


def stays(request: ChatRequest) -> Any:
    """The same, by a model that sees no succession."""
    return reply(change("add", "User lives in Lyon." if heard(request) == LYON else "User moved to Paris."))


async def everything(memory: AsyncMemory) -> list[ArchiveRow]:
    """Return all that is stored."""
    return (await memory.store.dump(Scope(), None, 10_000, include_retired=True))[0]


async def held(memory: AsyncMemory) -> list[MemoryRecord]:
    """Return what the user's scope shows, but for when it was last touched."""
    return [replace(r, updated_at=r.created_at) for r in await records(memory, user_id="u")]


def told(drafted: Reextraction) -> tuple[list[str], list[str], list[str]]:
    """Return the texts that are kept, added and dropped."""
    kept, added, dropped = ([r.text for r in part] for part in (drafted.kept, drafted.added, drafted.dropped))
    return kept, added, dropped


@pytest.mark.parametrize("language", TALES)
@pytest.mark.parametrize("store", STORES)
async def test_a_draft_tells_the_difference_and_changes_nothing(store: str, language: str, tmp_path: Path) -> None:
    first, better = TALES[language]
    (_, same), (said, worse) = first.items()
    memory = opened(STORES[store](tmp_path / "m.db"), says(first), clock=FakeClock())
    for text in first:
        await memory.add(text, user_id="u")
    await memory.add(said, user_id="v")
    before = await everything(memory)
    other = ScriptedChatModel(says({**first, said: better}), name="other")

    drafted = await memory.reextract(chat_model=other, user_id="u")

    assert told(drafted) == ([same], [better], [worse])
    assert (drafted.model, drafted.stopped, drafted.failures, drafted.refused) == ("other", None, (), ())
    assert drafted.prompt == f"single_pass/1/{language}"
    assert await everything(memory) == before
    assert (await memory.usage(user_id="u")).models == {"scripted": 2, "other": 2}
    assert len(drafted.receipts) == 2
    assert await memory.jobs() == []
    await memory.close()


@pytest.mark.parametrize("language", TALES)
@pytest.mark.parametrize("store", STORES)
async def test_accepting_makes_it_true_in_one_batch_which_undo_takes_back(
    store: str, language: str, tmp_path: Path
) -> None:
    first, better = TALES[language]
    (_, same), (said, worse) = first.items()
    memory = opened(STORES[store](tmp_path / "m.db"), says(first), clock=FakeClock())
    for text in first:
        added = await memory.add(
            {"content": text, "timestamp": datetime(2026, 1, 1, tzinfo=UTC)}, user_id="u", metadata={"by": "phone"}
        )
    await memory.add(said, user_id="v")
    before, kept = await held(memory), await facts(memory, user_id="v")
    other = ScriptedChatModel(says({**first, said: better}), name="other")

    changes = await memory.accept(await memory.reextract(chat_model=other, user_id="u"))

    assert [(c.action, c.new_text or c.old_text) for c in changes] == [("ADD", better), ("DELETE", worse)]
    assert {(c.batch_id, c.details["model"], c.details["strategy"]) for c in changes} == {
        (changes[0].batch_id, "other", "reextract")
    }
    assert await facts(memory, user_id="u") == sorted([same, better])
    (made,) = [r for r in await records(memory, user_id="u") if r.text == better]
    assert (made.sources, made.metadata, made.occurred_at) == (
        added.memories[0].sources,
        {"by": "phone"},
        added.memories[0].occurred_at,
    )
    assert better in [h.text for h in await memory.search(better, user_id="u")]
    assert await episodes(memory, user_id="u") == list(first), "what went took the words along"
    assert await facts(memory, user_id="v") == kept

    await memory.undo(changes[0].batch_id)
    assert await held(memory) == before
    await memory.undo((await memory.history(made.id))[-1].batch_id)
    assert await facts(memory, user_id="u") == sorted([same, better])
    await memory.close()


@pytest.mark.parametrize("store", STORES)
@pytest.mark.parametrize("better", [moves, stays])
async def test_what_succeeds_what_is_derived_again_too(
    better: Callable[[ChatRequest], Any], store: str, tmp_path: Path
) -> None:
    worse = stays if better is moves else moves
    memory = opened(STORES[store](tmp_path / "m.db"), worse, clock=FakeClock())
    for text in (LYON, PARIS):
        await memory.add(text, user_id="u")
    before = await held(memory)
    drafted = await memory.reextract(chat_model=ScriptedChatModel(better), user_id="u")
    changes = await memory.accept(drafted)
    fresh = opened(InMemoryStore(), better, clock=FakeClock())
    for text in (LYON, PARIS):
        await fresh.add(text, user_id="u")
    for superseded in (False, True):
        assert await facts(memory, superseded=superseded, user_id="u") == await facts(
            fresh, superseded=superseded, user_id="u"
        )
    assert told(await memory.reextract(chat_model=ScriptedChatModel(better), user_id="u"))[1:] == ([], [])
    await memory.undo(changes[0].batch_id)
    assert await held(memory) == before
    await memory.close()


async def test_nothing_new_changes_nothing() -> None:
    memory = opened(InMemoryStore(), says(TALES["en"][0]))
    for text in TALES["en"][0]:
        await memory.add(text, user_id="u")
    drafted = await memory.reextract(user_id="u")
    assert told(drafted)[1:] == ([], [])
    assert await memory.accept(drafted) == []


async def test_what_a_person_wrote_stays_and_is_not_joined_by_what_it_corrected() -> None:
    memory = opened(InMemoryStore(), says({BEES: "User keeps bees on the roof.", CELLO: "User has a sister."}))
    for text in (BEES, CELLO):
        await memory.add(text, user_id="u")
    bees, sister = (r for r in await records(memory, user_id="u") if r.kind is Kind.FACT)
    await memory.update(bees.id, text="User keeps bees behind the house.")
    await memory.update(sister.id, text="User has a sister, Clara.")
    other = ScriptedChatModel(says({BEES: "User keeps bees on the roof.", CELLO: "User's sister plays the cello."}))
    drafted = await memory.reextract(chat_model=other, user_id="u")
    assert told(drafted) == (["User keeps bees behind the house."], ["User's sister plays the cello."], [])
    await memory.accept(drafted)
    assert await facts(memory, user_id="u") == [
        "User has a sister, Clara.",
        "User keeps bees behind the house.",
        "User's sister plays the cello.",
    ]


async def test_what_a_model_made_more_exact_is_derived_again() -> None:
    def exact(request: ChatRequest) -> Any:
        if heard(request) == BEES:
            return reply(change("add", "User keeps bees."))
        return reply(change("update", "User keeps bees on the roof of the barn.", target="k1"))

    memory = opened(InMemoryStore(), exact)
    barn = "I keep bees on the roof of the barn."
    for text in (BEES, barn):
        await memory.add(text, user_id="u")
    other = ScriptedChatModel(says({barn: "User's bees live on the roof of the barn."}))
    drafted = await memory.reextract(chat_model=other, user_id="u")
    assert told(drafted) == (
        [],
        ["User's bees live on the roof of the barn."],
        ["User keeps bees on the roof of the barn."],
    )


async def test_what_was_taken_back_is_not_read_and_not_brought_back() -> None:
    memory = opened(InMemoryStore(), says(TALES["en"][0]))
    ids = {text: (await memory.add(text, user_id="u")).memories[0].id for text in (BEES, CELLO)}
    await memory.delete(ids[CELLO])
    other = ScriptedChatModel(lambda r: reply(change("add", f"User says: {heard(r)}")))
    drafted = await memory.reextract(chat_model=other, user_id="u")
    assert told(drafted) == ([], ["User says: I keep bees on the roof."], ["User keeps bees on the roof."])
    await memory.delete(ids[BEES])
    assert await memory.accept(drafted) == []
    assert await records(memory, user_id="u") == []


async def test_what_only_repeats_what_was_recalled_is_not_learned_again() -> None:
    memory = opened(InMemoryStore(), says({BEES: "User keeps bees on the roof."}))
    await memory.add(BEES, user_id="u", run_id="r")
    hits = await memory.search("bees", user_id="u")
    assert hits
    again = await memory.add({"role": "assistant", "content": hits[0].text}, user_id="u", run_id="r")
    assert [d.reason for d in again.duplicates] == ["echo"]
    drafted = await memory.reextract(user_id="u")
    assert [heard(c) for c in model_of(memory).calls] == [BEES, BEES]
    assert told(drafted) == (["User keeps bees on the roof."], [], [])


async def test_a_long_call_is_read_to_its_end() -> None:
    said = [{"content": f"The brass key number {n} is in the drawer."} for n in range(1, 101)]
    memory = opened(InMemoryStore(), lambda _: reply())
    await memory.add(said, user_id="u")
    other = ScriptedChatModel(lambda _: reply())
    await memory.reextract(chat_model=other, user_id="u")
    assert [c.messages[1].content for c in other.calls] == [c.messages[1].content for c in model_of(memory).calls]
    assert len(other.calls) > 1


async def test_what_was_learned_since_the_draft_stays() -> None:
    memory = opened(InMemoryStore(), says({BEES: "User keeps bees on the roof.", CELLO: "User has a sister."}))
    await memory.add(BEES, user_id="u")
    drafted = await memory.reextract(chat_model=ScriptedChatModel(says({BEES: "User keeps bees."})), user_id="u")
    await memory.add(CELLO, user_id="u")
    await memory.accept(drafted)
    assert await facts(memory, user_id="u") == ["User has a sister.", "User keeps bees."]


async def test_what_would_go_and_was_changed_since_is_a_conflict() -> None:
    memory = opened(InMemoryStore(), says({BEES: "User keeps bees on the roof."}))
    await memory.add(BEES, user_id="u")
    drafted = await memory.reextract(chat_model=ScriptedChatModel(says({BEES: "User keeps bees."})), user_id="u")
    await memory.update(drafted.dropped[0].id, text="User keeps bees behind the house.")
    before = await everything(memory)
    with pytest.raises(ConflictError):
        await memory.accept(drafted)
    assert await everything(memory) == before


async def test_a_limit_stops_the_draft_which_cannot_be_accepted() -> None:
    spending = SpendingLimits(owner_tokens_a_day=1_500)
    memory = opened(InMemoryStore(), says({}), spending=spending, clock=FakeClock())
    for text in (BEES, CELLO, LYON, PARIS):
        await memory.add(text, user_id="u", wait=0, infer=False)
    drafted = await memory.reextract(user_id="u")
    assert drafted.stopped == "the limit of 1500 tokens a day for user u is reached"
    assert 0 < len(drafted.receipts) < 4
    with pytest.raises(InvalidRequestError, match="not complete"):
        await memory.accept(drafted)
    assert (await memory.reextract(user_id="u")).receipts == ()


async def test_what_a_model_could_not_do_is_told() -> None:
    def invents(request: ChatRequest) -> Any:
        return reply(change("add", "User keeps 40 bees.")) if heard(request) == BEES else "no JSON"

    memory = opened(InMemoryStore(), says({}))
    for text in (BEES, CELLO):
        await memory.add(text, user_id="u")
    drafted = await memory.reextract(chat_model=ScriptedChatModel(invents), user_id="u")
    assert [r.reason for r in drafted.refused] == ["number"]
    assert len(drafted.failures) == 2
    assert (told(drafted), await memory.jobs()) == (([], [], []), [])


async def test_a_provider_that_fails_changes_nothing() -> None:
    memory = opened(InMemoryStore(), says({BEES: "User keeps bees on the roof."}))
    await memory.add(BEES, user_id="u")
    before = await everything(memory)
    failing = ScriptedChatModel([AuthenticationError("scripted", "wrong key", retryable=False)])
    with pytest.raises(AuthenticationError):
        await memory.reextract(chat_model=failing, user_id="u")
    assert await everything(memory) == before


async def test_it_takes_a_model_and_a_scope() -> None:
    memory = AsyncMemory(store=InMemoryStore(), embedder="none", chat_model="none")
    await memory.add(BEES, user_id="u")
    with pytest.raises(ConfigError, match="no chat model"):
        await memory.reextract(user_id="u")
    with pytest.raises(ScopeError):
        await memory.reextract(chat_model=ScriptedChatModel(says({})))
    drafted = await memory.reextract(chat_model=ScriptedChatModel(says({BEES: "User keeps bees."})), user_id="u")
    await memory.accept(drafted)
    (made,) = [r for r in await records(memory, user_id="u") if r.kind is Kind.FACT]
    assert (made.text, made.status) == ("User keeps bees.", Status.CURRENT)


async def test_instructions_and_another_strategy_reach_the_model() -> None:
    memory = opened(InMemoryStore(), says({}), instructions="Only animals.")
    await memory.add(BEES, user_id="u")
    plain, other = ScriptedChatModel(says({})), ScriptedChatModel([*["- "] * 2])
    await memory.reextract(chat_model=plain, user_id="u", procedures=True)
    assert "Only animals." in plain.calls[0].messages[0].content
    assert '"procedure"' in plain.calls[0].messages[0].content
    drafted = await memory.reextract(chat_model=other, strategy="two_step", instructions="Only music.", user_id="u")
    assert "Only music." in other.calls[0].messages[0].content
    assert drafted.prompt.startswith("two_step")


def model_of(memory: AsyncMemory) -> ScriptedChatModel:
    """Return the model of a memory of these tests."""
    assert isinstance(memory.chat_model, ScriptedChatModel)
    return memory.chat_model
