"""Generated batches: a seeded source of operations, mostly such as can be done."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from keepstone.logic.entities import name_id, name_keys
from keepstone.logic.entities.folding import NameKey
from keepstone.logic.ids import bucket, bucket_of, partition
from keepstone.naming import Mention
from keepstone.operations import (
    AddMemory,
    AppendMessage,
    Batch,
    Disjoin,
    Enqueue,
    EnterCall,
    Feedback,
    Finish,
    Join,
    MergeNames,
    Operation,
    Restore,
    Retire,
    RetireScope,
    Revert,
    SourceSpan,
    Supersede,
    UnmergeNames,
)
from keepstone.results import Receipt
from keepstone.testing._script import ALICE, START, Script
from keepstone.types import Kind, Scope, Span, Status

# How many a sequence has.
BATCHES = 14
JOBS = ("distil", "merge")

SCOPES = (
    ALICE,
    Scope(user_id="alice", run_id="monday"),
    Scope(user_id="alice", agent_id="coach"),
    Scope(user_id="bob", agent_id="coach", run_id="monday"),
    Scope(agent_id="coach"),
    Scope(run_id="monday"),
)
VIEWS = (*SCOPES, Scope(), Scope(user_id="carol"), Scope(app_id="web"))

WORDS = (
    "tea coffee Lyon Paris garden river hiking piano dentist Tuesday moved bought likes sister Marta "
    "train blue small never every 上海 喜欢 喝茶 搬到 昨天 钢琴 妹妹"
).split()

# What facts mention: some names are given by several, some to a person and to a place.
MENTIONS = (
    Mention(name="Marta", kind="person"),
    Mention(name="Marta", kind="person", aliases=("妹妹", "Tita")),
    Mention(name="Tita", kind="person"),
    Mention(name="Lyon", kind="place"),
    Mention(name="Lyon", kind="person", aliases=("Tuesday",)),
    Mention(name="the Piano", kind="thing", aliases=("钢琴",)),
)


class Chaos:
    """A seeded source of batches over memories that it has seen; some of them must fail."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.script = Script(seed=seed)
        self.memories: list[str] = []
        self.messages: list[tuple[str, Scope]] = []
        self.spoken: list[AppendMessage] = []
        self.facts: list[str] = []
        self.named: list[tuple[Scope, NameKey]] = []
        self.merges: list[MergeNames] = []
        self.jobs: list[str] = []
        self.keys: list[Batch] = []
        self.repeated = False

    def batch(self) -> Batch:
        """Return the next batch; now and then an earlier one again under its key."""
        if self.keys and self.random.random() < 0.05:
            earlier = self.random.choice(self.keys)
            self.repeated = True
            return replace(earlier, id=self.script.id(), fingerprint=self.random.choice((b"one", b"two")))
        self.repeated = False
        operations = tuple(self.operation() for _ in range(self.random.choice((1, 1, 2, 3, 5))))
        details = {"model": "laws:one", "n": len(operations)} if self.random.random() < 0.4 else {}
        batch = self.script.batch(*operations, details=details)
        if self.random.random() < 0.15:
            key = self.script.id()
            batch = replace(batch, scope=ALICE, idempotency_key=key, fingerprint=b"one")
            self.keys.append(batch)
        return batch

    def forget(self, batch: Batch) -> None:
        """Take it that nothing of *batch* was stored, unless it came for the second time."""
        if self.repeated:
            return
        if batch in self.keys:
            self.keys.remove(batch)
        for operation in batch.operations:
            if isinstance(operation, AppendMessage):
                self.spoken.remove(operation)
                self.messages.remove((operation.id, operation.scope))
            if isinstance(operation, AppendMessage | AddMemory):
                self.memories.remove(operation.memory.id)
            if isinstance(operation, AddMemory):
                self.facts.remove(operation.memory.id)

    def operation(self) -> Operation:
        """Return one operation; mostly one that can be done."""
        makers = (
            self.say, self.say, self.say, self.again, self.fact, self.fact, self.revise, self.supersede, self.turn,
            self.join, self.judge, self.work, self.merge,
        )  # fmt: skip
        return self.random.choice(makers)()

    def text(self) -> str:
        """Return a sentence, sometimes several: a memory of more than one unit."""
        count = self.random.choice((3, 5, 8, 60))
        return " ".join(self.random.choice(WORDS) for _ in range(count)) + "."

    def say(self) -> AppendMessage:
        """Say something new."""
        chance = self.random.random
        said = self.script.say(
            self.text(),
            scope=self.random.choice(SCOPES),
            role=self.random.choice(("user", "assistant")),
            id=f"m{self.random.randrange(12)}" if chance() < 0.15 else None,
            timestamp=self.script.now if chance() < 0.3 else None,
            metadata={"n": self.random.randrange(4), "tags": ["a", "b"][: self.random.randrange(3)]},
            expires_at=self.script.now + timedelta(seconds=self.random.randrange(20)) if chance() < 0.1 else None,
        )
        self.spoken.append(said)
        self.messages.append((said.id, said.scope))
        self.memories.append(said.memory.id)
        return said

    def again(self) -> Operation:
        """Say something again, as it was."""
        if not self.spoken:
            return self.say()
        earlier = self.random.choice(self.spoken)
        said = self.script.say(
            earlier.content,
            scope=earlier.scope,
            role=earlier.role,
            id=earlier.external_id,
            timestamp=earlier.occurred_at,
            metadata=earlier.metadata,
        )
        self.spoken.append(said)
        self.messages.append((said.id, said.scope))
        self.memories.append(said.memory.id)
        return said

    def fact(self) -> AddMemory:
        """Distil a fact from a message or two."""
        sources = self.random.sample(self.messages, min(len(self.messages), self.random.randrange(1, 3)))
        scope = sources[0][1] if sources else ALICE
        kind = self.random.choice((Kind.FACT, Kind.PROFILE))
        since = self.script.now - timedelta(days=self.random.randrange(3)) if self.random.random() < 0.3 else None
        until = self.script.now + timedelta(seconds=self.random.randrange(9)) if self.random.random() < 0.1 else None
        made = self.script.fact(
            self.text(),
            [s for s, _ in sources],
            scope=scope,
            kind=kind,
            derived_from=self.grounds(scope),
            valid_from=since,
            valid_to=until,
            categories=self.random.choice(((), ("home",))),
            entities=self.mentions(),
        )
        self.memories.append(made.memory.id)
        self.facts.append(made.memory.id)
        self.named += [(scope, key) for mention in made.memory.entities for key in name_keys(mention)]
        return made

    def mentions(self) -> tuple[Mention, ...]:
        """Return what something mentions, mostly something."""
        return tuple(self.random.sample(MENTIONS, self.random.choice((0, 1, 1, 2))))

    def merge(self) -> Operation:
        """Merge two names, or take that back; mostly such as a scope has."""
        if not self.named:
            return self.fact()
        scope, key = self.random.choice(self.named[-8:])
        others = [k for s, k in self.named if partition(s) == partition(scope) and k != key] or [key]
        home = partition(scope)
        one, into = name_id(home, key), name_id(home, self.random.choice(others))
        if self.merges and self.random.random() < 0.4:
            made = self.random.choice(self.merges)
            return UnmergeNames(scope=made.scope, one=made.one, into=made.into)
        whose = self.random.choice((scope.of_owner, scope.of_owner, scope))
        self.merges.append(MergeNames(scope=whose, one=one, into=into, reason=self.random.choice((None, "the same"))))
        return self.merges[-1]

    def grounds(self, scope: Scope) -> tuple[str, ...]:
        """Return what a new memory of *scope* rests on: mostly earlier ones of its owner, if there are any."""
        if self.random.random() < 0.4:
            return ()
        wanted = bucket(scope)
        known = [m for m in self.memories if bucket_of(m) == wanted] or self.memories
        return tuple(self.random.sample(known, min(len(known), self.random.randrange(1, 3))))

    def join(self) -> Operation:
        """Let messages be sources of a fact too, or take some away."""
        memory = self.random.choice(self.facts[-6:]) if self.facts else self.some()
        some = [i for i, _ in self.random.sample(self.messages, min(len(self.messages), 2))]
        expected = self.random.choice((None, None, 1))
        if self.random.random() < 0.4:
            return Disjoin(memory_id=memory, message_ids=tuple(some), expected_revision=expected)
        spans = tuple(SourceSpan(message_id=i, span=self.random.choice((None, Span(start=0, end=2)))) for i in some)
        return Join(memory_id=memory, sources=spans, expected_revision=expected)

    def judge(self) -> Operation:
        """Give feedback, or enter what a call cost."""
        if self.random.random() < 0.7:
            return Feedback(memory_id=self.some(), value=self.random.choice((-0.75, -0.25, 0.25, 0.5, 3.0)))
        model, price = self.random.choice((("laws:one", 0.25), ("laws:two", None)))
        one = Receipt(
            model=model, purpose="distil", prompt="p/1/en", input_tokens=self.random.randrange(99), output_tokens=1,
            milliseconds=1.5, at=self.script.now, price_usd=price,
        )  # fmt: skip
        return EnterCall(id=self.script.id(), scope=self.random.choice(SCOPES), receipt=one)

    def work(self) -> Operation:
        """Put a job into the queue, or finish one."""
        if self.jobs and self.random.random() < 0.4:
            return Finish(job_id=self.random.choice(self.jobs), attempts=self.random.randrange(3))
        job = Enqueue(
            id=self.script.id(),
            scope=self.random.choice(SCOPES),
            kind=self.random.choice(JOBS),
            payload={"messages": [i for i, _ in self.messages[-2:]]},
            lane=self.random.choice(("", "one", "two")),
            dedupe=self.random.choice((None, None, "k")),
        )
        self.jobs.append(job.id)
        return job

    def some(self) -> str:
        """Return the id of some memory, perhaps of none."""
        recent = self.memories[-12:]
        return self.random.choice(recent) if recent and self.random.random() < 0.97 else self.script.id()

    def revise(self) -> Operation:
        """Change a text, or go back to an earlier one."""
        expected = self.random.choice((None, None, None, 1, 2))
        if self.random.random() < 0.3:
            return Revert(memory_id=self.some(), revision=1, expected_revision=expected)
        named = self.random.choice((None, None, self.mentions()))
        return self.script.revise(
            self.some(), self.text(), metadata={"n": 9}, expected_revision=expected, entities=named
        )

    def supersede(self) -> Supersede:
        """Declare something no longer true."""
        old, by = self.some(), self.some()
        at = self.script.now - timedelta(days=1) if self.random.random() < 0.5 else None
        return Supersede(memory_id=old, by=by if by != old and self.random.random() < 0.7 else None, at=at)

    def turn(self) -> Operation:
        """Take something back, or bring it back."""
        chance = self.random.random()
        if chance < 0.1:
            return RetireScope(scope=self.random.choice(VIEWS))
        if chance < 0.5:
            alone = self.random.random() < 0.3
            expected = self.random.choice((None, None, 1))
            return Retire(memory_id=self.some(), expected_revision=expected, keeps_sources=alone)
        status = self.random.choice((Status.CURRENT, Status.CURRENT, Status.SUPERSEDED))
        return Restore(memory_id=self.some(), status=status)

    def moments(self, batches: int) -> Iterator[dict[str, Any]]:
        """Yield moments to ask about after *batches* batches: in the world, of the store, and both."""
        first, length = START - timedelta(days=2), timedelta(days=2, seconds=batches)
        as_of = first + self.random.choice((0.2, 0.6, 1.0)) * length - timedelta(seconds=self.random.randrange(batches))
        known_at = START + timedelta(seconds=self.random.randrange(batches))
        yield {"as_of": as_of}
        yield {"known_at": known_at}
        yield {"as_of": as_of, "known_at": known_at}

    def erasure(self) -> tuple[Scope, list[str] | None, Batch]:
        """Return what to erase; which idempotency keys it frees is not promised, so none is used again."""
        self.keys.clear()
        ids = [self.some()] if self.memories and self.random.random() < 0.8 else None
        return self.random.choice((Scope(), *SCOPES)), ids, self.script.batch()
