"""The page `erase`: what a scope holds, a copy of it to keep, and removing every trace of it, with a receipt."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from keepstone.errors import ScopeError
from keepstone.server.routing import does, principal_of, service_of
from keepstone.server.ui.asked import Asked, asked, told
from keepstone.server.ui.forms import form
from keepstone.server.ui.pages import render
from keepstone.server.ui.routing import UiRoute
from keepstone.transfer.archive import lines, text
from keepstone.types import Scope

NDJSON = "application/x-ndjson"
TOMBSTONES_SHOWN = 100
NAME_CHARS = 40
# What every system takes in the name of a file.
PLAIN = re.compile(r"[^\w.-]+", re.ASCII)

router = APIRouter(route_class=UiRoute)


@router.get("/ui/erase", openapi_extra=does("erase"))
async def page(request: Request) -> Response:
    """Ask whose memory is to go, and show what that is."""
    return await _ask(request, asked(request))


@router.post("/ui/erase", openapi_extra=does("erase"))
async def erase(request: Request) -> Response:
    """Erase all that a scope sees, if its owner's id was typed, and show the receipt."""
    service, who, wanted = service_of(request), principal_of(request), await _named(request)
    if (await form(request)).get("confirm", "").strip() != typed_for(wanted.scope):
        return await _ask(request, wanted, is_unconfirmed=True)
    receipt = await service.memory(who).erase(reason=wanted.text("reason") or None, **wanted.ids)
    return render(
        request,
        "erased.html",
        receipt=receipt,
        written=json.dumps(receipt.to_dict(), indent=2),
        tombstones=receipt.tombstones[:TOMBSTONES_SHOWN],
        scope=wanted.scope,
        ids=wanted.ids,
    )


@router.post("/ui/erase/export", openapi_extra=does("export"))
async def export(request: Request) -> Response:
    """Send the archive of a scope as a file: messages, memories and history."""
    service, wanted = service_of(request), await _named(request)
    with_retired = wanted.text("include_retired") == "1"

    async def written() -> AsyncIterator[str]:
        async for some in lines(service.store, wanted.scope, include_retired=with_retired):
            for line in some:
                yield text(line)

    name = PLAIN.sub("-", typed_for(wanted.scope)).strip("-.")[:NAME_CHARS] or "memory"
    headers = {"Content-Disposition": f'attachment; filename="keepstone-{name}.jsonl"'}
    return StreamingResponse(written(), media_type=NDJSON, headers=headers)


def typed_for(scope: Scope) -> str:
    """Return what is typed to confirm: the id of the owner, "" if the scope has none."""
    return scope.owner[1] if scope.owner is not None else ""


async def _named(request: Request) -> Asked:
    wanted = await told(request)
    if wanted.scope.is_empty:
        raise ScopeError("Say whose memory: give at least one id.")
    return wanted


async def _ask(request: Request, wanted: Asked, *, is_unconfirmed: bool = False) -> Response:
    service, who = service_of(request), principal_of(request)
    if wanted.scope.is_empty:
        return render(request, "erase.html", ids=wanted.ids, going=None)
    memory = service.memory(who)
    stats = await memory.stats(**wanted.ids)
    queue = await service.catalogue.queue_counts(wanted.scope, service.clock())
    going: Mapping[str, int] = {
        "messages": stats.messages,
        "memories": stats.memories,
        "retired": stats.retired,
        "changes": stats.changes,
        "units": stats.units,
        "jobs": queue.waiting + queue.running + queue.dead,
    }
    return render(
        request,
        "erase.html",
        status=HTTPStatus.BAD_REQUEST if is_unconfirmed else HTTPStatus.OK,
        going=going,
        # What an earlier erase left are tombstones, and no memories.
        is_nothing=not any(going[name] for name in ("messages", "memories", "retired", "jobs")),
        calls=(await memory.usage(**wanted.ids)).calls,
        is_unconfirmed=is_unconfirmed,
        word=typed_for(wanted.scope),
        scope=wanted.scope,
        ids=wanted.ids,
    )
