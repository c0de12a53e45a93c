"""How long it takes from nothing to the first answers of a server, over REST, MCP and the dashboard.

    python -m benchmarks.first_answer [--embedder local]

Starts `keepstone serve` as a fresh process over an empty folder, with its defaults, adds one message over REST and asks
for it over each surface. Prints the seconds from the start of the process to each answer, as one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx2

SECONDS_MAX = 120
SAID, ASKED = "I am allergic to peanuts.", "What must Alice not eat?"


def measured(url: str, secret: str, since: float) -> dict[str, float]:
    """Return the seconds from *since* to the first answer of each surface."""
    found = {"serving": time.perf_counter() - since}
    headers = {"Authorization": f"Bearer {secret}"}
    with httpx2.Client(base_url=url, headers=headers, timeout=SECONDS_MAX) as client:
        client.post("/api/v1/memories", json={"messages": SAID, "user_id": "alice"}).raise_for_status()
        found["first add"] = time.perf_counter() - since
        answer = client.post("/api/v1/search", json={"query": ASKED, "user_id": "alice"}).raise_for_status()
        assert answer.json()["items"][0]["memory"]["text"] == SAID
        found["first search over REST"] = time.perf_counter() - since
        call = {"name": "search_memories", "arguments": {"query": ASKED, "user_id": "alice"}}
        asked = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
        accepting = {"Accept": "application/json, text/event-stream"}
        assert SAID in client.post("/mcp", json=asked, headers=accepting).raise_for_status().text
        found["first search over MCP"] = time.perf_counter() - since
        assert "Keepstone" in client.get("/ui/", follow_redirects=True).raise_for_status().text
        found["first page of the dashboard"] = time.perf_counter() - since
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--embedder", default="local")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("KEEPSTONE_")}
        environment |= {"KEEPSTONE_HOME": folder, "XDG_CONFIG_HOME": folder, "PYTHONUNBUFFERED": "1"}
        command = [sys.executable, "-m", "keepstone", "serve", "--port", "0", "--embedder", wanted.embedder]
        since = time.perf_counter()
        with (
            (Path(folder) / "log").open("w", encoding="utf-8") as log,
            subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment, cwd=folder
            ) as server,
        ):
            try:
                assert server.stdout is not None
                said = "".join(iter(server.stdout.readline, "Ctrl-C stops it.\n"))
                url, secret = re.search(r"REST +(\S+)/api/v1", said), re.search(r"ks_\S+", said)
                assert url, said
                assert secret, said
                found = measured(url[1], secret[0], since)
            finally:
                server.terminate()
                server.wait(SECONDS_MAX)
    print(json.dumps({name: round(seconds, 2) for name, seconds in found.items()}))


if __name__ == "__main__":
    main()
