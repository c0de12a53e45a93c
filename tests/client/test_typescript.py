"""The client for TypeScript knows the names of the server's OpenAPI document, and no others."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.server.serving import Serving

FOLDER = Path(__file__).resolve().parent.parent.parent / "clients" / "typescript" / "src"
INTERFACE = re.compile(r"^export interface (\w+)(?: extends (\w+))? \{\n(.*?)^\}", re.MULTILINE | re.DOTALL)
FIELD = re.compile(r"^  (\w+)\??:", re.MULTILINE)

# What each verb's options are, and which of its arguments come before them.
OPTIONS = {
    "add": ("AddOptions", {"messages"}),
    "search": ("SearchOptions", {"query"}),
    "context": ("ContextOptions", {"query"}),
    "trace": ("TraceOptions", {"question"}),
    "get": ("ScopeOptions", {"id"}),
    "get_all": ("GetAllOptions", set()),
    "update": ("UpdateOptions", {"id"}),
    "delete": ("ReasonOptions", {"id"}),
    "delete_all": ("ReasonOptions", set()),
    "history": ("ScopeOptions", {"id"}),
    "undo": ("UndoOptions", {"id"}),
    "erase": ("EraseOptions", set()),
    "feedback": ("ReasonOptions", {"id", "value"}),
    "profile": ("ProfileOptions", set()),
    "entities": ("ScopeOptions", set()),
    "merge_entities": ("ReasonOptions", {"id", "into"}),
    "split_entity": ("ScopeOptions", {"id"}),
    "stats": ("ScopeOptions", set()),
    "usage": ("UsageOptions", set()),
    "jobs": ("ScopeOptions", set()),
    "flush": ("FlushOptions", set()),
    "retry": ("JobOptions", set()),
    "discard": ("JobOptions", set()),
    "consolidate": ("ScopeOptions", set()),
    "messages": ("MessagesOptions", set()),
    "conversations": ("ScopedPageOptions", set()),
    "changes": ("ScopedPageOptions", set()),
    "events": ("EventsOptions", set()),
    "keys": ("KeysOptions", set()),
    "create_key": ("CreateKeyOptions", {"name"}),
    "rotate_key": ("RotateKeyOptions", {"id"}),
    "tenants": ("PageOptions", set()),
    "create_tenant": ("CreateTenantOptions", {"id"}),
    "create_webhook": ("CreateWebhookOptions", {"url"}),
    "deliveries": ("PageOptions", {"id"}),
    "audit": ("AuditOptions", set()),
    "export": ("ExportOptions", set()),
    "import": ("ImportOptions", set()),
}  # fmt: skip
# Headers, which the client makes itself.
NOT_OPTIONS = {"Idempotency-Key", "last-event-id"}


@pytest.fixture(scope="module")
def document(shared: Serving) -> dict[str, Any]:
    return shared.app.openapi()


def interfaces(name: str) -> dict[str, set[str]]:
    """Return the fields of each interface of a file, those that it extends included."""
    found: dict[str, set[str]] = {}
    for own, base, body in INTERFACE.findall((FOLDER / name).read_text(encoding="utf-8")):
        found[own] = set(FIELD.findall(body)) | found.get(base, set())
    return found


def taken(document: dict[str, Any], operation_id: str) -> set[str]:
    operations = [o for path in document["paths"].values() for o in path.values() if o["operationId"] == operation_id]
    (operation,) = operations
    names = {p["name"] for p in operation.get("parameters", ())}
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if "$ref" in schema:
        names |= document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]["properties"].keys()
    return names - NOT_OPTIONS


@pytest.mark.parametrize("operation", OPTIONS)
def test_options_are_those_of_the_server(document: dict[str, Any], operation: str) -> None:
    name, before = OPTIONS[operation]
    assert interfaces("options.ts")[name] | before == taken(document, operation)


def test_messages_are_those_of_the_server(document: dict[str, Any]) -> None:
    assert interfaces("options.ts")["Message"] == document["components"]["schemas"]["MessageBody"]["properties"].keys()


def test_results_are_those_of_the_server(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    ours = interfaces("results.ts")
    assert {"MemoryRecord", "Hit", "Context", "AddResult", "Change", "Problem"} <= ours.keys()
    assert ours == {name: set(schemas[name]["properties"]) for name in ours}


def test_no_method_is_forgotten() -> None:
    text = (FOLDER / "client.ts").read_text(encoding="utf-8")
    methods = set(re.findall(r"^  (?:async )?\*?(\w+)(?:<\w+>)?\(", text, re.MULTILINE))
    wanted = {re.sub(r"_(\w)", lambda m: m[1].upper(), operation) for operation in OPTIONS}
    assert wanted <= methods
