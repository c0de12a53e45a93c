"""Updating and deleting, one by one, in batches and by scope; feedback."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response

from keepstone.compat.mem0 import shapes
from keepstone.compat.mem0.filtering import IDS
from keepstone.compat.mem0.shapes import Row
from keepstone.errors import InvalidRequestError, NotFoundError
from keepstone.memory import AsyncMemory
from keepstone.results import FeedbackValue
from keepstone.server.access import Principal
from keepstone.server.mem0 import asking, routes
from keepstone.server.mem0.bodies import BatchBody, FeedbackBody, UpdateBody
from keepstone.server.native.asking import Held, Who, conditions
from keepstone.server.routing import service_of
from keepstone.types import Action, MemoryRecord

surface = routes.hosted()

_VALUES: dict[str, FeedbackValue] = {
    "POSITIVE": "positive",
    "NEGATIVE": "negative",
    "VERY_NEGATIVE": "very_negative",
}


@surface.route("PUT", "/v1/memories/{id}", "update", "update")
async def update(request: Request, id: str, body: UpdateBody, who: Who, memory: Held) -> Response:
    """Give a memory a new text, further metadata or another day to expire, and return it."""
    notes: list[str] = []
    record = await changed(request, id, body, who, memory, notes)
    return routes.reply({**shapes.row(record), "text": record.text}, notes)


async def changed(
    request: Request, id: str, body: UpdateBody, who: Principal, memory: AsyncMemory, notes: list[str]
) -> MemoryRecord:
    """Change a memory as *body* says, and return it.

    Raises:
        NotFoundError: the key sees no such memory.
        InvalidRequestError: nothing to change, or it cannot be understood.
    """
    before = await asking.found(request, who, id)
    if before is None:
        raise NotFoundError(f"No memory {id}.")
    routes.unsupported("timestamp", body.timestamp is not None, "when something was said does not change.", notes)
    routes.ignored(body.strange, notes)
    options: dict[str, Any] = {
        "text": next((t for t in (body.text, body.data, body.memory) if t is not None), None),
        "metadata": shapes.merged(before.metadata, body.metadata),
    }
    if "expiration_date" in body.model_fields_set:
        options["expires_at"] = shapes.expires_at(body.expiration_date)
    if body.timestamp is not None and options == {"text": None, "metadata": None}:
        return before
    return await memory.update(before.id, **options)


@surface.route("DELETE", "/v1/memories/{id}", "delete", "delete")
async def delete(request: Request, id: str, who: Who, memory: Held) -> Response:
    """Take a memory back; with `delete_linked=true`, those that it superseded, too."""
    routes.strict(request, ("delete_linked",))
    record_id = await asking.known(request, who, id)
    older = await _superseded(request, who, record_id) if _is_true(request, "delete_linked") else []
    await memory.delete(record_id)
    gone = 1 + sum([await _gone(memory, i) for i in older])
    return routes.reply({"message": "Memory deleted successfully!", "deleted": gone})


async def _superseded(request: Request, who: Principal, id: str) -> list[str]:
    """The ids of what a memory superseded, and of what those did."""
    store, scope = service_of(request).store, who.scope()
    found: list[str] = []
    waiting = [id]
    while waiting:
        wanted = waiting.pop()
        batches = dict.fromkeys(c.batch_id for c in await store.history(wanted, scope))
        changes = [c for b in batches for c in await store.changes(b, scope)]
        for change in changes:
            is_older = change.action is Action.SUPERSEDE and change.related_id == wanted
            if is_older and change.memory_id not in (id, *found):
                found.append(change.memory_id)
                waiting.append(change.memory_id)
    return found


async def _gone(memory: AsyncMemory, id: str) -> bool:
    """Delete a memory if it is still there; what says the same as another one goes with it."""
    try:
        await memory.delete(id)
    except NotFoundError:
        return False
    return True


@surface.route("DELETE", "/v1/memories", "delete_all", "delete_all")
async def delete_all(request: Request, who: Who, memory: Held) -> Response:
    """Take back every memory of a scope."""
    routes.strict(request, (*IDS, "filters"))
    return routes.reply(await emptied(request, who, memory))


async def emptied(request: Request, who: Principal, memory: AsyncMemory) -> Row:
    """Take back every memory of the scope that the parameters name, and return what to answer.

    Raises:
        InvalidRequestError: they name none.
    """
    given = {name: request.query_params.get(name) for name in IDS}
    filters = conditions(request.query_params.get("filters"))
    asked = asking.read(filters, given)
    if not asked.ids:
        raise InvalidRequestError(
            "Say whose memories: give at least one of user_id, agent_id, app_id, run_id; nothing was deleted."
        )
    count = await memory.delete_all(**asking.named_scope(request, who, asked))
    return {"message": "Memories deleted successfully!", "deleted": count}


@surface.route("PUT", "/v1/batch", "update", "batch_update")
async def batch_update(request: Request, body: BatchBody, who: Who, memory: Held) -> Response:
    """Update up to 1,000 memories; an id that is not there lets nothing be changed."""
    notes: list[str] = []
    records = await _all_of(request, body, who)
    for item in body.memories:
        routes.ignored(item.strange, notes)
        if item.text is None and item.metadata is None:
            raise InvalidRequestError("Each memory of a batch needs a text or metadata.")
    for item, record in zip(body.memories, records, strict=True):
        await memory.update(record.id, text=item.text, metadata=shapes.merged(record.metadata, item.metadata))
    routes.ignored(body.strange, notes)
    return routes.reply({"message": f"Successfully updated {len(records)} memories", "updated": len(records)}, notes)


@surface.route("DELETE", "/v1/batch", "delete", "batch_delete")
async def batch_delete(request: Request, body: BatchBody, who: Who, memory: Held) -> Response:
    """Delete up to 1,000 memories; an id that is not there lets nothing be deleted."""
    if body.strange or any(item.strange for item in body.memories):
        raise InvalidRequestError("A batch to delete has memories with memory_id, and nothing else.")
    records = await _all_of(request, body, who)
    for id in dict.fromkeys(r.id for r in records):
        await _gone(memory, id)
    return routes.reply({"message": f"Successfully deleted {len(records)} memories", "deleted": len(records)})


async def _all_of(request: Request, body: BatchBody, who: Principal) -> list[MemoryRecord]:
    found = []
    for item in body.memories:
        record = await asking.found(request, who, item.memory_id)
        if record is None:
            raise NotFoundError("The batch names a memory that is not there; nothing was changed.")
        found.append(record)
    return found


@surface.route("POST", "/v1/feedback", "feedback", "feedback")
async def feedback(request: Request, body: FeedbackBody, who: Who, memory: Held) -> Response:
    """Say that a memory was POSITIVE, NEGATIVE or VERY_NEGATIVE to have."""
    value = _VALUES.get((body.feedback or "").upper())
    if value is None:
        raise InvalidRequestError(f"feedback is one of {', '.join(_VALUES)}; to take one back, undo its change.")
    notes: list[str] = []
    routes.ignored(body.strange, notes)
    id = await asking.known(request, who, body.memory_id)
    change = await memory.feedback(id, value, reason=body.feedback_reason)
    return routes.reply(
        {"id": change.id, "memory_id": id, "feedback": value.upper(), "feedback_reason": change.reason}, notes
    )


def _is_true(request: Request, name: str) -> bool:
    given = request.query_params.get(name, "false").lower()
    if given not in ("true", "false", "1", "0"):
        raise InvalidRequestError(f"{name} is true or false.")
    return given in ("true", "1")
