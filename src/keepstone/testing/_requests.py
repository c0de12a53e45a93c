"""The laws of requests to forget: what a message asks for happens with it, and once."""

from __future__ import annotations

from dataclasses import replace

from keepstone.operations import Batch, Forget, Restore
from keepstone.testing._script import ALICE, MakeStore, Script, listed
from keepstone.types import Action, Status


async def forgetting_on_request(make_store: MakeStore) -> None:
    """What a message asks to forget goes with it, once: a replay of the request takes nothing back again."""
    async with make_store() as store:
        script = Script()
        secret = script.say("The code is 5512", id="m-1")
        await store.apply(script.batch(secret))
        asking = script.say("Forget the code", id="m-2")
        batch = script.batch(asking, Forget(request=asking.id, memory_id=secret.memory.id, reason="asked for"))
        applied = await store.apply(batch)
        done = applied.outcomes[1]
        assert (done.kind, done.memory_id, done.retired) == ("stored", secret.memory.id, 1)
        assert await store.get([secret.memory.id], ALICE) == [], "what was asked to be forgotten is still shown"
        taken = (await store.history(secret.memory.id, ALICE))[-1]
        assert (taken.action, taken.id, taken.reason) == (Action.DELETE, done.change_id, "asked for")
        assert (await store.get([asking.memory.id], ALICE))[0].status is Status.CURRENT, "the request itself stays"
        gone = await store.apply(_asked_again(script, "m-3", secret.memory.id))
        assert gone.outcomes[1].kind == "replay", "what is gone cannot go again, and that is no error"
        await store.apply(script.batch(Restore(memory_id=secret.memory.id)))
        again = await store.apply(_asked_again(script, "m-2", secret.memory.id))
        assert [o.kind for o in again.outcomes] == ["replay", "replay"]
        assert again.changes == ()
        assert await store.get([secret.memory.id], ALICE), "a request that was there already was carried out again"


async def ranking_lower_on_request(make_store: MakeStore) -> None:
    """What a message may ask to forget can be marked as superseded with it: once, with a reason, and undone."""
    async with make_store() as store:
        script = Script()
        likely = script.say("The code is 5512", id="m-1")
        await store.apply(script.batch(likely))
        id = likely.memory.id
        asking = script.say("Forget the number", id="m-2")
        wish = Forget(request=asking.id, memory_id=id, reason="may be meant", lower=True)
        applied = await store.apply(script.batch(asking, wish))
        done = applied.outcomes[1]
        assert (done.kind, done.memory_id, done.retired) == ("stored", id, 0)
        (record,) = await store.get([id], ALICE)
        assert (record.status, record.valid_to) == (Status.SUPERSEDED, record.updated_at), "it is to rank lower"
        change = (await store.history(id, ALICE))[-1]
        assert (change.action, change.id, change.reason) == (Action.SUPERSEDE, done.change_id, "may be meant")
        again = script.say("Forget the number, please")
        applied = await store.apply(script.batch(again, replace(wish, request=again.id)))
        assert applied.outcomes[1].kind == "replay", "what ranks lower cannot be ranked lower again"
        await store.apply(script.batch(Restore(memory_id=id, inverse_of=change.id)))
        late = script.say("Forget the number", id="m-2")
        applied = await store.apply(script.batch(late, replace(wish, request=late.id)))
        assert [o.kind for o in applied.outcomes] == ["replay", "replay"]
        (record,) = await store.get([id], ALICE)
        assert record.status is Status.CURRENT, "a request that was there was carried out again"


def _asked_again(script: Script, id: str, memory_id: str) -> Batch:
    asking = script.say("Forget the code", id=id)
    return script.batch(asking, Forget(request=asking.id, memory_id=memory_id))


async def forgetting_what_was_just_said(make_store: MakeStore) -> None:
    """A request can take back a message of its own batch: the memory made from it, or the one that it joined."""
    async with make_store() as store:
        script = Script()
        earlier = script.say("The gate is at number 12")
        await store.apply(script.batch(earlier))
        joined, fresh = script.say("The gate is at number 12"), script.say("The safe opens with 7731")
        asking = script.say("Forget both")
        wishes = [Forget(request=asking.id, message_id=m.id) for m in (joined, fresh, asking)]
        applied = await store.apply(script.batch(joined, fresh, asking, *wishes))
        assert [o.memory_id for o in applied.outcomes[3:]] == [earlier.memory.id, fresh.memory.id, asking.memory.id]
        assert [o.kind for o in applied.outcomes[3:]] == ["stored"] * 3
        assert await listed(store, script) == [], "what was said and taken back in one batch is still shown"
        unknown = await store.apply(script.batch(script.say("Hello"), Forget(request="nobody", message_id="nothing")))
        assert unknown.outcomes[1].kind == "replay"
