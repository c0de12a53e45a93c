"""The OpenAPI document: what FastAPI tells of the routes, with who may call them and what can go wrong where."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from keepstone.control import Role
from keepstone.server.access import OPERATIONS
from keepstone.server.problems import MEDIA_TYPE, Problem
from keepstone.server.replaying import HEADER, KEY_CHARS_MAX, SECRET_OPERATIONS, STREAMED_OPERATIONS
from keepstone.server.routing import OPERATION

PREFIX = "/api/v1"
METRICS = "/metrics"
Document = dict[str, Any]

SECURITY_SCHEMES: Mapping[str, Document] = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "A key of the server, as in `Bearer ks_…`."},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "The same key in a header."},
}
TAGS = {
    "memories": "The verbs of the library by their names: adding, finding, changing, forgetting.",
    "messages": "What was said, conversation by conversation, and the log of changes.",
    "jobs": "The work of a chat model: the queue, dead letters, deriving again.",
    "events": "What was committed, as pages or as a stream.",
    "webhooks": "Events sent to other servers.",
    "transfer": "Memory as a file, out and in.",
    "keys": "Who may do what.",
    "tenants": "Projects apart from all others.",
    "server": "The server itself.",
}
DESCRIPTIONS = {
    400: "The request cannot be understood.",
    401: "There is no valid key.",
    403: "The key may not do this.",
    404: "There is no such thing in the scope of the key.",
    409: "It contradicts what is stored by now, or the server has no model that it needs.",
    413: "It is larger than a limit allows.",
    422: "The body or a parameter has the wrong shape, or an Idempotency-Key was used for another request.",
    429: "Too many requests with this key.",
    502: "A provider of models failed.",
    503: "The store or a provider is busy; try again.",
    504: "A provider of models did not answer in time.",
}
# What asks an embedder or a chat model before it answers.
_ASKING = frozenset({"add", "update", "search", "context", "trace", "reextract", "accept", "flush", "import"})
# What finds things by ids that are not in the path.
_FINDING = frozenset({"undo", "erase", "retry", "discard", "merge_entities", "create_key"})
# What reads larger things than its body, or reaches over owners, within limits.
_LIMITED = frozenset({"search", "context", "trace", "entities", "profile", "get_all"})
# Besides what changes anything: these want the embedder of the store.
_CONFLICTING = frozenset({"search", "context", "trace"})


def install(app: FastAPI) -> None:
    """Let *app* tell its own document, made once."""

    def document() -> Document:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    # This is how FastAPI says that an application may tell its own document.
    app.openapi = document  # type: ignore[method-assign]


def guarded(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Yield path, method and description of what needs a key."""
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            if OPERATION in told:
                yield path, method, told


def _document(app: FastAPI) -> Document:
    made = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        tags=[{"name": name, "description": text} for name, text in TAGS.items()],
    )
    components = made.setdefault("components", {})
    components["securitySchemes"] = dict(SECURITY_SCHEMES)
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = Problem.model_json_schema()
    for path, method, told in guarded(made):
        if not path.startswith((PREFIX, METRICS)):
            # Other interfaces have errors of their own shapes.
            continue
        told["responses"] = {k: v for k, v in told["responses"].items() if not k.startswith(("4", "5"))}
        operation = told[OPERATION]
        told["security"] = [{name: []} for name in SECURITY_SCHEMES]
        told["x-keepstone-role"] = OPERATIONS[operation].role.value
        if _keeps_replies(method, operation):
            told.setdefault("parameters", []).append(_idempotency_key())
        for status in sorted(_statuses(path, method, told)):
            told["responses"][str(status)] = {
                "description": DESCRIPTIONS[status],
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            }
    for name in ("HTTPValidationError", "ValidationError"):
        if f'"#/components/schemas/{name}"' not in json.dumps(made["paths"]):
            schemas.pop(name, None)
    return made


def _statuses(path: str, method: str, told: Document) -> set[int]:
    """The problems that an operation can be answered with."""
    operation, changes = told[OPERATION], OPERATIONS[told[OPERATION]].role is not Role.READ and method != "get"
    found = {401, 403, 429, 503}
    if told.get("parameters") or "requestBody" in told:
        found |= {400, 422}
    if "requestBody" in told or operation in _LIMITED:
        found.add(413)
    if "{" in path or operation in _FINDING:
        found.add(404)
    if changes or operation in _CONFLICTING:
        found.add(409)
    if operation in _ASKING:
        found |= {502, 504}
    return found


def _keeps_replies(method: str, operation: str) -> bool:
    keeps = operation not in SECRET_OPERATIONS | STREAMED_OPERATIONS
    return method == "post" and keeps and OPERATIONS[operation].role is not Role.READ


def _idempotency_key() -> Document:
    return {
        "name": HEADER,
        "in": "header",
        "required": False,
        "description": "The same request with the same key is done once, and answered alike for a day.",
        "schema": {"type": "string", "minLength": 1, "maxLength": KEY_CHARS_MAX, "pattern": "^[!-~]+$"},
    }
