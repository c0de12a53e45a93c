"""What the tests of the library's verbs ask, asked of a running server through the client: the same, test by test."""

import inspect
from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any

import pytest

from keepstone import KeepstoneError, Memory, ScopeError
from keepstone.testing import FakeClock
from tests.client.serving import remote
from tests.docs import test_scope_table as scopes
from tests.pipeline import (
    test_hostile_input,
    test_memory_add,
    test_memory_change,
    test_memory_context,
    test_memory_search,
    test_moments,
    test_profile,
)
from tests.server.serving import Serving

MODULES: tuple[ModuleType, ...] = (
    test_memory_add,
    test_memory_change,
    test_memory_search,
    test_memory_context,
    test_moments,
    test_profile,
    test_hostile_input,
)

# What a server does otherwise on purpose; docs/clients.md says so.
OTHERWISE = {
    "test_update_text": "the history says which key made a change",
    "test_any_counter_is_kept_to": "a counter of tokens is a function, which cannot be sent",
    "test_calls": "all but `reembed`, which is a matter of whoever runs the server",
}


# All of it takes minutes; what goes wrong is checked at the same door, and the rest only reads.
SLOW = (test_hostile_input, test_memory_context, test_moments, test_profile)


def slow(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a copy of *test*; a mark on it would count where it comes from, too."""

    @wraps(test)
    def marked(*args: Any, **named: Any) -> None:
        test(*args, **named)

    pytest.mark.slow(marked)
    return marked


def is_scenario(name: str, thing: Any) -> bool:
    """Whether *thing* is a test of a memory that a fixture makes, and not of one that it opens in its own way."""
    is_test = name.startswith("test_") and inspect.isfunction(thing) and name not in OTHERWISE
    return is_test and bool({"memory", "kept"} & set(inspect.signature(thing).parameters))


for module in MODULES:
    for name, thing in vars(module).items():
        if is_scenario(name, thing):
            globals()[f"{name}__{module.__name__.rpartition('_')[2]}"] = slow(thing) if module in SLOW else thing

kept, lyon, run = test_hostile_input.kept, test_memory_change.lyon, test_memory_search.run


@pytest.fixture
def clock(request: pytest.FixtureRequest) -> FakeClock:
    """The clock that each module starts at."""
    return FakeClock(test_moments.LATER) if request.function.__module__ == test_moments.__name__ else FakeClock()


HOSTILE = {name: call for name, call in test_hostile_input.CALLS.items() if name != "embedder unknown"}


@pytest.mark.slow
@pytest.mark.parametrize(("verb", "kind"), HOSTILE.values(), ids=HOSTILE)
def test_calls(kept: Memory, verb: Callable[[Any], Any], kind: type[KeepstoneError]) -> None:
    test_hostile_input.refuses(kept, kind, lambda: verb(kept))


def test_every_module_has_scenarios() -> None:
    found = [name for name in globals() if "__" in name and name.startswith("test_")]
    assert {name.rpartition("__")[2] for name in found} == {m.__name__.rpartition("_")[2] for m in MODULES}
    assert len(found) > 60


@pytest.mark.parametrize("a", sorted({a for a, _ in scopes.TABLE}), ids=lambda names: names.replace(" ", "+"))
def test_every_verb_keeps_the_table_of_scopes(shared: Serving, a: str) -> None:
    columns = [b for row, b in scopes.TABLE if row == a]
    with remote(shared, "AsyncClient") as memory:
        for b in columns:
            memory.add("Travellers like window seats.", **scopes.ids(a))
            everything, seen = b == scopes.ALL, scopes.TABLE[a, b]
            assert bool(memory.search("window seats", **scopes.ids(b), all_scopes=everything)) == seen
            assert bool(memory.get_all(**scopes.ids(b), all_scopes=everything).items) == seen
            if everything:
                with pytest.raises(ScopeError):
                    memory.delete_all()
                with pytest.raises(ScopeError):
                    memory.erase()
                continue
            assert memory.delete_all(**scopes.ids(b)) == int(seen)
            memory.reset(confirm=True)
            memory.add("Travellers like window seats.", **scopes.ids(a))
            assert memory.erase(**scopes.ids(b)).memories == int(seen)
            memory.reset(confirm=True)
