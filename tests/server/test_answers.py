"""What REST answers is what `to_dict` says, to the letter."""

import json
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType

import pytest

from keepstone import Memory
from keepstone.control import Day
from keepstone.server.native.asking import answer, items
from keepstone.testing import HashingEmbedder, InMemoryStore
from keepstone.types import Scope


def test_values_read_the_same() -> None:
    memory = Memory(store=InMemoryStore(), embedder=HashingEmbedder())
    zone = timezone(timedelta(hours=5, minutes=30))
    said = {"role": "user", "content": "上海 🙂 \u2028", "timestamp": datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=zone)}
    added = memory.add([said], user_id="alice", metadata={"a": [1, {"b": None}], "π": 0.1})
    hits = memory.search("上海", user_id="alice", explain=True)
    context = memory.context("上海", user_id="alice", format="messages")
    for value in (added, context, memory.stats(), memory.get_all(user_id="alice"), Scope(user_id="a")):
        assert json.loads(bytes(answer(value).body)) == value.to_dict()
    assert json.loads(bytes(items(hits).body)) == {"items": [h.to_dict() for h in hits]}


@pytest.mark.parametrize("changes", [{"ADD": 1}, MappingProxyType({"ADD": 1})])
def test_every_mapping_is_told(changes: dict[str, int]) -> None:
    day = Day(day=datetime(2026, 1, 2, tzinfo=UTC).date().isoformat(), messages=1, changes=changes)
    assert json.loads(bytes(answer(day).body)) == day.to_dict()
