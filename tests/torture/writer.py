"""The process that is killed: it changes a store at random, and says on stdout what it begins and what is done.

Run as `python -m tests.torture.writer PATH NAME ROUND SEED`. A line `done` is written only after the verb returned, so
whatever it names must survive anything.
"""

import json
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from keepstone import EmbedderMismatchError
from keepstone.embedders.hashing import HashingEmbedder
from tests.torture.truth import is_indexed, open_memory

WORDS = ("river", "蓝色的茶壶", "Lyon", "piano", "winter", "bicycle " * 80)
SPACES = (48, 64)
USERS = 3
LIVE_MAX = 900


class Writer:
    """One caller with users of its own."""

    def __init__(self, path: Path, name: str, round_: str, seed: int) -> None:
        self.path, self.name, self.round = path, name, round_
        self.chance = random.Random(seed)
        self.count = 0
        self.memory = open_memory(path)
        self.live: dict[str, tuple[str, str]] = {}
        for user in range(USERS):
            self.take_stock(f"{name}-{user}")

    def take_stock(self, user: str) -> None:
        """Learn what the ones before left."""
        for record in self.memory.get_all(user_id=user, limit=10_000).items:
            self.live[record.sources[0]] = (record.id, user)

    def run(self) -> None:
        """Go on until killed."""
        works: tuple[tuple[int, Callable[[], None]], ...] = (
            (40, self.add_one),
            (8, self.add_many),
            (15, self.update),
            (15, self.delete),
            (2, self.delete_all),
            (4, self.erase),
            (1, self.erase_all),
            (2, self.reembed),
            (10, self.search),
        )
        while True:
            work = self.chance.choices([w for _, w in works], [n for n, _ in works])[0]
            if len(self.live) > LIVE_MAX:
                work = self.erase_all
            try:
                work()
            except EmbedderMismatchError:
                # Another writer moved the store to another space.
                self.memory.close()
                self.memory = open_memory(self.path)

    def tell(self, what: str, **facts: Any) -> None:
        print(json.dumps({"what": what, **facts}, ensure_ascii=False), flush=True)

    def do(self, verb: Callable[[], Any], **facts: Any) -> Any:
        """Do one thing between two lines."""
        self.tell("begin", **facts)
        try:
            result = verb()
        except EmbedderMismatchError:
            self.tell("refused")
            raise
        self.tell("done")
        return result

    def user(self) -> str:
        return f"{self.name}-{self.chance.randrange(USERS)}"

    def some(self) -> str | None:
        return self.chance.choice(list(self.live)) if self.live else None

    def new_text(self) -> tuple[str, str]:
        self.count += 1
        key = f"{self.name}r{self.round}n{self.count}"
        return key, f"note {key} about {self.chance.choice(WORDS)}"

    def add(self, items: list[tuple[str, str]]) -> None:
        user = self.user()
        messages = [{"id": k, "content": t} for k, t in items]
        result = self.do(lambda: self.memory.add(messages, user_id=user), op="add", user=user, items=items)
        self.live.update({k: (r.id, user) for (k, _), r in zip(items, result.memories, strict=True)})

    def add_one(self) -> None:
        self.add([self.new_text()])

    def add_many(self) -> None:
        self.add([self.new_text() for _ in range(50)])

    def update(self) -> None:
        if key := self.some():
            id, text = self.live[key][0], f"note {key} now {self.new_text()[1]}"
            self.do(lambda: self.memory.update(id, text=text), op="update", key=key, text=text)

    def delete(self) -> None:
        if key := self.some():
            id = self.live[key][0]
            self.do(lambda: self.memory.delete(id), op="delete", key=key, id=id)
            del self.live[key]

    def erase(self) -> None:
        if key := self.some():
            id = self.live[key][0]
            self.do(lambda: self.memory.erase(id), op="erase", key=key, id=id)
            del self.live[key]

    def delete_all(self) -> None:
        self.clear("delete_all", self.memory.delete_all)

    def erase_all(self) -> None:
        self.clear("erase_all", self.memory.erase)

    def clear(self, op: str, verb: Callable[..., Any]) -> None:
        user = self.user()
        self.do(lambda: verb(user_id=user), op=op, user=user)
        self.live = {k: v for k, v in self.live.items() if v[1] != user}

    def reembed(self) -> None:
        now = self.memory.embedder
        other = next(d for d in SPACES if now is None or d != now.key.dimensions)
        self.do(lambda: self.memory.reembed(HashingEmbedder(other)), op="reembed")

    def search(self) -> None:
        """A search in the middle keeps the index of this process in use."""
        if key := self.some():
            _, user = self.live[key]
            if not is_indexed(self.memory, key, user):
                self.tell("stale", key=key)


def main() -> None:
    path, name, round_, seed = sys.argv[1:]
    Writer(Path(path), name, round_, int(seed)).run()


if __name__ == "__main__":
    main()
