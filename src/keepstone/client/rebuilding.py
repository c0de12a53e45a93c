"""Values from the JSON of a server: frozen dataclasses by their type hints, or BadReplyError."""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, Literal, NoReturn, TypeVar, Union, get_args, get_origin, get_type_hints

from keepstone.errors import BadReplyError

PROVIDER = "keepstone"


def rebuild(hint: Any, given: Any, where: str = "the reply") -> Any:
    """Return the value of type *hint* that *given*, as JSON has it, stands for; *where* names it in errors.

    Times are aware. Names that the type does not have are left out: a newer server may say more.

    Raises:
        BadReplyError: it is not of that type.
    """
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _one_of(get_args(hint), given, where)
    if origin is Literal:
        return given if given in get_args(hint) else _wrong(where, f"one of {get_args(hint)}")
    if origin is tuple:
        return _tuple(get_args(hint), given, where)
    if origin is not None and is_dataclass(origin):
        return _value(origin, given, where, dict(zip(_parameters(origin), get_args(hint), strict=True)))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        items = _object(given, where).items()
        return {name: rebuild(get_args(hint)[1], value, f"{where}.{name}") for name, value in items}
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return [rebuild(get_args(hint)[0], item, f"{where}[{i}]") for i, item in enumerate(_array(given, where))]
    return _plain(hint, given, where)


def _plain(hint: Any, given: Any, where: str) -> Any:
    if hint is Any:
        return given
    if hint is None or hint is types.NoneType:
        return None if given is None else _wrong(where, "null")
    if is_dataclass(hint):
        return _value(hint, given, where, {})
    if hint is datetime:
        return _time(given, where)
    if hint is float and isinstance(given, int) and not isinstance(given, bool):
        return float(given)
    if issubclass(hint, Enum):
        try:
            return hint(given)
        except ValueError:
            return _wrong(where, f"a {hint.__name__}")
    if not isinstance(given, hint) or (isinstance(given, bool) and hint is not bool):
        return _wrong(where, f"a {hint.__name__}")
    return given


def _one_of(hints: Sequence[Any], given: Any, where: str) -> Any:
    if given is None and types.NoneType in hints:
        return None
    wanted = [h for h in hints if h is not types.NoneType]
    for hint in wanted[:-1]:
        try:
            return rebuild(hint, given, where)
        except BadReplyError:
            continue  # the last one's error is raised
    return rebuild(wanted[-1], given, where)


def _tuple(hints: Sequence[Any], given: Any, where: str) -> tuple[Any, ...]:
    items = _array(given, where)
    if len(hints) == 2 and hints[1] is Ellipsis:
        hints = [hints[0]] * len(items)
    if len(hints) != len(items):
        _wrong(where, f"an array of {len(hints)}")
    pairs = zip(hints, items, strict=True)
    return tuple(rebuild(hint, item, f"{where}[{i}]") for i, (hint, item) in enumerate(pairs))


def _value(kind: Any, given: Any, where: str, parameters: Mapping[Any, Any]) -> Any:
    found = _object(given, where)
    built = {}
    for field, hint in _fields(kind):
        if field.name in found:
            built[field.name] = rebuild(_filled(hint, parameters), found[field.name], f"{where}.{field.name}")
        elif field.default is MISSING and field.default_factory is MISSING:
            _wrong(where, f"an object with {field.name}")
    return kind(**built)


@cache
def _fields(kind: Any) -> tuple[tuple[Field[Any], Any], ...]:
    hints = get_type_hints(kind)
    return tuple((field, hints[field.name]) for field in fields(kind))


def _parameters(kind: Any) -> Sequence[Any]:
    found: Sequence[Any] = kind.__parameters__
    return found


def _filled(hint: Any, parameters: Mapping[Any, Any]) -> Any:
    """Put what a generic value is of in the place of its type variables."""
    if isinstance(hint, TypeVar):
        return parameters[hint]
    inner = tuple(a for a in get_args(hint) if isinstance(a, TypeVar))
    return hint[tuple(parameters[a] for a in inner)] if inner else hint


def _time(given: Any, where: str) -> datetime:
    try:
        found = datetime.fromisoformat(given)
    except (TypeError, ValueError):
        _wrong(where, "an ISO 8601 time")
    if found.utcoffset() is None:
        _wrong(where, "a time with a zone")
    return found


def _object(given: Any, where: str) -> dict[str, Any]:
    return given if isinstance(given, dict) else _wrong(where, "an object")


def _array(given: Any, where: str) -> list[Any]:
    return given if isinstance(given, list) else _wrong(where, "an array")


def _wrong(where: str, wanted: str) -> NoReturn:
    # What it is instead is not said: errors hold no content.
    raise BadReplyError(PROVIDER, f"{where} is not {wanted}; is the server of this version?", retryable=False)
