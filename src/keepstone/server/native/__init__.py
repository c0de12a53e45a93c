"""The native REST interface under `/api/v1`: the verbs of the library by their names."""

from __future__ import annotations

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
    reference,
    tenants,
    webhooks,
)
from keepstone.server.openapi import PREFIX

PARTS = (
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
    reference,
)


def router() -> APIRouter:
    """Return all routes of the native interface."""
    every = APIRouter(prefix=PREFIX)
    for part in PARTS:
        every.include_router(part.router)
    return every
