"""Pages from templates: everything is escaped, and a name that is not there is an error, not an empty place."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

import keepstone
from keepstone.control import BrowserSession
from keepstone.server.access import Principal
from keepstone.server.ui import showing
from keepstone.server.ui.assets import address
from keepstone.server.ui.forms import SCOPE_FIELDS, ids_of, with_query
from keepstone.server.ui.navigation import visible_to
from keepstone.server.ui.wording import LANGUAGES, Wording, wording_for

TEMPLATES = Path(__file__).parent / "templates"
LANGUAGE_COOKIE = "keepstone_language"
THEME_COOKIE = "keepstone_theme"
THEMES = ("light", "dark")


@cache
def environment() -> Environment:
    """Return the templates, made once."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    for show in (showing.shown, showing.coded, showing.short, showing.moment, showing.day, showing.count, showing.size):
        made.filters[show.__name__] = show
    made.filters["ids_of"] = ids_of
    made.globals.update(
        asset=address, with_query=with_query, version=keepstone.__version__, languages=LANGUAGES, themes=THEMES
    )
    return made


def render(request: Request, name: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """Return the template *name* as an answer, with what every page has beside *values*."""
    content = environment().get_template(name).render({**_surroundings(request), "status": status, **values})
    return HTMLResponse(content, status)


def is_partial(request: Request) -> bool:
    """Whether htmx asks, and puts the answer into a page that is there."""
    return request.headers.get("hx-request") == "true"


def words_of(request: Request) -> Wording:
    """Return the words in the language of whoever looks: as chosen, else as the browser prefers."""
    return wording_for(request.cookies.get(LANGUAGE_COOKIE), request.headers.get("accept-language"))


def _surroundings(request: Request) -> Mapping[str, Any]:
    principal: Principal | None = getattr(request.state, "principal", None)
    session: BrowserSession | None = getattr(request.state, "session", None)
    theme = request.cookies.get(THEME_COOKIE)
    here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return {
        "t": words_of(request),
        "theme": theme if theme in THEMES else None,
        "principal": principal,
        "sections": visible_to(principal) if principal is not None else (),
        "csrf_token": session.csrf_token if session is not None else "",
        "here": here if request.method == "GET" and request.url.path != "/ui/login" else "/ui/",
        "path": request.url.path,
        "carried": {name: request.query_params.get(name) for name in SCOPE_FIELDS},
    }
