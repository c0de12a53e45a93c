"""Points of a local Qdrant collection, read from their pickles without running anything in them.

A pickle may name any function of any module and have it called. Here it can name two classes, both empty stand-ins:
what is not a plain value or one of these is refused.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from typing import Any, NoReturn

from keepstone.errors import InvalidRequestError, LimitError

POINT_BYTES_MAX = 16_000_000

_MODULES = ("qdrant_client.http.models.models", "qdrant_client.models", "qdrant_client.http.models")


class _Inert:
    """Stands in for a class of Qdrant: keeps the values of its fields, and does nothing."""

    def __init__(self) -> None:
        self.fields: Mapping[str, Any] = {}

    def __setstate__(self, state: object) -> None:
        values = state.get("__dict__", state) if isinstance(state, dict) else None
        if not isinstance(values, dict):
            raise pickle.UnpicklingError("a state that is no dict")
        self.fields = values


class _Point(_Inert):
    pass


class _SparseVector(_Inert):
    pass


_ALLOWED: Mapping[str, type[_Inert]] = {"PointStruct": _Point, "SparseVector": _SparseVector}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in for a class of Qdrant; anything else is refused."""
        if module not in _MODULES or name not in _ALLOWED:
            raise pickle.UnpicklingError(f"it names {module[:60]}.{name[:60]}")
        return _ALLOWED[name]

    def persistent_load(self, pid: object) -> NoReturn:
        """Refuse what lies outside of the pickle."""
        raise pickle.UnpicklingError("it names something outside of itself")


def read_point(raw: bytes, place: str) -> tuple[str, dict[str, Any]]:
    """Return the id and the payload of the point that *raw* holds; *place* says where it stood, for errors.

    Raises:
        InvalidRequestError: it is no point, or it holds what is neither a plain value nor of a point.
        LimitError: it is larger than 16 MB.
    """
    if len(raw) > POINT_BYTES_MAX:
        raise LimitError(f"{place} is larger than {POINT_BYTES_MAX} bytes.")
    try:
        point = _Reader(io.BytesIO(raw)).load()
    except (
        pickle.UnpicklingError, AttributeError, EOFError, ImportError, IndexError, KeyError, MemoryError,
        OverflowError, RecursionError, TypeError, ValueError,
    ) as error:  # fmt: skip
        raise InvalidRequestError(f"{place} is not a point of Qdrant, and was not read: {error}.") from error
    fields = point.fields if type(point) is _Point else {}
    id, payload = fields.get("id"), fields.get("payload")
    if not isinstance(id, str | int) or not isinstance(payload, dict | None):
        raise InvalidRequestError(f"{place} is not a point of Qdrant.")
    return str(id), _plain(payload or {}, place, 0)


def _plain(value: Any, place: str, depth: int) -> Any:
    """The same value, if it is plain all through."""
    if depth > 32:
        raise InvalidRequestError(f"{place} is nested too deep.")
    if isinstance(value, dict):
        return {str(k): _plain(v, place, depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v, place, depth + 1) for v in value]
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise InvalidRequestError(f"{place} holds a {type(value).__name__}, which is not a plain value.")
