"""Moving memory out and in: the archive as a stream of JSON lines, and other applications' messages."""

from __future__ import annotations

import asyncio
import io
import json
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from keepstone.control import Role
from keepstone.errors import KeepstoneError, ScopeError
from keepstone.memory import AsyncMemory
from keepstone.server.access import Principal, ScopeIds
from keepstone.server.native.asking import Held, Ids, Serving, Who, about, answer
from keepstone.server.problems import ForbiddenError, of_error, request_id
from keepstone.server.routing import GuardedRoute, does
from keepstone.server.schemas import Scoped
from keepstone.server.service import Service, actor
from keepstone.transfer.archive import lines, restore, text
from keepstone.transfer.formats import ARCHIVE, detect
from keepstone.transfer.importing import import_stream
from keepstone.transfer.reading import items
from keepstone.transfer.report import ImportReport

NDJSON = "application/x-ndjson"
# Steps of an import are told so often at most.
TELL_SECONDS = 1.0

Format = Literal["messages", "openai", "claude", "sessions", "keepstone"]
Progress = Callable[[int, int], None]


class StreamedRoute(GuardedRoute):
    """A guarded route whose handler reads the body as it comes."""

    streams_body = True


router = APIRouter(tags=["transfer"])
_guarded = APIRouter(route_class=GuardedRoute)
_streamed = APIRouter(route_class=StreamedRoute)


class ExportBody(Scoped):
    """Whose memory to export; a whole tenant only if *all_scopes* says so."""

    all_scopes: bool = False
    include_retired: bool = False


class Imported(BaseModel):
    """What an import wrote, what was there already, and what was left out and why."""

    format: str
    messages: int
    memories: int
    changes: int
    known: int
    refreshed: int
    skipped: dict[str, int]
    distilled: dict[str, Any] | None


@_guarded.post(
    "/export",
    operation_id="export",
    openapi_extra=does("export"),
    response_class=StreamingResponse,
    responses={200: {"content": {NDJSON: {}}, "description": "The archive, a JSON object a line."}},
)
async def export(request: Request, body: ExportBody, who: Who, service: Serving) -> Response:
    """Return messages, memories and history of a scope as JSON lines; a complete archive ends with a line of counts."""
    scope = who.scope(**about(request, who, body.whose))
    if scope.is_empty and not body.all_scopes:
        raise ScopeError("Say whose memory: give at least one id, or all_scopes for the whole tenant.")
    if body.all_scopes and any(body.whose.values()):
        raise ScopeError("all_scopes means every scope; leave the ids out.")

    async def written() -> AsyncIterator[str]:
        async for page in lines(service.store, scope, include_retired=body.include_retired):
            for line in page:
                yield text(line)

    return StreamingResponse(written(), media_type=NDJSON)


@_streamed.post(
    "/import",
    operation_id="import",
    openapi_extra=does(
        "import",
        requestBody={"required": True, "content": {NDJSON: {}, "application/json": {}}},
    ),
    response_model=Imported,
    responses={200: {"content": {NDJSON: {}}}},
)
async def import_(
    request: Request,
    ids: Ids,
    who: Who,
    memory: Held,
    service: Serving,
    format: Annotated[Format | None, Query(description="By default told from the first item.")] = None,
) -> Response:
    """Add the messages of a file, or put an archive back; a second time adds nothing.

    Ids given here, and those that the key is pinned to, replace those in the file. An archive needs an admin key that
    is pinned to nothing. With `Accept: application/x-ndjson` the answer tells how far it is, line by line, and ends
    with a line that has the `report` or the `error`.
    """
    about(request, who, ids)
    work = _Import(service, who, who.ids(**ids), memory, format)
    stream = await _received(request)
    if NDJSON in request.headers.get("accept", ""):
        return StreamingResponse(_told(work, stream, request_id(request)), media_type=NDJSON)
    with stream:
        return answer((await work.run(stream, None)).to_dict())


@dataclass(frozen=True, slots=True)
class _Import:
    """One import: for whom, into which scope, of which format."""

    service: Service
    who: Principal
    ids: ScopeIds
    memory: AsyncMemory
    format: str | None

    async def run(self, stream: io.BufferedReader, progress: Progress | None) -> ImportReport:
        """Add what *stream* holds.

        Raises:
            ForbiddenError: it is an archive, and the key may not put one back.
        """
        largest = self.service.settings.body_bytes_max
        found = items(stream, item_bytes_max=largest)
        first = next(found, None)
        name = self.format or ("messages" if first is None else detect(first))
        if name == ARCHIVE and first is not None:
            self._check_archive()
            rows = chain([first], found)
            service = self.service
            return await restore(
                service.store,
                service.embedder,
                rows,
                tenant=self.who.tenant,
                clock=service.clock,
                new_id=service.new_id,
                progress=progress,
            )
        stream.seek(0)
        return await import_stream(
            self.memory, stream, format=name, **self.ids, progress=progress, wait=0, item_bytes_max=largest
        )

    def _check_archive(self) -> None:
        if self.who.is_pinned or not self.who.key.role.covers(Role.ADMIN):
            raise ForbiddenError("An archive is put back with an admin key that is pinned to nothing.")
        if any(self.ids.values()):
            raise ScopeError("An archive says for each row whose it is; leave the ids out.")


async def _received(request: Request) -> io.BufferedReader:
    """Return the body as a file that is nowhere named, so that memory is bounded and nothing stays."""
    raw = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - whoever reads it closes it
    try:
        async for chunk in request.stream():
            raw.write(chunk)
        raw.seek(0)
    except BaseException:
        # Also when the client leaves, or the server stops.
        raw.close()
        raise
    return io.BufferedReader(raw)


async def _told(work: _Import, stream: io.BufferedReader, request_id: str | None) -> AsyncIterator[str]:
    """Yield how far an import is, now and then, and what came of it."""
    actor.set(work.who.actor)
    steps: list[tuple[int, int]] = []
    with stream:
        running = asyncio.create_task(work.run(stream, lambda done, total: steps.append((done, total))))
        try:
            while not running.done():
                await asyncio.wait([running], timeout=TELL_SECONDS)
                if steps:
                    done, total = steps[-1]
                    steps.clear()
                    yield _line({"done": done, "total": total or None})
            yield _line({"report": (await running).to_dict()})
        except KeepstoneError as error:
            yield _line({"error": json.loads(bytes(of_error(error, request_id).body))})
        finally:
            running.cancel()


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"


router.include_router(_guarded)
router.include_router(_streamed)
