"""Mem0's two interfaces over our service: the hosted one under `/mem0`, the open-source server's under `/mem0-oss`.

Mem0's own clients speak to the first with nothing changed but their `host`.
"""

from __future__ import annotations

from fastapi import APIRouter

from keepstone.server.mem0 import (
    adding,
    changing,
    entities,
    events,
    exporting,
    legacy,
    oss,
    oss_admin,
    profiles,
    projects,
    reading,
    webhooks,
)


def hosted() -> APIRouter:
    """Return all routes of the hosted interface."""
    every = APIRouter()
    parts = (adding, reading, changing, events, entities, exporting, profiles, projects, webhooks, legacy)
    for part in parts:
        every.include_router(part.surface.router)
    return every


def open_source() -> APIRouter:
    """Return all routes of the open-source server's interface."""
    every = APIRouter()
    for part in (oss, oss_admin):
        every.include_router(part.surface.router)
    return every
