"""What handlers share: who asks, whose memory it is about, and answers from values."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any, Protocol

from fastapi import Depends, Query, Request
from fastapi.responses import JSONResponse

from keepstone.errors import FilterError
from keepstone.memory import AsyncMemory
from keepstone.server.access import Principal, ScopeIds
from keepstone.server.routing import principal_of, service_of
from keepstone.server.service import Service

_ID = Query(max_length=256)


def _who(request: Request) -> Principal:
    return principal_of(request)


def _service(request: Request) -> Service:
    return service_of(request)


def _memory(request: Request) -> AsyncMemory:
    return service_of(request).memory(principal_of(request))


def _ids(
    user_id: Annotated[str | None, _ID] = None,
    agent_id: Annotated[str | None, _ID] = None,
    app_id: Annotated[str | None, _ID] = None,
    run_id: Annotated[str | None, _ID] = None,
) -> ScopeIds:
    return ScopeIds(user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id)


Who = Annotated[Principal, Depends(_who)]
Serving = Annotated[Service, Depends(_service)]
# The memory of the key's tenant, held to what the key may do.
Held = Annotated[AsyncMemory, Depends(_memory)]
Ids = Annotated[ScopeIds, Depends(_ids)]
Cursor = Annotated[str | None, Query(max_length=1_000, description="`next_cursor` of the page before.")]
Filters = Annotated[
    str | None,
    Query(max_length=64_000, description="Conditions as JSON.", examples=['{"category": {"in": ["food", "health"]}}']),
]


class Plain(Protocol):
    """A value that can be told as JSON."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-ready dicts and lists."""
        ...


def answer(value: Plain | dict[str, Any], status: int = 200) -> JSONResponse:
    """Return a value as JSON."""
    return JSONResponse(value if isinstance(value, dict) else value.to_dict(), status)


def items(values: Iterable[Plain], **more: Any) -> JSONResponse:
    """Return values as an object with `items`."""
    return JSONResponse({"items": [v.to_dict() for v in values], **more})


def conditions(given: str | None) -> dict[str, Any] | None:
    """Return the filter that a parameter holds as JSON.

    Raises:
        FilterError: it is not a JSON object.
    """
    if given is None:
        return None
    try:
        found = json.loads(given)
    except (ValueError, RecursionError) as error:
        raise FilterError("filters is not JSON.") from error
    if not isinstance(found, dict):
        raise FilterError("filters is not a JSON object.")
    return found


def about(request: Request, who: Principal, ids: ScopeIds) -> ScopeIds:
    """Enter into the audit whose memory a request is about, and return *ids* with those of the key's pin.

    Raises:
        ForbiddenError: an id contradicts the pin.
    """
    request.state.scope = who.scope(**ids)
    return who.ids(**ids)
