"""The client's verbs are the library's: names, signatures, documentation, and every parameter reaches the server."""

import inspect
from typing import Any

import pytest

from keepstone import AsyncMemory, Memory
from keepstone.client import AsyncClient, Client
from tests.server.serving import Serving
from tests.test_public_api import documentation, function_of, public_members, signature_rows, undocumented

# What only who holds the store can do, or look at.
LOCAL_ONLY = {"store", "embedder", "chat_model", "actor", "reembed", "reextract", "accept"}
# A function cannot be sent.
NOT_SENT = {"counter"}

VERBS = sorted(public_members(AsyncMemory).keys() - LOCAL_ONLY)


@pytest.mark.parametrize("verb", VERBS)
def test_signature_and_documentation_are_those_of_the_library(verb: str) -> None:
    for ours, theirs in ((AsyncClient, AsyncMemory), (Client, Memory)):
        assert signature_rows(getattr(ours, verb)) == signature_rows(getattr(theirs, verb))
        if verb != "close":
            assert documentation(getattr(ours, verb)) == documentation(getattr(theirs, verb))


def test_each_verb_waits_in_one_face_only() -> None:
    blocking, waiting = public_members(Client), public_members(AsyncClient)
    assert sorted(blocking) == sorted(waiting)
    for name, member in waiting.items():
        assert not inspect.iscoroutinefunction(function_of(blocking[name])), name
        if inspect.isfunction(member):
            assert inspect.iscoroutinefunction(member) or inspect.isasyncgenfunction(member), name
            assert signature_rows(member) == signature_rows(blocking[name])


def test_everything_is_documented() -> None:
    assert not [place for kind in (Client, AsyncClient) for place in undocumented(kind.__name__, kind)]


def test_no_verb_is_missing() -> None:
    assert set(VERBS) <= public_members(AsyncClient).keys()
    assert not LOCAL_ONLY & public_members(AsyncClient).keys()


def operations(document: dict[str, Any]) -> dict[str, set[str]]:
    """Return the names that each operation of an OpenAPI document takes."""
    schemas = document["components"]["schemas"]
    found = {}
    for path in document["paths"].values():
        for operation in path.values():
            names = {p["name"] for p in operation.get("parameters", ())}
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            if "$ref" in body:
                names |= schemas[body["$ref"].rpartition("/")[2]]["properties"].keys()
            found[operation["operationId"]] = names
    return found


@pytest.mark.parametrize("verb", [v for v in VERBS if v != "close"])
def test_the_server_takes_every_parameter(shared: Serving, verb: str) -> None:
    takes = operations(shared.app.openapi())[verb]
    parameters = set(inspect.signature(getattr(AsyncMemory, verb)).parameters) - {"self"} - NOT_SENT
    assert parameters <= takes
