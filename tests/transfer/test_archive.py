"""Export and restore: everything comes back, twice changes nothing, and damage is seen."""

import io
import json
from dataclasses import replace
from typing import Any

import pytest

from keepstone import AsyncMemory, Entity, InvalidRequestError, Scope, Status
from keepstone.config import utc_now
from keepstone.embedders.hashing import HashingEmbedder
from keepstone.ids import IdSource
from keepstone.naming import Mention
from keepstone.operations import Batch, NewMemory, Supersede
from keepstone.protocols import Store
from keepstone.testing._script import Script
from keepstone.transfer import ImportReport, export, import_stream, restore
from keepstone.transfer.reading import items
from tests.transfer.conftest import NewStore
from tests.transfer.fixtures import MESSAGES, lines, stream

SEQUENCES = ("sequence", "recency", "position")


async def archive(store: Store, *, scope: Scope | None = None, include_retired: bool = False) -> str:
    out = io.StringIO()
    await export(store, scope or Scope(), out, include_retired=include_retired)
    return out.getvalue()


async def load(store: Store, text: str, **options: Any) -> ImportReport:
    return await restore(store, HashingEmbedder(), items(stream(text)), **options)


def without_sequences(text: str) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in text.splitlines()]
    for row in rows:
        for part in (row, row.get("record", {})):
            for name in SEQUENCES:
                part.pop(name, None)
    return rows


async def fill(memory: AsyncMemory) -> dict[str, str]:
    """Leave a store with every kind of past: edited, deleted, undone, erased, said again; return ids by name."""
    await import_stream(memory, stream(lines(MESSAGES)), user_id="ren")
    await memory.add([{"content": "猫叫米粒。", "name": "Ann", "role": "user"}], user_id="ann", agent_id="vet")
    await memory.add(
        "The roof faces south.", user_id="ren", metadata={"a": {"b": [1, "二"]}}, expires_at="2030-01-01T00:00Z"
    )
    await memory.add("The roof faces south.", user_id="ren")
    found = {r.text: r.id for r in (await memory.get_all(all_scopes=True)).items}
    edited, deleted = found["How many hives?"], found["I keep bees on the roof."]
    await memory.update(edited, text="How many hives are there?", reason="clearer")
    await memory.delete(deleted)
    await memory.delete(edited)
    await memory.undo((await memory.history(edited))[-1].id)
    erased = found["The queen of hive two is old."]
    await memory.erase(erased)
    old, new = found["三个蜂箱，都在屋顶上。"], found["The roof faces south."]
    now = utc_now()
    batch = Batch(
        id=IdSource()(now, 0), tenant="", at=now, actor="test", operations=(Supersede(memory_id=old, by=new),)
    )
    await memory.store.apply(batch)
    return {"edited": edited, "deleted": deleted, "erased": erased, "refreshed": found["The roof faces south."]}


@pytest.mark.parametrize("include_retired", [False, True])
async def test_everything_comes_back(memory: AsyncMemory, new_store: NewStore, include_retired: bool) -> None:
    ids = await fill(memory)
    text = await archive(memory.store, include_retired=include_retired)
    second = new_store("second")
    report = await load(second, text)
    assert report.known == 0
    again = await archive(second, include_retired=include_retired)
    assert without_sequences(again) == without_sequences(text)
    other = AsyncMemory(store=second, embedder=HashingEmbedder())
    assert (await other.get(ids["edited"])).text == "How many hives are there?"
    assert [c.action.value for c in await other.history(ids["edited"])] == ["ADD", "UPDATE", "DELETE", "RESTORE"]
    assert [(c.action.value, c.new_text) for c in await other.history(ids["erased"])] == [("ERASE", None)]
    assert len((await other.get(ids["refreshed"])).sources) == 2


async def test_a_restore_of_a_restore_is_the_same_to_the_byte(memory: AsyncMemory, new_store: NewStore) -> None:
    await fill(memory)
    second, third = new_store("second"), new_store("third")
    await load(second, await archive(memory.store))
    text = await archive(second)
    await load(third, text)
    assert without_sequences(await archive(third)) == without_sequences(text)


async def test_what_comes_back_is_found(memory: AsyncMemory, new_store: NewStore) -> None:
    await fill(memory)
    second = new_store("second")
    await load(second, await archive(memory.store))
    other = AsyncMemory(store=second, embedder=HashingEmbedder())
    for question, user in (("hives", "ren"), ("蜂箱", "ren"), ("猫叫什么", "ann")):
        here = await memory.search(question, user_id=user)
        there = await other.search(question, user_id=user)
        assert [(h.id, h.score) for h in there] == [(h.id, h.score) for h in here]


async def test_a_second_restore_adds_nothing_and_embeds_nothing(memory: AsyncMemory, new_store: NewStore) -> None:
    await fill(memory)
    text, second, embedder = await archive(memory.store), new_store("second"), HashingEmbedder()
    first = await restore(second, embedder, items(stream(text)))
    made = embedder.texts
    again = await restore(second, embedder, items(stream(text)))
    assert (again.messages, again.memories, again.changes) == (0, 0, 0)
    assert again.known == first.messages + first.memories + first.changes
    assert embedder.texts == made
    assert await archive(second) == await archive(second)


async def test_messages_that_were_restored_are_known_to_an_import(memory: AsyncMemory, new_store: NewStore) -> None:
    await import_stream(memory, stream(lines(MESSAGES)), user_id="ren")
    second = AsyncMemory(store=new_store("second"), embedder=HashingEmbedder())
    await import_stream(second, stream(await archive(memory.store)))
    report = await import_stream(second, stream(lines(MESSAGES)), user_id="ren")
    assert (report.messages, report.known) == (0, len(MESSAGES))


async def test_texts_of_deleted_memories_stay_out_unless_asked_for(memory: AsyncMemory) -> None:
    await fill(memory)
    gone, erased = "I keep bees on the roof.", "The queen of hive two is old."
    assert gone not in await archive(memory.store)
    assert gone in await archive(memory.store, include_retired=True)
    assert erased not in await archive(memory.store, include_retired=True)


async def test_a_scope_exports_only_what_it_sees(memory: AsyncMemory, new_store: NewStore) -> None:
    await fill(memory)
    text = await archive(memory.store, scope=Scope(user_id="ann"))
    assert "米粒" in text
    assert "ren" not in text.replace("current", "").replace("strength", "")
    second = new_store("second")
    await load(second, text)
    assert (await second.stats(Scope())).memories == 1


async def test_an_archive_names_no_tenant_and_goes_into_any(new_store: NewStore) -> None:
    first = AsyncMemory(store=new_store("first"), embedder=HashingEmbedder(), tenant="acme-secret")
    await first.add("We ship on Fridays.", user_id="u")
    text = await archive(first.store, scope=Scope(tenant="acme-secret"))
    assert "acme-secret" not in text
    second = new_store("second")
    await load(second, text, tenant="other")
    assert (await second.stats(Scope(tenant="other"))).memories == 1
    assert (await second.stats(Scope())).memories == 0


async def test_an_archive_that_was_cut_off_is_seen_wherever_it_ends(memory: AsyncMemory, new_store: NewStore) -> None:
    await fill(memory)
    text = await archive(memory.store)
    rows = text.splitlines(keepends=True)
    for kept in range(1, len(rows)):
        store = new_store(f"cut-{kept}")
        with pytest.raises(InvalidRequestError, match="cut off"):
            await load(store, "".join(rows[:kept]))
        counts = await store.stats(Scope())
        assert counts.messages == sum('"type":"message"' in r for r in rows[:kept])
        # The whole file adds the rest.
        await load(store, text)
        assert without_sequences(await archive(store)) == without_sequences(text)


async def test_a_missing_row_is_seen(memory: AsyncMemory, new_store: NewStore) -> None:
    await fill(memory)
    rows = (await archive(memory.store)).splitlines(keepends=True)
    with pytest.raises(InvalidRequestError, match=r"but .* were read"):
        await load(new_store("second"), "".join([*rows[:-2], rows[-1]]))


def _changed(row: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(json.dumps(row))
    *parents, last = path.split(".")
    part = copy
    for name in parents:
        part = part[name]
    if value is ...:
        del part[last]
    else:
        part[last] = value
    return copy


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("message", "content", 7),
        ("message", "content", "a\x00b"),
        ("message", "content", "half a pair \ud83d"),
        ("message", "content", ...),
        ("message", "id", "not-ours"),
        ("message", "scope", {"user_id": None, "agent_id": None, "app_id": None, "run_id": None}),
        ("message", "scope.user_id", "*"),
        ("message", "recorded_at", "2026-01-01T00:00:00"),
        ("message", "position", -1),
        ("memory", "record.status", "immortal"),
        ("memory", "record.trust", 7),
        ("memory", "record.scope", None),
        ("memory", "revisions", 3),
        ("memory", "sources", [{"message_id": "01a204ac-c790-7000-b071-db00dbbed04d", "span": None}]),
        ("change", "action", "FORGE"),
        ("change", "memory_id", "01a204ac-c790-7000-b071-db00dbbed04d"),
        ("change", "type", "rumour"),
    ],
)
async def test_a_forged_row_is_refused(new_store: NewStore, kind: str, path: str, value: Any) -> None:
    source = AsyncMemory(store=new_store("first"), embedder=HashingEmbedder())
    await source.add("We ship on Fridays.", user_id="u")
    rows = [json.loads(r) for r in (await archive(source.store)).splitlines()]
    forged = [_changed(r, path, value) if r.get("type") == kind else r for r in rows]
    with pytest.raises(InvalidRequestError, match="line"):
        await load(new_store("second"), "".join(json.dumps(r) + "\n" for r in forged))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a Keepstone archive"),
        ('{"content": "hello"}\n', "not a Keepstone archive"),
        ('{"keepstone_archive": "1"}\n', "not a Keepstone archive"),
        ('{"keepstone_archive": 2}\n', "version 2"),
    ],
)
async def test_what_is_no_archive_is_refused(new_store: NewStore, text: str, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        await load(new_store("second"), text)


async def test_an_archive_says_itself_whose_it_is(memory: AsyncMemory) -> None:
    await memory.add("We ship on Fridays.", user_id="u")
    text = await archive(memory.store)
    with pytest.raises(InvalidRequestError, match="leave the ids out"):
        await import_stream(memory, stream(text), user_id="other")


async def test_words_alone_stay_words_alone_until_they_are_embedded(memory: AsyncMemory, new_store: NewStore) -> None:
    await memory.add("We ship on Fridays.", user_id="u")
    text, second = await archive(memory.store), new_store("second")
    await AsyncMemory(store=second, embedder="none").add("We rest on Sundays.", user_id="u")
    await load(second, text)
    assert (await second.stats(Scope())).unembedded == 2
    other = AsyncMemory(store=second, embedder=HashingEmbedder())
    await other.reembed()
    assert {r.status for r in (await other.get_all(user_id="u")).items} == {Status.CURRENT}
    assert (await second.stats(Scope())).unembedded == 0


async def test_an_undo_after_a_restore_is_found_again(memory: AsyncMemory, new_store: NewStore) -> None:
    await memory.add("We ship on Fridays.", user_id="u")
    record = (await memory.get_all(user_id="u")).items[0]
    await memory.update(record.id, text="Deliveries leave every Monday.")
    second = new_store("second")
    await load(second, await archive(memory.store))
    other = AsyncMemory(store=second, embedder=HashingEmbedder())
    await other.undo((await other.history(record.id))[-1].id)
    assert [h.text for h in await other.search("ship on Fridays", user_id="u")] == ["We ship on Fridays."]


async def named(memory: AsyncMemory) -> list[Entity]:
    """Leave a store with names, an alias and a merge; return the entities."""
    script = Script()
    operations = (
        script.fact("Robert plays the cello", entities=(Mention(name="Robert", kind="person", aliases=("Bob",)),)),
        script.fact("小波住在里昂", entities=(Mention(name="小波", kind="person"), Mention(name="里昂", kind="place"))),
    )
    await memory.store.apply(script.batch(*(replace(o, memory=without_vectors(o.memory)) for o in operations)))
    one, other, _ = await memory.entities(user_id="alice")
    await memory.merge_entities(other.id, one.id, user_id="alice", reason="the same")
    return await memory.entities(user_id="alice")


def without_vectors(memory: NewMemory) -> NewMemory:
    return replace(memory, units=tuple(replace(u, vector=None) for u in memory.units))


async def test_names_and_merges_come_back(memory: AsyncMemory, new_store: NewStore) -> None:
    entities, second = await named(memory), new_store("second")
    text = await archive(memory.store)
    await load(second, text)
    other = AsyncMemory(store=second, embedder=HashingEmbedder())
    assert await other.entities(user_id="alice") == entities
    assert (await load(second, text)).known == len(text.splitlines()) - 2
    assert (await other.split_entity(entities[0].merged[0].id, user_id="alice")).name == "小波"


async def test_an_archive_of_before_has_no_names(memory: AsyncMemory, new_store: NewStore) -> None:
    await named(memory)
    rows = [r for r in map(json.loads, (await archive(memory.store)).splitlines()) if r.get("type") != "merge"]
    for row in rows:
        row.pop("merges", None)
        for revision in row.get("revisions", ()):
            del revision["entities"]
    second = new_store("second")
    await load(second, lines(rows))
    other = AsyncMemory(store=second, embedder=HashingEmbedder())
    assert len((await other.get_all(user_id="alice")).items) == 2
    assert await other.entities(user_id="alice") == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"kind":"place"', '"kind":"planet"'),
        ('"name":"Robert"', '"name":""'),
        ('"into":"', '"into":"x'),
        ('"merges":1', '"merges":2'),
    ],
)
async def test_damaged_names_are_seen(memory: AsyncMemory, new_store: NewStore, old: str, new: str) -> None:
    await named(memory)
    text = await archive(memory.store)
    assert old in text
    with pytest.raises(InvalidRequestError):
        await load(new_store("second"), text.replace(old, new))
