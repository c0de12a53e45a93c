"""An agent's side of MCP: start Keepstone as a process, see its tools, and call them.

Run it with `python examples/mcp_client.py`. It needs `pip install 'keepstone[server]'`.

Programs such as Claude Code or Cursor do the same after `keepstone mcp install`. With a running server, connect to its
address instead; the tools are the same ones.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types import TextContent


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        options = ["--store", str(Path(folder) / "memory.db"), "--user", "alice"]
        process = StdioServerParameters(command=sys.executable, args=["-m", "keepstone", "mcp", *options])
        async with Client(stdio_client(process)) as client:
            tools = (await client.list_tools()).tools
            for tool in tools:
                reads = tool.annotations is not None and tool.annotations.read_only_hint
                print(f"{tool.name:20} {'reads' if reads else 'writes'}")

            for text in ("I am allergic to peanuts.", "我周末喜欢打板球。"):
                await client.call_tool("add_memory", {"text": text})

            found = await client.call_tool("search_memories", {"query": "What must I not eat?", "limit": 1})
            assert found.structured_content is not None
            print("found:", found.structured_content["results"][0]["text"])

            context = await client.call_tool("get_context", {"query": "周末做什么？", "max_tokens": 60})
            assert isinstance(context.content[0], TextContent)
            print(context.content[0].text)
            assert "板球" in context.content[0].text

            refused = await client.call_tool("search_memories", {"query": "peanuts", "user_id": "bob"})
            assert refused.is_error, "the process is held to alice"


asyncio.run(main())
