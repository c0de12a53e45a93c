"""The native REST interface under `/api/v1`: the verbs of the library by their names."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from keepstone.server.native import (
    about,
    changing,
    events,
    keys,
    learning,
    looking,
    moving,
    operating,
    reading,
    rederiving,
    tenants,
    webhooks,
)
from keepstone.server.problems import Problem

PREFIX = "/api/v1"

_PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "content": {"application/problem+json": {}}, "description": description}
    for status, description in (
        (400, "The request cannot be understood."),
        (401, "There is no valid key."),
        (403, "The key may not do this."),
        (404, "There is no such thing in the scope of the key."),
        (409, "It contradicts what is stored by now."),
        (413, "It is larger than a limit allows."),
        (422, "The body or a parameter has the wrong shape."),
        (429, "Too many requests with this key."),
        (503, "The store or a provider is busy; try again."),
    )
}


def router() -> APIRouter:
    """Return all routes of the native interface."""
    every = APIRouter(prefix=PREFIX, responses=_PROBLEMS)
    for part in (
        about,
        reading,
        changing,
        looking,
        learning,
        rederiving,
        moving,
        events,
        webhooks,
        keys,
        tenants,
        operating,
    ):
        every.include_router(part.router)
    return every
