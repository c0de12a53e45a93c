"""`add`: every shape that goes in, and a result that lists exactly what was stored and what was there."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from keepstone import (
    ConflictError,
    EmbedderMismatchError,
    InvalidRequestError,
    Kind,
    Memory,
    Message,
    ProviderError,
    Scope,
    Status,
)
from keepstone.embedders.hashing import HashingEmbedder
from keepstone.testing import FakeClock
from tests.pipeline.opening import BrokenEmbedder, Open, texts_of

SHANGHAI = timezone(timedelta(hours=8))
NOON = datetime(2026, 5, 4, 12, tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("given", "texts"),
    [
        ("I live in Lyon", ["I live in Lyon"]),
        (Message(content="I live in Lyon"), ["I live in Lyon"]),
        ({"role": "user", "content": "我住在里昂"}, ["我住在里昂"]),
        ([{"content": "First of two"}, Message(content="Second of two")], ["First of two", "Second of two"]),
        ({"content": [{"type": "text", "text": "in"}, {"type": "input_text", "text": "parts"}]}, ["in\nparts"]),
        ({"role": "assistant", "content": "Noted with pleasure", "refusal": None}, ["Noted with pleasure"]),
        ([], []),
    ],
)  # fmt: skip
def test_shapes(memory: Memory, given: Any, texts: list[str]) -> None:
    result = memory.add(given, user_id="alice")
    assert [r.text for r in result.memories] == texts
    assert len(result.messages) == len(texts)
    assert result.duplicates == ()
    assert texts_of(memory, user_id="alice") == texts


def test_what_is_said_about_a_message_is_kept(memory: Memory) -> None:
    said = {
        "role": "assistant",
        "name": "Marta",
        "content": "The piano is tuned",
        "id": "turn-7",
        "timestamp": NOON.isoformat(),
        "metadata": {"room": "hall", "n": 2},
    }
    expires = NOON + timedelta(days=9)
    result = memory.add(
        said, user_id="alice", agent_id="coach", run_id="may", metadata={"n": 1, "m": 3}, expires_at=expires
    )
    (record,) = result.memories
    assert result.messages == ("turn-7",)
    assert record == memory.get(record.id)
    assert (record.role, record.name, record.text) == ("assistant", "Marta", "The piano is tuned")
    assert record.occurred_at == NOON
    assert record.occurred_at.utcoffset() == timedelta(hours=8)
    assert record.expires_at == expires
    assert record.metadata == {"room": "hall", "n": 2, "m": 3}, "a message's own metadata goes before the call's"
    assert record.scope == Scope(user_id="alice", agent_id="coach", run_id="may")
    assert (record.kind, record.status, record.revision, record.edited) == (Kind.EPISODE, Status.CURRENT, 1, False)
    assert record.sources == ("turn-7",)
    assert record.language == "en"


def test_clock_and_ids_are_those_given(open_memory: Open, clock: FakeClock) -> None:
    made: list[str] = []

    def new_id(at: datetime, bucket: int) -> str:
        made.append(f"0190a000-0000-7000-8000-{len(made):012x}")
        return made[-1]

    record = open_memory(clock=clock, new_id=new_id).add("Time is given", user_id="alice").memories[0]
    assert record.id in made
    assert record.created_at == record.updated_at == datetime(2026, 1, 1, tzinfo=UTC)


def test_replay_by_time_changes_nothing(memory: Memory, embedder: HashingEmbedder) -> None:
    turns = [
        {"role": "user", "content": "I adopted a cat", "timestamp": NOON},
        {"role": "assistant", "content": "What is it called?", "timestamp": NOON + timedelta(minutes=1)},
    ]
    first = memory.add(turns, user_id="alice")
    asked = embedder.texts
    again = memory.add([*turns, {"content": "Its name is Mog", "timestamp": NOON}], user_id="alice")
    assert [(d.message_id, d.memory_id, d.reason) for d in again.duplicates] == [
        (message, record.id, "replay") for message, record in zip(first.messages, first.memories, strict=True)
    ]
    assert [r.text for r in again.memories] == ["Its name is Mog"]
    assert len(again.messages) == 1
    assert embedder.texts == asked + 1, "a replay is not embedded"
    assert len(memory.history(first.memories[0].id)) == 1
    # Another scope is another conversation.
    assert memory.add(turns, user_id="bob").duplicates == ()


def test_same_turn_twice_in_one_call_was_said_twice(memory: Memory) -> None:
    turn = {"content": "Knock knock at the door", "timestamp": NOON}
    assert len(memory.add([turn, turn], user_id="alice").memories) == 2
    assert [d.reason for d in memory.add([turn, turn], user_id="alice").duplicates] == ["replay", "replay"]


def test_replay_by_callers_id(memory: Memory, embedder: HashingEmbedder) -> None:
    first = memory.add({"id": "m-1", "content": "I moved to Lyon"}, user_id="alice")
    asked = embedder.calls
    again = memory.add({"id": "m-1", "content": "I moved to Lyon"}, user_id="alice")
    assert [(d.message_id, d.memory_id, d.reason) for d in again.duplicates] == [
        ("m-1", first.memories[0].id, "replay")
    ]
    assert (again.memories, again.messages) == ((), ())
    assert embedder.calls == asked
    assert memory.add({"id": "m-1", "content": "I moved to Paris"}, user_id="bob").messages == ("m-1",)


@pytest.mark.parametrize(
    "other",
    [
        {"content": "I moved to Paris"},
        {"content": "I moved to Lyon", "role": "assistant"},
        {"content": "I moved to Lyon", "name": "Bob"},
        {"content": "I moved to Lyon", "timestamp": NOON},
    ],
)
def test_callers_id_with_other_content_is_a_conflict(memory: Memory, other: dict[str, Any]) -> None:
    memory.add({"id": "m-1", "content": "I moved to Lyon"}, user_id="alice")
    with pytest.raises(ConflictError) as caught:
        memory.add([{"content": "A turn that comes before"}, {"id": "m-1", **other}], user_id="alice")
    assert len(caught.value.blocking) == 1
    assert texts_of(memory, user_id="alice") == ["I moved to Lyon"], "nothing of the call was stored"


def test_said_again_refreshes_the_newest(memory: Memory) -> None:
    """Lyon, Paris, Lyon leaves Lyon newest."""
    lyon = memory.add("I live in Lyon", user_id="alice").memories[0]
    paris = memory.add("I live in Paris", user_id="alice").memories[0]
    assert [h.id for h in memory.search("I live", user_id="alice")] == [paris.id, lyon.id]
    again = memory.add("I  live in\nLyon ", user_id="alice")
    assert again.memories == ()
    assert [(d.memory_id, d.reason) for d in again.duplicates] == [(lyon.id, "refreshed")]
    assert again.messages == (again.duplicates[0].message_id,), "the message is in the ledger all the same"
    assert [h.id for h in memory.search("I live", user_id="alice")] == [lyon.id, paris.id]
    refreshed = memory.get(lyon.id)
    assert refreshed.updated_at > lyon.updated_at
    assert len(refreshed.sources) == 2
    assert refreshed.revision == 1
    assert memory.stats(user_id="alice").messages == 3


@pytest.mark.parametrize(
    "second",
    [
        {"content": "I live in Lyon", "role": "assistant"},
        {"content": "I live in Lyon", "name": "Bob"},
        {"content": "I live in Lyon?"},
        {"content": "I live in Lyon", "timestamp": NOON},
    ],
)
def test_other_statements_do_not_join(memory: Memory, second: dict[str, Any]) -> None:
    memory.add("I live in Lyon", user_id="alice")
    assert len(memory.add(second, user_id="alice").memories) == 1
    assert memory.stats(user_id="alice").memories == 2


@pytest.mark.parametrize("text", ["yes", "ok", "好的", "嗯嗯", "no, thanks"])
def test_back_channel_never_joins(memory: Memory, text: str) -> None:
    for _ in range(2):
        assert len(memory.add(text, user_id="alice").memories) == 1


def test_said_again_after_a_deletion_is_a_new_memory(memory: Memory) -> None:
    first = memory.add("I live in Lyon", user_id="alice").memories[0]
    memory.delete(first.id)
    second = memory.add("I live in Lyon", user_id="alice").memories
    assert [r.id for r in second] != [first.id]
    assert texts_of(memory, user_id="alice") == ["I live in Lyon"]
    assert len(memory.history(first.id)) == 2, "what was deleted stays deleted"


def test_said_again_after_expiry_is_a_new_memory(memory: Memory, clock: FakeClock) -> None:
    memory.add("The code is 1234 for today", user_id="alice", expires_at=clock() + timedelta(hours=1))
    clock.advance(timedelta(days=1))
    assert len(memory.add("The code is 1234 for today", user_id="alice").memories) == 1


def test_idempotency_key(memory: Memory, embedder: HashingEmbedder) -> None:
    said = [{"content": "yes"}, {"content": "I like tea"}]
    first = memory.add(said, user_id="alice", idempotency_key="k")
    asked = embedder.calls
    again = memory.add(said, user_id="alice", idempotency_key="k")
    assert again.batch_id == first.batch_id
    assert [d.memory_id for d in again.duplicates] == [r.id for r in first.memories]
    assert {d.reason for d in again.duplicates} == {"replay"}
    assert (again.memories, again.messages) == ((), ())
    assert embedder.calls == asked, "a replay is not embedded"
    assert len(memory.add("yes", user_id="bob", idempotency_key="k").memories) == 1, "another scope, another key"


@pytest.mark.parametrize(
    "other",
    [
        {"messages": "I like coffee"},
        {"messages": "I like tea", "metadata": {"a": 1}},
        {"messages": "I like tea", "expires_at": NOON},
        {"messages": {"content": "I like tea", "id": "x"}},
    ],
)
def test_idempotency_key_for_another_request(memory: Memory, other: dict[str, Any]) -> None:
    memory.add("I like tea", user_id="alice", idempotency_key="k")
    with pytest.raises(ConflictError):
        memory.add(user_id="alice", idempotency_key="k", **other)
    assert texts_of(memory, user_id="alice") == ["I like tea"]


def test_idempotent_replay_needs_no_embedder(open_memory: Open) -> None:
    embedder = BrokenEmbedder()
    memory = open_memory(embedder=embedder)
    memory.add("I like tea", user_id="alice", idempotency_key="k")
    embedder.spoil = lambda _: ProviderError("test", "is down", retryable=True)
    assert memory.add("I like tea", user_id="alice", idempotency_key="k").duplicates


def test_one_embedding_call_for_any_number_of_messages(memory: Memory, embedder: HashingEmbedder) -> None:
    memory.add([{"content": f"Statement number {i} about rivers. " * 30} for i in range(40)], user_id="alice")
    assert embedder.calls == 1
    memory.search("rivers", user_id="alice")
    assert embedder.calls == 2


def test_long_message_is_one_memory_of_several_passages(memory: Memory) -> None:
    parts = [f"In chapter {i} the captain talks about {'storms and rain ' * 20}." for i in range(6)]
    parts[4] += " He keeps a parrot called Flint in the galley."
    text = " ".join(parts)
    (record,) = memory.add({"content": text, "name": "Ishmael"}, user_id="alice").memories
    assert record.text == text
    assert memory.stats(user_id="alice").units > 3
    hit = memory.search("parrot called Flint", user_id="alice")[0]
    assert hit.id == record.id
    assert hit.text == text
    assert "parrot called Flint" in hit.passage
    assert len(hit.passage) < len(text) / 2
    assert len(memory.search("captain storms", user_id="alice")) == 1, "a memory is one hit, however many passages"


@pytest.mark.parametrize("infer", [True, False])
def test_infer_without_a_model_changes_nothing(memory: Memory, infer: bool) -> None:
    result = memory.add("I play cricket at weekends", user_id="alice", infer=infer)
    assert [r.kind for r in result.memories] == [Kind.EPISODE]


def test_failing_embedder_stores_nothing(open_memory: Open) -> None:
    embedder = BrokenEmbedder(lambda _: ProviderError("test", "is down", retryable=True))
    memory = open_memory(embedder=embedder)
    with pytest.raises(ProviderError) as caught:
        memory.add("I like tea", user_id="alice")
    assert caught.value.retryable
    assert memory.stats().messages == 0
    embedder.spoil = lambda vectors: vectors
    assert len(memory.add("I like tea", user_id="alice").memories) == 1


def test_words_alone(open_memory: Open) -> None:
    memory = open_memory(embedder="none")
    memory.add([{"content": "I like tea"}, {"content": "I keep bees"}], user_id="alice")
    assert [h.text for h in memory.search("bees", user_id="alice")] == ["I keep bees"]
    assert memory.stats().unembedded == 2


def test_another_embedder_is_refused(open_memory: Open) -> None:
    memory = open_memory(embedder=HashingEmbedder(64))
    memory.add("I like tea", user_id="alice")
    other = open_memory(store=memory.store, embedder=HashingEmbedder(128))
    for verb in (lambda: other.add("I like milk", user_id="alice"), lambda: other.search("tea", user_id="alice")):
        with pytest.raises(EmbedderMismatchError, match="keepstone reembed") as caught:
            verb()
        assert ("64" in caught.value.stored, "128" in caught.value.given) == (True, True)
    assert texts_of(memory, user_id="alice") == ["I like tea"]


def test_no_scope_stores_nothing(memory: Memory) -> None:
    with pytest.raises(InvalidRequestError, match="user_id"):
        memory.add("I like tea")
    assert memory.stats().messages == 0
