"""Requests to forget through the verbs: what goes, what stays, what is suggested, and how to take it back."""

import pytest

from keepstone import Memory
from keepstone.embedders.hashing import HashingEmbedder
from keepstone.types import Status
from tests.pipeline.opening import Open

CHATTER = (
    "The bus was late again this morning.", "We painted the kitchen yellow.", "Pasta with lemon is my new favourite.",
    "My sister's weight is 61 kilos.", "The neighbours got a puppy.", "I finished the book about whales.",
    "今天早上公交又晚点了。", "厨房刷成了黄色。", "我妹妹体重五十一公斤。", "邻居养了一只小狗。",
)  # fmt: skip
CASES = [
    ("My locker code is 8830.", "Please forget the locker code I gave you."),
    ("My weight is 83 kilos.", "Delete my weight from your notes, please."),
    ("Nadia lost her job at the bank.", "What I told you about Nadia's job at the bank: forget it, please."),
    ("我的储物柜密码是八八三零。", "我储物柜的密码你忘了吧。"),
    ("我体重八十三公斤。", "请把我的体重从你的记录里删掉。"),
    ("小娜丢了银行的工作。", "小娜丢工作的事，就当我没说。"),
]


def chat(memory: Memory, *said: str, user_id: str, run_id: str | None = None) -> None:
    turns = [{"role": "user", "content": text} for text in (*CHATTER[:5], *said, *CHATTER[5:])]
    memory.add(turns, user_id=user_id, run_id=run_id)


def texts(memory: Memory, user: str = "ana") -> set[str]:
    return {r.text for r in memory.get_all(user_id=user).items}


@pytest.mark.parametrize(("secret", "request_"), CASES)
def test_what_is_asked_for_goes_and_nothing_else(memory: Memory, secret: str, request_: str) -> None:
    chat(memory, secret, user_id="ana", run_id="monday")
    before = texts(memory)
    result = memory.add({"role": "user", "content": request_, "id": "ask"}, user_id="ana", run_id="tuesday")
    assert [(f.text, f.message_id) for f in result.forgotten] == [(secret, "ask")]
    assert texts(memory) == before - {secret} | {request_}
    assert secret not in {h.text for h in memory.search(secret, user_id="ana", limit=50)}
    (taken,) = [c for c in memory.history(result.forgotten[0].memory_id) if c.action.value == "DELETE"]
    assert (taken.id, taken.reason) == (result.forgotten[0].change_id, "asked for in message ask")
    memory.undo(result.forgotten[0].change_id)
    assert texts(memory) == before | {request_}


def test_a_request_that_comes_again_takes_nothing_back_again(memory: Memory) -> None:
    chat(memory, CASES[0][0], user_id="ana")
    ask = {"role": "user", "content": CASES[0][1], "id": "ask"}
    (taken,) = memory.add(ask, user_id="ana").forgotten
    memory.undo(taken.change_id)
    again = memory.add(ask, user_id="ana")
    assert (again.forgotten, again.duplicates[0].reason) == ((), "replay")
    assert CASES[0][0] in texts(memory)


def test_idempotency_keys_go_on_working(memory: Memory) -> None:
    chat(memory, CASES[0][0], user_id="ana")
    first = memory.add(CASES[0][1], user_id="ana", idempotency_key="k")
    second = memory.add(CASES[0][1], user_id="ana", idempotency_key="k")
    assert len(first.forgotten) == 1
    assert (second.forgotten, second.memories, [d.reason for d in second.duplicates]) == ((), (), ["replay"])


def test_a_message_of_the_same_call_can_be_meant(memory: Memory) -> None:
    said = [{"role": "user", "content": text} for text in (*CHATTER[:3], *CASES[0])]
    result = memory.add(said, user_id="ana")
    assert [f.text for f in result.forgotten] == [CASES[0][0]]
    assert CASES[0][0] not in {r.text for r in result.memories}
    assert texts(memory) == {*CHATTER[:3], CASES[0][1]}


def test_a_request_that_tells_the_secret_goes_too(memory: Memory) -> None:
    chat(memory, "My card PIN is 1960.", user_id="ana")
    result = memory.add("Please forget that my card PIN is 1960.", user_id="ana")
    assert {f.text for f in result.forgotten} == {"My card PIN is 1960.", "Please forget that my card PIN is 1960."}
    assert result.memories == ()


def test_the_answer_that_repeats_the_secret_goes_too(memory: Memory) -> None:
    chat(memory, user_id="ana")
    answer = {"role": "assistant", "content": "Noted: 8830 it is."}
    memory.add([{"role": "user", "content": CASES[0][0]}, answer], user_id="ana")
    assert {f.text for f in memory.add(CASES[0][1], user_id="ana").forgotten} == {CASES[0][0], answer["content"]}


def test_when_several_fit_nothing_goes_and_they_are_suggested(memory: Memory) -> None:
    chat(memory, "My gym code is 1122.", "My bike code is 3344.", user_id="ana")
    result = memory.add("Please forget the code I gave you.", user_id="ana")
    assert result.forgotten == ()
    assert {s.text for s in result.suggestions} >= {"My gym code is 1122.", "My bike code is 3344."}
    assert {s.action for s in result.suggestions} == {"forget"}


def test_what_may_be_meant_ranks_lower_until_that_is_undone(memory: Memory) -> None:
    chat(memory, "My gym code is 1122.", "My bike code is 3344.", user_id="ana")
    hints = memory.add("Please forget the code I gave you.", user_id="ana").suggestions
    assert {h.text for h in hints if h.change_id is not None} == {"My gym code is 1122.", "My bike code is 3344."}
    assert [memory.get(h.memory_id).status for h in hints] == [Status.SUPERSEDED] * 2
    for hint in hints:
        assert hint.change_id is not None
        memory.undo(hint.change_id)
    assert [memory.get(h.memory_id).status for h in hints] == [Status.CURRENT] * 2


def test_the_answer_that_repeats_what_ranks_lower_does_so_too(memory: Memory) -> None:
    answer = {"role": "assistant", "content": "Noted, 1122 for the gym."}
    memory.add([{"role": "user", "content": "My gym code is 1122."}, answer], user_id="ana")
    chat(memory, "My bike code is 3344.", user_id="ana")
    hints = memory.add("Please forget the code I gave you.", user_id="ana").suggestions
    lowered = {r.text for r in memory.get_all(user_id="ana").items if r.status is Status.SUPERSEDED}
    assert lowered == {"My gym code is 1122.", "My bike code is 3344.", answer["content"]}
    assert {h.text for h in hints if h.change_id is not None} == lowered


def test_what_the_same_call_said_can_rank_lower(memory: Memory) -> None:
    said = [*CHATTER[:4], "My gym code is 1122.", "My bike code is 3344.", "Please forget the code I gave you."]
    result = memory.add([{"role": "user", "content": text} for text in said], user_id="ana")
    lowered = {r.text for r in result.memories if r.status is Status.SUPERSEDED}
    assert lowered == {"My gym code is 1122.", "My bike code is 3344."}
    assert {h.memory_id for h in result.suggestions} == {r.id for r in result.memories if r.text in lowered}


def test_a_request_that_comes_again_ranks_nothing_lower_again(memory: Memory) -> None:
    chat(memory, "My gym code is 1122.", "My bike code is 3344.", user_id="ana")
    ask = {"role": "user", "content": "Please forget the code I gave you.", "id": "ask"}
    for hint in memory.add(ask, user_id="ana").suggestions:
        memory.undo(hint.change_id or "")
    again = memory.add(ask, user_id="ana")
    assert (again.forgotten, again.suggestions) == ((), ())
    assert {r.status for r in memory.get_all(user_id="ana").items} == {Status.CURRENT}


def test_what_was_said_after_a_request_is_not_meant(memory: Memory) -> None:
    chat(memory, user_id="ana")
    memory.add({"role": "user", "content": CASES[0][0], "timestamp": "2025-05-02T10:00:00Z"}, user_id="ana")
    asked = {"role": "user", "content": CASES[0][1], "timestamp": "2025-05-01T10:00:00Z"}
    result = memory.add(asked, user_id="ana")
    assert (result.forgotten, result.suggestions) == ((), ())
    asked["timestamp"] = "2025-05-03T10:00:00Z"
    assert [f.text for f in memory.add(asked, user_id="ana").forgotten] == [CASES[0][0]]


@pytest.mark.parametrize("said", ["My sister's weight is 61 kilos.", "我妹妹体重五十一公斤。"])
def test_somebody_elses_fact_is_not_meant_by_mine(memory: Memory, said: str) -> None:
    memory.add([{"role": "user", "content": text} for text in (*CHATTER[:3], said)], user_id="ana")
    ask = "Please forget my weight." if said.isascii() else "请忘掉我的体重。"
    assert memory.add(ask, user_id="ana").forgotten == ()
    assert said in texts(memory)


def test_only_a_user_can_ask(memory: Memory) -> None:
    chat(memory, CASES[0][0], user_id="ana")
    for role in ("assistant", "system", "tool"):
        result = memory.add({"role": role, "content": CASES[0][1]}, user_id="ana")
        assert (result.forgotten, result.suggestions) == ((), ())


def test_without_inference_nothing_is_looked_for(memory: Memory) -> None:
    chat(memory, CASES[0][0], user_id="ana")
    result = memory.add(CASES[0][1], user_id="ana", infer=False)
    assert (result.forgotten, result.suggestions) == ((), ())


def test_another_owners_memories_stay(memory: Memory) -> None:
    chat(memory, CASES[0][0], user_id="ana")
    assert memory.add(CASES[0][1], user_id="ben").forgotten == ()
    assert CASES[0][0] in texts(memory)


def test_without_a_request_nothing_more_is_embedded(memory: Memory, embedder: HashingEmbedder) -> None:
    memory.add(CASES[0][0], user_id="ana")
    before = embedder.calls
    memory.add("Don't forget the milk.", user_id="ana")
    assert embedder.calls == before + 1


def test_words_alone_are_enough(open_memory: Open) -> None:
    memory = open_memory(embedder="none")
    chat(memory, CASES[0][0], user_id="ana")
    assert [f.text for f in memory.add(CASES[0][1], user_id="ana").forgotten] == [CASES[0][0]]
