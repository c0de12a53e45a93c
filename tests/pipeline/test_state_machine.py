"""Hypothesis drives the verbs over both stores and a model of dicts in lock-step, and shrinks where they part."""

import asyncio
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from keepstone import Action, Change, ConflictError, KeepstoneError, Memory, NotFoundError
from keepstone.protocols import Store
from keepstone.stores.inmemory import InMemoryStore
from keepstone.stores.sqlite import SqliteStore
from keepstone.testing import FakeClock
from tests.pipeline.model import Model, Owner, RefusedError

START = datetime(2026, 1, 1, tzinfo=UTC)
# Mostly one scope, so that what is done there meets what was done before.
OWNERS = st.sampled_from([*[("alice", None)] * 3, ("alice", "may"), ("bob", None), ("bob", "may")])
TEXTS = st.sampled_from(
    ["I live in Lyon", "I  live in Lyon", "I live in Paris", "yes", "我喜欢喝茶", "The tea is hot. " * 60]
)
TURNS = st.lists(st.tuples(TEXTS, st.none() | st.sampled_from(["m-1", "m-2"])), min_size=1, max_size=4)
# Which of the memories made so far; taken modulo their number.
PICKS = st.integers(0, 1_000)
WORDS = "I live in Lyon or Paris, yes, the tea is hot 我喜欢喝茶 changed"


def scope(owner: Owner) -> dict[str, Any]:
    return {"user_id": owner[0]} if owner[1] is None else {"user_id": owner[0], "run_id": owner[1]}


def asked_for(history: list[Change]) -> list[Change]:
    """What verbs did: an `add` also enters, by itself, that a memory was recalled since the last one."""
    return [c for c in history if (c.action, c.reason) != (Action.FEEDBACK, "recalled")]


class Verbs(RuleBasedStateMachine):
    """Whatever is done, the stores and the model answer alike, and show the same."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "memory.db"
        self.clocks = [FakeClock(START, timedelta(0)) for _ in range(2)]
        stores: list[Store] = [InMemoryStore(), SqliteStore(self.path)]
        self.memories = [Memory(store=s, embedder="hashing", clock=c) for s, c in zip(stores, self.clocks, strict=True)]
        self.model = Model()
        # The id of each memory of the model, in each store.
        self.ids: list[tuple[str, ...]] = []

    def teardown(self) -> None:
        async def findings() -> list[str]:
            store = SqliteStore(self.path)
            found = [f"{f.name}: {f.detail}" for f in await store.check() if not f.ok]
            await store.close()
            return found

        for memory in self.memories:
            memory.close()
        assert asyncio.run(findings()) == []
        self.folder.cleanup()

    def both(self, verb: Callable[[Memory, int], Any]) -> Any:
        """Do *verb* with each memory, and return what both gave: an answer, or the kind of an error."""
        answers = []
        for place, memory in enumerate(self.memories):
            try:
                answers.append(verb(memory, place))
            except KeepstoneError as error:
                answers.append(type(error))
        assert answers[0] == answers[1]
        return answers[0]

    def pick(self, number: int) -> int:
        """Choose a memory: twice out of three times one that is there."""
        live = [n for n, e in enumerate(self.model.entries) if e.is_live]
        return live[number % len(live)] if live and number % 3 else number % len(self.ids)

    @initialize(turns=TURNS)
    def begin(self, turns: list[tuple[str, str | None]]) -> None:
        # In a call of their own: *turns* may be refused, and the rules need memories to pick from.
        self.say(("alice", None), [("I live in Lyon", None), ("I keep bees", "m-0")], None)
        self.say(("alice", None), turns, None)

    @rule(owner=OWNERS, turns=TURNS, hours=st.none() | st.integers(1, 3))
    def add(self, owner: Owner, turns: list[tuple[str, str | None]], hours: int | None) -> None:
        self.say(owner, turns, hours)

    @rule(pick=PICKS, is_first=st.booleans(), is_current=st.booleans())
    def say_again(self, pick: int, is_first: bool, is_current: bool) -> None:
        """What a memory says, or what it said at first."""
        entries = self.model.entries
        chosen = [e for e in entries if e.is_live == is_current and e.now.status != "erased"] or entries
        entry = chosen[pick % len(chosen)]
        text = entry.changes[0][1].text if is_first else entry.now.text
        if text:
            self.say(entry.owner, [(text, None)], None)

    def say(self, owner: Owner, turns: list[tuple[str, str | None]], hours: int | None) -> None:
        tried = self.model.copy()
        try:
            expected: Any = tried.add(owner, turns, None if hours is None else self.model.hour + hours)
        except RefusedError:
            expected = ConflictError
        made: list[list[str]] = [[], []]

        def verb(memory: Memory, place: int) -> list[tuple[str, int]]:
            expires = None if hours is None else self.clocks[place]() + timedelta(hours=hours)
            messages = [{"content": t} if i is None else {"content": t, "id": i} for t, i in turns]
            # The model knows what is said, not what was recalled before: echoes have tests of their own.
            result = memory.add(messages, **scope(owner), expires_at=expires, infer=False)
            made[place] = [r.id for r in result.memories]
            known = {ids[place]: n for n, ids in enumerate(self.ids)}
            known.update({id: len(self.ids) + n for n, id in enumerate(made[place])})
            assert len(result.messages) == len(turns) - sum(d.reason == "replay" for d in result.duplicates)
            return sorted(
                [("stored", known[r.id]) for r in result.memories]
                + [(str(d.reason), known[d.memory_id]) for d in result.duplicates]
            )

        got = self.both(verb)
        if expected is ConflictError:
            assert got is ConflictError
            return
        assert got == sorted(expected)
        self.model = tried
        self.ids += list(zip(*made, strict=True))

    @rule(pick=PICKS, text=TEXTS | st.just("It changed"), n=st.none() | st.integers(0, 2))
    def update_text(self, pick: int, text: str, n: int | None) -> None:
        self.update(pick, text, n)

    @rule(pick=PICKS, n=st.integers(0, 2))
    def update_metadata(self, pick: int, n: int) -> None:
        self.update(pick, None, n)

    def update(self, pick: int, text: str | None, n: int | None) -> None:
        number = self.pick(pick)
        metadata = None if n is None else {"n": n}
        got = self.both(lambda m, i: m.update(self.ids[number][i], text=text, metadata=metadata).revision > 1)
        if not self.model.entries[number].is_live:
            assert got is NotFoundError
            return
        new: dict[str, Any] = {} if text is None else {"text": text}
        if n is not None:
            new["metadata"] = (("n", n),)
        self.model.update(number, **new)

    @rule(pick=PICKS)
    def delete(self, pick: int) -> None:
        number = self.pick(pick)
        got = self.both(lambda m, i: m.delete(self.ids[number][i]).action.value)
        if self.model.entries[number].is_live:
            self.model.set_status([number], "DELETE", "retired")
        else:
            assert got is NotFoundError

    @rule(owner=OWNERS, is_meant=st.sampled_from([True, False, False]))
    def delete_all(self, owner: Owner, is_meant: bool) -> None:
        if not is_meant:
            return
        numbers = [n for n, _ in self.model.live(owner, expired=True)]
        assert self.both(lambda m, i: m.delete_all(**scope(owner))) == len(numbers)
        self.model.set_status(numbers, "DELETE", "retired")

    @rule(pick=PICKS)
    def erase(self, pick: int) -> None:
        number = self.pick(pick)
        got = self.both(lambda m, i: m.erase(self.ids[number][i]).verified)
        if self.model.entries[number].now.status == "erased":
            assert got is NotFoundError
        else:
            assert got is True
            self.model.set_status([number], "ERASE", "erased")

    @rule(pick=PICKS)
    def undo_the_last(self, pick: int) -> None:
        number = self.pick(pick)
        batch = self.model.entries[number].changes[-1][2]
        if not self.model.is_last(batch):
            return
        tried = self.model.copy()
        try:
            expected: Any = tried.undo(batch)
        except RefusedError:
            expected = ConflictError
        got = self.both(lambda m, i: len(m.undo(asked_for(m.history(self.ids[number][i]))[-1].batch_id)))
        assert got == expected
        if expected is not ConflictError:
            self.model = tried

    @rule(hours=st.integers(1, 2))
    def time_passes(self, hours: int) -> None:
        self.model.hour += hours
        for clock in self.clocks:
            clock.advance(timedelta(hours=hours))

    @rule(owner=OWNERS, n=st.none() | st.integers(0, 2))
    def search(self, owner: Owner, n: int | None) -> None:
        where = None if n is None else {"n": n}
        found: list[list[tuple[float, str]]] = []

        def verb(memory: Memory, place: int) -> list[str]:
            hits = memory.search(WORDS, **scope(owner), filters=where, limit=1_000)
            found.append(sorted((h.score, h.id) for h in hits))
            known = {ids[place]: n for n, ids in enumerate(self.ids)}
            return sorted(f"{known[h.id]} {h.text}" for h in hits)

        expected = [
            f"{number} {e.now.text}"
            for number, e in self.model.live(owner)
            if n is None or dict(e.now.metadata).get("n") == n
        ]
        assert self.both(verb) == sorted(expected)
        assert [s for s, _ in found[0]] == pytest.approx([s for s, _ in found[1]], abs=0.01)

    @invariant()
    def the_same_is_there(self) -> None:
        for user in ("alice", "bob"):
            for owner in ((user, None), (user, "may")):
                got = self.pages_of_both(owner)
                assert got == [(e.now.text, dict(e.now.metadata)) for _, e in self.model.live(owner)]

    @invariant()
    def the_history_is_that_of_the_model(self) -> None:
        for number, entry in list(enumerate(self.model.entries))[-3:]:
            got = self.history_of_both(number)
            assert got == [action for action, _, _ in entry.changes]

    def pages_of_both(self, owner: Owner) -> Any:
        return self.both(lambda m, _: self.pages(m, owner))

    def history_of_both(self, number: int) -> Any:
        return self.both(lambda m, i: [c.action.value for c in asked_for(m.history(self.ids[number][i]))])

    def pages(self, memory: Memory, owner: Owner) -> list[tuple[str, dict[str, Any]]]:
        """All that a scope lists, in pages of three."""
        found: list[tuple[str, dict[str, Any]]] = []
        cursor = None
        while True:
            page = memory.get_all(**scope(owner), limit=3, cursor=cursor)
            found += [(r.text, dict(r.metadata)) for r in page.items]
            if (cursor := page.next_cursor) is None:
                return found


TestVerbs = Verbs.TestCase
TestVerbs.settings = settings(max_examples=settings().max_examples, stateful_step_count=25)
