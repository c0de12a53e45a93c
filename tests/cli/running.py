"""Running the command line: inside this process for most tests, as a process of its own for what only that shows."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from keepstone.cli import app

ROOT = Path(__file__).resolve().parents[2]


def run(*arguments: str, stdin: str | bytes = "") -> Result:
    """Return what a command printed, with stdin that is no terminal."""
    return CliRunner().invoke(app, list(arguments), input=stdin)


def answer(*arguments: str, stdin: str | bytes = "") -> Any:
    """Return the JSON document that a command printed; it must have succeeded."""
    result = run(*arguments, "--json", stdin=stdin)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "src"), "KEEPSTONE_EMBEDDER": "hashing", **more}


def process(
    arguments: Sequence[str], stdin: bytes = b"", cwd: Path | None = None, **more: str
) -> subprocess.CompletedProcess[bytes]:
    """Run the real program to its end."""
    command = [sys.executable, "-m", "keepstone", *arguments]
    env = environment(**more)
    return subprocess.run(command, input=stdin, capture_output=True, env=env, cwd=cwd, timeout=60, check=False)
