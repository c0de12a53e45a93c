"""Mem0's filters -> the ids of a scope, and a filter of ours that can only narrow it.

An id at the top of the filters, or under AND, says whose memory is meant. An id under OR or NOT is one more condition:
it never says whose memory is meant, and so it can never widen what is seen.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any

from keepstone.errors import FilterError, InvalidRequestError
from keepstone.filters import And, Condition, Filter, Not, Or

IDS = ("user_id", "agent_id", "app_id", "run_id")
ANY = "*"
OPERATORS = ("eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "contains", "icontains")
DEPTH_MAX = 32
CATEGORIES = "categories"
SECONDS_MAX = 253_402_214_400

_FIELDS = {"role": "role", "actor_id": "name", "id": "id", "memory_ids": "id"}
_LOGIC = ("AND", "OR", "NOT")
# What Mem0 filters by and Keepstone cannot: leaving such a condition out would show more than was asked for.
_UNKNOWN = {
    "keywords": "search finds words; give them as the query",
    "feedback": "Keepstone keeps feedback in the history of a memory",
    "created_by": "Keepstone keeps who made a change in the history of a memory",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Whose memory is meant, and what narrows it; `anybody` if an id was asked for with the value `*`."""

    ids: Mapping[str, str]
    where: Filter | None
    anybody: bool


def read(filters: object, *, given: Mapping[str, str | None] | None = None, wildcard: bool = False) -> Asked:
    """Return what *filters*, and the ids *given* beside them, ask for; None asks for nothing.

    With *wildcard*, `*` is any value of an id; without, it is refused.

    Raises:
        FilterError: the shape is wrong, an operator or field is not known, or two values are wanted of one id.
    """
    found = _Reading(wildcard)
    for name, id in (given or {}).items():
        if id is not None:
            found.take_id(name, id)
    conditions = [] if filters is None else list(found.conditions(filters, 0, whose=True))
    return Asked(ids=dict(found.ids), where=both(*conditions), anybody=found.anybody)


def both(*conditions: Filter | None) -> Filter | None:
    """Return the filter that holds where all of *conditions* do; None for no condition."""
    some = [c for c in conditions if c is not None]
    if len(some) < 2:
        return some[0] if some else None
    return And(tuple(some))


def in_categories(wanted: Sequence[object]) -> Filter | None:
    """Return the filter for memories with one of the categories *wanted*; None if none is."""
    return Or(tuple(_category("contains", w) for w in wanted)) if wanted else None


def moment(given: object, what: str) -> datetime:
    """Return the time that *given* says: unix seconds, a date (its midnight in UTC), or ISO 8601, in UTC if it must be.

    Raises:
        InvalidRequestError: it says none.
    """
    if isinstance(given, int | float) and not isinstance(given, bool) and 0 <= given <= SECONDS_MAX:
        return datetime.fromtimestamp(given, UTC)
    try:
        found = datetime.fromisoformat(given if isinstance(given, str) else "")
    except ValueError as error:
        raise InvalidRequestError(f"{what} is a date such as 2026-03-31, an ISO 8601 time or unix seconds.") from error
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def since_or_until(operator: str, given: object) -> Filter:
    """Return the condition that a memory was made at a time: when it was said if that is known, else when stored.

    Raises:
        InvalidRequestError: *given* is no time.
    """
    at = moment(given, "created_at")
    is_day = isinstance(given, str) and len(given.strip()) == len("2026-03-31")
    if is_day and operator == "eq":
        return And((since_or_until("gte", given), since_or_until("lte", given)))
    if is_day and operator in ("gt", "lte"):
        # A day is over when the next one begins.
        operator = {"gt": "gte", "lte": "lt"}[operator]
        at = datetime.combine(at.date(), time(), UTC) + timedelta(days=1)
    said = Condition(("occurred_at",), "exists", True, is_field=True)
    return Or(
        (
            And((said, Condition(("occurred_at",), operator, at, is_field=True))),
            And((Not(said), Condition(("created_at",), operator, at, is_field=True))),
        )
    )


class _Reading:
    """Filters while they are read: the ids found so far."""

    def __init__(self, wildcard: bool) -> None:
        self.ids: dict[str, str] = {}
        self.anybody = False
        self._wildcard = wildcard

    def take_id(self, name: str, id: object) -> None:
        """Keep an id that says whose memory is meant."""
        if not isinstance(id, str) or not id.strip():
            raise FilterError(f"{name} is a string that is not blank.")
        if id == ANY:
            raise FilterError(f"{name} is one id here; '*' is no id.")
        if self.ids.setdefault(name, id) != id:
            raise FilterError(f"Two different values are asked for {name}: give one.")

    def conditions(self, given: object, depth: int, *, whose: bool) -> Iterator[Filter]:
        """Yield the conditions in *given*, all of which must hold; where *whose*, ids say whose memory is meant."""
        if not isinstance(given, Mapping):
            raise FilterError(f"Filters are an object of conditions, not {type(given).__name__}.")
        if depth > DEPTH_MAX:
            raise FilterError(f"The filters are nested deeper than {DEPTH_MAX}.")
        for name, value in given.items():
            if name in _LOGIC:
                yield from self._logic(name, value, depth, whose)
            elif name in IDS:
                yield from self._id(name, value, whose)
            else:
                yield _condition(str(name), value)

    def _logic(self, name: str, value: object, depth: int, whose: bool) -> Iterator[Filter]:
        parts = [value] if isinstance(value, Mapping) else value
        if not isinstance(parts, list | tuple):
            raise FilterError(f"{name} takes a list of filters.")
        if name == "AND":
            for part in parts:
                yield from self.conditions(part, depth + 1, whose=whose)
            return
        # Without a condition of its own, a part holds for everything.
        each = [And(tuple(self.conditions(part, depth + 1, whose=False))) for part in parts]
        if name == "OR":
            yield Or(tuple(each))
        else:
            yield from (Not(part) for part in each)

    def _id(self, name: str, value: object, whose: bool) -> Iterator[Filter]:
        if isinstance(value, Mapping) and list(value) == ["eq"]:
            value = value["eq"]
        if isinstance(value, Mapping) and list(value) == ["in"] and isinstance(value["in"], list | tuple):
            value = value["in"][0] if len(value["in"]) == 1 else value
        if value == ANY:
            if not self._wildcard:
                raise FilterError(f"{name} is one id here; '*' is no id.")
            self.anybody = self.anybody or whose
            yield Condition((name,), "exists", True, is_field=True)
        elif whose and not isinstance(value, Mapping):
            self.take_id(name, value)
        else:
            yield _field(name, value)


def _condition(name: str, value: object) -> Filter:
    if name in _UNKNOWN:
        raise FilterError(f"'{name}' cannot be filtered by: {_UNKNOWN[name]}.")
    if name == "metadata":
        if not isinstance(value, Mapping):
            raise FilterError("'metadata' takes an object of conditions on its keys.")
        return And(tuple(_metadata(str(k), v) for k, v in value.items()))
    if name == CATEGORIES:
        return _categories(value)
    if name in ("created_at", "updated_at"):
        return _time(name, value)
    if name in _FIELDS:
        return _field(_FIELDS[name], value)
    return _metadata(name, value)


def _metadata(name: str, value: object) -> Filter:
    return _compared((name,), value, is_field=False)


def _field(name: str, value: object) -> Filter:
    return _compared((name,), value, is_field=True)


def _compared(path: tuple[str, ...], value: object, *, is_field: bool) -> Filter:
    parts = [
        Condition(path, "exists", True, is_field)
        if operand == ANY and operator == "eq"
        else Condition(path, operator, operand, is_field)
        for operator, operand in _comparisons(path[0], value)
    ]
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def _comparisons(name: str, value: object) -> list[tuple[str, Any]]:
    """The operators on one field with their operands; a plain value is `eq`, a list `in`."""
    if isinstance(value, list | tuple):
        return [("in", value)]
    if not isinstance(value, Mapping):
        return [("eq", value)]
    strange = next((o for o in value if o not in OPERATORS), None)
    if strange is not None or not value:
        raise FilterError(f"'{name}' takes a value, or an object of {', '.join(OPERATORS)}.")
    return list(value.items())


def _time(name: str, value: object) -> Filter:
    parts: list[Filter] = []
    for operator, operand in _comparisons(name, value):
        if operand == ANY:
            continue
        if operator not in ("eq", "gt", "gte", "lt", "lte"):
            raise FilterError(f"'{name}' takes eq, gt, gte, lt and lte.")
        if name == "created_at":
            parts.append(since_or_until(operator, operand))
        else:
            parts.append(Condition((name,), operator, moment(operand, name), is_field=True))
    return And(tuple(parts))


def _categories(value: object) -> Filter:
    parts: list[Filter] = []
    for operator, operand in _comparisons(CATEGORIES, value):
        wanted = operand if isinstance(operand, list | tuple) else [operand]
        word = "icontains" if operator == "icontains" else "contains"
        any_of = Or(tuple(_category(word, w) for w in wanted))
        if operator in ("eq", "in", "contains", "icontains"):
            if operand == ANY:
                raise FilterError("'categories' takes names; '*' is none.")
            parts.append(any_of)
        elif operator in ("ne", "nin"):
            parts.append(Not(any_of))
        else:
            raise FilterError("'categories' takes eq, ne, in, nin, contains and icontains.")
    return And(tuple(parts))


def _category(operator: str, wanted: object) -> Filter:
    # Ours are told by rules; those that Mem0 gave came with an import, as metadata.
    return Or(
        (
            Condition((CATEGORIES,), operator, wanted, is_field=True),
            Condition((CATEGORIES,), operator, wanted, is_field=False),
        )
    )
