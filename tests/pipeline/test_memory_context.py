"""`context`: what a scope knows about a question, fitted into a budget, over each store and through each face."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keepstone import Context, InvalidRequestError, Kind, LimitError, Memory, ScopeError, Status
from keepstone.embedders.hashing import HashingEmbedder
from keepstone.ids import IdSource
from keepstone.ingest import embed_units, units
from keepstone.logic.counting import count_tokens
from keepstone.logic.ids import bucket
from keepstone.operations import AddMemory, Batch, NewMemory, SourceSpan, Supersede
from keepstone.stores.inmemory import InMemoryStore
from keepstone.testing import FakeClock
from keepstone.types import LedgerMessage, Scope
from tests.pipeline.opening import Open

ALICE = Scope(user_id="alice")
AT = datetime(2026, 1, 2, tzinfo=UTC)
new_id = IdSource()


def write(memory: Memory, *operations: Any) -> None:
    """Write through the store's own door, as extraction will."""
    batch = Batch(
        id=new_id(AT, bucket(ALICE)),
        tenant="",
        at=AT,
        actor="test",
        operations=operations,
        scope=ALICE,
        embedder=HashingEmbedder().key,
    )
    asyncio.run(memory.store.apply(batch))


def statement(text: str, *sources: LedgerMessage, kind: Kind = Kind.FACT, **fields: Any) -> NewMemory:
    embedded = asyncio.run(embed_units(HashingEmbedder(), [(text, None, units(text, None))]))[0]
    return NewMemory(
        id=new_id(AT, bucket(ALICE)),
        scope=ALICE,
        text=text,
        kind=kind,
        units=embedded,
        sources=tuple(SourceSpan(message_id=m.id) for m in sources),
        **fields,
    )


def said(memory: Memory, *texts: str, **fields: Any) -> list[LedgerMessage]:
    """Add turns, and return their messages."""
    added = memory.add([{"content": t} for t in texts], user_id="alice", **fields)
    ids = [m.id for m in added.memories]
    around = asyncio.run(memory.store.neighbours(ids, ALICE, 0, 0))
    return [m for m in around if m.public_id in added.messages]


def test_text_and_citations(memory: Memory) -> None:
    memory.add(
        [
            {
                "content": "I play cricket on Sundays.",
                "name": "Alice",
                "id": "1",
                "timestamp": "2026-05-08T23:30:00+08:00",
            },
            {"content": "Which club?", "role": "assistant", "id": "2", "timestamp": "2026-05-08T23:31:00+08:00"},
            {"content": "The bakery opens at seven.", "name": "Alice", "timestamp": "2026-05-07T08:00:00+08:00"},
        ],
        user_id="alice",
    )
    found = memory.context("Who plays cricket?", user_id="alice")
    assert isinstance(found, Context)
    assert (
        str(found)
        == found.text
        == (
            "2026-05-07\nAlice: The bakery opens at seven.\n\n"
            "2026-05-08\nAlice: I play cricket on Sundays.\nassistant: Which club?"
        )
    )
    assert found.tokens == count_tokens(found.text) <= found.max_tokens == 1000
    assert (found.prefix_end, found.left_out, found.messages) == (0, (), ())
    lines = [found.text[c.place.start : c.place.end] for c in found.citations]
    assert lines == [row for row in found.text.splitlines() if ": " in row]
    cited = found.citations[1]
    assert cited.sources == ("1",)
    assert memory.get(cited.memory_id).text[cited.spans[0].start : cited.spans[0].end] == "I play cricket on Sundays."
    assert cited.score == memory.search("Who plays cricket?", user_id="alice")[0].score
    assert found.to_dict()["citations"][1]["kind"] == "episode"


def test_messages_are_the_same_text(memory: Memory) -> None:
    write(memory, AddMemory(memory=statement("Alice is a nurse", kind=Kind.PROFILE)))
    memory.add("The ward was quiet.", user_id="alice")
    found = memory.context("ward", user_id="alice", format="messages")
    assert [m["role"] for m in found.messages] == ["user", "user"]
    assert "\n\n".join(m["content"] for m in found.messages) == found.text
    assert found.messages[0]["content"] == found.text[: found.prefix_end]
    assert memory.context("", user_id="nobody", format="messages").messages == ()


def test_labels_in_the_language_of_the_query(memory: Memory) -> None:
    write(memory, AddMemory(memory=statement("她在成都当护士")))
    memory.add("周末喜欢打板球", user_id="alice")
    assert memory.context("她喜欢什么运动？", user_id="alice").text.startswith("事实：\n")
    assert "用户：周末喜欢打板球" in memory.context("她喜欢什么运动？", user_id="alice").text
    assert memory.context("What sport does she like? 板球", user_id="alice").text.startswith("Facts:\n")


def test_the_prefix_stays_while_questions_change(memory: Memory) -> None:
    write(
        memory,
        AddMemory(memory=statement("Alice is a nurse", kind=Kind.PROFILE)),
        AddMemory(memory=statement("Alice is allergic to nuts", importance=0.9)),
        AddMemory(memory=statement("Alice bought a lamp", importance=0.2)),
    )
    memory.add([{"content": f"Turn {i} about lamps and nuts"} for i in range(30)], user_id="alice")
    first = memory.context("Which nuts?", user_id="alice", max_tokens=200)
    prefix = first.text[: first.prefix_end]
    assert [row[13:] for row in prefix.splitlines()[1:]] == ["Alice is a nurse", "Alice is allergic to nuts"]
    assert [c.score for c in first.citations[:2]] == [None, None]
    for query in ("lamp", "她在哪里工作？", "", "Is Alice a nurse?", "?"):
        for format in ("text", "messages"):
            other = memory.context(query, user_id="alice", max_tokens=200, format=format)
            assert other.text[: other.prefix_end] == prefix
            assert other.text.count("Alice is a nurse") == 1
    memory.add("Something else", user_id="alice")
    assert memory.context("else", user_id="alice", max_tokens=200).text.startswith(prefix)
    write(memory, AddMemory(memory=statement("Alice has two cats", importance=0.8)))
    grown = memory.context("Which nuts?", user_id="alice", max_tokens=200)
    assert grown.text.startswith(f"{prefix}\n- {AT.date()} Alice has two cats")


def test_the_prefix_keeps_to_its_share(memory: Memory) -> None:
    write(memory, *(AddMemory(memory=statement(f"Standing fact {i} on Alice", importance=0.8)) for i in range(40)))
    memory.add("The cat is called Momo", user_id="alice")
    found = memory.context("cat Momo", user_id="alice", max_tokens=200)
    assert 0 < count_tokens(found.text[: found.prefix_end]) <= 60
    assert "Momo" in found.text
    assert {r.reason for r in found.left_out} == {"budget"}
    assert len(found.left_out) + len(found.citations) == 41


def test_a_fact_and_the_turn_that_says_it_are_one(memory: Memory) -> None:
    message, _ = said(memory, "I moved to Oslo in May", "Nothing to do with it")
    write(memory, AddMemory(memory=statement("Alice moved to Oslo in May", message)))
    found = memory.context("When did Alice move to Oslo?", user_id="alice")
    assert found.text.count("Oslo") == 1
    assert "Facts:\n" in found.text
    turn = next(r for r in found.left_out if r.reason == "covered")
    assert memory.get(turn.memory_id).kind is Kind.EPISODE
    assert turn.other_id == found.citations[0].memory_id
    assert found.citations[0].sources == (message.id,)


def test_current_before_superseded(memory: Memory) -> None:
    old, new = statement("Alice lives in Lyon now"), statement("Alice lives in Oslo now")
    write(memory, AddMemory(memory=old), AddMemory(memory=new), Supersede(memory_id=old.id, by=new.id))
    found = memory.context("Where does Alice live now?", user_id="alice")
    assert found.text.splitlines()[1:] == [
        f"- {AT.date()} Alice lives in Oslo now",
        f"- {AT.date()} [superseded {AT.date()}] Alice lives in Lyon now",
    ]
    assert [c.status for c in found.citations] == [Status.CURRENT, Status.SUPERSEDED]
    hidden = memory.context("Where does Alice live now?", user_id="alice", include_superseded=False)
    assert "Lyon" not in hidden.text


def test_what_was_said_again_stands_where_it_was_said_last(memory: Memory, clock: FakeClock) -> None:
    days = []
    for town in ("Lyon", "Paris", "Lyon"):
        memory.add(f"I live in {town} these days.", user_id="alice")
        days.append(clock().date().isoformat())
        clock.advance(timedelta(days=40))
    text = memory.context("Where do I live these days?", user_id="alice").text
    assert text == f"{days[1]}\nuser: I live in Paris these days.\n\n{days[2]}\nuser: I live in Lyon these days."


def test_nothing_taken_back_comes_along(memory: Memory, clock: FakeClock) -> None:
    memory.add("Shall we meet at the pier?", user_id="alice")
    gone = memory.add("Secret one: at nine.", user_id="alice").memories[0]
    memory.add("Shall we meet at the pier again?", user_id="alice")
    erased = memory.add("Secret two: at ten.", user_id="alice").memories[0]
    memory.add("Shall we meet at the pier once more?", user_id="alice")
    memory.add("Secret three: at noon.", user_id="alice", expires_at=clock() + timedelta(hours=1))
    memory.add("Shall we meet at the pier at last?", user_id="alice")
    edited = memory.add("Secret four: at two.", user_id="alice").memories[0]
    assert memory.context("meet pier", user_id="alice").text.count("Secret") == 4
    memory.delete(gone.id)
    memory.erase(erased.id)
    clock.advance(timedelta(hours=2))
    memory.update(edited.id, text="Never mind when")
    text = memory.context("meet pier", user_id="alice").text
    assert "Secret" not in text
    assert text.count("pier") == 4
    assert "Never mind when" in text


def test_filters_hold_for_neighbours(memory: Memory) -> None:
    memory.add("Shall we meet at the pier?", user_id="alice", metadata={"open": True})
    memory.add("Yes, at nine.", user_id="alice", metadata={"open": False})
    assert "nine" in memory.context("meet pier", user_id="alice").text
    assert "nine" not in memory.context("meet pier", user_id="alice", filters={"open": True}).text
    assert memory.context("meet pier", user_id="alice", kinds=["fact"]).text == ""
    assert memory.context("meet pier", user_id="alice", min_score=1.0).text == ""


def test_scopes(memory: Memory) -> None:
    memory.add("Alice keeps bees", user_id="alice")
    memory.add("Bob keeps bees and wasps", user_id="bob")
    write(memory, AddMemory(memory=statement("Alice is a nurse", kind=Kind.PROFILE)))
    assert "Alice" not in memory.context("bees", user_id="bob").text
    assert memory.context("bees", user_id="bob").prefix_end == 0
    assert "wasps" in memory.context("bees", all_scopes=True).text
    with pytest.raises(ScopeError):
        memory.context("bees")


def test_long_turns_show_the_passage(memory: Memory) -> None:
    long = "The harbour was quiet and the weather was mild. " * 30 + "The spare key is under the blue flower pot."
    memory.add(long, user_id="alice")
    found = memory.context("Where is the spare key?", user_id="alice", max_tokens=300)
    assert found.text.splitlines()[1].startswith("user: … ")
    assert found.text.endswith("flower pot.")
    shown = found.citations[0].spans[0]
    assert "flower pot" in long[shown.start : shown.end]


COUNTERS: dict[str, Callable[[str], int]] = {
    "words": lambda text: len(text.split()),
    "overhead": lambda text: 50 + len(text),
    "blocks": lambda text: -(-len(text) // 100) * 100,
}


@pytest.mark.parametrize("counter", COUNTERS.values(), ids=COUNTERS)
def test_any_counter_is_kept_to(memory: Memory, counter: Callable[[str], int]) -> None:
    write(memory, AddMemory(memory=statement("Alice is a nurse", kind=Kind.PROFILE)))
    memory.add([{"content": f"Turn {i} on bees, and more of them"} for i in range(20)], user_id="alice")
    for most in (1, 40, 130, 1000):
        for format in ("text", "markdown", "xml", "messages"):
            found = memory.context("bees", user_id="alice", max_tokens=most, counter=counter, format=format)
            assert found.tokens <= most
            assert found.tokens == (counter(found.text) if found.text else 0)
            assert len(found.citations) + len(found.left_out) == 21


def test_too_small_a_budget_says_so(memory: Memory) -> None:
    record = memory.add("Alice keeps bees", user_id="alice").memories[0]
    found = memory.context("bees", user_id="alice", max_tokens=3, format="xml")
    assert (found.text, found.tokens, found.citations) == ("", 0, ())
    assert [(r.memory_id, r.reason) for r in found.left_out] == [(record.id, "budget")]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"max_tokens": 0}, InvalidRequestError),
        ({"max_tokens": 10**9}, InvalidRequestError),
        ({"format": "html"}, InvalidRequestError),
        ({"counter": 7}, InvalidRequestError),
        ({"counter": lambda _: -1}, InvalidRequestError),
        ({"counter": lambda _: "many"}, InvalidRequestError),
        ({"min_score": 2}, InvalidRequestError),
    ],
)
def test_bad_input(memory: Memory, arguments: dict[str, Any], error: type[Exception]) -> None:
    memory.add("Alice keeps bees", user_id="alice")
    with pytest.raises(error):
        memory.context("bees", user_id="alice", **arguments)
    with pytest.raises(LimitError):
        memory.context("x" * 100_000, user_id="alice")


class Counting(InMemoryStore):
    """A store that counts how often it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def __getattribute__(self, name: str) -> Any:
        if name in ("candidates", "get", "get_all", "neighbours", "messages", "history", "dump"):
            self.calls[name] += 1
        return super().__getattribute__(name)


def test_the_cost_does_not_grow_with_the_store(open_memory: Open) -> None:
    store, embedder = Counting(), HashingEmbedder()
    memory = open_memory(store=store, embedder=embedder)
    for size in (1, 300):
        memory.add([{"content": f"Turn {i} of {size} on bees?"} for i in range(size)], user_id="alice")
        store.calls.clear()
        embedded = embedder.calls
        memory.context("bees", user_id="alice")
        assert store.calls == {"candidates": 1, "get": 1, "get_all": 1, "neighbours": 1}
        assert embedder.calls == embedded + 1
