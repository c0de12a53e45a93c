"""Every script in examples/ runs to its end; what it promises it asserts itself."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
SECONDS_MAX = 120


def test_there_are_examples() -> None:
    assert EXAMPLES


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_runs(example: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", str(example)]
    result = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", timeout=SECONDS_MAX
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert result.stdout, "an example shows something"
    assert not list(tmp_path.rglob("*.db")), "an example leaves no store behind"


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_says_how_to_run_it(example: Path) -> None:
    assert f"python examples/{example.name}" in example.read_text(encoding="utf-8")
