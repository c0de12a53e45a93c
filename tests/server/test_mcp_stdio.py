"""MCP over stdio: the real program in a process of its own, asked by the SDK's own client."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from keepstone import Memory
from keepstone.testing import HashingEmbedder
from tests.cli.running import environment, run
from tests.server.connecting import connected, did, names, refused
from tests.server.serving import Serving


def files(folder: Path, pattern: str) -> list[Path]:
    """Return what lies in a folder, and not deeper."""
    return list(folder.glob(pattern))


@asynccontextmanager
async def started(*options: str, mode: str = "auto", cwd: Path | None = None, **more: str) -> AsyncIterator[Client]:
    """Start `keepstone mcp` with these options, and connect to it."""
    arguments = ["-W", "error", "-m", "keepstone", "mcp", *options]
    command = StdioServerParameters(command=sys.executable, args=arguments, env=environment(**more), cwd=cwd)
    async with Client(stdio_client(command), mode=mode) as client:
        yield client


async def test_it_works_on_the_local_store(tmp_path: Path) -> None:
    store = tmp_path / "memory.db"
    async with started("--store", str(store), "--user", "alice") as client:
        added = (await did(client, "add_memory", text="我对花生过敏。"))["results"][0]
        assert added["user_id"] == "alice"
        assert (await did(client, "search_memories", query="花生"))["results"][0]["id"] == added["id"]
        assert (await refused(client, "search_memories", query="花生", user_id="bob"))[0] == "forbidden"
        assert {r.name for r in (await client.list_resources()).resources} == {"profile", "changes"}
    with Memory(store, embedder=HashingEmbedder()) as memory:
        assert memory.get(added["id"], user_id="alice").text == "我对花生过敏。"
        assert memory.history(added["id"])[0].actor == "key:stdio"


async def test_role_and_profile_hold_the_agent_to_less(tmp_path: Path) -> None:
    # What the folder that an agent works in says must not matter: it may come from anywhere.
    (tmp_path / "keepstone.toml").write_text(f'store = "{tmp_path}/theirs.db"\nmcp_profile = "chatgpt"\n')
    async with started("--role", "read", cwd=tmp_path, mode="legacy", KEEPSTONE_MCP_PROFILE="mem0") as client:
        assert {"search_memories", "list_entities"} <= await names(client)
        assert "add_memory" not in await names(client)
        assert (await refused(client, "add_memory", text="x", user_id="alice"))[0] == "forbidden"
        assert (await did(client, "search_memories", query="x", user_id="alice"))["results"] == []
        code, sentence = await refused(client, "search_memories", query="x")
        assert (code, "--user" in sentence) == ("scope", True)
    assert files(tmp_path, "*.db") == []


async def test_it_passes_on_to_a_running_server(server: Serving) -> None:
    secret = server.key("write", user_id="alice")
    async with started("--url", server.url, KEEPSTONE_API_KEY=secret) as client:
        id = (await did(client, "add_memory", text="I like tea."))["results"][0]["id"]
        assert (await refused(client, "get_memory", memory_id="missing"))[0] == "not_found"
        assert "tea" in str((await client.read_resource("keepstone://users/alice/changes")).contents)
        assert "tea" in str((await client.get_prompt("recall", {"question": "tea?"})).messages)
    async with connected(server) as client:
        assert (await did(client, "get_memory", memory_id=id))["user_id"] == "alice"


def test_what_is_wrong_is_said_before_it_begins(server: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    for options, said, key in (
        (["--url", server.url], "KEEPSTONE_API_KEY", ""),
        (["--url", server.url], "does not know this key", "ks_wrong"),
        (["--url", "http://127.0.0.1:1"], "cannot be reached", "ks_x"),
        (["--url", "nowhere"], "http://", "ks_x"),
        (["--profile", "nothing"], "no such profile", ""),
    ):
        monkeypatch.setenv("KEEPSTONE_API_KEY", key)
        ended = run("mcp", *options)
        assert ended.exit_code in (1, 2)
        assert said in ended.stderr
        assert ended.stdout == ""
