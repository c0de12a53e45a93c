"""Connecting to a server under test with the MCP SDK's own client."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult, TextContent

from tests.server.serving import Serving


@asynccontextmanager
async def connected(
    server: Serving, secret: str | None = None, *, path: str = "/mcp", mode: str = "auto"
) -> AsyncIterator[Client]:
    """Connect over real HTTP with a key, by default the admin's."""
    headers = {"Authorization": f"Bearer {secret or server.secret}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as http,
        Client(streamable_http_client(server.url + path, http_client=http), mode=mode) as client,
    ):
        yield client


async def did(client: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool that must succeed, and return its structured answer."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    assert isinstance(result.structured_content, dict)
    return result.structured_content


async def refused(client: Client, tool: str, **arguments: Any) -> tuple[str, str]:
    """Call a tool that must fail, and return the kind of error and its sentence."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error, result.structured_content
    return str((result.meta or {})["keepstone/code"]), text_of(result)


def text_of(result: CallToolResult) -> str:
    """Return the text of an answer."""
    content = result.content[0]
    assert isinstance(content, TextContent)
    return content.text


async def names(client: Client) -> set[str]:
    """Return the names of the tools that are shown."""
    return {tool.name for tool in (await client.list_tools()).tools}
