"""MCP over stdio: one agent on this machine, with the local store and no key."""

from __future__ import annotations

from mcp.server.stdio import stdio_server

from keepstone.control import ApiKey, Role
from keepstone.server.access import ROOT_TENANT, Principal
from keepstone.server.mcp import profiles, protocol
from keepstone.server.mcp.calling import SURFACE, Caller
from keepstone.server.service import Service
from keepstone.types import Scope


def local_principal(service: Service, role: Role, pin: Scope) -> Principal:
    """Return whoever runs the process, as a principal of the tenant that runs servers, held to *pin*."""
    key = ApiKey(
        id="",
        tenant=ROOT_TENANT,
        name="stdio",
        role=role,
        prefix="",
        pin=pin,
        created_at=service.clock(),
    )
    return Principal(key=key, surface=SURFACE)


async def serve(service: Service, principal: Principal, profile: str = profiles.DEFAULT) -> None:
    """Speak MCP on stdin and stdout until stdin ends.

    Raises:
        InvalidRequestError: there is no such profile.
    """
    server = protocol.build(profile, lambda message: Caller(service=service, principal=principal))
    # A server's own work, such as webhooks, is left to servers: of these processes there may be one for each agent.
    service.auditor.start()
    if service.chat_model is not None:
        service.pool.start()
    try:
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())
    finally:
        await service.stop()
