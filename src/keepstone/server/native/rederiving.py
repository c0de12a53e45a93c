"""Deriving again: what another prompt makes of the messages, to look at, and then to accept or to drop."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from keepstone.results import Receipt, Refused
from keepstone.server.native.asking import Held, Serving, Who, about, answer, items
from keepstone.server.native.reading import Changes
from keepstone.server.routing import GuardedRoute, does
from keepstone.server.schemas import ReextractBody
from keepstone.types import MemoryRecord

router = APIRouter(route_class=GuardedRoute, tags=["jobs"])


class Counts(BaseModel):
    """How many memories stay, are new, and would go."""

    kept: int
    added: int
    dropped: int


class Draft(BaseModel):
    """What deriving again came to. With `stopped`, a spending limit was reached, and it cannot be accepted."""

    draft_id: str
    model: str
    counts: Counts
    kept: list[MemoryRecord]
    added: list[MemoryRecord]
    dropped: list[MemoryRecord]
    refused: list[Refused]
    failures: list[str]
    receipts: list[Receipt]
    stopped: str | None


@router.post("/reextract", operation_id="reextract", openapi_extra=does("reextract"), response_model=Draft)
async def reextract(request: Request, body: ReextractBody, who: Who, memory: Held, service: Serving) -> Response:
    """Derive the memories of a scope again from its messages, and return the difference; nothing is changed yet."""
    options = body.model_dump(include={"strategy", "instructions", "procedures"})
    found = await memory.reextract(**about(request, who, body.whose), **options)
    told = {k: v for k, v in found.to_dict().items() if k not in ("scope", "prompt", "rows")}
    counts = {name: len(told[name]) for name in ("kept", "added", "dropped")}
    return answer({"draft_id": service.drafts.put(who.key.id, found), "counts": counts, **told})


@router.post("/reextract/{id}/accept", operation_id="accept", openapi_extra=does("accept"), response_model=Changes)
async def accept(request: Request, id: str, who: Who, memory: Held, service: Serving) -> Response:
    """Make a draft true, in one batch that `undo` takes back, and return its changes."""
    found = service.drafts.get(who.key.id, id)
    request.state.scope = found.scope
    changes = await memory.accept(found)
    service.drafts.drop(who.key.id, id)
    return items(changes)


@router.delete("/reextract/{id}", operation_id="drop_draft", openapi_extra=does("reextract"), status_code=204)
async def drop_draft(id: str, who: Who, service: Serving) -> Response:
    """Forget a draft."""
    service.drafts.drop(who.key.id, id)
    return Response(status_code=204)
