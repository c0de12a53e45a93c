"""The law of echoes: a message that only repeats a memory is kept, and goes where the memory goes."""

from __future__ import annotations

from keepstone.operations import AppendEcho, Restore, Retire, Supersede
from keepstone.testing._script import ALICE, MakeStore, Script, archived, listed


async def echoes_make_no_memory(make_store: MakeStore) -> None:
    """An echo is in the ledger, makes and refreshes no memory, and is hidden and erased with what it repeats."""
    async with make_store() as store:
        script = Script()
        said = script.say("The dog is called Rex", id="m-1")
        await store.apply(script.batch(said))
        id = said.memory.id
        echo = script.say("Your dog is called Rex", role="assistant", id="m-2")
        applied = await store.apply(script.batch(AppendEcho(message=echo, memory_ids=(id, "unknown"))))
        (outcome,) = applied.outcomes
        assert (outcome.kind, outcome.memory_id, outcome.message_id) == ("echo", id, echo.id)
        assert applied.changes == (), "an echo changes no memory"
        (record,) = await listed(store, script)
        assert (record.id, record.text, record.sources) == (id, said.content, ("m-1",)), "an echo is no source"
        assert [m.content for m in await store.messages([said.id, echo.id], ALICE)] == [said.content, echo.content]
        assert len(await store.neighbours([id], ALICE, 0, 0)) == 1, "an echo does not place a memory in a conversation"
        again = script.say("Your dog is called Rex", role="assistant", id="m-2")
        replay = await store.apply(script.batch(AppendEcho(message=again, memory_ids=(id,))))
        assert [o.kind for o in replay.outcomes] == ["replay"]
        await store.apply(script.batch(Retire(memory_id=id)))
        assert await store.messages([echo.id], ALICE) == [], "the echo of a retired memory is still shown"
        await store.apply(script.batch(Restore(memory_id=id)))
        assert len(await store.messages([echo.id], ALICE)) == 1
        rows = [row for row in await archived(store, ALICE) if getattr(row, "sources", None)]
        assert [[s.echo for s in row.sources] for row in rows if hasattr(row, "sources")] == [[False, True]]
        other = script.say("The cat is called Mia")
        mine = AppendEcho(message=script.say("the dog is called rex"), memory_ids=(id,), refresh=True)
        kinds = [o.kind for o in (await store.apply(script.batch(other, mine))).outcomes]
        items = (await store.candidates(script.ask("dog cat called"))).items
        assert kinds == ["stored", "echo"]
        assert max(items, key=lambda c: c.recency).memory_id == id, "what its user says again is the newest"
        await store.apply(script.batch(Supersede(memory_id=id)))
        anew = AppendEcho(message=script.say("the dog is called rex, again"), memory_ids=(id,), refresh=True)
        kinds = [o.kind for o in (await store.apply(script.batch(anew))).outcomes]
        assert kinds == ["stored"], "what was superseded and is said again is news"
        await store.erase(ALICE, [id], script.batch())
        assert await store.messages([said.id, echo.id], ALICE) == [], "the echo outlives the memory that was erased"
        late = script.say("Your dog is called Rex", role="assistant")
        applied = await store.apply(script.batch(AppendEcho(message=late, memory_ids=(id,))))
        assert applied.outcomes[0].kind == "stored", "what repeats nothing is written as what it is"
