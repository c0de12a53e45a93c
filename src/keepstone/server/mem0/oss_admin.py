"""The interface of Mem0's open-source server: settings, entities, keys, requests.

Its own login with a name and a password has no counterpart: the dashboard takes a key.
"""

from __future__ import annotations

from typing import NoReturn

from fastapi import Request, Response
from pydantic import BaseModel, Field

from keepstone.compat.mem0.shapes import Row
from keepstone.control import ApiKey, AuditEntry, AuditFilter, Role
from keepstone.errors import InvalidRequestError
from keepstone.server.mem0 import asking, routes
from keepstone.server.mem0.entities import all_entities, removed
from keepstone.server.native.asking import Held, Who
from keepstone.server.routing import service_of
from keepstone.types import Listing, Scope

surface = routes.open_source()


@surface.route("GET", "/configure", "settings", "configuration")
async def configuration(request: Request) -> Response:
    """Return what the server runs with, in the places where Mem0 has it."""
    service = service_of(request)
    model = None if service.chat_model is None else service.chat_model.name
    embedder = None if service.embedder is None else str(service.embedder.key)
    return routes.reply(
        {
            "version": "v1.1",
            "custom_instructions": service.settings.instructions,
            "llm": {"provider": _before(model), "config": {"model": model}},
            "embedder": {"provider": _before(embedder), "config": {"model": embedder}},
            "vector_store": {"provider": "keepstone", "config": {}},
        }
    )


@surface.route("POST", "/configure", "settings", "configure")
async def configure() -> Response:
    """Refuse: a running server does not change what it runs with."""
    _refuse("The server is set where it is started; nothing was changed.")


@surface.route("GET", "/configure/providers", "whoami", "providers")
async def providers() -> Response:
    """Return the names of providers of models."""
    return routes.reply({"llms": ["anthropic", "openai"], "embedders": ["local", "openai"], "vector_stores": []})


@surface.route("POST", "/generate-instructions", "whoami", "generate_instructions")
async def generate_instructions() -> Response:
    """Refuse: instructions are written by people here."""
    _refuse("Instructions are not generated; write them, and send them as prompt with each add.")


@surface.route("GET", "/entities", "owners", "entities")
async def entities(request: Request, who: Who) -> Response:
    """Return those who have memories, by type and name."""
    return routes.reply(await all_entities(request, who))


@surface.route("DELETE", "/entities/{kind}/{id:path}", "delete_all", "delete_entity")
async def delete_entity(request: Request, kind: str, id: str, who: Who, memory: Held) -> Response:
    """Take back every memory of a user, an agent, an application or a run."""
    return routes.reply(await removed(request, kind, id, who, memory))


class KeyBody(BaseModel):
    """A key to make."""

    label: str = Field(default="", max_length=256)
    name: str | None = Field(default=None, max_length=256)


@surface.route("GET", "/api-keys", "keys", "keys")
async def keys(request: Request, who: Who) -> Response:
    """Return the keys of the tenant, without their secrets."""
    control = service_of(request).control

    async def fetch(cursor: str | None) -> Listing[ApiKey]:
        return await control.keys(who.tenant, cursor=cursor)

    return routes.reply([_key(k) async for k in asking.every(fetch)])


@surface.route("POST", "/api-keys", "create_key", "create_key", 201)
async def create_key(request: Request, body: KeyBody, who: Who) -> Response:
    """Make a key that may read and write, and return its secret, which is shown once."""
    who.check_grant(Role.WRITE, Scope(tenant=who.tenant))
    key, secret = await service_of(request).keys.create(who.tenant, body.label or body.name or "", Role.WRITE)
    return routes.reply({**_key(key), "key": secret}, status=201)


@surface.route("DELETE", "/api-keys/{id}", "revoke_key", "revoke_key")
async def revoke_key(request: Request, id: str, who: Who) -> Response:
    """Revoke a key."""
    await service_of(request).keys.revoke(who.tenant, id)
    return routes.reply({"message": "API key revoked"})


@surface.route("GET", "/requests", "audit", "requests")
async def requests(request: Request, who: Who) -> Response:
    """Return what was asked for lately, the newest first: changes, and what was refused."""
    # What was asked just now is in it.
    await service_of(request).auditor.write()
    found = await service_of(request).control.audit(who.tenant, AuditFilter(), limit=asking.PAGE_DEFAULT)
    return routes.reply([_request(e) for e in found.items])


def _key(key: ApiKey) -> Row:
    used = key.last_used_at
    return {
        "id": key.id,
        "label": key.name,
        "key_prefix": key.prefix,
        "role": key.role.value,
        "created_at": key.created_at.isoformat(),
        "last_used_at": None if used is None else used.isoformat(),
        "revoked_at": None if key.revoked_at is None else key.revoked_at.isoformat(),
    }


def _request(entry: AuditEntry) -> Row:
    return {
        "id": entry.request_id,
        "operation": entry.operation,
        "status_code": entry.status,
        "created_at": entry.at.isoformat(),
        "surface": entry.surface,
    }


def _before(name: str | None) -> str | None:
    return None if name is None else name.partition(":")[0]


def _refuse(sentence: str) -> NoReturn:
    raise InvalidRequestError(sentence)
