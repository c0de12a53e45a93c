"""Who asks, and adding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response

from keepstone.compat.mem0 import filtering, shapes
from keepstone.compat.mem0.shapes import warn
from keepstone.memory import AsyncMemory
from keepstone.results import AddResult
from keepstone.server.access import Principal, ScopeIds
from keepstone.server.mem0 import asking, routes
from keepstone.server.mem0.bodies import AddBody
from keepstone.server.native.asking import Held, Who
from keepstone.server.routing import service_of

surface = routes.hosted()

ORGANISATION = "keepstone"
# An id of an event names the jobs that must be done for it; the last ones of very many are enough, since the jobs of
# one owner are done in order.
JOBS_NAMED_MAX = 5


def project_of(who: Principal) -> str:
    """Return the id of the project that a key belongs to: its tenant."""
    return who.tenant or "default"


@surface.route("GET", "/v1/ping", "whoami", "ping")
async def ping(who: Who) -> Response:
    """Say that the key is valid, and what it belongs to."""
    return routes.reply(
        {
            "status": "ok",
            "org_id": ORGANISATION,
            "project_id": project_of(who),
            # Not an address: Mem0's client would send one to its own statistics.
            "user_email": who.key.name or who.key.prefix,
        }
    )


@surface.route("POST", "/v3/memories/add", "add", "add")
async def add(request: Request, body: AddBody, who: Who, memory: Held) -> Response:
    """Keep what was said, and return the id of an event: PENDING while a chat model reads it, else SUCCEEDED."""
    return routes.reply(*await pending(request, body, who, memory))


async def pending(request: Request, body: AddBody, who: Who, memory: AsyncMemory) -> tuple[dict[str, Any], list[str]]:
    """Add without waiting for the chat model, and return the reply and its warnings."""
    notes: list[str] = []
    kept = await keep(request, body, who, memory, notes, wait=0.0)
    distilled = kept.result.distilled
    if distilled is not None and distilled.status == "pending":
        id = ".".join(distilled.job_ids[-JOBS_NAMED_MAX:])
        message = "The words are kept; a chat model reads them in the background."
        return {"message": message, "status": "PENDING", "event_id": id}, notes
    rows = [{**r, "data": {"memory": r["memory"]}} for r in shapes.added(kept.result)]
    id = await _event_of(memory, kept)
    return {"message": "The words are kept.", "status": "SUCCEEDED", "event_id": id, "results": rows}, notes


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What an `add` did, and in which scope."""

    result: AddResult
    ids: ScopeIds


async def keep(
    request: Request, body: AddBody, who: Principal, memory: AsyncMemory, notes: list[str], wait: float
) -> Kept:
    """Add what *body* says, waiting at most *wait* seconds for the chat model.

    Raises:
        InvalidRequestError: it cannot be understood; nothing is stored.
    """
    ids = asking.named_scope(request, who, asking.read(body.filters, body.whose))
    at = None if body.timestamp is None else filtering.moment(body.timestamp, "timestamp")
    said = shapes.messages(body.messages, at, notes)
    wish = _wish(body)
    if wish is not None and service_of(request).chat_model is None:
        warn(notes, "Instructions and categories had no effect: this server has no chat model.")
    _unsupported(body, notes)
    result = await memory.add(
        said,
        **ids,
        metadata=shapes.merged({}, body.metadata),
        expires_at=shapes.expires_at(body.expiration_date),
        infer=body.infer is not False,
        instructions=wish,
        procedures=shapes.is_procedural(body.memory_type),
        idempotency_key=getattr(request.state, "idempotency_key", None),
        wait=wait,
    )
    return Kept(result=result, ids=ids)


def _wish(body: AddBody) -> str | None:
    """What the chat model is told; instructions for agents count where an agent speaks for itself."""
    of_agent = body.agent_custom_instructions if body.agent_id is not None and body.user_id is None else None
    return shapes.instructions(
        custom="\n".join(p for p in (body.custom_instructions, of_agent, body.prompt) if p) or None,
        includes=body.includes,
        excludes=body.excludes,
        categories=body.custom_categories or (),
    )


def _unsupported(body: AddBody, notes: list[str]) -> None:
    routes.unsupported("immutable", body.immutable, "every change is kept, and can be undone.", notes)
    routes.unsupported("structured_data_schema", body.structured_data_schema, "facts are sentences.", notes)
    routes.unsupported("enable_graph", body.enable_graph, "names are linked always; see entities.", notes)
    if body.custom_categories:
        warn(notes, "custom_categories say what to keep; memories are not labelled with them.")
    if body.metadata is not None and any(name in body.metadata for name in filtering.IDS):
        warn(notes, "Ids in metadata were left out: they say nothing of whose a memory is.")
    routes.ignored(body.strange, notes)


async def _event_of(memory: AsyncMemory, kept: Kept) -> str:
    """The batch that tells what an `add` did; for words that were there already, the one that wrote them."""
    result = kept.result
    is_new = result.memories or result.forgotten or any(d.reason == "refreshed" for d in result.duplicates)
    if is_new or not result.duplicates:
        return result.batch_id
    return (await memory.history(result.duplicates[0].memory_id, **kept.ids))[0].batch_id
