"""The page `erase`."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from keepstone.server.routing import does
from keepstone.server.ui.pages import render
from keepstone.server.ui.routing import UiRoute

router = APIRouter(route_class=UiRoute)


@router.get("/ui/erase", openapi_extra=does("erase"))
async def page(request: Request) -> Response:
    """Show that there is nothing here yet."""
    return render(request, "soon.html", section="erase")
