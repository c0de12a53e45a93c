"""The tab `settings`: what this process runs with, to look at; secrets are masked."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from fastapi import APIRouter, Request, Response

import keepstone
from keepstone.server.masking import masked
from keepstone.server.routing import does, principal_of, service_of
from keepstone.server.settings import Settings
from keepstone.server.ui.routing import UiRoute
from keepstone.server.ui.tabs import render_tab

router = APIRouter(route_class=UiRoute)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A setting as it is shown, where it came from if that is known, and whether it is other than its default."""

    name: str
    value: str | None
    source: str | None
    is_set: bool


@router.get("/ui/running/settings", openapi_extra=does("settings"))
async def page(request: Request) -> Response:
    """Show each setting with its value, and the parts that the server runs with."""
    service, who = service_of(request), principal_of(request)
    model = service.chat_model
    return render_tab(
        request,
        "settings",
        "settings.html",
        lines=lines(service.settings, service.sources),
        stats=await service.memory(who).stats(),
        model=None if model is None else model.name,
        version=keepstone.__version__,
        python=platform.python_version(),
    )


def lines(settings: Settings, sources: Mapping[str, str]) -> Sequence[Line]:
    """Return every setting in the order of its class; *sources* say where it came from, by its name."""
    shown, defaults = masked(settings), Settings()
    return [
        Line(
            name=field.name,
            value=_written(shown[field.name]),
            source=sources.get(field.name),
            is_set=getattr(settings, field.name) != getattr(defaults, field.name),
        )
        for field in fields(settings)
    ]


def _written(value: object) -> str | None:
    """Return a value as files and flags have it; None where there is none."""
    if value is None or value == []:
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(str(v) for v in value) if isinstance(value, list) else str(value)
