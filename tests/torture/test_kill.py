"""`kill -9` at random moments: what was acknowledged is there, nothing is half there, every index agrees."""

import os
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.torture.truth import Truth, findings, open_memory

ROOT = Path(__file__).resolve().parents[2]
CYCLES = int(os.environ.get("KEEPSTONE_TORTURE_CYCLES", "200"))
SEED = int(os.environ.get("KEEPSTONE_TORTURE_SEED", str(random.SystemRandom().randrange(10**6))))


class Life:
    """One writer from its start to its killing; a thread takes down what it says."""

    def __init__(self, path: Path, name: str, number: int, seed: int, module: str = "tests.torture.writer") -> None:
        arguments = [str(path), name, str(number), str(seed)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self.lines: list[str] = []
        self.errors = ""
        self.has_spoken = threading.Event()
        self._listeners = [threading.Thread(target=self._listen), threading.Thread(target=self._listen_for_errors)]
        for listener in self._listeners:
            listener.start()

    def kill(self) -> list[str]:
        """Kill it, and return every line that it said."""
        self.process.kill()
        self.process.wait(60)
        for listener in self._listeners:
            listener.join(60)
        assert self.errors == "", self.errors[-3_000:]
        return self.lines

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stream:
            for line in stream:
                self.lines.append(line)
                self.has_spoken.set()

    def _listen_for_errors(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as stream:
            self.errors = stream.read()
        self.has_spoken.set()


def verify(path: Path, truths: list[Truth], cycle: int) -> None:
    """Assert all there is to assert; the cycle and the seed stand in what fails."""
    try:
        with open_memory(path) as memory:
            for truth in truths:
                truth.compare(memory)
        assert findings(path) == []
    except AssertionError as error:
        raise AssertionError(f"cycle {cycle}, seed {SEED}: {error}") from error


def campaign(path: Path, cycles: int) -> Truth:
    """Kill one writer after the other on the same file."""
    chance, truth = random.Random(SEED), Truth("w")
    for cycle in range(cycles):
        life = Life(path, truth.name, cycle, chance.randrange(10**9))
        # Now and then it dies while it still opens the store.
        if chance.random() > 0.1:
            assert life.has_spoken.wait(60)
        threading.Event().wait(chance.expovariate(4))
        truth.hear(life.kill())
        if path.exists():
            verify(path, [truth], cycle)
    print(f"{cycles} cycles, {truth.acknowledged} acknowledged operations, {truth.messages} messages, seed {SEED}")
    return truth


def campaign_of_two(path: Path, cycles: int) -> tuple[Truth, Truth]:
    """Kill one of two writers in turn, while the other goes on."""
    chance = random.Random(SEED)
    truths = (Truth("a"), Truth("b"))
    lives = [Life(path, t.name, 0, chance.randrange(10**9)) for t in truths]
    for cycle in range(cycles):
        turn = cycle % 2
        assert lives[turn].has_spoken.wait(60)
        threading.Event().wait(chance.expovariate(4))
        truths[turn].hear(lives[turn].kill())
        verify_one(path, truths[turn], cycle)
        lives[turn] = Life(path, truths[turn].name, cycle + 1, chance.randrange(10**9))
    for life, truth in zip(lives, truths, strict=True):
        truth.hear(life.kill())
    verify(path, list(truths), cycles)
    total = sum(t.acknowledged for t in truths)
    print(f"{cycles} cycles of two, {total} acknowledged operations, {sum(t.messages for t in truths)} messages")
    return truths


def verify_one(path: Path, truth: Truth, cycle: int) -> None:
    """Assert what can be asserted while the other writer goes on: it may move the store to another space."""
    from keepstone import EmbedderMismatchError

    for _ in range(20):
        try:
            with open_memory(path) as memory:
                truth.compare(memory)
            return
        except EmbedderMismatchError:
            continue
        except AssertionError as error:
            raise AssertionError(f"cycle {cycle}, seed {SEED}: {error}") from error
    raise AssertionError("the space of the store changed under every look")


def test_one_writer(tmp_path: Path) -> None:
    truth = campaign(tmp_path / "memory.db", 10)
    assert truth.acknowledged > 0


def test_two_writers(tmp_path: Path) -> None:
    truths = campaign_of_two(tmp_path / "memory.db", 4)
    assert all(t.acknowledged > 0 for t in truths)


@pytest.mark.slow
def test_one_writer_for_long(tmp_path: Path) -> None:
    truth = campaign(tmp_path / "memory.db", CYCLES)
    assert truth.acknowledged > CYCLES


@pytest.mark.slow
def test_two_writers_for_long(tmp_path: Path) -> None:
    truths = campaign_of_two(tmp_path / "memory.db", max(10, CYCLES // 4))
    assert sum(t.acknowledged for t in truths) > CYCLES // 4
