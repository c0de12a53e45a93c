"""The server that `benchmarks.service` loads: ours, or Mem0's library behind an application that does the least.

    python -m benchmarks.service_app keepstone FOLDER [--memories 100000] [--users 1000]
    python -m benchmarks.service_app mem0 FOLDER --script peer_mem0.py [--memories 100000] [--users 1000]

Fills the store if it is empty, prints one JSON line with port, pid and key, and serves until stdin ends.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import workload

CHUNK = 500


def main() -> None:
    """Serve."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("side", choices=("keepstone", "mem0"))
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--script", type=Path)
    arguments.add_argument("--memories", type=int, default=100_000)
    arguments.add_argument("--users", type=int, default=1_000)
    given = arguments.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    app, key = (_keepstone if given.side == "keepstone" else _mem0)(given)
    asyncio.run(_serve(app, key))


def _keepstone(given: argparse.Namespace) -> tuple[Any, str]:
    from keepstone import Memory
    from keepstone.control import Role
    from keepstone.embedders.hashing import HashingEmbedder
    from keepstone.server.app import create_app
    from keepstone.server.service import Service
    from keepstone.server.settings import Settings
    from keepstone.stores.sqlite import SqliteStore

    path = given.folder / "memory.db"
    with Memory(path, embedder=HashingEmbedder(), chat_model="none") as memory:
        if not memory.stats().memories:
            each = given.memories // given.users
            for user in range(given.users):
                said = [{"content": workload.text(user + i * given.users)} for i in range(each)]
                memory.add(said, user_id=f"u{user}")
    settings = Settings(store=path, requests_a_minute=0, audit_reads=False)
    service = Service(settings, store=SqliteStore(path), embedder=HashingEmbedder())
    _, key = asyncio.run(service.keys.create("", "benchmark", Role.ADMIN))
    return create_app(service), key


def _mem0(given: argparse.Namespace) -> tuple[Any, str]:
    from fastapi import Body, FastAPI

    from benchmarks.speed_peer import PeerSide

    side = PeerSide(given.script, given.folder)
    if not (given.folder / "filled").exists():
        for start in range(0, given.memories, CHUNK):
            side.fill(range(start, min(given.memories, start + CHUNK)), given.users)
        (given.folder / "filled").touch()
    app = FastAPI()

    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.post("/api/v1/search")
    def search(body: dict[str, Any] = Body()) -> dict[str, int]:  # noqa: B008
        return {"found": side.search(body["query"], body["user_id"], filtered=False)}

    return app, ""


async def _serve(app: Any, key: str) -> None:
    import uvicorn

    # With the protocol stated, the event loop turns the delay of small packets off.
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(1_024)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, loop="uvloop", ws="none"))
        threading.Thread(target=_stop_at_end, args=(server,), daemon=True).start()
        started = {"port": listening.getsockname()[1], "pid": os.getpid(), "key": key}
        print(json.dumps(started), flush=True)
        await server.serve(sockets=[listening])


def _stop_at_end(server: Any) -> None:
    sys.stdin.read()
    server.should_exit = True


if __name__ == "__main__":
    main()
