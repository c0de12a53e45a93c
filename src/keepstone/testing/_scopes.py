"""The laws of who sees what: scopes, tenants, filters, and what is taken back."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from keepstone.errors import LimitError, NotFoundError
from keepstone.filters import Filter, matches, parse
from keepstone.operations import ArchivedMemory, Operation, Restore, Retire, RetireScope, Supersede
from keepstone.protocols import Store
from keepstone.testing._script import ALICE, MakeStore, Script, archived, found, listed, refused
from keepstone.types import Change, Kind, MemoryRecord, Scope, Status

SUBSETS = [s for n in range(1, 5) for s in itertools.combinations(("user_id", "agent_id", "app_id", "run_id"), n)]
SAID = "The piano stands in the garden"


def _scopes(values: str) -> list[Scope]:
    """Return a scope for every subset of the ids and every way to give each of them one of *values*."""
    return [
        Scope(**dict(zip(subset, chosen, strict=True)))
        for subset in SUBSETS
        for chosen in itertools.product(values, repeat=len(subset))
    ]


async def no_reading_across_scopes(make_store: MakeStore) -> None:
    """No verb shows a memory or message to a scope that does not see it, and each shows all that it sees."""
    async with make_store() as store:
        script = Script()
        owners: dict[str, Scope] = {}
        messages: dict[str, Scope] = {}
        for scope in _scopes("xy"):
            said = script.say(SAID, scope=scope)
            owners[said.memory.id] = messages[said.id] = scope
            await store.apply(script.batch(said))
        for view in _scopes("xy") + _scopes("z") + [Scope()]:
            want = {id for id, owner in owners.items() if view.sees(owner)}
            shown = await _shown(store, script, view, list(owners))
            for verb, ids in shown.items():
                assert ids == want, f"{verb} in {view} shows {len(ids)} memories instead of {len(want)}"
            told = {id for id in list(owners)[::7] if await store.history(id, view)}
            assert told == want & set(list(owners)[::7]), f"history in {view}"
            heard = {m.id for m in await store.messages(list(messages), view)}
            assert heard == {id for id, owner in messages.items() if view.sees(owner)}, f"messages in {view}"


async def _shown(store: Store, script: Script, view: Scope, ids: list[str]) -> dict[str, set[str]]:
    everyone = parse({"or": [{"text": "x"}, {"not": {"metadata.none": 1}}]})
    rows = await archived(store, view)
    around = await store.neighbours(ids, view, 0, 0)
    sources = {m.public_id for m in around}
    records = await listed(store, script, scope=view)
    assert sources == {s for r in records for s in r.sources}, f"neighbours in {view}"
    return {
        "get": {r.id for r in await store.get(ids, view)},
        "get_all": {r.id for r in records},
        "get_all with a filter": {r.id for r in await listed(store, script, scope=view, where=everyone)},
        "candidates": await found(store, script, SAID, scope=view),
        "candidates with a filter": await found(store, script, SAID, scope=view, where=everyone),
        "dump": {r.record.id for r in rows if isinstance(r, ArchivedMemory)},
        "changes in the dump": {r.memory_id for r in rows if isinstance(r, Change)},
    }


async def no_deleting_across_scopes(make_store: MakeStore) -> None:
    """Retiring a scope takes what it sees and nothing else; so does erasing it."""
    async with make_store() as store:
        script = Script()
        owners: dict[str, Scope] = {}
        for scope in _scopes("x") + _scopes("y"):
            said = script.say(SAID, scope=scope)
            owners[said.memory.id] = scope
            await store.apply(script.batch(said))
        for view in [*_scopes("x"), Scope(user_id="x", agent_id="y"), Scope(user_id="z"), Scope()]:
            applied = await store.apply(script.batch(RetireScope(scope=view)))
            gone = {id for id, owner in owners.items() if view.sees(owner)}
            left = {r.id for r in await store.get(list(owners), Scope())}
            assert left == owners.keys() - gone, f"retiring {view} left {len(left)} of {len(owners)}"
            assert applied.outcomes[0].retired == len(gone), f"retiring {view} counted {applied.outcomes[0]}"
            await store.apply(script.batch(*(Restore(memory_id=id) for id in sorted(gone))))
    for view in _scopes("x")[::3]:
        async with make_store() as store:
            script = Script()
            placed = {s: script.say(SAID, scope=s) for s in _scopes("x")[::2] + _scopes("y")[::2]}
            await store.apply(script.batch(*placed.values()))
            await store.erase(view, None, script.batch())
            want = {a.memory.id for s, a in placed.items() if not view.sees(s)}
            assert {r.id for r in await listed(store, script, scope=Scope())} == want, f"erasing {view}"


async def no_leak_across_tenants(make_store: MakeStore) -> None:
    """Two tenants with the same scopes and callers' ids see nothing of each other and cannot touch each other."""
    async with make_store() as store:
        one, other = Script(Scope(tenant="one", user_id="x")), Script(Scope(tenant="other", user_id="x"), seed=1)
        said = one.say(SAID, id="first")
        await store.apply(one.batch(said))
        await store.apply(other.batch(other.say(SAID + ".", id="first")))
        await store.apply(one.batch(scope=one.scope, idempotency_key="k", fingerprint=b"1"))
        id, there = said.memory.id, Scope(tenant="other")
        assert await store.get([id], there) == []
        assert await store.history(id, there) == []
        assert await store.messages([said.id], there) == []
        assert await store.neighbours([id], there, 1, 1) == []
        assert await store.batch(replace(one.scope, tenant="other"), "k") is None
        for scope in (there, other.scope):
            assert id not in await found(store, other, SAID, scope=scope)
            assert (await store.stats(scope)).memories == 1
        attempts: list[Operation] = [
            Retire(memory_id=id),
            other.revise(id, "Mine now"),
            Supersede(memory_id=id),
            Restore(memory_id=id),
            other.fact("Mine", [said.id]),
        ]
        for operation in attempts:
            await refused(store.apply(other.batch(operation)), NotFoundError)
        await refused(store.erase(there, [id], other.batch()), NotFoundError)
        await store.erase(there, None, other.batch())
        await store.reset("other")
        assert [r.text for r in await listed(store, one)] == [SAID]
        assert (await store.stats(there)).changes == 0


async def fan_out_has_a_bound(make_store: MakeStore) -> None:
    """A query without the owner searches every partition that it sees, up to the bound, then refuses."""
    async with make_store() as store:
        script = Script()
        said = [script.say(f"{SAID} {n}", scope=Scope(user_id=f"user {n}", agent_id="coach")) for n in range(4)]
        await store.apply(script.batch(*said))
        coach = Scope(agent_id="coach")
        assert await found(store, script, SAID, scope=coach, partitions_max=4) == {s.memory.id for s in said}
        few = await store.candidates(script.ask(SAID, scope=coach, limit=1))
        assert len(few.items) <= 2, "the limit bounds a signal's list over all partitions"
        await refused(store.candidates(script.ask(SAID, scope=coach, partitions_max=3)), LimitError)
        await store.apply(script.batch(Retire(memory_id=said[0].memory.id)))
        assert len(await found(store, script, SAID, scope=coach, partitions_max=3)) == 3


async def filters_match(make_store: MakeStore) -> None:
    """A filter keeps exactly what `filters.matches` keeps, in lists and in searches, whatever else narrows."""
    async with make_store() as store:
        script, chosen = Script(), random.Random(5)
        for number in range(40):
            said = script.say(
                f"{SAID} {number}",
                metadata=_metadata(chosen),
                kind=chosen.choice(list(Kind)),
                categories=("home",) if number % 3 else (),
                importance=number / 40,
                timestamp=script.now + timedelta(days=number) if number % 2 else None,
                expires_at=script.now + timedelta(days=number) if number % 5 == 0 else None,
            )
            await store.apply(script.batch(said))
        for number in (3, 8, 21):
            await store.apply(script.batch(Supersede(memory_id=(await listed(store, script))[number].id)))
        records = await listed(store, script, include_expired=True)
        assert len(records) == 40
        for where in [*FILTERS, *(_generated(chosen, 3) for _ in range(40))]:
            tree = parse(where)
            for narrow in NARROWINGS:
                at = script.now + timedelta(days=7)
                want = {r.id for r in records if _is_wanted(r, tree, at, narrow)}
                shown = await listed(store, script, where=tree, at=at, **narrow)
                assert {r.id for r in shown} == want, f"get_all with {where} and {narrow}"
                searched = await found(store, script, SAID, where=tree, at=at, **narrow)
                assert searched == want, f"candidates with {where} and {narrow}"


NARROWINGS: tuple[dict[str, Any], ...] = (
    {"include_expired": True},
    {"include_expired": False, "kinds": (Kind.EPISODE, Kind.FACT)},
    {"include_expired": False, "include_superseded": False},
)


def _is_wanted(record: MemoryRecord, where: Filter | None, at: datetime, narrow: Mapping[str, Any]) -> bool:
    expired = record.expires_at is not None and record.expires_at <= at
    return (
        matches(where, record)
        and (narrow["include_expired"] or not expired)
        and (record.kind in narrow.get("kinds", Kind))
        and (narrow.get("include_superseded", True) or record.status is Status.CURRENT)
    )


FILTERS: tuple[dict[str, Any], ...] = (
    {},
    {"importance": {"gte": 0.3, "lt": 0.7}},
    {"categories": {"contains": "home"}},
    {"user_id": "alice"},
    {"user_id": "bob"},
    {"kind": {"in": ["fact", "episode"]}},
    {"occurred_at": {"gte": "2026-03-10T00:00:00+01:00"}},
    {"expires_at": {"exists": False}},
    {"metadata.kind": "note"},
    {"place.city": {"in": ["Lyon", "上海"]}},
    {"n": True},
    {"n": 1.0},
    {"n": "1"},
    {"n": None},
    {"word": "' OR 1=1 --"},
    {"word": {"contains": "%"}},
    {"word": {"icontains": "A"}},
    {"or": []},
    {"not": {"n": {"exists": True}}},
)


def _metadata(chosen: random.Random) -> dict[str, Any]:
    values: dict[str, Any] = {
        "n": chosen.choice((0, 1, 2, 1.5, True, "1", None)),
        "word": chosen.choice(("tea", "' OR 1=1 --", "100%", "喝茶")),
        "place": chosen.choice(({"city": "Lyon"}, {"city": "上海"}, {}, "Lyon")),
        "tags": chosen.choice(([], ["a"], ["a", 1], "a")),
        "kind": chosen.choice(("note", "event")),
    }
    return {key: value for key, value in values.items() if chosen.random() < 0.7}


def _generated(chosen: random.Random, depth: int) -> dict[str, Any]:
    kind = chosen.choice(("and", "or", "not", "leaf", "leaf")) if depth else "leaf"
    if kind == "not":
        return {"not": _generated(chosen, depth - 1)}
    if kind != "leaf":
        return {kind: [_generated(chosen, depth - 1) for _ in range(chosen.randrange(3))]}
    key = chosen.choice(("n", "word", "place.city", "tags", "missing", "metadata.kind"))
    operator = chosen.choice(("eq", "ne", "gt", "gte", "lt", "lte", "contains", "exists", "in", "nin"))
    value: Any = chosen.choice((0, 1, 1.5, True, "1", "tea", "Lyon", "a", "note", None))
    if operator == "exists":
        value = chosen.random() < 0.5
    elif operator in ("in", "nin"):
        value = [value, "上海"]
    return {key: {operator: value}}


async def retiring_hides(make_store: MakeStore) -> None:
    """What is taken back is shown by `history` alone, its messages with it, until it is restored."""
    async with make_store() as store:
        script = Script()
        first, second, third = (
            script.say(t) for t in ("I like tea very much", "My sister is Marta", "She plays piano")
        )
        await store.apply(script.batch(first, second, third))
        fact = script.fact("Marta plays the piano", [second.id, third.id])
        await store.apply(script.batch(fact))
        gone = second.memory.id
        assert gone in await found(store, script, "sister Marta")
        await store.apply(script.batch(Retire(memory_id=gone)))
        assert gone not in await found(store, script, "sister Marta")
        assert await store.get([gone], ALICE) == []
        assert gone not in {r.id for r in await listed(store, script)}
        assert await store.neighbours([gone], ALICE, 1, 1) == []
        around = await store.neighbours([first.memory.id], ALICE, 0, 2)
        assert [m.content for m in around] == ["I like tea very much", "She plays piano"]
        assert [m.id for m in await store.messages([third.id, second.id], ALICE)] == [third.id]
        (kept,) = await store.get([fact.memory.id], ALICE)
        assert set(kept.sources) == {second.id, third.id}, "other memories still name the message"
        await _archive_without(store, second.id, gone, "sister")
        assert (await store.history(gone, ALICE))[0].new_text == "My sister is Marta"
        for operation in (Retire(memory_id=gone), script.revise(gone, "No"), Supersede(memory_id=gone)):
            await refused(store.apply(script.batch(operation)), NotFoundError)
        await store.apply(script.batch(Restore(memory_id=gone)))
        assert gone in await found(store, script, "sister Marta")
        assert len(await store.neighbours([first.memory.id], ALICE, 0, 2)) == 3


async def _archive_without(store: Store, message_id: str, memory_id: str, word: str) -> None:
    rows = await archived(store, ALICE)
    assert message_id not in {getattr(r, "id", "") for r in rows}, "the archive carries a suppressed message"
    texts = [str(r) for r in rows if memory_id in str(r)]
    assert texts, "the archive lost the retired memory"
    own = [r.record.text for r in rows if isinstance(r, ArchivedMemory) and r.record.id == memory_id]
    assert own == [""], "the archive carries the text of a retired memory"
    of_changes = [(r.old_text, r.new_text) for r in rows if isinstance(r, Change) and r.memory_id == memory_id]
    assert set(of_changes) == {(None, None)}, "the archive carries texts in changes of a retired memory"
    full = await archived(store, ALICE, include_retired=True)
    assert message_id in {getattr(r, "id", "") for r in full}
    assert any(word in r.record.text for r in full if isinstance(r, ArchivedMemory) and r.record.id == memory_id)
