"""Mem0's own clients, as they come from the registries, against a server of ours. `make contract` runs this.

CONTRACT_HOME is the folder with their environments. Nothing of them can reach further than this machine.
"""

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from keepstone import AsyncMemory, MemoryRecord
from keepstone.testing import HashingEmbedder, InMemoryStore
from keepstone.transfer import ImportReport, import_mem0, read_folder
from tests.server.serving import Serving, serving

HERE = Path(__file__).parent
HOME = Path(os.environ.get("CONTRACT_HOME", HERE.parent.parent / "build" / "contract")).resolve()
SECONDS_MAX = 240


@pytest.fixture
def server() -> Iterator[Serving]:
    with serving(webhooks_to_private_hosts=True) as found:
        yield found


def run(server: Serving, folder: Path, *command: str | Path, status: int = 0) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "MEM0_DIR": str(folder / "mem0"),
        "MEM0_TELEMETRY": "false",
        "MEM0_API_KEY": server.secret,
        "MEM0_BASE_URL": server.url + "/mem0",
        "CONTRACT_HOST": server.url + "/mem0",
        "CONTRACT_KEY": server.secret,
        "CONTRACT_MODULES": str(HOME / "typescript"),
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "NO_PROXY": "127.0.0.1",
        "NO_COLOR": "1",
    }
    done = subprocess.run(
        [str(c) for c in command], env=environment, capture_output=True, text=True, timeout=SECONDS_MAX, cwd=folder
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout


def test_the_python_client(server: Serving, tmp_path: Path) -> None:
    assert run(server, tmp_path, HOME / "python/bin/python", HERE / "python_client.py").endswith("done\n")


def test_the_typescript_client(server: Serving, tmp_path: Path) -> None:
    assert run(server, tmp_path, "node", HERE / "typescript_client.mjs").endswith("done\n")


def test_the_command_line(server: Serving, tmp_path: Path) -> None:
    def mem0(*words: str, status: int = 0) -> Any:
        out = run(server, tmp_path, HOME / "cli/bin/mem0", "--json", *words, status=status)
        return json.loads(out)

    def rows(*words: str) -> list[dict[str, Any]]:
        found = mem0(*words)["data"]
        return list(found if isinstance(found, list) else found.get("results", [found]))

    mem0("status")
    added = mem0("add", "I row on Fridays.", "--user-id", "ana", "--metadata", '{"topic": "sport"}')
    assert added["status"] == "success"
    mem0("add", "周末我打羽毛球。", "--user-id", "ana", "--expires", "2999-01-01")
    # The command asks for a score of 0.3 at least unless it is told.
    found = rows("search", "row fridays", "--user-id", "ana", "--threshold", "0.1")
    assert found[0]["memory"] == "I row on Fridays."
    id = found[0]["id"]
    assert rows("get", id)[0]["memory"] == "I row on Fridays."
    assert len(rows("list", "--user-id", "ana")) == 2
    assert len(rows("list", "--user-id", "ana", "--page", "2", "--page-size", "1")) == 1
    mem0("update", id, "I row on Mondays.")
    assert rows("get", id)[0]["memory"] == "I row on Mondays."
    events = rows("event", "list")
    assert mem0("event", "status", events[0]["id"])["data"]["status"] == "SUCCEEDED"
    assert [e["name"] for e in rows("entity", "list", "users")] == ["ana"]
    mem0("delete", id, "--force")
    assert [r["memory"] for r in rows("list", "--user-id", "ana")] == ["周末我打羽毛球。"]
    mem0("delete", "--all", "--user-id", "ana", "--force")
    mem0("add", "I am back.", "--user-id", "ana")
    mem0("entity", "delete", "--user-id", "ana", "--force")
    assert rows("entity", "list", "users") == []
    mem0("get", id, status=1)


def test_a_store_that_mem0_wrote_comes_over(server: Serving, tmp_path: Path) -> None:
    run(server, tmp_path, HOME / "python/bin/python", HERE / "python_store.py", tmp_path)

    async def brought() -> tuple[ImportReport, list[MemoryRecord]]:
        memory = AsyncMemory(store=InMemoryStore(), embedder=HashingEmbedder(), chat_model="none")
        await import_mem0(memory, read_folder(tmp_path))
        report = await import_mem0(memory, read_folder(tmp_path))
        return report, list((await memory.get_all(user_id="ana")).items)

    report, records = asyncio.run(brought())
    assert (report.messages, report.known) == (0, 2)
    assert [r.text for r in records] == ["I live in Nice.", "我喜欢徒步。"]
    assert [dict(r.metadata).get("topic") for r in records] == ["home", None]
    assert records[0].revision == 2
