"""MCP over stdio to a running server: for programs that can start a process but send no key over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx2
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    CallToolRequestParams,
    CallToolResult,
    GetPromptRequestParams,
    GetPromptResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
)

import keepstone
from keepstone.errors import AuthenticationError, ProviderError
from keepstone.server.mcp.protocol import Message

T = TypeVar("T")

SECONDS_MAX = 120.0
SERVER = "the Keepstone server"


async def serve(url: str, key: str) -> None:
    """Pass on what comes on stdin to the server at *url*, and its answers to stdout, until stdin ends.

    Raises:
        AuthenticationError: the server does not know the key.
        ProviderError: the server cannot be reached.
    """
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx2.AsyncClient(headers=headers, timeout=SECONDS_MAX) as http:
        await _reach(http, url)
        async with Client(streamable_http_client(url, http_client=http)) as client:
            server = _passing_on(client)
            async with stdio_server() as (incoming, outgoing):
                await server.run(incoming, outgoing, server.create_initialization_options())


async def _reach(http: httpx2.AsyncClient, url: str) -> None:
    """Ask once, so that what is wrong is said in a sentence, before the program at the other end waits for answers."""
    try:
        answer = await http.post(
            url,
            json={"jsonrpc": "2.0", "id": 1, "method": "ping"},
            headers={"Accept": "application/json, text/event-stream"},
        )
    except httpx2.HTTPError as error:
        raise ProviderError(SERVER, f"{url} cannot be reached ({type(error).__name__}).", retryable=True) from error
    if answer.status_code == 401:
        raise AuthenticationError(SERVER, "it does not know this key.", retryable=False)
    if answer.status_code != 200:
        raise ProviderError(SERVER, f"{url} answered {answer.status_code}.", retryable=False)


def _passing_on(client: Client) -> Server[Any]:
    passing = _PassingOn(client)
    return Server(
        "keepstone",
        version=keepstone.__version__,
        title="Keepstone",
        instructions=client.instructions,
        on_list_tools=passing.list_tools,
        on_call_tool=passing.call_tool,
        on_list_resources=passing.list_resources,
        on_list_resource_templates=passing.list_templates,
        on_read_resource=passing.read_resource,
        on_list_prompts=passing.list_prompts,
        on_get_prompt=passing.get_prompt,
    )


class _PassingOn:
    """Each kind of message, asked of the server."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def list_tools(self, message: Message, params: PaginatedRequestParams | None) -> ListToolsResult:
        return await _told(self._client.list_tools)

    async def call_tool(self, message: Message, params: CallToolRequestParams) -> CallToolResult:
        return await _told(lambda: self._client.call_tool(params.name, params.arguments or {}))

    async def list_resources(self, message: Message, params: PaginatedRequestParams | None) -> ListResourcesResult:
        return await _told(self._client.list_resources)

    async def list_templates(
        self, message: Message, params: PaginatedRequestParams | None
    ) -> ListResourceTemplatesResult:
        return await _told(self._client.list_resource_templates)

    async def read_resource(self, message: Message, params: ReadResourceRequestParams) -> ReadResourceResult:
        return await _told(lambda: self._client.read_resource(str(params.uri)))

    async def list_prompts(self, message: Message, params: PaginatedRequestParams | None) -> ListPromptsResult:
        return await _told(self._client.list_prompts)

    async def get_prompt(self, message: Message, params: GetPromptRequestParams) -> GetPromptResult:
        return await _told(lambda: self._client.get_prompt(params.name, params.arguments or {}))


async def _told(ask: Callable[[], Awaitable[T]]) -> T:
    try:
        return await ask()
    except httpx2.HTTPError as error:
        raise MCPError(code=INTERNAL_ERROR, message="The Keepstone server cannot be reached.") from error
