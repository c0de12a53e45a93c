"""A page that lists the interface, made from its own document: no script, nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from keepstone.server.openapi import PREFIX

router = APIRouter(tags=["server"])

METHODS = ("get", "post", "put", "patch", "delete")
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}"
    "table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.3rem .6rem;"
    "border-bottom:1px solid #8884}code{font-size:.9em;overflow-wrap:anywhere}"
)
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
POLICY = f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


@router.get("/docs", include_in_schema=False)
async def reference(request: Request) -> HTMLResponse:
    """Return the list of routes for people."""
    return HTMLResponse(page(request.app.openapi()), headers={"Content-Security-Policy": POLICY})


def page(document: dict[str, Any]) -> str:
    """Return the page for a document of OpenAPI."""
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>",
        "<meta name='viewport' content='width=device-width'>",
        f"<title>{escape(document['info']['title'])}: REST</title><style>{STYLE}</style></head><body>",
        f"<h1>{escape(document['info']['title'])} {escape(document['info']['version'])}: REST</h1>",
        f"<p>The whole document, with every field: <a href='{PREFIX}/openapi.json'>openapi.json</a>.</p>",
    ]
    for tag in document["tags"]:
        rows = _rows(document, tag["name"])
        if rows:
            parts += [f"<h2>{escape(tag['name'])}</h2><p>{escape(tag['description'])}</p><table>"]
            parts += ["<tr><th>Request</th><th>Role</th><th>What it does</th></tr>", *rows, "</table>"]
    return "".join([*parts, "</body></html>"])


def _rows(document: dict[str, Any], tag: str) -> list[str]:
    rows = []
    for path, methods in document["paths"].items():
        for method in METHODS:
            told = methods.get(method)
            if told is not None and path.startswith(PREFIX) and tag in told.get("tags", ()):
                role, does = told.get("x-keepstone-role", ""), told.get("description", "").split("\n\n")[0]
                request = f"<code>{method.upper()} {escape(path)}</code>"
                rows.append(f"<tr><td>{request}</td><td>{escape(role)}</td><td>{escape(does)}</td></tr>")
    return rows
