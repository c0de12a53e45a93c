"""The filter language: its shapes, its meaning, and the laws of logic that it keeps."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.errors import FilterError
from keepstone.filters import FIELDS, And, Condition, Filter, Not, Or, failing, matches, parse, to_dict
from keepstone.limits import Limits
from keepstone.types import Kind, MemoryRecord, Scope, Status

WHEN = datetime(2026, 3, 1, 9, tzinfo=UTC)
RECORD = MemoryRecord(
    id="m",
    text="I moved to Lyon",
    kind=Kind.FACT,
    scope=Scope(user_id="alice"),
    status=Status.CURRENT,
    revision=1,
    sequence=1,
    metadata={
        "n": 3,
        "yes": True,
        "word": "tea house",
        "none": None,
        "tags": ["a", 1],
        "place": {"city": "Lyon"},
        "a.b": 1,
    },
    categories=("home",),
    occurred_at=WHEN,
    created_at=WHEN,
    updated_at=WHEN,
)

KEYS = st.sampled_from(["n", "yes", "word", "none", "tags", "place", "missing"])
SCALARS = st.none() | st.booleans() | st.integers(-3, 5) | st.floats(-3, 5) | st.sampled_from(["tea", "Lyon", "a", ""])
CONDITIONS = st.one_of(
    st.builds(
        lambda key, op, value: {key: {op: value}},
        KEYS | st.just("place.city"),
        st.sampled_from(["eq", "ne", "gt", "gte", "lt", "lte", "contains"]),
        SCALARS,
    ),
    st.builds(lambda key, op, values: {key: {op: values}}, KEYS, st.sampled_from(["in", "nin"]), st.lists(SCALARS)),
    st.builds(lambda key, value: {key: {"exists": value}}, KEYS, st.booleans()),
    st.builds(lambda key, value: {key: value}, KEYS, SCALARS),
    st.builds(lambda value: {"importance": {"gte": value}}, st.floats(0, 1)),
    st.builds(lambda value: {"created_at": {"lt": value}}, st.datetimes(timezones=st.just(UTC))),
)
FILTERS = st.recursive(
    CONDITIONS,
    lambda inner: st.one_of(
        st.builds(lambda items: {"and": items}, st.lists(inner, max_size=3)),
        st.builds(lambda items: {"or": items}, st.lists(inner, max_size=3)),
        st.builds(lambda item: {"not": item}, inner),
        st.builds(lambda a, b: a | b, inner, inner),
    ),
    max_leaves=6,
)
METADATA = st.dictionaries(KEYS, SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(st.just("city"), SCALARS))
RECORDS = st.builds(lambda metadata: replace(RECORD, metadata=metadata), METADATA)


def read(where: Any) -> Filter:
    tree = parse(where)
    assert tree is not None
    return tree


@given(FILTERS)
def test_dict_form_reads_back_to_the_same_tree(where: dict[str, Any]) -> None:
    tree = read(where)
    assert parse(to_dict(tree)) == tree
    assert parse(tree) == tree


@given(FILTERS, FILTERS, RECORDS)
def test_the_laws_of_logic(first: dict[str, Any], second: dict[str, Any], record: MemoryRecord) -> None:
    a, b = read(first), read(second)
    assert matches(Not(And((a, b))), record) == matches(Or((Not(a), Not(b))), record)
    assert matches(Not(Or((a, b))), record) == matches(And((Not(a), Not(b))), record)
    assert matches(Not(Not(a)), record) == matches(a, record)
    assert matches(And((a, b)), record) == (matches(a, record) and matches(b, record))
    assert matches(Or((a, b)), record) == (matches(a, record) or matches(b, record))


@given(FILTERS, RECORDS)
def test_what_fails_is_a_part_that_does_not_match(where: dict[str, Any], record: MemoryRecord) -> None:
    tree = read(where)
    failed = failing(tree, record)
    assert (failed is None) == matches(tree, record)
    assert failed is None or not (matches(failed, record) or isinstance(failed, And))
    assert failed is None or repr(failed) in repr(tree)


@given(KEYS, SCALARS, st.lists(SCALARS), RECORDS)
def test_operators_come_in_opposites(key: str, value: Any, values: list[Any], record: MemoryRecord) -> None:
    for one, other, operand in (("eq", "ne", value), ("in", "nin", values)):
        assert matches(read({key: {one: operand}}), record) != matches(read({key: {other: operand}}), record)
    assert matches(read({key: {"in": values}}), record) == any(matches(read({key: v}), record) for v in values)
    there = matches(read({key: {"exists": True}}), record)
    assert there == (key in record.metadata)
    if not there:
        for operator in ("eq", "gt", "gte", "lt", "lte", "contains"):
            assert not matches(read({key: {operator: value}}), record)


@given(st.integers(-5, 5) | st.floats(-5, 5), st.integers(-5, 5) | st.floats(-5, 5))
def test_numbers_are_ordered_by_value(have: float, want: float) -> None:
    record = replace(RECORD, metadata={"n": have})
    for operator, expected in (("gt", have > want), ("gte", have >= want), ("lt", have < want), ("lte", have <= want)):
        assert matches(read({"n": {operator: want}}), record) is expected
    assert matches(read({"n": want}), record) is (have == want)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ({}, True),
        ({"n": 3}, True),
        ({"n": 3.0}, True),
        ({"n": "3"}, False),
        ({"n": {"gt": "2"}}, False),
        ({"yes": True}, True),
        ({"yes": 1}, False),
        ({"yes": {"gte": 0}}, False),
        ({"none": None}, True),
        ({"none": {"exists": True}}, True),
        ({"missing": None}, False),
        ({"missing": {"ne": 1}}, True),
        ({"missing": {"nin": [1]}}, True),
        ({"missing": {"exists": False}}, True),
        ({"word": {"contains": "tea"}}, True),
        ({"word": {"contains": 1}}, False),
        ({"n": {"contains": 3}}, False),
        ({"word": {"icontains": "TEA"}}, True),
        ({"word": {"icontains": "coffee"}}, False),
        ({"n": {"icontains": "3"}}, False),
        ({"tags": {"icontains": "A"}}, True),
        ({"tags": {"icontains": 1}}, True),
        ({"tags": {"contains": "a"}}, True),
        ({"tags": {"contains": 1}}, True),
        ({"tags": {"contains": True}}, False),
        ({"place.city": "Lyon"}, True),
        ({"metadata.place.city": "Lyon"}, True),
        ({"place.street": {"exists": True}}, False),
        ({"n.deeper": 1}, False),
        ({"`a.b`": 1}, True),
        ({"a.b": 1}, False),
        ({"metadata.user_id": {"exists": True}}, False),
        ({"user_id": "alice"}, True),
        ({"agent_id": {"exists": False}}, True),
        ({"kind": "fact"}, True),
        ({"kind": {"in": ["episode", "profile"]}}, False),
        ({"categories": {"contains": "home"}}, True),
        ({"occurred_at": "2026-03-01T10:00:00+01:00"}, True),
        ({"occurred_at": {"gt": "2026-03-01T09:30:00+01:00"}}, True),
        ({"occurred_at": WHEN}, True),
        ({"expires_at": {"lt": "2030-01-01T00:00:00+00:00"}}, False),
        ({"n": {"gte": 3, "lt": 4}}, True),
        ({"n": {"gte": 3, "lt": 3}}, False),
        ({"AND": [{"n": 3}, {"yes": True}]}, True),
        ({"or": []}, False),
        ({"and": []}, True),
        ({"NOT": {"n": 3}}, False),
        ({"word": "' OR 1=1 --"}, False),
    ],
)
def test_meaning(where: dict[str, Any], expected: bool) -> None:
    assert matches(parse(where), RECORD) is expected


def test_no_filter_matches_everything() -> None:
    assert parse(None) is None
    assert matches(None, RECORD)


@pytest.mark.parametrize(
    "where",
    [
        [],
        "n = 3",
        {"": 1},
        {3: 1},
        {"n": {}},
        {"n": {"like": "x"}},
        {"n": {"$gt": 1}},
        {"n": [1, 2]},
        {"n": {"in": 3}},
        {"n": {"in": "abc"}},
        {"n": {"in": [[1]]}},
        {"n": {"exists": 1}},
        {"n": object()},
        {"n": datetime(2026, 1, 1)},  # noqa: DTZ001
        {"or": {"n": 1}},
        {"and": "n"},
        {"not": [{"n": 1}]},
        {"created_at": "yesterday"},
        {"created_at": "2026-01-01"},
        {"created_at": datetime(2026, 1, 1)},  # noqa: DTZ001
        {"created_at": {"in": ["soon"]}},
        {"a..b": 1},
        {".a": 1},
        {"`a": 1},
    ],
)
def test_what_cannot_be_understood_is_refused(where: Any) -> None:
    with pytest.raises(FilterError):
        parse(where)


@pytest.mark.parametrize("deep", [33, 5_000])
def test_depth_has_a_limit(deep: int) -> None:
    where: dict[str, Any] = {"n": 1}
    for _ in range(deep):
        where = {"not": where}
    with pytest.raises(FilterError, match="deeper"):
        parse(where)


@pytest.mark.parametrize(
    "where",
    [
        {"or": [{"n": i} for i in range(11)]},
        {f"key {i}": i for i in range(11)},
        {"n": {"in": list(range(11))}},
        And(tuple(Condition(("n",), "eq", i) for i in range(11))),
    ],
)
def test_size_has_a_limit(where: Any) -> None:
    with pytest.raises(FilterError, match="more than 10"):
        parse(where, Limits(filter_nodes_max=10))


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_can_be_asked_for(field: str) -> None:
    assert matches(parse({field: {"exists": True}}), RECORD) is (getattr(RECORD, field) is not None)
