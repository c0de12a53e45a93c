"""The filter language: typed conditions on metadata and fields, as objects or as a dict.

    {"category": "hobbies", "rating": {"gte": 3}}            both must hold
    {"or": [{"category": "food"}, {"not": {"done": True}}]}
    {"created_at": {"gte": "2026-01-01T00:00:00+00:00"}}     a field of the memory
    {"metadata.kind": "note"}                                a metadata key that has a field's name
    {"place.city": {"in": ["Lyon", "上海"]}}                   a nested key

A filter is evaluated by `matches`, for every store alike, on the memories that the scope allows: it can only
narrow. Nothing of it is ever spliced into a query language.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from keepstone.errors import FilterError
from keepstone.limits import DEFAULT_LIMITS, Limits
from keepstone.types import OWNER_KINDS, MemoryRecord, Scope

OPERATORS = ("eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "contains", "icontains", "exists")
TIME_FIELDS = ("created_at", "updated_at", "occurred_at", "valid_from", "valid_to", "expires_at")
FIELDS = (
    "id", "kind", "language", "role", "name", "categories", "importance", "trust",
    "user_id", "agent_id", "app_id", "run_id", *TIME_FIELDS,
)  # fmt: skip

_MISSING = object()


@dataclass(frozen=True, slots=True)
class Condition:
    """One comparison: `path` is a field's name, or the keys that lead to a metadata value."""

    path: tuple[str, ...]
    operator: str
    value: Any
    is_field: bool = False


@dataclass(frozen=True, slots=True)
class And:
    """True if every item is; an empty one is true."""

    items: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """True if any item is; an empty one is false."""

    items: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """True if the item is not."""

    item: Filter


Filter = Condition | And | Or | Not


def parse(where: Filter | Mapping[str, Any] | None, limits: Limits = DEFAULT_LIMITS) -> Filter | None:
    """Return *where* as a checked tree; None for no filter.

    Raises:
        FilterError: an unknown operator, a wrong shape, or more nodes or depth than *limits* allow.
    """
    if where is None:
        return None
    tree = (
        _checked(where, 1, limits)
        if isinstance(where, Condition | And | Or | Not)
        else _parse_mapping(where, 0, limits)
    )
    if _count(tree, 1, limits) > limits.filter_nodes_max:
        raise FilterError(f"The filter has more than {limits.filter_nodes_max} conditions.")
    return tree


def of_owner(scope: Scope) -> Filter:
    """Return what holds for the memories of the owner of *scope*, and for none of which that is a further id.

    A scope without a user sees what users told its agent; whoever changes memories must look at its own only.
    """
    kind = scope.owner[0] if scope.owner is not None else OWNER_KINDS[0]
    return And(
        tuple(
            Condition(path=(f"{k}_id",), operator="exists", value=False, is_field=True)
            for k in OWNER_KINDS[: OWNER_KINDS.index(kind)]
        )
    )


def matches(where: Filter | None, record: MemoryRecord) -> bool:
    """Return whether *record* satisfies *where*.

    A missing value satisfies only `ne`, `nin` and `exists: false`. Values of different types are never equal
    nor ordered (1 is not "1"); numbers compare by value, but true is not 1; times compare as instants.
    """
    if where is None:
        return True
    if isinstance(where, And):
        return all(matches(i, record) for i in where.items)
    if isinstance(where, Or):
        return any(matches(i, record) for i in where.items)
    if isinstance(where, Not):
        return not matches(where.item, record)
    return _compare(where.operator, _lookup(where, record), where.value)


def failing(where: Filter | None, record: MemoryRecord) -> Filter | None:
    """Return the first part of *where* that *record* does not satisfy, as small as it can be told; None if it does."""
    if where is None or matches(where, record):
        return None
    if isinstance(where, And):
        return next(f for i in where.items if (f := failing(i, record)) is not None)
    return where


def asks_fields(where: Filter) -> bool:
    """Return whether *where* asks for anything but metadata."""
    if isinstance(where, And | Or):
        return any(asks_fields(i) for i in where.items)
    return asks_fields(where.item) if isinstance(where, Not) else where.is_field


def to_dict(where: Filter) -> dict[str, Any]:
    """Return *where* in its dict form, which `parse` reads back to an equal tree."""
    if isinstance(where, And):
        return {"and": [to_dict(i) for i in where.items]}
    if isinstance(where, Or):
        return {"or": [to_dict(i) for i in where.items]}
    if isinstance(where, Not):
        return {"not": to_dict(where.item)}
    key = where.path[0] if where.is_field else ".".join(("metadata", *map(_quoted, where.path)))
    value = where.value
    if isinstance(value, tuple):
        value = [v.isoformat() if isinstance(v, datetime) else v for v in value]
    return {key: {where.operator: value.isoformat() if isinstance(value, datetime) else value}}


def _parse_mapping(where: object, depth: int, limits: Limits) -> Filter:
    if not isinstance(where, Mapping):
        raise FilterError(f"A filter is a dict of conditions, not {type(where).__name__}.")
    if depth > limits.filter_depth_max:
        raise FilterError(f"The filter is nested deeper than {limits.filter_depth_max}.")
    if len(where) > limits.filter_nodes_max:
        raise FilterError(f"The filter has more than {limits.filter_nodes_max} conditions.")
    items = [_parse_entry(k, v, depth, limits) for k, v in where.items()]
    return items[0] if len(items) == 1 else And(tuple(items))


def _parse_entry(key: object, value: object, depth: int, limits: Limits) -> Filter:
    if not isinstance(key, str) or not key:
        raise FilterError("A filter's keys are non-empty strings.")
    word = key.lower()
    if word in ("and", "or"):
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            raise FilterError(f"'{key}' takes a list of filters.")
        if len(value) > limits.filter_nodes_max:
            raise FilterError(f"The filter has more than {limits.filter_nodes_max} conditions.")
        items = tuple(_parse_mapping(v, depth + 1, limits) for v in value)
        return And(items) if word == "and" else Or(items)
    if word == "not":
        return Not(_parse_mapping(value, depth + 1, limits))
    return _parse_condition(key, value)


def _parse_condition(key: str, value: object) -> Filter:
    is_field = key in FIELDS
    path = (key,) if is_field else _path(key)
    if not isinstance(value, Mapping):
        return Condition(path, "eq", _operand(key, "eq", value, is_field), is_field)
    if not value:
        raise FilterError(f"The condition on '{key}' is empty.")
    for operator in value:
        if operator not in OPERATORS:
            raise FilterError(f"Unknown operator '{operator}' on '{key}'; known: {', '.join(OPERATORS)}.")
    items = [Condition(path, op, _operand(key, op, v, is_field), is_field) for op, v in value.items()]
    return items[0] if len(items) == 1 else And(tuple(items))


def _operand(key: str, operator: str, value: object, is_field: bool) -> Any:
    if operator in ("in", "nin"):
        if not isinstance(value, list | tuple | set | frozenset):
            raise FilterError(f"'{operator}' on '{key}' takes a list.")
        return tuple(_scalar(key, v, is_field) for v in value)
    if operator == "exists":
        if not isinstance(value, bool):
            raise FilterError(f"'exists' on '{key}' takes true or false.")
        return value
    return _scalar(key, value, is_field)


def _scalar(key: str, value: object, is_field: bool) -> Any:
    if value is not None and not isinstance(value, str | int | float | bool | datetime):
        raise FilterError(f"'{key}' cannot be compared with a {type(value).__name__}.")
    if is_field and key in TIME_FIELDS and value is not None:
        return _instant(key, value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise FilterError(f"The time compared with '{key}' needs a zone.")
        return value.isoformat()
    return value


def _instant(key: str, value: object) -> datetime:
    try:
        moment = (
            value if isinstance(value, datetime) else datetime.fromisoformat(value if isinstance(value, str) else "")
        )
    except ValueError as error:
        raise FilterError(
            f"'{key}' is a time: compare it with one in ISO 8601, such as 2026-01-01T00:00+00:00."
        ) from error
    if moment.tzinfo is None:
        raise FilterError(f"The time compared with '{key}' needs a zone, such as +00:00.")
    return moment


def _checked(where: object, depth: int, limits: Limits) -> Filter:
    """A typed tree by the rules of the dict form."""
    if depth > limits.filter_depth_max:
        raise FilterError(f"The filter is nested deeper than {limits.filter_depth_max}.")
    if isinstance(where, And | Or):
        return type(where)(tuple(_checked(i, depth + 1, limits) for i in where.items))
    if isinstance(where, Not):
        return Not(_checked(where.item, depth + 1, limits))
    if not isinstance(where, Condition):
        raise FilterError(f"A filter is made of conditions, And, Or and Not; {type(where).__name__} is none of them.")
    if where.operator not in OPERATORS:
        raise FilterError(f"Unknown operator '{where.operator}'; known: {', '.join(OPERATORS)}.")
    if where.is_field and where.path not in [(f,) for f in FIELDS]:
        raise FilterError(f"There is no field {'.'.join(where.path)!r}; known: {', '.join(FIELDS)}.")
    value = _operand(".".join(where.path), where.operator, where.value, where.is_field)
    return Condition(where.path, where.operator, value, where.is_field)


def _path(key: str) -> tuple[str, ...]:
    parts, part, quoted = [], "", False
    for char in key:
        if char == "`":
            quoted = not quoted
        elif char == "." and not quoted:
            parts.append(part)
            part = ""
        else:
            part += char
    parts.append(part)
    if parts[0] == "metadata" and len(parts) > 1:
        parts = parts[1:]
    if quoted or not all(parts):
        raise FilterError(f"'{key}' is not a path; put back-ticks around a key that holds a dot.")
    return tuple(parts)


def _quoted(part: str) -> str:
    return f"`{part}`" if "." in part else part


def _count(where: Filter, depth: int, limits: Limits) -> int:
    if depth > limits.filter_depth_max:
        raise FilterError(f"The filter is nested deeper than {limits.filter_depth_max}.")
    if isinstance(where, And | Or):
        return 1 + sum(_count(i, depth + 1, limits) for i in where.items)
    if isinstance(where, Not):
        return 1 + _count(where.item, depth + 1, limits)
    return len(where.value) if isinstance(where.value, tuple) and len(where.value) > 1 else 1


def _lookup(where: Condition, record: MemoryRecord) -> Any:
    if where.is_field:
        value = getattr(record, where.path[0])
        return _MISSING if value is None else getattr(value, "value", value)
    value = record.metadata
    for key in where.path:
        if not isinstance(value, Mapping) or key not in value:
            return _MISSING
        value = value[key]
    return value


def _compare(operator: str, have: Any, want: Any) -> bool:
    if operator == "exists":
        return (have is not _MISSING) is want
    if operator in ("ne", "nin"):
        return not _compare("eq" if operator == "ne" else "in", have, want)
    if have is _MISSING:
        return False
    return _POSITIVE[operator](have, want)


def _equal(have: Any, want: Any) -> bool:
    if type(have) is type(want):
        return bool(have == want)
    return _sort(have) == _sort(want) and bool(have == want)


def _contains(have: Any, want: Any) -> bool:
    if isinstance(have, str):
        return isinstance(want, str) and want in have
    if isinstance(have, list | tuple):
        return any(_equal(h, want) for h in have)
    return False


def _contains_folded(have: Any, want: Any) -> bool:
    if not isinstance(want, str):
        return _contains(have, want)
    if isinstance(have, list | tuple):
        return any(isinstance(h, str) and h.casefold() == want.casefold() for h in have)
    return isinstance(have, str) and want.casefold() in have.casefold()


def _ordered(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(have: Any, want: Any) -> bool:
        return _sort(have) == _sort(want) in ("number", "str", "datetime") and test(have, want)

    return compare


def _sort(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "number"
    return type(value).__name__


_POSITIVE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": _equal,
    "in": lambda have, want: any(_equal(have, w) for w in want),
    "contains": _contains,
    "icontains": _contains_folded,
    "gt": _ordered(lambda a, b: a > b),
    "gte": _ordered(lambda a, b: a >= b),
    "lt": _ordered(lambda a, b: a < b),
    "lte": _ordered(lambda a, b: a <= b),
}
