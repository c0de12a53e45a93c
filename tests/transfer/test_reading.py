"""Reading JSON item by item: lines and arrays, whole, damaged and cut off."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.errors import InvalidRequestError
from keepstone.transfer.reading import items
from tests.transfer.fixtures import parsed, stream

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(st.text(max_size=5), VALUES, max_size=4), max_size=6)


@given(OBJECTS, st.booleans())
def test_lines_are_read_back(values: list[dict[str, object]], ascii_only: bool) -> None:
    text = "\n".join(json.dumps(v, ensure_ascii=ascii_only) for v in values)
    assert [i.value for i in parsed(text.encode("utf-8", "surrogatepass"))] == values


@given(OBJECTS, st.sampled_from([None, 2]))
def test_arrays_are_read_back(values: list[dict[str, object]], indent: int | None) -> None:
    assert [i.value for i in parsed(json.dumps(values, indent=indent))] == values


def test_an_item_larger_than_a_chunk_is_read() -> None:
    large = {"text": "长" * 100_000}
    assert [i.value for i in parsed(json.dumps([large, {"a": 1}, large], ensure_ascii=False))] == [
        large,
        {"a": 1},
        large,
    ]


@pytest.mark.parametrize("before", ["\ufeff", "\n \n", "\ufeff\r\n"])
def test_a_mark_and_blank_lines_before_are_passed_over(before: str) -> None:
    assert [i.value for i in parsed(f'{before}{{"a": 1}}\n\n{{"a": 2}}\n')] == [{"a": 1}, {"a": 2}]
    assert [i.value for i in parsed(f'{before}[{{"a": 1}}]')] == [{"a": 1}]


def test_nothing_has_no_items() -> None:
    assert parsed("") == []
    assert parsed(" \n") == []
    assert parsed("[]") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1}\n{"a": \n{"a": 3}\n', "line 2 is not JSON"),
        ('\n\n{"a": 1}\n[1]\n', "line 4 is a list"),
        (b'{"a": 1}\n{"a": "\xff"}\n', "line 2 is not UTF-8"),
        ('{"a": 1}\n' + "[" * 100_000, "line 2 is nested too deep"),
        ('[{"a": 1}, {"a": ', "item 2 is not JSON, or was cut off"),
        ('[{"a": 1}, ', "ends inside its list"),
        ('[{"a": 1}, 7]', "item 2 is a int"),
        (b'[{"a": 1}, {"a": "\xff"}]', "not UTF-8"),
    ],
)
def test_damage_is_named(text: str | bytes, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        parsed(text)


def test_what_stands_before_the_damage_is_read() -> None:
    found = items(stream('{"a": 1}\n{"a": 2}\nnonsense\n'))
    assert [next(found).value, next(found).value] == [{"a": 1}, {"a": 2}]
    with pytest.raises(InvalidRequestError, match="line 3"):
        next(found)
