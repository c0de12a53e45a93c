"""The quick start of Mem0 as of mid-2024 runs with only the import changed."""

import ast
from pathlib import Path
from typing import Any

import pytest

import keepstone
from keepstone import ConfigError, NotFoundError, ScopeError
from keepstone.compat.mem0_2024 import Memory
from keepstone.stores.inmemory import InMemoryStore

SCRIPT = """
from keepstone.compat.mem0_2024 import Memory

m = Memory()
result = m.add("周末喜欢打板球", user_id="alice", metadata={"category": "hobbies"})   # stored in Chinese
all_memories = m.get_all(); one = m.get(all_memories[0]["id"])
related = m.search(query="爱丽丝的爱好是什么？", user_id="alice")
m.update(memory_id=one["id"], data="周末喜欢打网球"); history = m.history(memory_id=one["id"])
m.delete(memory_id=one["id"]); m.delete_all(user_id="alice"); m.reset()
"""


@pytest.fixture
def memory() -> Memory:
    return Memory(keepstone.Memory(store=InMemoryStore(), embedder="hashing"))


def watched(script: str) -> ast.Module:
    """Return *script* with `seen()` after each statement, so that what it leaves behind can be looked at."""
    tree = ast.parse(script)
    tree.body = [part for statement in tree.body for part in (statement, ast.parse("seen()").body[0])]
    return ast.fix_missing_locations(tree)


def play(script: str) -> list[dict[str, Any]]:
    """Run *script*; return its names after each statement, with what the store holds then."""
    after: list[dict[str, Any]] = []
    names: dict[str, Any] = {}

    def seen() -> None:
        m = names.get("m")
        after.append({**names, "there": [] if m is None else [r["text"] for r in m.get_all()]})

    names["seen"] = seen
    exec(compile(watched(script), "quick start", "exec"), names)
    names["m"].close()
    return after


@pytest.mark.parametrize("embedder", ["hashing", pytest.param("local", marks=pytest.mark.slow)])
def test_the_quick_start(monkeypatch: pytest.MonkeyPatch, isolated_home: Path, embedder: str) -> None:
    monkeypatch.setenv("KEEPSTONE_EMBEDDER", embedder)
    after = play(SCRIPT)
    final = after[-1]
    assert final["result"] == [{"id": final["one"]["id"], "event": "add", "data": "周末喜欢打板球"}]
    assert final["one"]["text"] == "周末喜欢打板球"
    assert final["one"]["metadata"] == {"category": "hobbies"}
    assert final["one"]["user_id"] == "alice"
    assert [r["text"] for r in final["related"]] == ["周末喜欢打板球"]
    assert 0 <= final["related"][0]["score"] <= 1
    assert [(c["event"], c["prev_value"], c["new_value"], c["is_deleted"]) for c in final["history"]] == [
        ("add", None, "周末喜欢打板球", 0),
        ("update", "周末喜欢打板球", "周末喜欢打网球", 0),
    ]
    assert {c["memory_id"] for c in final["history"]} == {final["one"]["id"]}
    # What was there after each statement, from `m = Memory()` to `m.reset()`.
    assert [a["there"] for a in after[1:]] == [
        [], ["周末喜欢打板球"], ["周末喜欢打板球"], ["周末喜欢打板球"], ["周末喜欢打板球"], ["周末喜欢打网球"],
        ["周末喜欢打网球"], [], [], [],
    ]  # fmt: skip


def test_what_is_not_there(memory: Memory) -> None:
    assert memory.get("01a204ac-c790-7000-b071-db00dbbed04d") is None
    assert memory.history("01a204ac-c790-7000-b071-db00dbbed04d") == []
    assert memory.get_all() == []
    assert memory.search("anything") == []
    with pytest.raises(NotFoundError):
        memory.delete("01a204ac-c790-7000-b071-db00dbbed04d")


def test_a_deleted_memory_is_in_its_history(memory: Memory) -> None:
    id = memory.add("Plays cricket", user_id="alice")[0]["id"]
    memory.delete(id)
    assert [(c["event"], c["new_value"], c["is_deleted"]) for c in memory.history(id)] == [
        ("add", "Plays cricket", 0),
        ("delete", None, 1),
    ]


def test_scopes_and_filters(memory: Memory) -> None:
    memory.add("Plays cricket", user_id="alice", metadata={"category": "hobbies"})
    memory.add("Plays tennis", user_id="bob", agent_id="coach")
    assert [r["text"] for r in memory.get_all(user_id="alice")] == ["Plays cricket"]
    assert [r["text"] for r in memory.search("plays", filters={"user_id": "bob"})] == ["Plays tennis"]
    assert [r["text"] for r in memory.search("plays", filters={"category": "hobbies"})] == ["Plays cricket"]
    assert len(memory.search("plays")) == 2
    memory.delete_all(user_id="alice")
    assert [r["text"] for r in memory.get_all()] == ["Plays tennis"]
    with pytest.raises(ScopeError):
        memory.delete_all()


def test_messages_are_taken_too(memory: Memory) -> None:
    said = [{"role": "user", "content": "Hello there, I am Ren."}, {"role": "assistant", "content": "Hello Ren."}]
    assert [r["data"] for r in memory.add(said, user_id="ren")] == ["Hello there, I am Ren.", "Hello Ren."]


def test_a_configuration(tmp_path: Path) -> None:
    path = tmp_path / "here.db"
    config = {
        "vector_store": {"provider": "qdrant", "config": {"path": str(path)}},
        "history_db_path": "elsewhere.db",
    }
    with pytest.warns(UserWarning, match="history_db_path"):
        memory = Memory.from_config(config)
    memory.get_all()
    memory.close()
    assert path.exists()
    with pytest.raises(ConfigError, match="colour"):
        Memory.from_config({"colour": "red"})
    with pytest.raises(ConfigError):
        Memory.from_config({"vector_store": "qdrant"})
