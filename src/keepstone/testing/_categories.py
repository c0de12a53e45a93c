"""Laws of what has a category: what a profile is made from."""

from __future__ import annotations

from dataclasses import replace

from keepstone.operations import Restore, Retire, Revise, Supersede
from keepstone.testing._script import MakeStore, Script
from keepstone.types import Kind, Scope


async def categories_are_listed(make_store: MakeStore) -> None:
    """What has a category is listed apart, the last said or revised first, within the scope and the limit."""
    async with make_store() as store:
        script = Script()
        for number in range(6):
            told = ("home",) if number % 2 else ()
            await store.apply(script.batch(script.say(f"I moved to house number {number}", categories=told)))
        fact = script.say("Ann collects stamps", kind=Kind.FACT, categories=("preferences",))
        await store.apply(script.batch(fact))
        other = replace(script.scope, user_id="somebody else")
        await store.apply(script.batch(script.say("I moved away", scope=other, categories=("home",))))

        async def shown(limit: int = 100, **fields: object) -> tuple[list[str], bool]:
            page = await store.get_all(script.listing(limit=limit, categorised=True, **fields))
            return [r.text for r in page.items], page.next_cursor is not None

        one, three, five = (f"I moved to house number {number}" for number in (1, 3, 5))
        stamps = "Ann collects stamps"
        assert await shown() == ([stamps, five, three, one], False)
        assert await shown(2) == ([stamps, five], True)
        assert await shown(kinds=(Kind.FACT,)) == ([stamps], False)
        assert await shown(scope=Scope(user_id="nobody")) == ([], False)
        # Said again, it was said last.
        await store.apply(script.batch(script.say(one, categories=("home",))))
        assert await shown() == ([one, stamps, five, three], False)
        records = {r.text: r for r in (await store.get_all(script.listing())).items}
        plain = records["I moved to house number 2"]
        revise = Revise(
            memory_id=plain.id,
            text=plain.text,
            units=None,
            metadata={},
            expires_at=None,
            language="en",
            new_categories=("home", "work"),
        )
        await store.apply(script.batch(revise, replace(revise, memory_id=records[three].id, text=three)))
        assert await shown() == ([three, plain.text, one, stamps, five], False)
        got = await store.get([plain.id, records[three].id], script.scope)
        assert [r.categories for r in got] == [("home", "work"), ("home", "work")]
        # A message that a retired memory came from too says nothing any more.
        drawn = script.fact("Ann moved", records[three].sources, categories=("identity",))
        await store.apply(script.batch(drawn))
        await store.apply(script.batch(Retire(memory_id=drawn.memory.id)))
        assert await shown() == ([plain.text, one, stamps, five], False)
        await store.apply(script.batch(Restore(memory_id=drawn.memory.id)))
        assert three in (await shown())[0]
        await store.apply(script.batch(Supersede(memory_id=drawn.memory.id)))
        await store.apply(script.batch(Retire(memory_id=records[five].id), Supersede(memory_id=records[one].id)))
        assert set((await shown())[0]) == {"Ann moved", three, plain.text, one, stamps}
        assert await shown(include_superseded=False) == ([three, plain.text, stamps], False)
