"""The arguments of a verb as a request has them: checked at the library's own door, and in its normal form."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from keepstone import door, filters
from keepstone.changing import UNCHANGED
from keepstone.control import EVENT_KINDS
from keepstone.errors import InvalidRequestError, NotFoundError, ScopeError
from keepstone.limits import DEFAULT_LIMITS as LIMITS
from keepstone.types import OWNER_KINDS, plain

# Names under which arguments are checked, and those under which they are sent.
RENAMED = {"event_kinds": "kinds", "body_id": "id"}
SCOPE_IDS = tuple(f"{kind}_id" for kind in OWNER_KINDS)


def _messages(given: Any) -> list[dict[str, Any]]:
    found = (plain(m) for m in door.messages(given, LIMITS))
    return [{name: value for name, value in m.items() if value is not None} for m in found]


def _where(given: Any) -> dict[str, Any] | None:
    tree = filters.parse(given, LIMITS)
    return None if tree is None else filters.to_dict(tree)


def _text(what: str) -> Callable[[Any], str]:
    return lambda given: door.text(given, what, LIMITS)


def _opaque(what: str) -> Callable[[Any], str]:
    return lambda given: door.opaque(given, what, LIMITS)


def _seconds(what: str) -> Callable[[Any], float]:
    return lambda given: door.seconds(given, what)


def moment(what: str) -> Callable[[datetime | str | None], str | None]:
    """Return what makes a text of the time *what*."""

    def written(given: datetime | str | None) -> str | None:
        found = door.moment(given, what)
        return None if found is None else found.isoformat()

    return written


def _count(what: str, most: int) -> Callable[[Any], int]:
    return lambda given: door.count(given, what, most)


def _no_counter(given: Any) -> None:
    raise InvalidRequestError("counter is a function, which cannot be sent: over a server, its own estimate counts.")


def _confirmed(given: Any) -> bool:
    if given is not True:
        raise ScopeError("reset() empties the whole store; say reset(confirm=True) if you mean it.")
    return True


def _query(given: Any) -> str:
    return door.query(given, LIMITS)


def _ids(given: Any) -> list[str]:
    return door.ids(given, LIMITS)


_FORMS: dict[str, Callable[[Any], Any]] = {
    "messages": _messages,
    "metadata": lambda given: door.metadata(given, LIMITS),
    "filters": _where,
    "kinds": lambda given: [k.value for k in door.kinds(given)],
    "query": _query,
    "question": _query,
    "text": _text("text"),
    "reason": _text("reason"),
    "instructions": _text("instructions"),
    **{name: _opaque(name) for name in ("id", "into", "job_id", "cursor", "idempotency_key")},
    **{name: moment(name) for name in ("expires_at", "as_of", "known_at", "since", "until")},
    **{name: _seconds(name) for name in ("wait", "timeout")},
    "limit": _count("limit", LIMITS.page_items_max),
    "max_tokens": _count("max_tokens", LIMITS.context_tokens_max),
    "min_score": lambda given: door.share(given, "min_score"),
    "expect": _ids,
    "ids": _ids,
    "event_kinds": lambda given: [door.one_of(kind, "kind", EVENT_KINDS) for kind in given],
    **{name: _opaque(name) for name in ("body_id", "delivery_id")},
    "counter": _no_counter,
    "confirm": _confirmed,
}


def arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a verb as JSON has them; what is not given, and what stays unchanged, is left out.

    Raises:
        InvalidRequestError: the library would refuse one of them, or it cannot be sent.
    """
    door.scope("", [given.get(name) for name in SCOPE_IDS], LIMITS)
    return {
        name: _FORMS[name](value) if name in _FORMS else value
        for name, value in given.items()
        if not (name == "expires_at" and value is UNCHANGED)
    }


def path(pattern: str, given: dict[str, Any]) -> str:
    """Return *pattern* with the arguments that it names, which are taken out of *given*.

    Raises:
        NotFoundError: an id that no path can have.
    """
    for name in [n for n in given if f"{{{n}}}" in pattern]:
        value = str(given.pop(name))
        if set(value) <= {"."}:
            # A path with it would mean another one.
            raise NotFoundError(f"There is no {name} {value}.")
        pattern = pattern.replace(f"{{{name}}}", quote(value, safe=""))
    return pattern


def query(given: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return arguments as the query of a URL; None is left out, lists are repeated, objects are JSON."""
    return [(name, _written(v)) for name, value in given.items() for v in _each(value)]


def body(given: Mapping[str, Any]) -> bytes:
    """Return arguments as JSON.

    Raises:
        InvalidRequestError: JSON cannot say one of them.
    """
    try:
        return json.dumps(given, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequestError(f"This cannot be sent as JSON: {type(error).__name__}.") from error


def _each(value: Any) -> Iterable[Any]:
    if value is None:
        return ()
    return value if isinstance(value, list) else (value,)


def _written(value: Any) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value)
