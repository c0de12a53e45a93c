"""MCP over HTTP: stateless, one POST a message, behind the same keys, limits and checks as every other route."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.types import Message as AsgiMessage

from keepstone.server import problems
from keepstone.server.access import Principal
from keepstone.server.mcp import profiles, protocol
from keepstone.server.mcp.calling import SURFACE, Caller
from keepstone.server.native.asking import Serving, Who
from keepstone.server.problems import RefusedError
from keepstone.server.routing import GuardedRoute, does
from keepstone.server.service import Service

OPENMEMORY = "openmemory"


class McpRoute(GuardedRoute):
    """A route that messages of MCP come to; each tool is checked again by its own operation."""

    surface = SURFACE


class McpFace:
    """The routes, and what must run while they serve."""

    def __init__(self, service: Service) -> None:
        # Host and Origin are checked before any route, for all surfaces alike.
        checked = TransportSecuritySettings(enable_dns_rebinding_protection=False)
        self._profile = service.settings.mcp_profile
        profiles.of(self._profile)
        self._serving = {
            name: StreamableHTTPSessionManager(
                protocol.build(name, _caller_of),
                json_response=True,
                stateless=True,
                security_settings=checked,
                max_request_body_size=service.settings.body_bytes_max,
            )
            for name in profiles.TOOLS
        }

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve until the block ends; once only."""
        async with AsyncExitStack() as stack:
            for serving in self._serving.values():
                await stack.enter_async_context(serving.run())
            yield

    def router(self) -> APIRouter:
        """Return the routes: `/mcp`, and OpenMemory's form with the client and the user in the path."""
        router = APIRouter(route_class=McpRoute, include_in_schema=False)

        @router.post("/mcp/", openapi_extra=does("mcp"))
        @router.post("/mcp", openapi_extra=does("mcp"))
        async def mcp(
            request: Request,
            who: Who,
            service: Serving,
            profile: str | None = None,
            user_id: Annotated[str | None, Query(max_length=256)] = None,
        ) -> Response:
            return await self._answer(request, service, _held(who, user_id), profile or self._profile)

        @router.post("/mcp/{client}/http/{user}", openapi_extra=does("mcp"))
        async def openmemory(
            request: Request, who: Who, service: Serving, client: str, user: str, profile: str = OPENMEMORY
        ) -> Response:
            return await self._answer(request, service, _held(who, user), profile, app=client)

        return router

    async def _answer(
        self, request: Request, service: Service, who: Principal, profile: str, app: str | None = None
    ) -> Response:
        serving = self._serving.get(profile)
        if serving is None:
            raise RefusedError(404, f"There is no such profile; there are {', '.join(self._serving)}.")
        caller = Caller(
            service=service,
            principal=who,
            app=app,
            base_url=str(request.base_url).rstrip("/"),
            request_id=problems.request_id(request),
        )
        return await _through(serving, request, caller)


def _held(who: Principal, user: str | None) -> Principal:
    """Return who asks, held to the user that the address names.

    Raises:
        ForbiddenError: the key is pinned to another one.
    """
    if user is None:
        return who
    return replace(who, key=replace(who.key, pin=who.scope(user_id=user)))


def _caller_of(message: protocol.Message) -> Caller:
    assert message.request is not None
    caller: Caller = message.request.state.mcp_caller
    return replace(caller)


async def _through(serving: StreamableHTTPSessionManager, request: Request, caller: Caller) -> Response:
    """Let the SDK answer, and return its answer whole: it is one JSON document."""
    body = await request.body()
    scope = {**request.scope, "state": {**request.scope.get("state", {}), "mcp_caller": caller}}
    given: list[AsgiMessage] = [{"type": "http.request", "body": body, "more_body": False}]
    status, headers, parts = 500, list[tuple[bytes, bytes]](), list[bytes]()

    async def receive() -> AsgiMessage:
        return given.pop() if given else await request.receive()

    async def send(message: AsgiMessage) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status, headers = message["status"], list(message.get("headers", ()))
        elif message["type"] == "http.response.body":
            parts.append(message.get("body", b""))

    await serving.handle_request(scope, receive, send)
    response = Response(b"".join(parts), status)
    known = {b"content-length"}
    response.raw_headers += [(name, value) for name, value in headers if name.lower() not in known]
    return response
