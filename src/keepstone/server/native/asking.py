"""What handlers share: who asks, whose memory it is about, and answers from values."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any

import orjson
from fastapi import Depends, Query, Request, Response

from keepstone.errors import FilterError
from keepstone.memory import AsyncMemory
from keepstone.server.access import Principal, ScopeIds
from keepstone.server.routing import principal_of, service_of
from keepstone.server.service import Service
from keepstone.types import plain

_ID = Query(max_length=256)


# Coroutines, though they wait for nothing: FastAPI runs plain functions in threads.
async def _who(request: Request) -> Principal:
    return principal_of(request)


async def _service(request: Request) -> Service:
    return service_of(request)


async def _memory(request: Request) -> AsyncMemory:
    return service_of(request).memory(principal_of(request))


async def _ids(
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


def answer(value: object, status: int = 200) -> Response:
    """Return a value, or a dict with values, as JSON: the same as its `to_dict` gives."""
    return Response(orjson.dumps(value, default=plain), status, media_type="application/json")


def items(values: Iterable[object], **more: Any) -> Response:
    """Return values as an object with `items`."""
    return answer({"items": list(values), **more})


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
