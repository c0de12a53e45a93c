"""The process that is killed while it distils: every message has a fact of its own, said once.

Run as `python -m tests.torture.distiller PATH NAME ROUND SEED`. A line is written for each `add` that returned.
"""

import asyncio
import json
import logging
import random
import sys
from typing import Any

from keepstone import Memory
from keepstone.chat import ChatReply, ChatRequest
from keepstone.embedders.hashing import HashingEmbedder
from keepstone.testing import ScriptedChatModel
from tests.distillation.speaking import repeated_all

USERS = 2


class Slow:
    """A model that repeats what it hears, after a random moment, and fails now and then."""

    name = "slow"

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._script = ScriptedChatModel(self._answer)

    async def reply(self, request: ChatRequest) -> ChatReply:
        """Reply after up to twenty milliseconds."""
        await asyncio.sleep(self._chance.random() * 0.02)
        return await self._script.reply(request)

    def _answer(self, request: ChatRequest) -> Any:
        return "no JSON" if self._chance.random() < 0.1 else repeated_all(request)


def text(key: str) -> str:
    """Return the message of a key, which is its fact, too."""
    return f"The brass key {key} hangs in the hall."


def main() -> None:
    path, name, round_, seed = sys.argv[1:]
    # A dead letter is expected here; what stands on stderr is not.
    logging.getLogger("keepstone").setLevel(logging.ERROR)
    chance = random.Random(int(seed))
    memory = Memory(path, embedder=HashingEmbedder(48), chat_model=Slow(chance))
    count = 0
    while True:
        user = f"{name}-{chance.randrange(USERS)}"
        keys = []
        for _ in range(chance.choice((1, 1, 3))):
            count += 1
            keys.append(f"{name}{round_}n{count}")
        messages = [{"id": k, "role": "user", "content": text(k)} for k in keys]
        # Not for good: a job of the one killed before has its lease for a minute.
        memory.add(messages, user_id=user, wait=chance.choice((0, 0.01, 2.0)))
        print(json.dumps({"user": user, "keys": keys}), flush=True)


if __name__ == "__main__":
    main()
