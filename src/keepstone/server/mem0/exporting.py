"""Exports and summaries. An export is read when it is fetched: its id says what was asked for, and nothing is kept."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from fastapi import Request, Response

from keepstone.compat.mem0 import shapes
from keepstone.compat.mem0.shapes import warn
from keepstone.errors import NotFoundError
from keepstone.server.mem0 import asking, reading, routes
from keepstone.server.mem0.asking import Asking
from keepstone.server.mem0.bodies import ExportBody, ListBody, SummaryBody
from keepstone.server.native.asking import Held, Who

surface = routes.hosted()

MEMORIES_MAX = 10_000
_MARK = "export_"


@surface.route("POST", "/v1/exports", "get_all", "create_export")
async def create(request: Request, body: ExportBody, who: Who) -> Response:
    """Return the id by which an export is fetched."""
    asking.scoped(request, who, asking.read(body.filters, body.whose, wildcard=True))
    notes = _notes(body)
    wanted = {**{k: v for k, v in body.whose.items() if v is not None}, "filters": body.filters}
    return routes.reply({"message": "Memory export request received.", "id": _id(wanted)}, notes)


@surface.route("POST", "/v1/exports/get", "get_all", "get_export")
async def get(request: Request, body: ExportBody, who: Who, memory: Held) -> Response:
    """Return the memories of an export, by its id or by filters."""
    notes = _notes(body)
    wanted = body if body.memory_export_id is None else _wanted(body.memory_export_id)
    listing = ListBody(**wanted.whose, filters=wanted.filters)
    page = await reading.listed(request, listing, who, memory, notes, page=Asking(1, MEMORIES_MAX))
    if page.has_more:
        warn(notes, f"The export has the first {MEMORIES_MAX} memories; /api/v1/export gives all.")
    return routes.reply({"memories": [shapes.row(r) for r in page.items]}, notes)


def _notes(body: ExportBody) -> list[str]:
    notes: list[str] = []
    routes.unsupported("schema", body.schema_, "an export has the memories as they are.", notes)
    routes.unsupported("export_instructions", body.export_instructions, "an export asks no chat model.", notes)
    routes.ignored(body.strange, notes)
    return notes


def _id(wanted: dict[str, Any]) -> str:
    written = json.dumps(wanted, separators=(",", ":")).encode()
    return _MARK + base64.urlsafe_b64encode(written).decode().rstrip("=")


def _wanted(id: str) -> ExportBody:
    """What an export's id asks for. It is read under the key that fetches: whoever made it up gains nothing."""
    try:
        raw = id.removeprefix(_MARK)
        found = json.loads(base64.b64decode(raw + "=" * (-len(raw) % 4), altchars=b"-_", validate=True))
        # A validation error is a ValueError too.
        wanted = ExportBody.model_validate(found)
    except (binascii.Error, ValueError, RecursionError) as error:
        raise NotFoundError("No such export.") from error
    if not id.startswith(_MARK) or wanted.strange or wanted.memory_export_id is not None:
        raise NotFoundError("No such export.")
    return wanted


@surface.route("POST", "/v1/summary", "profile", "summary")
async def summary(request: Request, body: SummaryBody, who: Who, memory: Held) -> Response:
    """Return what is true of a user now, as text."""
    notes: list[str] = []
    routes.ignored(body.strange, notes)
    ids = asking.named_scope(request, who, asking.read(body.filters, body.whose))
    profile = await memory.profile(**ids)
    return routes.reply({"summary": profile.text, "status": "SUCCEEDED", "memories": len(profile.lines)}, notes)
