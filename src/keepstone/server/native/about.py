"""Who asks."""

from __future__ import annotations

from fastapi import APIRouter, Response

from keepstone.server.native.asking import Who, answer
from keepstone.server.routing import GuardedRoute, does
from keepstone.server.schemas import KeyAnswer

router = APIRouter(route_class=GuardedRoute, tags=["server"])


@router.get("/whoami", operation_id="whoami", openapi_extra=does("whoami"), response_model=KeyAnswer)
async def whoami(who: Who) -> Response:
    """Return the key that asks, without its secret."""
    return answer(KeyAnswer.of(who.key).model_dump(mode="json"))
