"""What browsers send: forms and addresses, read without trust."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from fastapi import Request
from pydantic import BaseModel, ValidationError

from keepstone.errors import InvalidRequestError
from keepstone.server.access import ScopeIds
from keepstone.types import Scope

B = TypeVar("B", bound=BaseModel)

FIELDS_MAX = 200
HOME = "/ui/"
SCOPE_FIELDS = ("user_id", "agent_id", "app_id", "run_id")


async def form(request: Request) -> dict[str, str]:
    """Return the fields of a form, the last of those with the same name.

    Raises:
        InvalidRequestError: it is no form, or has too many fields.
    """
    try:
        text = (await request.body()).decode("utf-8")
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict"))
    except ValueError as error:
        raise InvalidRequestError("The form cannot be read.") from error


def scope_ids(fields: Mapping[str, str]) -> ScopeIds:
    """Return the ids of a scope among *fields*; what is empty is not given."""
    user, agent, app, run = (fields.get(name, "").strip() or None for name in SCOPE_FIELDS)
    return ScopeIds(user_id=user, agent_id=agent, app_id=app, run_id=run)


def number(fields: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    """Return a whole number among *fields*, held between *least* and *most*; *default* if it is not given.

    Raises:
        InvalidRequestError: it is no whole number.
    """
    given = fields.get(name, "").strip()
    if not given:
        return default
    try:
        return min(max(int(given), least), most)
    except ValueError as error:
        raise InvalidRequestError(f"{name} is not a whole number.") from error


def with_query(path: str, values: Mapping[str, object]) -> str:
    """Return *path* with those of *values* that are not empty as its query."""
    given = {k: v for k, v in values.items() if v not in (None, "", False)}
    return f"{path}?{urlencode(given)}" if given else path


def ids_of(scope: Scope) -> dict[str, str]:
    """Return the ids of a scope as fields of an address."""
    return {name: id for name, id in zip(SCOPE_FIELDS, scope.ids, strict=True) if id is not None}


def body_of(kind: type[B], **values: object) -> B:
    """Return what a form says as the body of a request of the REST interface, whose rules then hold for both.

    Raises:
        InvalidRequestError: a value cannot be one; it is not repeated.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_input=False)[0]
        where = ".".join(str(place) for place in first["loc"])
        raise InvalidRequestError(f"{where}: {first['msg']}.") from None


def place_within(given: str | None) -> str:
    """Return the address *given* if it is a page of the dashboard, else the first page."""
    if not given or "\\" in given or any(ord(c) < 0x21 for c in given):
        return HOME
    try:
        parts = urlsplit(given)
    except ValueError:
        return HOME
    is_ours = not parts.scheme and not parts.netloc and parts.path.startswith(HOME) and "//" not in parts.path
    return given if is_ours else HOME
