"""Whole scenarios through a memory with a model that answers rightly: what is known at the end is what is true."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from keepstone import Memory
from keepstone.evaluation.endings import deleted_turns, end_state, forgotten_gone, still_holding, still_true_current
from keepstone.evaluation.gates import measure
from keepstone.evaluation.gold import gold_memories, retired_memories
from keepstone.evaluation.pack import Pack, Record, own_packs, read
from keepstone.evaluation.retriever import USER, StandingClock, ingest
from keepstone.protocols import Store
from keepstone.results import AddResult
from keepstone.stores.sqlite import SqliteStore
from keepstone.testing import HashingEmbedder, InMemoryStore
from keepstone.types import Action, Kind, MemoryRecord, Status
from tests.evaluation.oracle import Oracle, final_texts, scenarios

EMBEDDER = HashingEmbedder()
RECORDS = [r for language in ("en", "zh") for r in scenarios(language)]
# A change, a fuller telling, a return that is said again, and something to forget.
REPEATED = [r for r in RECORDS if r.id.startswith(("home", "dog", "cat", "choir", "taichi", "locker", "door"))]
STORES = ("inmemory", "sqlite")


class Run:
    """A record that was taken in, and what came of it."""

    def __init__(self, store: Store, record: Record) -> None:
        self.record, self.clock, self.oracle = record, StandingClock(), Oracle([record])
        self.memory = Memory(store=store, embedder=EMBEDDER, chat_model=self.oracle, clock=self.clock)
        self.added = self.again()

    def again(self) -> list[AddResult]:
        return [added for _, added in ingest(self.memory, self.clock, self.record)]

    def facts(self, *statuses: Status) -> list[MemoryRecord]:
        return [m for m in end_state(self.memory) if m.kind is Kind.FACT and m.status in statuses]


@contextmanager
def taken(record: Record, kind: str, folder: Path) -> Iterator[Run]:
    store: Store = InMemoryStore()
    if kind == "sqlite":
        store = SqliteStore(folder / "memory.db")
    run = Run(store, record)
    try:
        yield run
    finally:
        run.memory.close()


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize("record", RECORDS, ids=lambda r: r.id)
def test_what_is_known_at_the_end_is_what_is_true(record: Record, kind: str, tmp_path: Path) -> None:
    with taken(record, kind, tmp_path) as run:
        refused = [r for a in run.added for r in (a.distilled.refused if a.distilled else ())]
        assert (refused, run.oracle.repairs, run.oracle.unanswered) == ([], [], [])
        known = run.facts(Status.CURRENT)
        gold = sorted(g["text"] for g in record.raw["gold_memories"])
        assert sorted(f.text for f in known) == gold == final_texts(record)

        retired = sorted(g["text"] for g in record.raw["retired"])
        over = run.facts(Status.SUPERSEDED)
        assert sorted(f.text for f in over) == retired
        for old in over:
            assert [c.action for c in run.memory.history(old.id)] == [Action.ADD, Action.SUPERSEDE]
            successor = next(f for f in (*known, *over) if f.id == old.superseded_by)
            assert old.valid_to == successor.occurred_at

        state = end_state(run.memory)
        holding = still_holding(record, state, deleted_turns(run.added))
        assert holding.good == holding.count
        for measured in (forgotten_gone(record, state), still_true_current(record, state)):
            assert measured.share in (None, 1.0)
        for asked in (q for q in record.questions if q.forbidden):
            hits = run.memory.search(asked.text, user_id=USER, limit=100)
            assert not {s for h in hits for s in h.sources} & set(asked.forbidden)


@pytest.mark.parametrize("kind", STORES)
@pytest.mark.parametrize(
    "record", [r for r in RECORDS if r.id.startswith(("home", "dog", "choir", "locker"))], ids=lambda r: r.id
)
def test_the_same_again_changes_nothing(record: Record, kind: str, tmp_path: Path) -> None:
    with taken(record, kind, tmp_path) as run:
        before, calls = end_state(run.memory), run.oracle.calls
        again = run.again()
        assert end_state(run.memory) == before
        assert run.oracle.calls == calls
        assert not any(a.messages or a.memories for a in again)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_gate_holds_over_a_language(language: str) -> None:
    pack = Pack(name=language, records=scenarios(language))
    oracle = Oracle(pack.records)
    found = measure(pack, oracle, EMBEDDER)
    assert [g for g in found if g.verdict != "passed"] == []
    assert all(g.count > 0 for g in found)


@pytest.mark.parametrize("record", [*RECORDS, *(r for p in own_packs() for r in read(p).records)], ids=lambda r: r.id)
def test_the_labels_say_one_thing(record: Record) -> None:
    """What is known at the end by the order of changes is what the gold memories say, and nothing that is over."""
    known = set(final_texts(record))
    assert {g.text for g in gold_memories(record)} <= known
    assert not {g.text for g in retired_memories(record)} & known
