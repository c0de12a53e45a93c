"""The page `entities`."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from keepstone.server.routing import does
from keepstone.server.ui.pages import render
from keepstone.server.ui.routing import UiRoute

router = APIRouter(route_class=UiRoute)


@router.get("/ui/entities", openapi_extra=does("entities"))
async def page(request: Request) -> Response:
    """Show that there is nothing here yet."""
    return render(request, "soon.html", section="entities")
