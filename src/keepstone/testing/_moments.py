"""The laws of time: what held in the world at a moment, and what the store knew at one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from keepstone.filters import parse
from keepstone.operations import AppendMessage, Batch, Restore, Retire, Revert, Supersede
from keepstone.protocols import Store
from keepstone.testing._script import ALICE, START, MakeStore, Script, found, listed
from keepstone.types import Kind, MemoryRecord, Scope, Status

DAY = timedelta(days=1)
INSTANT = timedelta(microseconds=1)


async def _shown(store: Store, script: Script, text: str, **then: Any) -> set[str]:
    """Return the ids that a list shows; a search for *text*, which every memory holds, must find the same."""
    ids = {r.id for r in await listed(store, script, limit=2, **then)}
    assert await found(store, script, text, **then) == ids, f"search and list differ at {then}"
    return ids


async def as_of_shows_what_held(make_store: MakeStore) -> None:
    """At a moment in the world there is what had begun and not ended, current whatever took its place since."""
    async with make_store() as store:
        script = Script()
        said = script.say("She drinks tea.", timestamp=START - 9 * DAY)
        old = script.fact("Drinks tea", [said.id], valid_from=START - 9 * DAY)
        new = script.fact("Drinks mint tea", [said.id])
        away = script.fact("Has no tea on holiday", [said.id], valid_from=START + 3 * DAY, valid_to=START + 5 * DAY)
        heard = script.say("Tea is served at four.", timestamp=START + DAY)
        gone = script.fact("Hates tea", [said.id], valid_from=START - 9 * DAY)
        lost = script.say("No tea for me.", timestamp=START - 9 * DAY)
        await store.apply(script.batch(said, old, new, away, heard, gone, lost))
        ended = START - 2 * DAY
        await store.apply(script.batch(Supersede(memory_id=old.memory.id, by=new.memory.id, at=ended)))
        await store.apply(script.batch(Supersede(memory_id=lost.memory.id, at=ended), Retire(memory_id=gone.memory.id)))
        names = {op.memory.id: name for op, name in ((said, "said"), (heard, "heard"), (lost, "lost"))}
        names |= {op.memory.id: name for op, name in ((old, "old"), (new, "new"), (away, "away"), (gone, "gone"))}
        held: Mapping[Any, set[str]] = {
            START - 9 * DAY - INSTANT: set(),
            START - 9 * DAY: {"said", "old", "lost"},
            ended - INSTANT: {"said", "old", "lost"},
            ended: {"said", "new"},
            START + 3 * DAY: {"said", "new", "heard", "away"},
            START + 5 * DAY - INSTANT: {"said", "new", "heard", "away"},
            START + 5 * DAY: {"said", "new", "heard"},
        }
        for as_of, want in held.items():
            for superseded in (True, False):
                ids = await _shown(store, script, "tea", as_of=as_of, include_superseded=superseded)
                assert {names[i] for i in ids} == want, f"at {as_of}: {sorted(names[i] for i in ids)}"
            candidates = await store.candidates(script.ask("tea", as_of=as_of))
            assert all(c.status is Status.CURRENT for c in candidates.items), f"status at {as_of}"
        records = {r.id: r for r in await listed(store, script, as_of=ended - INSTANT)}
        assert records[old.memory.id].valid_to == ended, "what is known now of its end is shown"
        assert await found(store, script, "tea", as_of=ended, kinds=(Kind.FACT,)) == {new.memory.id}
        where = parse({"valid_to": {"lte": ended}})
        assert await found(store, script, "tea", as_of=ended - INSTANT, where=where) == {
            old.memory.id,
            lost.memory.id,
        }


async def statements_are_told(make_store: MakeStore) -> None:
    """With each episode found come the visible memories from the same messages, with their status, and no others."""
    async with make_store() as store:
        script = Script()
        one, two = script.say("Marta plays the piano."), script.say("The piano is loud.")
        old, new = script.fact("Plays the piano", [one.id]), script.fact("Plays the organ", [one.id, two.id])
        gone, away = script.fact("Likes it", [one.id]), script.fact("Loud", [two.id], scope=Scope(user_id="bob"))
        session = script.fact("Loud", [two.id], scope=replace(ALICE, run_id="monday"))
        await store.apply(script.batch(one, two))
        assert not (await store.candidates(script.ask("piano"))).statements
        await store.apply(script.batch(old, new, gone, away, session))
        since = START + DAY
        await store.apply(script.batch(Supersede(memory_id=old.memory.id, at=since), Retire(memory_id=gone.memory.id)))
        before, after = (old.memory.id, Status.CURRENT), (old.memory.id, Status.SUPERSEDED)
        newer, loud = (new.memory.id, Status.CURRENT), (session.memory.id, Status.CURRENT)

        async def told(**fields: Any) -> Mapping[str, Sequence[tuple[str, Status]]]:
            return (await store.candidates(script.ask("piano", **fields))).statements

        assert await told() == {one.memory.id: (after, newer), two.memory.id: (newer, loud)}
        assert await told(kinds=(Kind.FACT,)) == {}
        assert await told(scope=replace(ALICE, run_id="monday")) == {}
        assert await told(as_of=START + DAY - INSTANT) == {
            one.memory.id: (before, newer),
            two.memory.id: (newer, loud),
        }
        assert (await told(as_of=since))[one.memory.id] == (after, newer)
        assert (await told(known_at=START + timedelta(seconds=1)))[one.memory.id] == (before, newer)
        assert await told(known_at=START) == {}


async def known_at_shows_what_was_known(make_store: MakeStore) -> None:
    """At a moment of the store there is what had been stored, with the text, metadata and status that it had."""
    async with make_store() as store:
        script = Script()
        early = script.say("The river is blue.", metadata={"n": 1})
        other = script.say("The river is cold.")
        back = script.say("The river is wide.")
        gone = script.say("The river is mine.")
        moments = [await _written(store, script.batch(early, other, back, gone))]
        revised = script.revise(early.memory.id, "The river has become green.", metadata={"n": 2})
        late = script.say("The river froze.")
        moments.append(await _written(store, script.batch(revised, late, Retire(memory_id=back.memory.id))))
        by = Supersede(memory_id=other.memory.id, by=late.memory.id)
        moments.append(await _written(store, script.batch(by, Restore(memory_id=back.memory.id))))
        last = (Revert(memory_id=early.memory.id, revision=1), Retire(memory_id=gone.memory.id))
        moments.append(await _written(store, script.batch(*last)))
        ids = {"early": early, "other": other, "back": back, "gone": gone, "late": late}
        texts = {"early": ("The river is blue.", "The river has become green.")}
        want: Sequence[set[str]] = (
            {"early", "other", "back"},
            {"early", "other", "late"},
            {"early", "other", "back", "late"},
            {"early", "other", "back", "late"},
        )
        assert await _shown(store, script, "river", known_at=START - INSTANT) == set()
        for place, known_at in enumerate(moments):
            shown = await _shown(store, script, "river", known_at=known_at)
            assert shown == {ids[name].memory.id for name in want[place]}, f"moment {place}"
            records = {r.id: r for r in await store.get([o.memory.id for o in ids.values()], ALICE, known_at=known_at)}
            assert records.keys() == shown, f"by id, moment {place}"
            assert records == {r.id: r for r in await listed(store, script, known_at=known_at)}, f"moment {place}"
            number = 1 if place in (1, 2) else 0
            _as_it_was(records[early.memory.id], texts["early"][number], number + 1)
            blue = {early.memory.id} if number == 0 else set()
            words = {"vector": None, "known_at": known_at}
            assert await found(store, script, "blue", **words) == blue, f"words, moment {place}"
            where = parse({"n": 2})
            with_two = await found(store, script, "river", where=where, known_at=known_at)
            assert with_two == {early.memory.id} - blue, f"metadata, moment {place}"
            status = Status.SUPERSEDED if place > 1 else Status.CURRENT
            assert (records[other.memory.id].status, records[other.memory.id].valid_to is None) == (status, place < 2)
        await _both_times(store, script, other, moments)


async def _written(store: Store, batch: Batch) -> Any:
    await store.apply(batch)
    return batch.at


def _as_it_was(record: MemoryRecord, text: str, number: int) -> None:
    told = (record.text, record.revision, dict(record.metadata), record.edited)
    assert told == (text, number, {"n": number}, number > 1), f"{told} instead of {text!r}, {number}"


async def _both_times(store: Store, script: Script, other: AppendMessage, moments: Sequence[Any]) -> None:
    """What was superseded later than *known_at* held on, as far as was known."""
    since = moments[2]
    for known_at, held in ((moments[1], True), (moments[2], False)):
        ids = await _shown(store, script, "river", known_at=known_at, as_of=since + DAY)
        assert (other.memory.id in ids) is held, f"held at {since + DAY}, known at {known_at}"
