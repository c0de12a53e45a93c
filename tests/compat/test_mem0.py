"""Scripts for Mem0's library (2.x) run on ours: the shapes are theirs, the effects ours."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import keepstone
from keepstone.compat.mem0 import AsyncMemory, Memory
from keepstone.errors import ConfigError, FilterError, InvalidRequestError, NotFoundError, ScopeError
from keepstone.testing import HashingEmbedder, InMemoryStore, ScriptedChatModel
from tests.distillation.speaking import change, reply

ANA = {"user_id": "ana"}
FACT = reply(change("add", "I moved to Porto in May."))


@pytest.fixture
def memory() -> Any:
    with Memory(memory=keepstone.Memory(store=InMemoryStore(), embedder=HashingEmbedder(), chat_model="none")) as found:
        yield found


def ids(answer: dict[str, Any]) -> list[str]:
    return [r["id"] for r in answer["results"]]


def test_what_is_added_is_searched_and_listed(memory: Memory) -> None:
    said = [
        {"role": "user", "content": "I restore old radios.", "name": "Ana"},
        {"role": "assistant", "content": "Which ones?"},
    ]
    added = memory.add(said, user_id="ana", metadata={"topic": "radios", "user_id": "ben"})
    assert [(r["memory"], r["event"], r["role"]) for r in added["results"]] == [
        ("I restore old radios.", "ADD", "user"),
        ("Which ones?", "ADD", "assistant"),
    ]
    found = memory.search("old radios", filters=ANA, explain=True)["results"][0]
    assert found["id"] == added["results"][0]["id"]
    assert (found["user_id"], found["actor_id"], found["metadata"]) == ("ana", "Ana", {"topic": "radios"})
    assert 0 < found["score"] <= 1
    assert found["score_details"]
    assert ids(memory.get_all(filters=ANA)) == ids(added)
    assert ids(memory.get_all(filters={**ANA, "topic": "tubes"})) == []
    assert ids(memory.get_all(filters={"user_id": "ben"})) == []
    assert ids(memory.get_all(filters=ANA, top_k=1)) == ids(added)[:1]


def test_a_change_shows_in_the_history(memory: Memory) -> None:
    id = ids(memory.add("我住在杭州。", user_id="ana", metadata={"a": 1}))[0]
    memory.update(id, "我住在苏州。", metadata={"b": 2})
    now = memory.get(id)
    assert now is not None
    assert (now["memory"], now["metadata"]) == ("我住在苏州。", {"a": 1, "b": 2})
    memory.delete(id)
    assert memory.get(id) is None
    rows = memory.history(id)
    assert [(r["event"], r["old_memory"], r["new_memory"], r["is_deleted"]) for r in rows] == [
        ("ADD", None, "我住在杭州。", False),
        ("UPDATE", "我住在杭州。", "我住在苏州。", False),
        ("DELETE", "我住在苏州。", None, True),
    ]
    assert memory.history("nothing") == []
    with pytest.raises(NotFoundError):
        memory.delete(id)


def test_what_has_expired_is_hidden(memory: Memory) -> None:
    id = ids(memory.add("The code is 17.", user_id="ana", expiration_date="2020-02-28"))[0]
    assert ids(memory.get_all(filters=ANA)) == []
    shown = memory.get_all(filters=ANA, show_expired=True)["results"]
    assert [r["expiration_date"] for r in shown] == ["2020-02-28"]
    memory.update(id, expiration_date=None)
    assert ids(memory.get_all(filters=ANA)) == [id]
    with pytest.raises(InvalidRequestError, match="expiration_date"):
        memory.add("x y z", user_id="ana", expiration_date="next week")


def test_a_stated_time_is_when_it_was_made(memory: Memory) -> None:
    memory.add("I won the cup.", user_id="ana", timestamp=1_560_000_000)
    assert memory.get_all(filters=ANA)["results"][0]["created_at"] == "2019-06-08T13:20:00+00:00"
    assert ids(memory.get_all(filters={**ANA, "created_at": {"gte": "2020-01-01"}})) == []


def test_nothing_reaches_everybody(memory: Memory) -> None:
    for user in ("ana", "ben"):
        memory.add("I like the sea.", user_id=user)
    calls: tuple[Callable[[], object], ...] = (
        lambda: memory.delete_all(),
        lambda: memory.delete_all(user_id="*"),
        lambda: memory.get_all(),
        lambda: memory.get_all(filters={"user_id": "*"}),
        lambda: memory.search("sea", filters={"OR": [{"user_id": "ana"}, {"user_id": "ben"}]}),
        lambda: memory.search("sea", filters={"user_id": "ana", "AND": [{"user_id": "ben"}]}),
        lambda: memory.add("x"),
    )
    for call in calls:
        with pytest.raises((ScopeError, FilterError)):
            call()
    assert memory.delete_all(user_id="ana")["deleted"] == 1
    assert len(memory.get_all(filters={"user_id": "ben"})["results"]) == 1
    memory.reset()
    assert ids(memory.get_all(filters={"user_id": "ben"})) == []


def test_what_is_not_text_is_warned_of(memory: Memory) -> None:
    picture = {"role": "user", "content": [{"type": "text", "text": "My cat."}, {"type": "image_url", "image_url": {}}]}
    with pytest.warns(UserWarning, match="not text"):
        assert memory.add([picture], user_id="ana")["results"][0]["memory"] == "My cat."
    with pytest.warns(UserWarning, match="reranker"):
        memory.search("cat", filters=ANA, rerank=True)


def test_a_chat_model_makes_facts_of_the_words() -> None:
    model = ScriptedChatModel([FACT])
    ours = keepstone.Memory(store=InMemoryStore(), embedder=HashingEmbedder(), chat_model=model)
    with Memory(memory=ours) as memory:
        rows = memory.add("I moved to Porto in May.", user_id="ana", prompt="Keep where people live.")["results"]
        assert [(r["event"], r["kind"]) for r in rows] == [("ADD", "fact"), ("ADD", "episode")]
        assert rows[0]["memory"] == "I moved to Porto in May."
        assert "Keep where people live." in str(model.calls[0])


def test_a_configuration_is_read_as_far_as_it_means_something(tmp_path: Path) -> None:
    config = {
        "vector_store": {"provider": "qdrant", "config": {"path": str(tmp_path / "qdrant"), "collection_name": "c"}},
        "history_db_path": "h.db",
        "version": "v1.1",
        "custom_instructions": "Keep what is about sailing.",
    }
    with pytest.warns(UserWarning, match="ignored") as warned, Memory.from_config(config) as memory:
        memory.add("I sail on Sundays.", user_id="ana")
    assert (tmp_path / "qdrant" / "keepstone.db").exists()
    assert len(warned) == 2
    wrongs: tuple[Any, ...] = (
        {"llm": {"provider": "ollama", "config": {"model": "x"}}},
        {"embedder": {"provider": "huggingface", "config": {"model": "x"}}},
        {"vector_store": "qdrant"},
        {"storage": {}},
        "config",
    )
    for wrong in wrongs:
        with pytest.raises(ConfigError):
            Memory.from_config(wrong)


async def test_the_same_without_blocking() -> None:
    ours = keepstone.AsyncMemory(store=InMemoryStore(), embedder=HashingEmbedder(), chat_model="none")
    async with AsyncMemory(memory=ours) as memory:
        id = ids(await memory.add("I bake bread.", user_id="ana"))[0]
        assert ids(await memory.search("bread", filters=ANA)) == [id]
        await memory.update(id, "I bake rye bread.")
        assert [r["event"] for r in await memory.history(id)] == ["ADD", "UPDATE"]
        assert ids(await memory.get_all(filters=ANA)) == [id]
        assert (await memory.delete_all(user_id="ana"))["deleted"] == 1
        assert await memory.get(id) is None
        await memory.reset()


def test_both_have_the_same_verbs() -> None:
    for name, verb in inspect.getmembers(Memory, inspect.isfunction):
        if not name.startswith("_"):
            other = getattr(AsyncMemory, name)
            assert inspect.signature(verb) == inspect.signature(other), name
            assert verb.__doc__ == other.__doc__, name
