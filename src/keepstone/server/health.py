"""Whether the server lives, and whether it can serve; for machines that watch it, without a key and without detail."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from keepstone.errors import KeepstoneError
from keepstone.server.routing import service_of

router = APIRouter(tags=["server"])


@router.get("/healthz", operation_id="healthz")
async def healthz() -> dict[str, str]:
    """Say that the process lives."""
    return {"status": "ok"}


@router.get("/readyz", operation_id="readyz", response_model=dict[str, str], responses={503: {"model": dict[str, str]}})
async def readyz(request: Request) -> Response:
    """Say whether the store can be read; 503 if not."""
    service = service_of(request)
    try:
        await service.control.last_event()
    except KeepstoneError as error:
        return JSONResponse({"status": "unavailable", "reason": type(error).__name__}, 503)
    return JSONResponse({"status": "ok"})
