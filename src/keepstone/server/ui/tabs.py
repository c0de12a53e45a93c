"""The tabs of the page `running`, each with the operation that a key must be allowed to see it."""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response

from keepstone.server.routing import principal_of
from keepstone.server.ui.navigation import Section
from keepstone.server.ui.pages import render

TABS = (
    Section(name="jobs", path="/ui/running", operation="jobs"),
    Section(name="webhooks", path="/ui/running/webhooks", operation="webhooks"),
    Section(name="keys", path="/ui/running/keys", operation="keys"),
    Section(name="audit", path="/ui/running/audit", operation="audit"),
    Section(name="settings", path="/ui/running/settings", operation="settings"),
)


def render_tab(request: Request, tab: str, name: str, *, status: int = 200, **values: Any) -> Response:
    """Return the template *name* under the tabs that the key may see, with *tab* as the one that is open."""
    who = principal_of(request)
    tabs = tuple(t for t in TABS if who.may(t.operation))
    return render(request, name, status=status, tabs=tabs, tab=tab, **values)
