"""The dashboard under `/ui/`: pages made on the server, for people who would rather look than read.

Pages work with links and forms; htmx only saves reloading. Nothing is loaded from anywhere else.
"""

from __future__ import annotations

from fastapi import APIRouter

from keepstone.server.ui import conversations, entering, entities, erasing, lab, memories, overview, running, timeline


def router() -> APIRouter:
    """Return all routes of the dashboard; none of them is in the OpenAPI document."""
    every = APIRouter(include_in_schema=False)
    # What takes every other path is in the last one.
    for part in (overview, memories, timeline, lab, conversations, entities, running, erasing, entering):
        every.include_router(part.router)
    return every
