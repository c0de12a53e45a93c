"""Erasing from a file that others use: the proof must not cost anybody a lock or a write."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from keepstone import Memory, StoreCorruptError

OTHER = """
import sys
from keepstone import Memory
with Memory(sys.argv[1], embedder="none") as memory:
    if len(sys.argv) > 2:
        memory.add(sys.argv[2], user_id="bob")
    print("\\n".join(r.text for r in memory.get_all(all_scopes=True).items))
"""


def in_another_process(path: Path, *said: str) -> list[str]:
    """Add what is *said*, close, and return all texts that the process saw."""
    command = [sys.executable, "-c", OTHER, str(path), *said]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.split("\n")[:-1]


def test_an_erase_does_not_drop_the_locks_of_its_process(tmp_path: Path) -> None:
    """Closing a file drops every POSIX lock of a process on it; the scan of an erase must not do that."""
    path = tmp_path / "memory.db"
    with Memory(path, embedder="none") as memory:
        secret = memory.add("the secret word is abracadabra", user_id="alice").memories[0]
        memory.add("another thing entirely", user_id="alice")
        assert memory.erase(secret.id).verified
        in_another_process(path, "said by the other process")
        assert path.with_name("memory.db-wal").exists(), "the other process took the WAL away"
        memory.add("acknowledged after the other process closed", user_id="alice")
        expected = [
            "another thing entirely",
            "acknowledged after the other process closed",
            "said by the other process",
        ]
        assert in_another_process(path) == expected
        assert [r.text for r in memory.get_all(all_scopes=True).items] == expected


def test_every_erased_text_is_searched_for(tmp_path: Path) -> None:
    """No sample: a few thousand texts are all looked for."""
    with Memory(tmp_path / "memory.db", embedder="none") as memory:
        memory.add([{"content": f"Sentence number {i} of many, and no other"} for i in range(3000)], user_id="alice")
        receipt = memory.erase(user_id="alice")
    assert (receipt.memories, receipt.residue, receipt.verified) == (3000, 0, True)
    assert receipt.fragments >= 3000


def test_what_another_user_said_too_is_not_residue(tmp_path: Path) -> None:
    with Memory(tmp_path / "memory.db", embedder="none") as memory:
        memory.add("我们都喜欢在湖边散步和喝茶", user_id="alice")
        memory.add("我们都喜欢在湖边散步和喝茶", user_id="bob")
        receipt = memory.erase(user_id="alice")
        assert (receipt.verified, receipt.residue) == (True, 0)
        assert [r.text for r in memory.get_all(user_id="bob").items] == ["我们都喜欢在湖边散步和喝茶"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
def test_a_new_store_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "memory.db"
    with Memory(path, embedder="none") as memory:
        memory.add("nobody else's business", user_id="alice")
        modes = {stat.S_IMODE(f.stat().st_mode) for f in tmp_path.iterdir()}
    assert modes == {0o600}


def test_a_file_of_another_application_is_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    other = apsw.Connection(str(path))
    other.execute("CREATE TABLE notes(text TEXT)")
    other.close()
    before = path.read_bytes()
    with pytest.raises(StoreCorruptError), Memory(path, embedder="none") as memory:
        memory.get_all(all_scopes=True)
    assert path.read_bytes() == before
