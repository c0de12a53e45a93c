"""Mem0's filters over ours: what they find, and that no filter widens what is seen."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keepstone.compat.mem0 import filtering
from keepstone.errors import FilterError, InvalidRequestError
from keepstone.filters import matches, parse
from keepstone.types import Kind, MemoryRecord, Scope, Status

DAY = datetime(2026, 3, 31, 9, tzinfo=UTC)


def memory(
    user: str = "ana",
    *,
    said: datetime | None = None,
    **metadata: Any,
) -> MemoryRecord:
    return MemoryRecord(
        id="m1",
        text="我在学陶艺。",
        kind=Kind.EPISODE,
        scope=Scope(user_id=user),
        status=Status.CURRENT,
        revision=1,
        sequence=1,
        metadata=metadata,
        occurred_at=said,
        created_at=DAY,
        updated_at=DAY,
    )


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({"user_id": "ana"}, True),
        ({"AND": [{"user_id": "ana"}, {"topic": "clay"}]}, True),
        ({"AND": [{"user_id": "ana"}, {"topic": "wood"}]}, False),
        ({"user_id": "ana", "topic": {"ne": "clay"}}, False),
        ({"user_id": "ana", "topic": ["wood", "clay"]}, True),
        ({"user_id": "ana", "topic": {"nin": ["wood"]}}, True),
        ({"user_id": "ana", "topic": {"icontains": "CL"}}, True),
        ({"user_id": "ana", "topic": {"contains": "CL"}}, False),
        ({"user_id": "ana", "topic": "*"}, True),
        ({"user_id": "ana", "colour": "*"}, False),
        ({"user_id": "ana", "metadata": {"topic": "clay", "rating": {"gte": 3, "lt": 5}}}, True),
        ({"user_id": "ana", "metadata": {"rating": {"gt": 4}}}, False),
        ({"user_id": "ana", "OR": [{"topic": "wood"}, {"rating": 4}]}, True),
        ({"user_id": "ana", "NOT": [{"topic": "wood"}, {"rating": 4}]}, False),
        ({"user_id": "ana", "NOT": {"topic": "wood"}}, True),
        ({"user_id": "ana", "categories": {"contains": "hobbies"}}, True),
        ({"user_id": "ana", "categories": {"in": ["work", "arts"]}}, True),
        ({"user_id": "ana", "categories": {"nin": ["work"]}}, True),
        ({"user_id": "ana", "categories": "work"}, False),
        ({"user_id": "ana", "created_at": {"gte": "2026-03-31", "lte": "2026-03-31"}}, True),
        ({"user_id": "ana", "created_at": {"gt": "2026-03-31"}}, False),
        ({"user_id": "ana", "created_at": "2026-03-31"}, True),
        ({"user_id": "ana", "created_at": {"lt": DAY.timestamp()}}, False),
        ({"user_id": "ana", "memory_ids": {"in": ["m1", "m2"]}}, True),
        ({"user_id": "ana", "agent_id": {"ne": "bot"}}, True),
        ({"user_id": "ana", "OR": [{"agent_id": "bot"}, {"user_id": "ana"}]}, True),
        ({"user_id": {"in": ["ana"]}}, True),
    ],
)
def test_a_filter_finds_what_it_says(filters: dict[str, Any], found: bool) -> None:
    asked = filtering.read(filters)
    record = memory(topic="clay", rating=4)
    record = replace(record, categories=("hobbies",), metadata={**record.metadata, "categories": ["arts"]})
    assert asked.ids == {"user_id": "ana"}
    assert matches(parse(asked.where), record) is found


def test_a_time_that_was_stated_counts_before_that_of_storing() -> None:
    asked = filtering.read({"user_id": "ana", "created_at": {"lt": "2020-01-01"}})
    assert matches(parse(asked.where), memory(said=datetime(2019, 5, 1, tzinfo=UTC)))
    assert not matches(parse(asked.where), memory())


@pytest.mark.parametrize(
    "filters",
    [
        {"user_id": "ana", "AND": [{"user_id": "ben"}]},
        {"AND": [{"user_id": "ana"}, {"AND": [{"user_id": "ben"}]}]},
        {"user_id": "*"},
        {"OR": "all"},
        {"topic": {"like": "x"}},
        {"topic": {}},
        {"keywords": {"contains": "clay"}},
        {"metadata": "clay"},
        {"created_at": {"contains": "2026"}},
        {"categories": {"gt": "a"}},
        {"user_id": ""},
        [],
    ],
)
def test_what_cannot_be_asked_is_refused(filters: Any) -> None:
    with pytest.raises(FilterError):
        filtering.read(filters)


def test_times_that_are_none_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="created_at"):
        filtering.read({"user_id": "ana", "created_at": {"gte": "soon"}})


def test_any_value_of_an_id_is_told_where_it_is_meant() -> None:
    asked = filtering.read({"AND": [{"user_id": "*"}, {"agent_id": "bot"}]}, wildcard=True)
    assert (asked.ids, asked.anybody) == ({"agent_id": "bot"}, True)
    assert not matches(parse(asked.where), memory("ana")) or memory("ana").user_id is not None
    under_or = filtering.read({"agent_id": "bot", "OR": [{"user_id": "*"}]}, wildcard=True)
    assert under_or.anybody is False


names = st.sampled_from(["ana", "ben", "*"])
leaves = st.one_of(
    st.fixed_dictionaries({"user_id": names}),
    st.fixed_dictionaries({"agent_id": names}),
    st.fixed_dictionaries({"topic": st.sampled_from(["clay", "wood", "*"])}),
)
trees = st.recursive(
    leaves,
    lambda inner: st.dictionaries(st.sampled_from(["AND", "OR", "NOT"]), st.lists(inner, max_size=3), max_size=2),
    max_leaves=8,
)


@settings(max_examples=300)
@given(trees)
def test_nothing_that_an_application_passes_on_widens_the_scope(theirs: dict[str, Any]) -> None:
    """An application pins its user and puts what its user sent under AND, OR or NOT."""
    for word in ("AND", "OR", "NOT"):
        try:
            asked = filtering.read({"user_id": "ana", word: [theirs]}, wildcard=True)
        except FilterError:
            continue
        assert asked.ids["user_id"] == "ana"
