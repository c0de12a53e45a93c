"""What a killed writer said that it had done, and whether the store agrees."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keepstone import Action, Memory
from keepstone.embedders.hashing import HashingEmbedder
from keepstone.stores.sqlite import SqliteStore

FIRST_SPACE = 48
LISTED_MAX = 10_000
HITS_MAX = 1_000


def open_memory(path: Path) -> Memory:
    """Open the store with the embedder whose vectors it holds."""

    async def space() -> int:
        store = SqliteStore(path)
        found = await store.embedder()
        await store.close()
        return FIRST_SPACE if found is None else found.dimensions

    return Memory(path, embedder=HashingEmbedder(asyncio.run(space())))


def is_indexed(memory: Memory, key: str, user: str) -> bool:
    """Return whether a search for *key* finds the memory that says it by that very word and by its vector.

    Where it stands among the hits is no matter here: the hashing embedder of these tests knows no meaning.
    """
    for hit in memory.search(key, user_id=user, limit=HITS_MAX, explain=True):
        if hit.sources[0] == key and hit.explanation is not None:
            signals = {s.name: s.value for s in hit.explanation.signals}
            return signals.get("bm25", 0.0) > 0 and "cosine" in signals
    return False


@dataclass(slots=True)
class Live:
    """A memory that must be there."""

    user: str
    text: str


@dataclass(slots=True)
class Truth:
    """What one writer was told, over all its lives; `pending` is what it was doing when it was killed."""

    name: str
    live: dict[str, Live] = field(default_factory=dict)
    gone: dict[str, Action] = field(default_factory=dict)
    pending: dict[str, Any] | None = None
    acknowledged: int = 0
    messages: int = 0

    def hear(self, lines: Iterable[str]) -> None:
        """Take in the lines of one life; the last may be torn."""
        for line in lines:
            if not line.endswith("\n"):
                return
            said = json.loads(line)
            what = said.pop("what")
            assert what in ("begin", "done", "refused"), f"{self.name} said {what}: {said}"
            if what == "begin":
                self.pending = said
                continue
            assert self.pending is not None
            if what == "done":
                self.acknowledged += 1
                self.apply(self.pending)
            self.pending = None

    def apply(self, act: dict[str, Any]) -> None:
        """Let *act* be true."""
        op, user = act["op"], act.get("user", "")
        if op == "add":
            self.live.update({k: Live(user, t) for k, t in act["items"]})
            self.messages += len(act["items"])
        elif op == "update":
            self.live[act["key"]].text = act["text"]
        elif op in ("delete", "erase"):
            del self.live[act["key"]]
            self.gone[act["id"]] = Action.DELETE if op == "delete" else Action.ERASE
        elif op in ("delete_all", "erase_all"):
            self.live = {k: v for k, v in self.live.items() if v.user != user}
            if op == "erase_all":
                # What was deleted before may have been erased now.
                self.gone = {i: a for i, a in self.gone.items() if a is Action.ERASE}

    def resolve(self, seen: dict[str, Live]) -> None:
        """Decide from *seen* whether the pending act happened: all of it, or nothing."""
        act, self.pending = self.pending, None
        if act is None or act["op"] == "reembed":
            return
        op = act["op"]
        if op == "add":
            there = [k in seen for k, _ in act["items"]]
            assert len(set(there)) == 1, f"half a batch: {sum(there)} of {len(there)}"
            happened = there[0]
        elif op == "update":
            happened = act["key"] in seen and seen[act["key"]].text == act["text"]
        elif op in ("delete", "erase"):
            happened = act["key"] not in seen
        else:
            mine = [k for k, v in self.live.items() if v.user == act["user"]]
            left = [k for k in mine if k in seen]
            assert left in ([], mine), f"half of {op}: {len(left)} of {len(mine)} left"
            happened = not left
        if happened:
            self.apply(act)

    def compare(self, memory: Memory) -> None:
        """Assert that the store holds exactly what must be there, and that search finds it."""
        seen: dict[str, Live] = {}
        for user in [f"{self.name}-{n}" for n in range(3)]:
            items = memory.get_all(user_id=user, limit=LISTED_MAX).items
            seen.update({r.sources[0]: Live(user, r.text) for r in items})
        self.resolve(seen)
        assert self.live.keys() - seen.keys() == set(), "lost"
        assert seen.keys() - self.live.keys() == set(), "came back"
        assert seen == self.live
        for user in {v.user for v in self.live.values()}:
            expected = {v.text for v in self.live.values() if v.user == user}
            hits = memory.search("note", user_id=user, limit=HITS_MAX)
            assert len(hits) == min(len(expected), HITS_MAX)
            assert {h.text for h in hits} <= expected
        for key in list(self.live)[-20:]:
            assert is_indexed(memory, key, self.live[key].user), f"{key} is in no index"
        for id, action in list(self.gone.items())[-20:]:
            history = memory.history(id)
            assert history[-1].action is action
            assert action is Action.DELETE or len(history) == 1


def findings(path: Path) -> list[str]:
    """Return what a check of the file finds wrong."""

    async def look() -> list[str]:
        store = SqliteStore(path)
        found = [f"{f.name}: {f.detail}" for f in await store.check() if not f.ok]
        await store.close()
        return found

    return asyncio.run(look())
