"""The truth table of docs/scopes.md is what the code does: `Scope.sees`, and every verb that takes a scope."""

from pathlib import Path
from typing import Any

import pytest

from keepstone import Memory, Scope, ScopeError
from keepstone.testing import InMemoryStore

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "scopes.md"
IDS = {"user": "alice", "agent": "travel", "app": "web", "run": "trip-1"}
STRANGERS = {"user": "bob", "agent": "cooking", "app": "phone", "run": "trip-2"}
SEEN, UNSEEN, ALL = "●", "·", "all"


def table() -> dict[tuple[str, str], bool]:
    """Return whether B sees A, by (A, B), as the page says."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("| A \\ B |"))
    rows = [[cell.strip(" *") for cell in line.strip("|").split("|")] for line in lines[first:] if line.startswith("|")]
    columns = rows[0][1:]
    marks = {SEEN: True, UNSEEN: False}
    body = [row for row in rows[2:] if row[1] in marks]
    return {(row[0], b): marks[mark] for row in body for b, mark in zip(columns, row[1:], strict=True)}


TABLE = table()


def ids(names: str, values: dict[str, str] = IDS) -> dict[str, Any]:
    return {} if names == ALL else {f"{name}_id": values[name] for name in names.split()}


def memory_with(names: str) -> Memory:
    memory = Memory(store=InMemoryStore(), embedder="none")
    memory.add("Travellers like window seats.", **ids(names))
    return memory


def test_the_page_has_a_whole_table() -> None:
    rows, columns = {a for a, _ in TABLE}, {b for _, b in TABLE}
    assert len(TABLE) == len(rows) * len(columns)
    assert columns == rows | {ALL}


@pytest.mark.parametrize(("a", "b"), TABLE, ids=lambda names: names.replace(" ", "+"))
def test_every_verb_keeps_the_table(a: str, b: str) -> None:
    seen = TABLE[a, b]
    assert Scope(**ids(b)).sees(Scope(**ids(a))) == seen

    memory, everything = memory_with(a), b == ALL
    assert bool(memory.search("window seats", **ids(b), all_scopes=everything)) == seen
    assert bool(memory.get_all(**ids(b), all_scopes=everything).items) == seen
    if everything:
        with pytest.raises(ScopeError):
            memory.delete_all()
        with pytest.raises(ScopeError):
            memory.erase()
        return
    assert memory.delete_all(**ids(b)) == int(seen)
    assert memory_with(a).erase(**ids(b)).memories == int(seen)


@pytest.mark.parametrize("a", sorted({a for a, _ in TABLE}), ids=lambda names: names.replace(" ", "+"))
@pytest.mark.parametrize("other", list(IDS))
def test_a_differing_id_never_sees(a: str, other: str) -> None:
    scope = {**ids(a), **ids(other, STRANGERS)}
    memory = memory_with(a)
    assert not memory.search("window seats", **scope)
    assert not memory.get_all(**scope).items
    assert memory.delete_all(**scope) == 0
    assert memory.erase(**scope).memories == 0
