"""Run one page's blocks in order; started as a process of its own by test_code_blocks.py.

The python blocks of a page share one namespace and one folder, and may await at top level.
A bash block starts in a folder and a home of its own.
A block marked `continues` takes those of the block before it.
A bash block marked `serves` starts a server, which runs until the page ends. For the blocks after it, KEEPSTONE_URL and
KEEPSTONE_API_KEY are set, and the address that the page gives is the one that the server has.
"""

import ast
import asyncio
import inspect
import os
import re
import signal
import subprocess
import sys
import traceback
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.conftest import refuse_unless_loopback
from tests.docs.pages import Block, read_blocks

BASH_SECONDS_MAX = 120
SERVING = "Ctrl-C stops it."
USUAL_ADDRESS = re.compile(r"http://(?:localhost|127\.0\.0\.1):8765")


def block_network(event: str, arguments: tuple[Any, ...]) -> None:
    """Hold the page to this machine; an audit hook, since the page's code runs outside pytest's fixtures."""
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        refuse_unless_loopback(arguments[1][0])
    elif event == "socket.getaddrinfo":
        refuse_unless_loopback(arguments[0])


class PageRun:
    """The state that one page's blocks share."""

    def __init__(self, page: Path, folder: Path) -> None:
        self.page = page
        self.folder = folder
        self.current = folder / "python"
        self.namespace: dict[str, Any] = {"__name__": "__main__"}
        self.loop = asyncio.new_event_loop()
        self.server: subprocess.Popen[str] | None = None
        self.address = ""

    def run(self, block: Block) -> None:
        if not block.continues:
            self.current = self.folder / ("python" if block.language == "python" else f"bash-{block.line}")
        self.current.mkdir(exist_ok=True)
        os.chdir(self.current)
        os.environ["KEEPSTONE_HOME"] = str(self.current / ".keepstone")
        if self.address:
            block = replace(block, code=USUAL_ADDRESS.sub(self.address, block.code))
        if block.serves:
            self.serve(block)
        elif block.language == "bash":
            command = ["bash", "-euo", "pipefail", "-c", block.code]
            subprocess.run(command, check=True, timeout=BASH_SECONDS_MAX, stdin=subprocess.DEVNULL)
        elif block.raises:
            self.expect(block)
        else:
            self.execute(block)

    def serve(self, block: Block) -> None:
        """Start a server on a free port: the usual one may be taken, by another page or by the reader's own."""
        # A group of its own, so that the server ends with the shell that started it.
        self.server = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", block.code],
            env={**os.environ, "KEEPSTONE_PORT": "0", "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.server.stdout is not None
        said = ""
        for line in self.server.stdout:
            said += line
            if SERVING in line:
                break
        found = re.search(r"REST +(\S+)/api/v1", said)
        assert found, f"it does not serve: {said}"
        self.address = os.environ["KEEPSTONE_URL"] = found[1]
        secret = re.search(r"ks_\S+", said)
        if secret is not None:
            os.environ["KEEPSTONE_API_KEY"] = secret[0]

    def stop(self) -> None:
        """End the page's server, and whatever it started."""
        if self.server is None:
            return
        os.killpg(self.server.pid, signal.SIGTERM)
        try:
            self.server.wait(BASH_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            os.killpg(self.server.pid, signal.SIGKILL)
            raise

    def execute(self, block: Block) -> None:
        # Blank lines in front make a traceback's line numbers those of the page.
        source = "\n" * (block.line - 1) + block.code
        code = compile(source, str(self.page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        waiting = eval(code, self.namespace)
        if code.co_flags & inspect.CO_COROUTINE:
            self.loop.run_until_complete(waiting)

    def expect(self, block: Block) -> None:
        try:
            self.execute(block)
        except Exception as error:  # whatever the page promises; any other kind is raised again
            if block.raises not in {kind.__name__ for kind in type(error).__mro__}:
                raise
            return
        raise AssertionError(f"the page says that this raises {block.raises}, and it does not")

    def close(self) -> None:
        """Close what the page left open, as a reader's process would on leaving."""
        for value in list(self.namespace.values()):
            close = getattr(value, "close", None)
            if callable(close) and not inspect.isclass(value) and not inspect.ismodule(value):
                result = close()
                if inspect.isawaitable(result):
                    self.loop.run_until_complete(result)
        self.loop.close()


def main() -> int:
    page, folder = Path(sys.argv[1]), Path(sys.argv[2])
    sys.addaudithook(block_network)
    page_run = PageRun(page, folder)
    try:
        for block in read_blocks(page):
            if block.language not in ("python", "bash"):
                continue
            try:
                page_run.run(block)
            except Exception:  # the page's own error, reported with its place
                traceback.print_exc()
                print(f"\n{page}:{block.line}: this {block.language} block failed:\n{block.code}", file=sys.stderr)
                return 1
        page_run.close()
    finally:
        page_run.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
