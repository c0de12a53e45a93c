"""Laws of names: what memories mention is kept and goes with them, is told to whom they are, and links them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from keepstone.errors import LimitError, NotFoundError
from keepstone.logic.entities import Registry
from keepstone.naming import Entity, Mention
from keepstone.operations import ArchivedMemory, ArchiveRow, MergeNames, Restore, Retire, Revert, UnmergeNames
from keepstone.protocols import Store
from keepstone.testing._script import ALICE, MakeStore, Script, archived, refused, units
from keepstone.types import Scope

BOB = Mention(name="Bob", kind="person")
ROBERT = Mention(name="Robert", kind="person")
BOTH = Mention(name="Bob", kind="person", aliases=("Robert", "小波"))
TREFOIL = Mention(name="Trefoil Press", kind="organisation")
MONDAY = Scope(user_id="alice", run_id="monday")
TUESDAY = Scope(user_id="alice", run_id="tuesday")


async def entities_of(store: Store, script: Script, scope: Scope = ALICE) -> list[Entity]:
    """Return the entities that *scope* sees."""
    return Registry(await store.naming(scope, script.now)).entities()


async def names(store: Store, script: Script, scope: Scope = ALICE) -> dict[str, tuple[str, ...]]:
    """Return the other names of the entities that *scope* sees, by their names."""
    return {e.name: e.aliases for e in await entities_of(store, script, scope)}


async def linked(store: Store, script: Script, question: str, **fields: Any) -> dict[str, float]:
    """Return how much of what *question* names is mentioned by the memories found that mention some of it."""
    found = await store.candidates(script.ask(question, **fields))
    return {c.memory_id: c.linked for c in found.items if c.linked}


async def mentions_link(make_store: MakeStore) -> None:
    """A question with one name finds what mentions another name of the same; a question without finds no more."""
    async with make_store() as store:
        script = Script()
        cello = script.fact("Robert plays the cello", entities=(ROBERT,))
        known = script.fact("Bob is called Robert by his mother", entities=(BOTH,))
        press = script.fact("Trefoil Press prints posters", entities=(TREFOIL,))
        noise = [script.fact(f"Bob walked the dog on day {n}") for n in range(6)]
        await store.apply(script.batch(cello, known, press, *noise))
        both = {cello.memory.id: 1.0, known.memory.id: 1.0}
        assert await linked(store, script, "What does Bob's friend play?") == both
        assert await linked(store, script, "小波会什么乐器？") == both
        assert await linked(store, script, "Who walked the dog?") == {}
        half = {cello.memory.id: 0.5, known.memory.id: 0.5, press.memory.id: 0.5}
        assert await linked(store, script, "Does Bob work for Trefoil Press?") == half
        one = await store.candidates(script.ask("小波", limit=1, vector=None, embedder=None))
        assert {c.memory_id for c in one.items} <= set(both), "what is linked is found without a word of the question"
        assert one.items
        await store.apply(script.batch(Retire(memory_id=known.memory.id)))
        assert await linked(store, script, "小波") == {}
        assert await linked(store, script, "Robert") == {cello.memory.id: 1.0}
        await store.apply(script.batch(Restore(memory_id=known.memory.id)))
        assert await linked(store, script, "小波") == both
        before = script.now
        revised = script.revise(cello.memory.id, "Ana plays the cello", entities=None)
        await store.apply(script.batch(revised))
        assert await linked(store, script, "小波") == {known.memory.id: 1.0}, "a new text that names nobody"
        assert await linked(store, script, "小波", known_at=before) == both
        await store.apply(script.batch(Revert(memory_id=cello.memory.id, revision=1)))
        assert await linked(store, script, "小波") == both


async def names_do_not_leak(make_store: MakeStore) -> None:
    """A scope is told the names, the aliases and the merges of what it sees, and nothing else's."""
    async with make_store() as store:
        script = Script()
        here = script.fact("Robert plays the cello", scope=MONDAY, entities=(ROBERT,))
        there = script.fact("Bob is Robert", scope=TUESDAY, entities=(BOTH,))
        foreign = script.fact("Bob is a dog", scope=Scope(user_id="bob"), entities=(BOB,))
        await store.apply(script.batch(here, there, foreign))
        assert await names(store, script, MONDAY) == {"Robert": ()}
        assert await names(store, script, TUESDAY) == {"Bob": ("Robert", "小波")}
        assert await names(store, script) == {"Robert": ("Bob", "小波")}, "of equals, the name that came first"
        assert await names(store, script, Scope(user_id="bob")) == {"Bob": ()}
        assert await names(store, script, Scope(user_id="carol")) == {}
        assert await names(store, script, Scope(tenant="other", user_id="alice")) == {}
        assert await linked(store, script, "小波", scope=MONDAY) == {}, "an alias of another session"
        assert await linked(store, script, "小波") == {here.memory.id: 1.0, there.memory.id: 1.0}
        (bob,), (robert,) = await entities_of(store, script, TUESDAY), await entities_of(store, script, MONDAY)
        (dog,) = await entities_of(store, script, Scope(user_id="bob"))
        for scope, one, into in ((MONDAY, robert.id, bob.id), (ALICE, robert.id, dog.id), (ALICE, dog.id, robert.id)):
            await refused(store.apply(script.batch(MergeNames(scope=scope, one=one, into=into))), NotFoundError)
        await refused(store.naming(Scope(), script.now, partitions_max=1), LimitError)


async def names_are_erased(make_store: MakeStore) -> None:
    """With the last memory that mentions it, a name is gone: from lists, links, merges and the archive."""
    async with make_store() as store:
        script = Script()
        one = script.fact("Bob plays the cello", entities=(BOB,))
        other = script.fact("Trefoil Press is a printer", entities=(TREFOIL,))
        last = script.fact("Bobby paints", entities=(Mention(name="Bobby", kind="person", aliases=("Bob",)),))
        await store.apply(script.batch(one, other, last))
        bob, press = (await entities_of(store, script))[:2]
        await store.apply(script.batch(MergeNames(scope=ALICE, one=press.id, into=bob.id, reason="my printer Bob")))
        assert len(await entities_of(store, script)) == 1
        receipt = await store.erase(ALICE, [one.memory.id], script.batch())
        assert receipt.verified
        assert len((await store.naming(ALICE, script.now)).merges) == 1, "another memory still has the name"
        receipt = await store.erase(ALICE, [last.memory.id], script.batch())
        assert receipt.verified
        assert await names(store, script) == {"Trefoil Press": ()}
        assert (await store.naming(ALICE, script.now)).merges == ()
        assert await linked(store, script, "Bob") == {}
        rows = repr(await archived(store, Scope(), include_retired=True))
        assert "Bob" not in rows
        assert "my printer" not in rows


async def merges_are_undone(make_store: MakeStore) -> None:
    """A merge joins two entities, says who made it, when and why, and taking it back leaves all as it was."""
    async with make_store() as store:
        script = Script()
        one = script.fact("Robert plays the cello", entities=(ROBERT,))
        other = script.fact("小波 moved to Lyon", entities=(Mention(name="小波", kind="person"),))
        third = script.fact("Trefoil Press prints posters", entities=(TREFOIL,))
        await store.apply(script.batch(one, other, third))
        before = await entities_of(store, script)
        by_name = {e.name: e.id for e in before}
        merging = MergeNames(scope=ALICE, one=by_name["小波"], into=by_name["Robert"], reason="a nickname")
        assert (await store.apply(script.batch(merging))).outcomes[0].kind == "stored"
        at = script.now
        assert (await store.apply(script.batch(merging))).outcomes[0].kind == "replay"
        (robert,) = [e for e in await entities_of(store, script) if e.name == "Robert"]
        assert (robert.aliases, robert.memories, robert.id) == (("小波",), 2, by_name["Robert"])
        (merged,) = robert.merged
        assert (merged.id, merged.actor, merged.at, merged.reason) == (by_name["小波"], "laws", at, "a nickname")
        assert await linked(store, script, "Robert") == {one.memory.id: 1.0, other.memory.id: 1.0}
        splitting = UnmergeNames(scope=ALICE, one=merging.one, into=merging.into)
        assert (await store.apply(script.batch(splitting))).outcomes[0].kind == "stored"
        assert (await store.apply(script.batch(splitting))).outcomes[0].kind == "replay"
        assert await entities_of(store, script) == before
        assert await linked(store, script, "Robert") == {one.memory.id: 1.0}
        nobody = MergeNames(scope=ALICE, one=by_name["Robert"], into="0190b2f0-0000-8000-8000-000000000000")
        await refused(store.apply(script.batch(nobody)), NotFoundError)


async def names_move(make_store: MakeStore) -> None:
    """An archive carries what memories mention and the merges; loading it twice changes nothing."""
    async with make_store() as store, make_store() as target:
        script = Script()
        one = script.fact("Robert plays the cello", entities=(ROBERT, TREFOIL))
        other = script.fact("小波 moved to Lyon", entities=(Mention(name="小波", kind="person"),))
        await store.apply(script.batch(one, other))
        await store.apply(script.batch(script.revise(one.memory.id, "Bob plays the viola", entities=(BOTH,))))
        by_name = {e.name: e.id for e in await entities_of(store, script)}
        await store.apply(script.batch(Revert(memory_id=one.memory.id, revision=1)))
        by_name |= {e.name: e.id for e in await entities_of(store, script)}
        await store.apply(script.batch(MergeNames(scope=ALICE, one=by_name["小波"], into=by_name["Robert"])))
        rows = await archived(store, ALICE)
        for _ in range(2):
            loads = [script.load(row, ALICE) for row in rows]
            viola = {2: units("Bob plays the viola")}
            await target.apply(script.batch(*(replace(o, older_units=viola) if _has_two(o.row) else o for o in loads)))
        assert await entities_of(target, script) == await entities_of(store, script)
        await target.apply(script.batch(Revert(memory_id=one.memory.id, revision=2)))
        await store.apply(script.batch(Revert(memory_id=one.memory.id, revision=2)))
        assert await entities_of(target, script) == await entities_of(store, script)
        await store.apply(script.batch(Retire(memory_id=one.memory.id)))
        assert "Robert" not in repr(await archived(store, ALICE)), "of what was taken back, the names stay out too"


def _has_two(row: ArchiveRow) -> bool:
    return isinstance(row, ArchivedMemory) and len(row.revisions) == 2
