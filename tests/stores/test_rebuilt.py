"""A store is what its ledger and its history say: built again from its archive, it shows and finds the same."""

import io
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from keepstone import ingest
from keepstone.contract import CandidateQuery, Candidates
from keepstone.errors import ConflictError, NotFoundError
from keepstone.logic import undo
from keepstone.operations import AddMemory, AppendMessage, Operation, Retire, Supersede
from keepstone.protocols import Store
from keepstone.stores.inmemory import InMemoryStore
from keepstone.stores.sqlite import SqliteStore
from keepstone.testing._agreement import by_partition, outcome, same, same_candidates, unordered
from keepstone.testing._passing import PassingStore
from keepstone.testing._script import Script, listed
from keepstone.transfer import export, restore
from keepstone.transfer.reading import items
from keepstone.types import Change, Scope

SEQUENCES = 200
STEPS = 8
WORDS = "tea Lyon Porto oboe garden Nadia moved likes 茶 搬到 上海 双簧管".split()


class Life:
    """A seeded sequence of what can happen to a memory, in a tenant of its own."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.tenant = f"life {seed}"
        self.alice = Scope(tenant=self.tenant, user_id="alice")
        self.scopes = (self.alice, replace(self.alice, run_id="monday"))
        self.script = Script(self.alice, None, seed)
        self.memories: list[str] = []
        self.messages: list[str] = []
        self.undoable: list[str] = []

    def text(self) -> str:
        return " ".join(self.random.choice(WORDS) for _ in range(4))

    def say(self) -> list[Operation]:
        """Say something, and now and then distil it at once."""
        said = self.script.say(self.text(), scope=self.random.choice(self.scopes))
        said = replace(said, memory=replace(said.memory, units=ingest.units(said.content, None)))
        self.messages.append(said.id)
        self.memories.append(said.memory.id)
        return [said, *(self.derive() if self.random.random() < 0.5 else [])]

    def derive(self) -> list[Operation]:
        """Distil a fact from messages and from earlier memories; now and then it supersedes one."""
        grounds = self.some(self.memories[-8:])
        sources = self.some(self.messages) if not grounds or self.random.random() < 0.6 else []
        made = self.script.fact(
            self.text(), sources, scope=self.random.choice(self.scopes), derived_from=tuple(grounds)
        )
        made = AddMemory(memory=replace(made.memory, units=ingest.units(made.memory.text, None)))
        older = [Supersede(memory_id=m, by=made.memory.id) for m in self.some(self.memories[-6:])[:1]]
        self.memories.append(made.memory.id)
        return [made, *(older if self.random.random() < 0.5 else [])]

    def supersede(self) -> list[Operation]:
        old, *rest = self.some(self.memories) or [""]
        return [Supersede(memory_id=old, by=rest[0] if rest else None)]

    def retire(self) -> list[Operation]:
        return [Retire(memory_id=m) for m in self.some(self.memories)[:1]]

    def some(self, known: Sequence[str]) -> list[str]:
        return self.random.sample(list(known), min(len(known), self.random.randrange(1, 3)))

    async def step(self, stores: Sequence[Store], where: str) -> None:
        """Let the next thing happen to all *stores*, alike."""
        chance = self.random.random()
        if chance < 0.12 and self.memories:
            batch, ids = self.script.batch(), self.some(self.memories)[:1]
            await both(stores, [s.erase(self.alice, ids, batch) for s in stores], where)
            return
        if chance < 0.3 and self.undoable:
            await self.undo(stores, where)
            return
        makers = (self.say, self.say, self.derive, self.derive, self.supersede, self.retire)
        batch = self.script.batch(*self.random.choice(makers)(), details={"model": "laws:one"})
        done = await both(stores, [s.apply(batch) for s in stores], where)
        if isinstance(done, str):
            made = [o for o in batch.operations if isinstance(o, AppendMessage | AddMemory)]
            self.memories = [m for m in self.memories if m not in {o.memory.id for o in made}]
            self.messages = [m for m in self.messages if m not in {o.id for o in made if isinstance(o, AppendMessage)}]
        else:
            self.undoable.append(batch.id)

    async def undo(self, stores: Sequence[Store], where: str) -> None:
        """Undo a batch in each store by the ids of its own changes."""
        id, batch = self.random.choice(self.undoable), self.script.batch()
        cascade = self.random.random() < 0.3
        plans = [await planned(s, id, self.alice, cascade=cascade) for s in stores]
        made = [[type(o).__name__ for o in plan] for plan in plans]
        same(made[0], made[1], f"what undoes {id}, {where}")
        if plans[0]:
            doing = [s.apply(replace(batch, operations=tuple(p))) for s, p in zip(stores, plans, strict=True)]
            await both(stores, doing, where)
            self.undoable.append(batch.id)


async def planned(store: Store, id: str, scope: Scope, *, cascade: bool) -> list[Operation]:
    targets: list[Change] = await store.changes(id, scope)
    histories = {m: await store.history(m, scope) for m in {c.memory_id for c in targets}}
    try:
        return undo.plan(targets, histories, cascade=cascade)
    except (ConflictError, NotFoundError):
        return []


async def both(stores: Sequence[Store], doing: Sequence[Any], where: str) -> Any:
    done = [await outcome(action) for action in doing]
    same(done[0], done[1], where)
    return done[1]


class Renumbered(PassingStore):
    """The same store, with recencies that only keep their order: a restore counts the history anew."""

    async def candidates(self, query: CandidateQuery) -> Candidates:
        found = await self.inner.candidates(query)
        order = {r: n for n, r in enumerate(sorted({c.recency for c in found.items}))}
        made = tuple(replace(c, recency=order[c.recency]) for c in found.items)
        return replace(found, items=made, corpora={n: replace(c, newest=0) for n, c in found.corpora.items()})


async def shown(store: Store, life: Life) -> dict[str, Any]:
    """What is shown of memories, review and dependants among it, and their histories."""
    seen: dict[str, Any] = {}
    for scope in life.scopes:
        records = await listed(store, life.script, scope=scope)
        seen[f"memories of {scope}"] = by_partition(unordered(r.to_dict()) for r in records)
        for id in life.memories:
            rest = await store.dependants([id], scope)
            seen[f"dependants of {id} in {scope}"] = [r.id for r in rest]
    for id in life.memories:
        seen[f"history of {id}"] = [
            c.to_dict() | {"id": "", "sequence": 0, "inverse_of": c.inverse_of is None}
            for c in await store.history(id, life.alice)
        ]
    return seen


async def test_a_store_built_again_is_the_same(tmp_path: Path) -> None:
    sqlite, rebuilt, reference = SqliteStore(tmp_path / "a.db"), SqliteStore(tmp_path / "b.db"), InMemoryStore()
    marked = superseded = 0
    for seed in range(SEQUENCES):
        life = Life(seed)
        for step in range(STEPS):
            await life.step((sqlite, reference), f"sequence {seed}, step {step}")
        out = io.StringIO()
        await export(sqlite, life.alice, out, include_retired=True)
        await restore(rebuilt, None, items(io.BufferedReader(io.BytesIO(out.getvalue().encode()))), tenant=life.tenant)
        want = await shown(reference, life)
        for name, store in (("SQLite", sqlite), ("rebuilt", rebuilt)):
            got = await shown(store, life)
            for what in want:
                same(got[what], want[what], f"{name}: {what}, sequence {seed}")
        for scope in life.scopes:
            query = life.script.ask(life.text(), scope=scope)
            await same_candidates(sqlite, reference, query, f"sequence {seed}")
            await same_candidates(Renumbered(rebuilt), Renumbered(reference), query, f"rebuilt, sequence {seed}")
        records = await listed(reference, life.script, scope=life.alice)
        marked += sum(bool(r.review) for r in records)
        superseded += sum(r.superseded_by is not None for r in records)
    assert marked > SEQUENCES // 4, "sequences that mark nothing for review prove nothing"
    assert superseded > SEQUENCES // 4
    await sqlite.close()
    await rebuilt.close()
