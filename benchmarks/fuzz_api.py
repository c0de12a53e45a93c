"""Sends a server of its own what it must not stumble over, and counts what it answers.

    python -m benchmarks.fuzz_api
    python -m benchmarks.fuzz_api --examples 100 --messages 20000 --bytes 3000 --seconds 1200

Three parts: requests generated from the whole OpenAPI document (no 5xx, answers as the document says), messages at
`/mcp` that are not what the protocol says, and bytes that are not HTTP. Ends with 1 if anything was wrong.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.fuzzing import rpc, schema, wire

SHOWN = 10
STARTED = re.compile(r"REST +(\S+)/api/v1")
SECRET = "ks_" + "fuzz" * 10
ENDING_SECONDS = 30


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve an empty store in a process of its own, and give its address."""
    given = {
        "KEEPSTONE_STORE": str(folder / "memory.db"),
        "KEEPSTONE_ADMIN_KEY": SECRET,
        "KEEPSTONE_EMBEDDER": "hashing",
        "KEEPSTONE_REQUESTS_A_MINUTE": "0",
        "KEEPSTONE_PROXY_UPSTREAM": "http://127.0.0.1:9/v1",
        "KEEPSTONE_LOG_LEVEL": "error",
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-m", "keepstone", "serve", "--port", "0"]
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, **given}
        ) as running,
    ):
        assert running.stdout is not None
        try:
            yield next(found[1] for line in running.stdout if (found := STARTED.search(line)))
        finally:
            running.terminate()
            running.wait(ENDING_SECONDS)


def main() -> int:
    """Run the three parts, and say what came of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--examples", type=int, default=10, help="requests to each operation of the document")
    parser.add_argument("--messages", type=int, default=2_000, help="messages at MCP")
    parser.add_argument("--bytes", type=int, default=300, help="cases on the wire")
    parser.add_argument("--seconds", type=float, default=600.0, help="begin no operation after so many seconds")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as url:
        parts: dict[str, Callable[[], tuple[Counter[str], list[str]]]] = {
            "mcp": lambda: rpc.run(url, SECRET, given.messages, given.seed),
            "wire": lambda: wire.run(url, SECRET, given.bytes, given.seed),
            "document": lambda: schema.run(url, SECRET, given.examples, given.seconds, given.seed),
        }
        for name, part in parts.items():
            began = time.monotonic()
            answers, found = part()
            wrong += [f"{name}: {fault}" for fault in found]
            _tell(name, answers, len(found), time.monotonic() - began)
    for fault in wrong[:SHOWN]:
        print(fault)
    return 1 if wrong else 0


def _tell(name: str, answers: Counter[str], wrong: int, seconds: float) -> None:
    told = ", ".join(f"{answer}: {n}" for answer, n in sorted(answers.items()))
    print(f"{name}: {wrong} wrong in {seconds:.0f} s; {told}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
