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
    key = who.key
    said = KeyAnswer(id=key.id, tenant=key.tenant, name=key.name, role=key.role, expires_at=key.expires_at, **who.ids())
    return answer(said.model_dump(mode="json"))
