"""Echoes through the verbs: hundreds of rounds of recall and chat make no memories, and news is never swallowed."""

import random
from dataclasses import replace
from datetime import timedelta

import pytest

from keepstone import Memory
from keepstone.embedders.hashing import HashingEmbedder
from keepstone.recalled import Recalled
from keepstone.testing import FakeClock, InMemoryStore
from keepstone.types import Kind, MemoryRecord, Scope, Status

FACTS = [
    "My dog is called Rex.",
    "I live in Lyon with my sister.",
    "I am allergic to penicillin.",
    "Anna works at the library in Bath.",
    "我的猫叫年糕。",
    "我和姐姐住在里昂。",
    "车库密码是4711。",
    "安娜在图书馆上班。",
]
REWORDED = {
    "My dog is called Rex.": "As you told me, your dog is called Rex.",
    "I live in Lyon with my sister.": "I remember that you live in Lyon with your sister!",
    "I am allergic to penicillin.": "According to my notes, you are allergic to penicillin.",
    "Anna works at the library in Bath.": "Right, Anna works at the library in Bath, as you said.",
    "我的猫叫年糕。": "我记得你的猫叫年糕。",
    "我和姐姐住在里昂。": "你说过，你和姐姐住在里昂。",
    "车库密码是4711。": "好的，车库密码是4711。",
    "安娜在图书馆上班。": "你之前告诉我，安娜在图书馆上班。",
}


def test_five_hundred_rounds_of_recall_and_echo_make_no_memory() -> None:
    chance = random.Random(7)
    clock = FakeClock()
    with Memory(store=InMemoryStore(), embedder=HashingEmbedder(), clock=clock) as memory:
        memory.add([{"role": "user", "content": f} for f in FACTS], user_id="ana", run_id="first")
        for number in range(500):
            fact = chance.choice(FACTS)
            hits = memory.search(fact, user_id="ana", limit=3)
            assert fact in [h.text for h in hits]
            block = "<memory>\n" + "\n".join(f"- [2026-03-01] {h.text}" for h in hits) + "\n</memory>"
            role = chance.choice(["assistant", "user", "system"])
            said = {"assistant": chance.choice([fact, REWORDED[fact]]), "user": fact, "system": block}[role]
            result = memory.add({"role": role, "content": said}, user_id="ana", run_id=f"run {number % 9}")
            assert result.memories == ()
            assert [d.reason for d in result.duplicates] == ["echo"]
        stats = memory.stats(user_id="ana")
        assert (stats.messages, stats.memories) == (len(FACTS) + 500, len(FACTS))


def test_news_after_a_recall_is_kept(memory: Memory) -> None:
    memory.add(FACTS[0], user_id="ana")
    memory.search("dog", user_id="ana")
    for said in ("My dog is called Max.", "My dog is not called Rex.", "My dog is called Rex and he is ill."):
        assert [m.text for m in memory.add(said, user_id="ana").memories] == [said]


def test_an_echo_by_the_assistant_does_not_make_a_memory_newer(memory: Memory, clock: FakeClock) -> None:
    (lyon,) = memory.add("I live in Lyon now.", user_id="ana").memories
    clock.advance(timedelta(days=1))
    memory.search("Lyon", user_id="ana")
    before = memory.get(lyon.id)
    result = memory.add({"role": "assistant", "content": "You live in Lyon now."}, user_id="ana")
    assert [(d.memory_id, d.reason) for d in result.duplicates] == [(lyon.id, "echo")]
    # That it was recalled makes it a little stronger, and is in the history.
    assert replace(memory.get(lyon.id), strength=before.strength) == before
    assert [c.reason for c in memory.history(lyon.id)] == [None, "recalled"]


def test_what_its_user_says_again_is_the_newest(memory: Memory) -> None:
    when = "2026-03-01T09:00:00+00:00"
    (lyon,) = memory.add("I live in Lyon.", user_id="ana", run_id="1").memories
    memory.search("Lyon", user_id="ana")
    said = {"role": "user", "content": "I live in Lyon", "timestamp": when}
    result = memory.add(said, user_id="ana", run_id="2")
    assert [(d.memory_id, d.reason) for d in result.duplicates] == [(lyon.id, "echo")]
    assert [c.reason for c in memory.history(lyon.id)] == [None, "said again", "recalled"]


def test_what_a_user_tells_another_agent_is_kept_for_it(memory: Memory) -> None:
    memory.add("I live in Lyon.", user_id="ana", agent_id="cook")
    memory.search("Lyon", user_id="ana")
    assert len(memory.add("I live in Lyon.", user_id="ana", agent_id="coach").memories) == 1


def test_what_was_revised_since_is_no_reason(memory: Memory) -> None:
    (lyon,) = memory.add("I live in Lyon.", user_id="ana").memories
    memory.search("Lyon", user_id="ana")
    memory.update(lyon.id, text="I live in Nice.")
    assert len(memory.add({"role": "assistant", "content": "You live in Lyon."}, user_id="ana").memories) == 1
    assert len(memory.add("I live in Lyon.", user_id="ana").memories) == 1


def test_the_echo_of_what_was_taken_back_is_not_learned(memory: Memory) -> None:
    (lyon,) = memory.add("I live in Lyon.", user_id="ana").memories
    memory.search("Lyon", user_id="ana")
    memory.delete(lyon.id)
    assert memory.add({"role": "assistant", "content": "You live in Lyon."}, user_id="ana").memories == ()
    assert len(memory.add("I live in Lyon.", user_id="ana").memories) == 1


def test_without_inference_words_are_kept_as_they_are(memory: Memory) -> None:
    memory.add(FACTS[0], user_id="ana")
    memory.search("dog", user_id="ana")
    result = memory.add({"role": "assistant", "content": "Your dog is called Rex."}, user_id="ana", infer=False)
    assert len(result.memories) == 1


def test_another_owners_memories_are_no_reason(memory: Memory) -> None:
    memory.add(FACTS[0], user_id="ana")
    memory.search("dog", user_id="ana")
    assert len(memory.add({"role": "assistant", "content": "Your dog is called Rex."}, user_id="ben").memories) == 1


def test_an_echo_goes_where_its_memory_goes(memory: Memory) -> None:
    (rex,) = memory.add(FACTS[0], user_id="ana").memories
    memory.search("dog", user_id="ana")
    memory.add({"role": "assistant", "content": "Your dog is called Rex.", "id": "echo"}, user_id="ana")
    receipt = memory.erase(rex.id, user_id="ana")
    assert (receipt.messages, receipt.verified) == (2, True)


@pytest.mark.parametrize("owners", [1, 5])
def test_the_record_of_what_was_recalled_is_bounded(owners: int) -> None:
    recalled = Recalled(texts_max=3, owners_max=2)
    for number in range(20):
        recalled.enter([_record(f"u{number % owners}", str(number))])
    kept = [recalled.texts(Scope(user_id=f"u{n}")) for n in range(owners)]
    assert max(len(texts) for texts in kept) <= 3
    assert sum(bool(texts) for texts in kept) == min(owners, 2)
    assert kept[19 % owners][0][0] == "19"


def _record(user: str, id: str) -> MemoryRecord:
    now = FakeClock()()
    return MemoryRecord(
        id=id, text=id, kind=Kind.EPISODE, scope=Scope(user_id=user), status=Status.CURRENT, revision=1, sequence=1,
        metadata={}, created_at=now, updated_at=now,
    )  # fmt: skip
