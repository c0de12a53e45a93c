"""The dashboard under `/ui/`: pages made on the server, for people who would rather look than read.

Pages work with links and forms; htmx only saves reloading. Nothing is loaded from anywhere else.
"""

from __future__ import annotations

from fastapi import APIRouter

from keepstone.server.ui import (
    auditing,
    conversations,
    entering,
    entities,
    erasing,
    keys,
    lab,
    memories,
    overview,
    provenance,
    running,
    settings,
    timeline,
    webhooks,
)

# What takes every other path is in the last one.
PARTS = (
    overview,
    memories,
    provenance,
    timeline,
    lab,
    conversations,
    entities,
    running,
    webhooks,
    keys,
    auditing,
    settings,
    erasing,
    entering,
)


def router() -> APIRouter:
    """Return all routes of the dashboard; none of them is in the OpenAPI document."""
    every = APIRouter(include_in_schema=False)
    for part in PARTS:
        every.include_router(part.router)
    return every
