"""Changing: add, update, delete, delete_all, undo, erase, reset, feedback, and which names are of one entity."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from keepstone.naming import Entity
from keepstone.results import AddResult
from keepstone.server.native.asking import Held, Ids, Who, about, answer, items
from keepstone.server.native.reading import Changes
from keepstone.server.routing import GuardedRoute, does
from keepstone.server.schemas import (
    AddBody,
    CountAnswer,
    EraseBody,
    FeedbackBody,
    MergeBody,
    MessageBody,
    ResetBody,
    Scoped,
    UndoBody,
    UpdateBody,
)
from keepstone.types import Change, ErasureReceipt, MemoryRecord

router = APIRouter(route_class=GuardedRoute, tags=["memories"])

_IDS = {"user_id", "agent_id", "app_id", "run_id"}


class Reason(BaseModel):
    """Why, for the history."""

    reason: str | None = None


@router.post("/memories", operation_id="add", openapi_extra=does("add"), response_model=AddResult, status_code=201)
async def add(request: Request, body: AddBody, who: Who, memory: Held) -> Response:
    """Keep what was said, durably, and return exactly what was stored and what was there already."""
    given = body.messages
    options = body.model_dump(exclude={"messages", *_IDS})
    if options["idempotency_key"] is None:
        options["idempotency_key"] = getattr(request.state, "idempotency_key", None)
    messages = given if isinstance(given, str) else _given(given)
    return answer(await memory.add(messages, **about(request, who, body.whose), **options), 201)


@router.patch("/memories/{id}", operation_id="update", openapi_extra=does("update"), response_model=MemoryRecord)
async def update(request: Request, id: str, body: UpdateBody, who: Who, memory: Held) -> Response:
    """Give a memory a new text, new metadata (as a whole) or another expiry, and return it."""
    options = body.model_dump(exclude=_IDS, exclude_unset=True)
    return answer(await memory.update(id, **about(request, who, body.whose), **options))


@router.delete("/memories/{id}", operation_id="delete", openapi_extra=does("delete"), response_model=Change)
async def delete(request: Request, id: str, ids: Ids, who: Who, memory: Held, reason: str | None = None) -> Response:
    """Take a memory back: nothing but its history shows it again, and `undo` brings it back."""
    return answer(await memory.delete(id, reason=reason, **about(request, who, ids)))


@router.delete("/memories", operation_id="delete_all", openapi_extra=does("delete_all"), response_model=CountAnswer)
async def delete_all(request: Request, ids: Ids, who: Who, memory: Held, reason: str | None = None) -> Response:
    """Take back every memory of a scope, in one batch, and return how many."""
    return answer({"count": await memory.delete_all(reason=reason, **about(request, who, ids))})


@router.post("/undo", operation_id="undo", openapi_extra=does("undo"), response_model=Changes)
async def undo(request: Request, body: UndoBody, who: Who, memory: Held) -> Response:
    """Take one change, or a whole batch, back, and return the changes that did it."""
    return items(await memory.undo(body.id, cascade=body.cascade, **about(request, who, body.whose)))


@router.post("/erase", operation_id="erase", openapi_extra=does("erase"), response_model=ErasureReceipt)
async def erase(request: Request, body: EraseBody, who: Who, memory: Held) -> Response:
    """Remove every copy of memories or messages by id, or of everything in a scope; it cannot be undone."""
    receipt = await memory.erase(body.ids, reason=body.reason, **about(request, who, body.whose))
    return answer(receipt)


@router.post("/reset", operation_id="reset", openapi_extra=does("reset"), status_code=204)
async def reset(body: ResetBody, memory: Held) -> Response:
    """Empty the tenant of the key: memories, messages, history, everything."""
    await memory.reset(confirm=body.confirm)
    return Response(status_code=204)


@router.post("/memories/{id}/feedback", operation_id="feedback", openapi_extra=does("feedback"), response_model=Change)
async def feedback(request: Request, id: str, body: FeedbackBody, who: Who, memory: Held) -> Response:
    """Say that a memory was positive, negative or very negative to have."""
    ids = about(request, who, body.whose)
    return answer(await memory.feedback(id, body.value, reason=body.reason, **ids))


@router.post(
    "/entities/{id}/merge",
    operation_id="merge_entities",
    openapi_extra=does("merge_entities"),
    response_model=Entity,
)
async def merge_entities(request: Request, id: str, body: MergeBody, who: Who, memory: Held) -> Response:
    """Take one entity to be another, and return what both are now."""
    ids = about(request, who, body.whose)
    return answer(await memory.merge_entities(id, body.into, reason=body.reason, **ids))


@router.post(
    "/entities/{id}/split", operation_id="split_entity", openapi_extra=does("split_entity"), response_model=Entity
)
async def split_entity(request: Request, id: str, body: Scoped, who: Who, memory: Held) -> Response:
    """Take an entity out of what it was merged into, and return it."""
    return answer(await memory.split_entity(id, **about(request, who, body.whose)))


def _given(messages: MessageBody | list[MessageBody]) -> list[dict[str, object]]:
    return [m.given() for m in (messages if isinstance(messages, list) else [messages])]
