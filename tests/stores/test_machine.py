"""Hypothesis drives SQLite and the reference through the same operations, and shrinks where they part."""

import asyncio
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from keepstone.logic.entities import name_id, name_keys
from keepstone.logic.entities.folding import NameKey
from keepstone.logic.ids import partition
from keepstone.naming import Mention
from keepstone.operations import (
    Disjoin,
    Enqueue,
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
from keepstone.protocols import Store
from keepstone.stores.inmemory import InMemoryStore
from keepstone.stores.sqlite import SqliteStore
from keepstone.testing._agreement import observed, outcome, same, same_candidates
from keepstone.testing._catalogue import catalogued
from keepstone.testing._chaos import MENTIONS
from keepstone.testing._script import Script, jobs_of
from keepstone.types import Scope, Span, Status

SCOPES = st.builds(
    Scope,
    user_id=st.sampled_from(["alice", "bob"]),
    agent_id=st.none() | st.just("coach"),
    run_id=st.none() | st.just("monday"),
)
TEXTS = st.sampled_from(
    ["I live in Lyon", "I live in Paris", "yes", "我喜欢喝茶", "Tea. " * 40, "Marta plays the piano"]
) | st.text("ab 茶.", min_size=1, max_size=12)

LISTED = (Scope(), Scope(user_id="alice"), Scope(user_id="bob", run_id="monday"), Scope(agent_id="coach"))

NAMES = tuple(dict.fromkeys(key for mention in MENTIONS for key in name_keys(mention)))


class BothStores(RuleBasedStateMachine):
    """Whatever is done, both have the same outcome, and show the same."""

    memories: Bundle[str] = Bundle("memories")
    messages: Bundle[str] = Bundle("messages")
    jobs: Bundle[str] = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.script = Script()
        self.reference = InMemoryStore()
        self.runner = asyncio.Runner()
        self.store = SqliteStore(Path(self.folder.name) / "memory.db")

    def teardown(self) -> None:
        self.runner.run(self.store.close())
        self.runner.close()
        self.folder.cleanup()

    def both(self, call: Callable[[Store], Any], what: str) -> Any:
        got, want = (self.runner.run(outcome(call(s))) for s in (self.store, self.reference))
        same(got, want, what)
        return want

    def apply(self, *operations: Operation) -> Any:
        batch = self.script.batch(*operations)
        return self.both(lambda store: store.apply(batch), f"outcomes of {operations}")

    @rule(
        target=memories, text=TEXTS, scope=SCOPES, id=st.none() | st.sampled_from(["m-1", "m-2"]), timed=st.booleans()
    )
    def say(self, text: str, scope: Scope, id: str | None, timed: bool) -> Any:
        said = self.script.say(text, scope=scope, id=id, timestamp=self.script.now if timed else None)
        done = self.apply(said)
        return multiple() if isinstance(done, str) else done[2][0][1]

    @rule(target=messages, text=TEXTS, scope=SCOPES)
    def say_for_later(self, text: str, scope: Scope) -> str:
        said = self.script.say(text, scope=scope)
        self.apply(said)
        return said.id

    @rule(
        target=memories,
        text=TEXTS,
        scope=SCOPES,
        sources=st.lists(messages, max_size=2, unique=True),
        grounds=st.lists(memories, max_size=2),
        model=st.booleans(),
        named=st.lists(st.sampled_from(MENTIONS), max_size=2),
    )
    def distil(
        self, text: str, scope: Scope, sources: list[str], grounds: list[str], model: bool, named: list[Mention]
    ) -> Any:
        fact = self.script.fact(text, sources, scope=scope, derived_from=tuple(grounds), entities=tuple(named))
        batch = self.script.batch(fact, details={"model": "laws:one"} if model else {})
        if isinstance(self.both(lambda store: store.apply(batch), f"outcomes of {batch}"), str):
            return multiple()
        return fact.memory.id

    @rule(
        memory=memories,
        text=TEXTS,
        expected=st.none() | st.integers(1, 3),
        named=st.none() | st.lists(st.sampled_from(MENTIONS), max_size=1).map(tuple),
    )
    def revise(self, memory: str, text: str, expected: int | None, named: tuple[Mention, ...] | None) -> None:
        self.apply(self.script.revise(memory, text, expected_revision=expected, entities=named))

    @rule(scope=SCOPES, one=st.sampled_from(NAMES), into=st.sampled_from(NAMES), undone=st.booleans())
    def merge(self, scope: Scope, one: NameKey, into: NameKey, undone: bool) -> None:
        a, b = (name_id(partition(scope), key) for key in (one, into))
        self.apply(MergeNames(scope=scope, one=a, into=b))
        if undone:
            self.apply(UnmergeNames(scope=scope, one=a, into=b))

    @rule(memory=memories, revision=st.integers(1, 3))
    def revert(self, memory: str, revision: int) -> None:
        self.apply(Revert(memory_id=memory, revision=revision))

    @rule(old=memories, new=memories)
    def supersede(self, old: str, new: str) -> None:
        self.apply(Supersede(memory_id=old, by=new if new != old else None))

    @rule(memory=memories, sources=st.lists(messages, min_size=1, max_size=2), whole=st.booleans())
    def join(self, memory: str, sources: list[str], whole: bool) -> None:
        span = None if whole else Span(start=0, end=1)
        self.apply(Join(memory_id=memory, sources=tuple(SourceSpan(message_id=s, span=span) for s in sources)))

    @rule(memory=memories, sources=st.lists(messages, min_size=1, max_size=3))
    def disjoin(self, memory: str, sources: list[str]) -> None:
        self.apply(Disjoin(memory_id=memory, message_ids=tuple(sources)))

    @rule(memory=memories, value=st.sampled_from([-2.0, -0.4, 0.3, 0.75]))
    def judge(self, memory: str, value: float) -> None:
        self.apply(Feedback(memory_id=memory, value=value))

    @rule(
        target=jobs, scope=SCOPES, named=st.lists(messages, max_size=1), lane=st.sampled_from(["", "one"]),
        dedupe=st.sampled_from([None, "k"]),
    )  # fmt: skip
    def enqueue(self, scope: Scope, named: list[str], lane: str, dedupe: str | None) -> str:
        id = self.script.id()
        payload = {"messages": named}
        self.apply(Enqueue(id=id, scope=scope, kind="distil", payload=payload, lane=lane, dedupe=dedupe))
        return id

    @rule(seconds=st.integers(0, 3), scope=SCOPES | st.none(), limit=st.integers(1, 3))
    def claim(self, seconds: int, scope: Scope | None, limit: int) -> None:
        at = self.script.now
        until = at + timedelta(seconds=seconds)
        self.both(lambda store: jobs_of(store).claim(["distil"], limit, at, until, scope=scope), "jobs claimed")

    @rule(job=jobs, attempts=st.integers(1, 2))
    def finish(self, job: str, attempts: int) -> None:
        self.apply(Finish(job_id=job, attempts=attempts))

    @rule(job=jobs, dead=st.booleans())
    def give_back(self, job: str, dead: bool) -> None:
        due = None if dead else self.script.now
        self.both(lambda store: jobs_of(store).retry(job, "no JSON", due, "…"), "a job given back")

    @rule(scope=SCOPES | st.just(Scope()))
    def revive(self, scope: Scope) -> None:
        self.both(lambda store: jobs_of(store).revive(scope, None, self.script.now), "dead letters revived")

    @rule(scope=SCOPES | st.just(Scope()))
    def discard(self, scope: Scope) -> None:
        self.both(lambda store: jobs_of(store).discard(scope, None), "dead letters discarded")

    @rule(memory=memories)
    def retire(self, memory: str) -> None:
        self.apply(Retire(memory_id=memory))

    @rule(scope=SCOPES)
    def retire_all(self, scope: Scope) -> None:
        self.apply(RetireScope(scope=scope))

    @rule(memory=memories, status=st.sampled_from([Status.CURRENT, Status.SUPERSEDED]))
    def restore(self, memory: str, status: Status) -> None:
        self.apply(Restore(memory_id=memory, status=status))

    @rule(memory=consumes(memories))
    def erase(self, memory: str) -> None:
        batch = self.script.batch()
        self.both(lambda store: store.erase(Scope(), [memory], batch), f"erasing {memory}")

    @rule(text=TEXTS, scope=SCOPES | st.just(Scope()) | st.just(Scope(agent_id="coach")), few=st.booleans())
    def search(self, text: str, scope: Scope, few: bool) -> None:
        query = self.script.ask(text, scope=scope, limit=2 if few else 1_000)
        self.runner.run(same_candidates(self.store, self.reference, query, f"{text!r} in {scope}"))

    @invariant()
    def both_show_the_same(self) -> None:
        got, want = (self.runner.run(observed(s, self.script)) for s in (self.store, self.reference))
        for what in want:
            same(got[what], want[what], what)

    @invariant()
    def both_list_the_same(self) -> None:
        got, want = (self.runner.run(catalogued(s, self.script, LISTED)) for s in (self.store, self.reference))
        for what in want:
            same(got[what], want[what], what)


TestBothStores = BothStores.TestCase
TestBothStores.settings = settings(max_examples=max(5, settings().max_examples // 10), stateful_step_count=15)
