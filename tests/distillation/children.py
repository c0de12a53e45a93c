"""What child processes of the tests do, run as `python -m tests.distillation.children NAME PATH …`."""

import os
import sys

from keepstone import Memory
from keepstone.embedders.hashing import HashingEmbedder
from keepstone.testing import ScriptedChatModel
from tests.distillation.speaking import repeated

WRITES = 12


def opened(path: str) -> Memory:
    """Return a memory of the file at *path* with a model that takes its time."""
    return Memory(path, embedder=HashingEmbedder(64), chat_model=ScriptedChatModel(repeated, delay=0.002))


def write(path: str, who: str) -> None:
    """Add facts of one user, now waiting for each and now not."""
    with opened(path) as memory:
        for n in range(WRITES):
            result = memory.add(f"The brass key of {who} is in drawer {n}.", user_id="u", wait=None if n % 3 else 0)
            assert result.distilled is not None
            assert result.distilled.status in (("done",) if n % 3 else ("done", "pending")), result.distilled
        assert [j for j in memory.flush(user_id="u") if j.state == "dead"] == []


def fork(path: str) -> None:
    """Use a memory, fork, and use it in both processes."""
    memory = opened(path)
    memory.add("The brass key of before is in drawer 1.", user_id="u")
    pid = os.fork()
    who = "parent" if pid else "child"
    result = memory.add(f"The brass key of {who} is in drawer 1.", user_id="u")
    assert result.distilled is not None
    assert result.distilled.status == "done", result.distilled
    if pid == 0:
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    memory.close()


if __name__ == "__main__":
    if sys.argv[1] == "fork":
        fork(sys.argv[2])
    else:
        write(*sys.argv[2:])
