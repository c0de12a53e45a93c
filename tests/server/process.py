"""`keepstone serve` as a process of its own: what only that shows, such as signals, streams and exit codes."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from tests.cli.running import environment

START_SECONDS_MAX = 60
SECRET = re.compile(r"^ +(ks_\S+)$", re.MULTILINE)


@dataclass
class Process:
    """A started server: what it said on stdout by then, and the process itself."""

    said: str
    running: subprocess.Popen[str]
    errors: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        found = re.search(r"REST +(\S+)/api/v1", self.said)
        assert found, self.said
        return found[1]

    @property
    def secret(self) -> str | None:
        found = SECRET.search(self.said)
        return found and found[1]

    def client(self, secret: str) -> httpx2.Client:
        return httpx2.Client(base_url=self.url, headers={"Authorization": f"Bearer {secret}"}, timeout=30)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, and return the exit code."""
        self.running.send_signal(number)
        return self.running.wait(START_SECONDS_MAX)


@contextmanager
def started(*arguments: str, until: str = "Ctrl-C stops it", cwd: Path | None = None, **more: str) -> Iterator[Process]:
    """Run a command until the block ends; it has said *until* when this yields."""
    command = [sys.executable, "-m", "keepstone", *arguments]
    # A user's own settings are no part of a test.
    env = environment(XDG_CONFIG_HOME=os.environ["KEEPSTONE_HOME"], PYTHONUNBUFFERED="1", **more)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, cwd=cwd, text=True, encoding="utf-8"
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        found = Process("", running)
        reading = threading.Thread(target=lambda: found.errors.extend(running.stderr or ()), daemon=True)
        reading.start()
        late = threading.Timer(START_SECONDS_MAX, running.kill)
        late.start()
        try:
            while until not in found.said:
                line = running.stdout.readline()
                assert line, found.said + "".join(found.errors)
                found.said += line
            # It is only a late start that ends it.
            late.cancel()
            yield found
        finally:
            late.cancel()
            running.kill()
            running.wait(START_SECONDS_MAX)
            reading.join(START_SECONDS_MAX)
