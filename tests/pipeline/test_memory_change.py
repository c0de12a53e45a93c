"""`update`, `delete`, `undo`, `erase`, `reset` and `history`: nothing is lost that was not erased."""

import asyncio
from datetime import timedelta

import pytest

from keepstone import Action, ConflictError, InvalidRequestError, Memory, NotFoundError, ScopeError, Status
from keepstone.embedders.hashing import HashingEmbedder
from keepstone.operations import Applied, Batch
from keepstone.stores.inmemory import InMemoryStore
from keepstone.testing import FakeClock
from tests.pipeline.opening import Open, texts_of


@pytest.fixture
def lyon(memory: Memory) -> str:
    """Return the id of a memory of Alice's."""
    return memory.add("I live in Lyon", user_id="alice", metadata={"a": 1}).memories[0].id


def found(memory: Memory, query: str) -> list[str]:
    return [h.text for h in memory.search(query, user_id="alice")]


def test_update_text(memory: Memory, lyon: str) -> None:
    updated = memory.update(lyon, text="I live in Paris", reason="moved")
    assert updated == memory.get(lyon)
    assert (updated.text, updated.revision, updated.edited, updated.metadata) == ("I live in Paris", 2, True, {"a": 1})
    assert found(memory, "Paris")[0] == "I live in Paris"
    assert "I live in Lyon" not in found(memory, "Lyon")
    change = memory.history(lyon)[-1]
    assert (change.action, change.old_text, change.new_text) == (Action.UPDATE, "I live in Lyon", "I live in Paris")
    assert (change.reason, change.actor) == ("moved", "api")


def test_update_metadata_only_embeds_nothing(memory: Memory, lyon: str, embedder: HashingEmbedder) -> None:
    asked = embedder.calls
    updated = memory.update(lyon, metadata={"b": 2})
    assert embedder.calls == asked
    assert (updated.text, updated.metadata, updated.revision) == ("I live in Lyon", {"b": 2}, 2)
    assert [h.id for h in memory.search("Lyon", user_id="alice", filters={"b": 2})] == [lyon]
    assert memory.search("Lyon", user_id="alice", filters={"a": 1}) == []
    assert memory.update(lyon, metadata={}).metadata == {}


def test_update_expiry(memory: Memory, lyon: str, clock: FakeClock) -> None:
    soon = clock() + timedelta(hours=1)
    assert memory.update(lyon, expires_at=soon).expires_at == soon
    assert memory.update(lyon, text="I live in Paris").expires_at == soon
    assert memory.update(lyon, expires_at=None).expires_at is None
    clock.advance(timedelta(days=1))
    assert found(memory, "Paris") == ["I live in Paris"]


def test_update_of_a_long_text(memory: Memory, lyon: str) -> None:
    text = "The garden has roses and lilies. " * 60 + "A gnome stands by the pond."
    memory.update(lyon, text=text)
    hit = memory.search("gnome pond", user_id="alice")[0]
    assert hit.text == text
    assert "gnome" in hit.passage
    memory.update(lyon, text="Short again")
    assert memory.search("Short again", user_id="alice")[0].passage == "Short again"
    assert all(h.text == "Short again" for h in memory.search("gnome", user_id="alice"))


def test_what_was_said_joins_the_text_as_it_is_now(memory: Memory, lyon: str) -> None:
    memory.update(lyon, text="I live in Paris")
    assert memory.add("I live in Paris", user_id="alice").duplicates[0].memory_id == lyon
    assert memory.add("I live in Lyon", user_id="alice").duplicates == ()


def test_updates_that_race(open_memory: Open) -> None:
    memory = open_memory()
    id = memory.add("The number is nought", user_id="alice").memories[0].id
    for i in range(5):
        memory.update(id, text=f"The number is {i}")
    assert [c.new_text for c in memory.history(id)] == [
        "The number is nought",
        *(f"The number is {i}" for i in range(5)),
    ]


def test_delete_hides_everywhere_but_in_history(memory: Memory, lyon: str) -> None:
    change = memory.delete(lyon, reason="wrong")
    assert (change.action, change.memory_id, change.reason) == (Action.DELETE, lyon, "wrong")
    assert found(memory, "Lyon") == []
    assert texts_of(memory, user_id="alice") == []
    for verb in (memory.get, memory.delete, lambda id: memory.update(id, text="Back again")):
        with pytest.raises(NotFoundError):
            verb(lyon)
    history = memory.history(lyon)
    assert [c.action for c in history] == [Action.ADD, Action.DELETE]
    assert [(c.old_text, c.new_text) for c in history] == [(None, "I live in Lyon"), ("I live in Lyon", None)]


def test_undo_of_everything(memory: Memory, lyon: str) -> None:
    memory.update(lyon, text="I live in Paris")
    updating = memory.history(lyon)[-1].id
    undoing = memory.undo(updating)
    assert [(c.action, c.inverse_of) for c in undoing] == [(Action.UPDATE, updating)]
    assert memory.get(lyon).text == "I live in Lyon"
    assert found(memory, "Lyon") == ["I live in Lyon"]
    memory.undo(undoing[0].id)
    assert found(memory, "Paris") == ["I live in Paris"]
    deleting = memory.delete(lyon)
    restored = memory.undo(deleting.id)
    assert [c.action for c in restored] == [Action.RESTORE]
    assert memory.get(lyon).text == "I live in Paris"
    memory.undo(restored[0].id)
    with pytest.raises(NotFoundError):
        memory.get(lyon)
    assert [c.sequence for c in memory.history(lyon)] == sorted(c.sequence for c in memory.history(lyon))


def test_undo_of_an_add_takes_it_back(memory: Memory) -> None:
    result = memory.add([{"content": "One thing to say"}, {"content": "Another thing to say"}], user_id="alice")
    assert {c.action for c in memory.undo(result.batch_id)} == {Action.DELETE}
    assert texts_of(memory, user_id="alice") == []


def test_undo_twice_is_a_conflict(memory: Memory, lyon: str) -> None:
    deleting = memory.delete(lyon)
    undone = memory.undo(deleting.id)
    with pytest.raises(ConflictError) as caught:
        memory.undo(deleting.id)
    assert caught.value.blocking == (undone[0].id,)
    assert memory.get(lyon).text == "I live in Lyon"


def test_undo_names_what_depends_and_cascades(memory: Memory, lyon: str) -> None:
    memory.update(lyon, text="I live in Paris")
    memory.update(lyon, text="I live in Rome")
    memory.delete(lyon)
    adding, first, *later = (c.id for c in memory.history(lyon))
    with pytest.raises(ConflictError) as caught:
        memory.undo(first)
    assert set(caught.value.blocking) == set(later)
    with pytest.raises(NotFoundError):
        memory.get(lyon)
    memory.undo(first, cascade=True)
    assert memory.get(lyon).text == "I live in Lyon"
    assert memory.get(lyon).status is Status.CURRENT
    memory.undo(adding)
    assert texts_of(memory, user_id="alice") == []


def test_undo_that_races_with_an_update_loses_nothing() -> None:
    """Between reading the history and writing the inverse, somebody else changes the memory."""

    class Busy(InMemoryStore):
        async def apply(self, batch: Batch) -> Applied:
            if batch.reason is not None and batch.reason.startswith("undo"):
                await asyncio.to_thread(somebody.update, record.id, text="I live in Rome")
            return await super().apply(batch)

    store = Busy()
    somebody = Memory(store=store, embedder="hashing")
    memory = Memory(store=store, embedder="hashing")
    record = memory.add("I live in Lyon", user_id="alice").memories[0]
    memory.update(record.id, text="I live in Paris")
    with pytest.raises(ConflictError):
        memory.undo(memory.history(record.id)[-1].id)
    assert memory.get(record.id).text == "I live in Rome"
    memory.close()


def test_undo_of_a_refresh_is_nothing(memory: Memory, lyon: str) -> None:
    again = memory.add("I live in Lyon", user_id="alice")
    assert memory.undo(again.batch_id) == []
    assert found(memory, "Lyon") == ["I live in Lyon"]


def test_undo_stays_in_its_scope(memory: Memory, lyon: str) -> None:
    deleting = memory.delete(lyon)
    for id in (deleting.id, deleting.batch_id):
        with pytest.raises(NotFoundError):
            memory.undo(id, user_id="bob")
    assert texts_of(memory, user_id="alice") == []
    memory.undo(deleting.batch_id, user_id="alice")
    assert texts_of(memory, user_id="alice") == ["I live in Lyon"]


def test_delete_all_counts_and_is_undone_as_a_batch(memory: Memory) -> None:
    records = memory.add([{"content": f"Turn {i} of it"} for i in range(6)], user_id="alice").memories
    memory.add("In a session", user_id="alice", run_id="may")
    memory.add("Of Bob's", user_id="bob")
    memory.delete(records[0].id)
    assert memory.delete_all(user_id="alice", reason="a fresh start") == 6
    assert texts_of(memory, user_id="alice") == []
    assert found(memory, "turn") == []
    assert memory.delete_all(user_id="alice") == 0
    batch = memory.history(records[1].id)[-1].batch_id
    assert len(memory.undo(batch)) == 6
    assert texts_of(memory, user_id="alice") == [*(f"Turn {i} of it" for i in range(1, 6)), "In a session"]
    assert memory.delete_all(run_id="may") == 1
    assert texts_of(memory, user_id="bob") == ["Of Bob's"]


def test_delete_all_needs_a_scope(memory: Memory, lyon: str) -> None:
    with pytest.raises(ScopeError, match="user_id"):
        memory.delete_all()
    assert texts_of(memory, user_id="alice") == ["I live in Lyon"]


def test_erase_one(memory: Memory, lyon: str) -> None:
    memory.update(lyon, text="I live in Paris")
    kept = memory.add("I keep bees", user_id="alice").memories[0]
    receipt = memory.erase(lyon, reason="asked to")
    assert (receipt.memories, receipt.messages, receipt.residue, receipt.verified) == (1, 1, 0, True)
    assert receipt.changes == 2
    assert receipt.units == 2
    (tombstone,) = memory.history(lyon)
    assert (tombstone.action, tombstone.old_text, tombstone.new_text) == (Action.ERASE, None, None)
    assert receipt.tombstones == (tombstone.id,)
    with pytest.raises(NotFoundError):
        memory.get(lyon)
    with pytest.raises(ConflictError):
        memory.undo(tombstone.id)
    with pytest.raises(NotFoundError):
        memory.erase(lyon)
    assert texts_of(memory, user_id="alice") == [kept.text]
    assert found(memory, "bees") == ["I keep bees"]


def test_erase_by_message(memory: Memory) -> None:
    record = memory.add({"id": "m-1", "content": "I live in Lyon"}, user_id="alice").memories[0]
    said = memory.add("I live in Lyon", user_id="alice").messages[0]
    receipt = memory.erase("m-1")
    assert (receipt.memories, receipt.messages) == (0, 1)
    assert memory.get(record.id).text == "I live in Lyon", "another message still says it"
    receipt = memory.erase(said)
    assert (receipt.memories, receipt.messages) == (1, 1)
    with pytest.raises(NotFoundError):
        memory.get(record.id)
    assert memory.add({"id": "m-1", "content": "Something else"}, user_id="alice").messages == ("m-1",)


def test_erase_scope_takes_deleted_ones_too(memory: Memory, lyon: str) -> None:
    memory.delete(lyon)
    memory.add("I keep bees", user_id="alice")
    memory.add("I keep bees", user_id="bob")
    receipt = memory.erase(user_id="alice")
    assert (receipt.memories, receipt.messages) == (2, 2)
    assert memory.stats(user_id="alice").messages == 0
    assert texts_of(memory, user_id="bob") == ["I keep bees"]
    with pytest.raises(NotFoundError):
        memory.history(lyon, user_id="bob")
    assert memory.erase(user_id="alice").memories == 0


def test_erase_is_all_or_nothing(memory: Memory, lyon: str) -> None:
    with pytest.raises(NotFoundError):
        memory.erase([lyon, "0190a000-0000-7000-8000-000000000000"])
    assert texts_of(memory, user_id="alice") == ["I live in Lyon"]
    with pytest.raises(ScopeError):
        memory.erase()
    with pytest.raises(InvalidRequestError):
        memory.erase([])
    assert texts_of(memory, user_id="alice") == ["I live in Lyon"]


def test_erased_idempotency_key_is_free_again(memory: Memory) -> None:
    memory.add("I live in Lyon", user_id="alice", idempotency_key="k")
    memory.erase(user_id="alice")
    assert len(memory.add("I live in Rome", user_id="alice", idempotency_key="k").memories) == 1


def test_reset_empties_and_goes_on(memory: Memory, lyon: str) -> None:
    for confirm in (False, 1, "yes"):
        with pytest.raises(ScopeError):
            memory.reset(confirm=confirm)  # type: ignore[arg-type]
    assert texts_of(memory, user_id="alice") == ["I live in Lyon"]
    memory.reset(confirm=True)
    stats = memory.stats()
    assert (stats.messages, stats.memories, stats.changes, stats.units, stats.partitions) == (0, 0, 0, 0, 0)
    with pytest.raises(NotFoundError):
        memory.history(lyon)
    memory.add("I live in Rome", user_id="alice")
    assert found(memory, "Rome") == ["I live in Rome"]


def test_reset_frees_the_vector_space(open_memory: Open) -> None:
    memory = open_memory(embedder=HashingEmbedder(64))
    memory.add("I live in Lyon", user_id="alice")
    memory.reset(confirm=True)
    other = open_memory(store=memory.store, embedder=HashingEmbedder(128))
    other.add("I live in Rome", user_id="alice")
    assert [h.text for h in other.search("Rome", user_id="alice")] == ["I live in Rome"]


def test_history_of_what_never_was(memory: Memory) -> None:
    with pytest.raises(NotFoundError):
        memory.history("0190a000-0000-7000-8000-000000000000")


def test_history_tells_who(open_memory: Open) -> None:
    memory = open_memory(actor="nightly job")
    id = memory.add("I live in Lyon", user_id="alice").memories[0].id
    memory.add("I live in Lyon", user_id="alice")
    history = memory.history(id)
    assert [(c.action, c.actor, c.reason) for c in history] == [
        (Action.ADD, "nightly job", None),
        (Action.UPDATE, "nightly job", "said again"),
    ]
    assert history[1].old_revision == history[1].new_revision == 1
