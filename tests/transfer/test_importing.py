"""Importing each format: what is stored, under which ids and times, what is left out, and that it can be repeated."""

import json
from typing import Any

import pytest

from keepstone import AsyncMemory, ConflictError, InvalidRequestError, MemoryRecord, ScopeError
from keepstone.embedders.hashing import HashingEmbedder
from keepstone.transfer import ImportReport, import_stream
from keepstone.transfer.importing import BATCH
from tests.transfer.fixtures import CLAUDE, MESSAGES, OPENAI, SESSIONS, lines, stream


async def run(memory: AsyncMemory, text: str, **options: Any) -> ImportReport:
    return await import_stream(memory, stream(text), **options)


async def everything(memory: AsyncMemory) -> list[MemoryRecord]:
    return list((await memory.get_all(all_scopes=True, limit=1000)).items)


async def test_messages(memory: AsyncMemory) -> None:
    report = await run(memory, lines(MESSAGES), user_id="ren")
    assert (report.format, report.messages, report.known) == ("messages", 6, 0)
    found = await everything(memory)
    assert [r.text for r in found] == [m["content"] for m in MESSAGES]
    assert {r.user_id for r in found} == {"ren"}
    assert [r.run_id for r in found] == [None] * 5 + ["spring"]
    assert found[0].sources == ("m1",)
    assert found[0].occurred_at is not None
    assert found[0].occurred_at.isoformat() == "2026-03-01T08:00:00+01:00"
    assert (found[2].name, found[2].metadata, found[2].language) == ("Ren", {"topic": "bees"}, "zh")


async def test_an_array_of_messages_is_read_like_lines(memory: AsyncMemory) -> None:
    assert (await run(memory, json.dumps(MESSAGES), user_id="ren")).messages == 6


async def test_ids_on_a_line_are_used_and_those_of_the_caller_replace_them(memory: AsyncMemory) -> None:
    text = lines([{"content": "one", "user_id": "a"}, {"content": "two", "user_id": "b", "agent_id": "x"}])
    await run(memory, text)
    await run(memory, text, user_id="c")
    whose = sorted((str(r.user_id), r.text) for r in await everything(memory))
    assert whose == [("a", "one"), ("b", "two"), ("c", "one"), ("c", "two")]


async def test_openai_keeps_every_branch_in_the_order_of_time(memory: AsyncMemory) -> None:
    report = await run(memory, json.dumps(OPENAI), user_id="ren")
    found = await everything(memory)
    assert report.format == "openai"
    assert [r.sources[0] for r in found] == ["n1", "n2", "n3", "n4", "n5", "n6"]
    assert [r.role for r in found] == ["user", "assistant"] * 3
    assert {r.run_id for r in found} == {"conv-1"}
    assert [r.metadata.get("live", True) for r in found] == [True, True, False, False, True, True]
    assert found[0].metadata["title"] == "Sourdough"
    # The last node has no time of its own: it comes after its parent.
    assert found[-1].occurred_at is not None
    assert found[-1].occurred_at.timestamp() == 1767258054.0
    assert report.skipped == {
        "image or file part": 1,
        "node without message": 2,
        "system message": 1,
        "tool call": 1,
        "tool message": 1,
    }


async def test_openai_survives_a_ring_of_nodes(memory: AsyncMemory) -> None:
    nodes = OPENAI[0]["mapping"]
    ring = {"n3": {**nodes["n3"], "parent": "n4"}, "n4": {**nodes["n4"], "children": ["n3"]}}
    assert (await run(memory, json.dumps([{"id": "x", "mapping": ring}]), user_id="ren")).messages == 2


async def test_claude(memory: AsyncMemory) -> None:
    report = await run(memory, json.dumps(CLAUDE), user_id="ren")
    found = await everything(memory)
    assert [(r.role, r.text, r.sources[0]) for r in found] == [
        ("user", "My tomatoes are leggy.", "u-1"),
        ("assistant", "多给它们一点光。", "u-2"),
    ]
    assert {(r.run_id, r.metadata["title"]) for r in found} == {("c-1", "Seedlings")}
    assert report.skipped == {"attachment": 1, "empty message": 1, "tool_use part": 1}


async def test_sessions(memory: AsyncMemory) -> None:
    report = await run(memory, lines(SESSIONS))
    found = await everything(memory)
    assert (report.format, report.messages, report.skipped) == ("sessions", 4, {"empty turn": 1})
    assert [(r.user_id, r.run_id, r.sources[0], r.name) for r in found] == [
        ("pair-1", "s1", "1", "Ines"),
        ("pair-1", "s1", "2", "Tomas"),
        ("pair-1", "s2", "3", None),
        ("pair-2", "s1", "1", None),
    ]
    assert [r.occurred_at and r.occurred_at.isoformat() for r in found[1:3]] == [
        "2023-05-08T13:56:00+00:00",
        "2023-06-02T00:00:00+00:00",
    ]


async def test_sessions_of_several_records_stay_apart_under_one_user(memory: AsyncMemory) -> None:
    await run(memory, lines(SESSIONS), user_id="ren")
    found = await everything(memory)
    assert {r.user_id for r in found} == {"ren"}
    assert {r.run_id for r in found} == {"pair-1/s1", "pair-1/s2", "pair-2/s1"}


@pytest.mark.parametrize("text", [lines(MESSAGES), json.dumps(OPENAI), json.dumps(CLAUDE), lines(SESSIONS)])
async def test_a_second_run_adds_nothing_and_embeds_nothing(memory: AsyncMemory, text: str) -> None:
    first = await run(memory, text, user_id="ren")
    before = await memory.stats()
    embedder = memory.embedder
    assert isinstance(embedder, HashingEmbedder)
    texts = embedder.texts
    second = await run(memory, text, user_id="ren")
    assert (second.messages, second.memories, second.refreshed) == (0, 0, 0)
    assert second.known == first.messages + first.known
    assert embedder.texts == texts
    after = await memory.stats()
    assert (after.messages, after.memories, after.changes) == (before.messages, before.memories, before.changes)


async def test_a_longer_file_adds_what_is_new(memory: AsyncMemory) -> None:
    await run(memory, lines(MESSAGES[:4]), user_id="ren")
    report = await run(memory, lines(MESSAGES), user_id="ren")
    assert (report.known, report.messages) == (4, 2)


async def test_twins_of_one_moment_are_all_kept_wherever_a_batch_ends(memory: AsyncMemory) -> None:
    twin = {"role": "user", "content": "One more lap round the lake.", "timestamp": "2026-03-01T00:00:00+00:00"}
    text = lines([twin] * (BATCH + 10))
    first = await run(memory, text, user_id="ren")
    second = await run(memory, text, user_id="ren")
    assert (first.messages, second.messages, second.known) == (BATCH + 10, 0, BATCH + 10)


async def test_a_damaged_line_loses_nothing_before_it_and_the_next_run_goes_on(memory: AsyncMemory) -> None:
    good = [{"content": f"Hive {i} gave {i} jars of honey."} for i in range(BATCH + 20)]
    damaged = lines(good[: BATCH + 10]) + '{"content": "cut\n'
    with pytest.raises(InvalidRequestError, match=f"line {BATCH + 11} is not JSON"):
        await run(memory, damaged, user_id="ren")
    assert len(await everything(memory)) == BATCH + 10
    report = await run(memory, lines(good), user_id="ren")
    assert (report.known, report.messages) == (BATCH + 10, 10)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"content": 7}, "line 3: content is a string"),
        ({"content": "x", "timestamp": "2026-01-01T00:00:00"}, "line 3: timestamp has no zone"),
        ({"content": "x", "colour": "red"}, "line 3 has unknown keys colour"),
        ({"content": "x" * 1_000_001}, "line 3: content has"),
        ({"content": "x", "user_id": "*"}, "line 3: user_id is one id"),
    ],
)
async def test_a_bad_message_is_named_by_its_line(memory: AsyncMemory, bad: dict[str, Any], message: str) -> None:
    text = lines([{"content": "one", "user_id": "a"}, {"content": "two", "user_id": "a"}, {"user_id": "a", **bad}])
    with pytest.raises(InvalidRequestError, match=message):
        await run(memory, text)
    assert [r.text for r in await everything(memory)] == ["one", "two"]


async def test_an_id_that_stands_for_something_else_is_a_conflict(memory: AsyncMemory) -> None:
    await run(memory, lines(MESSAGES[:2]), user_id="ren")
    changed = [MESSAGES[0], {**MESSAGES[1], "content": "How many bees?"}]
    with pytest.raises(ConflictError, match="line 2"):
        await run(memory, lines(changed), user_id="ren")


@pytest.mark.parametrize("text", [lines(MESSAGES), json.dumps(OPENAI), json.dumps(CLAUDE)])
async def test_somebody_must_own_it(memory: AsyncMemory, text: str) -> None:
    with pytest.raises(ScopeError):
        await run(memory, text)


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ('{"a": 1}\n', {}, "in no known format"),
        (lines(MESSAGES), {"format": "csv"}, "Unknown format 'csv'"),
        (lines(MESSAGES), {"format": "sessions"}, "line 1 has sessions that are not a list"),
        (lines([{"id": "a", "sessions": 7}]), {}, "sessions that are not a list"),
        (lines([{"id": "a", "sessions": [{"session_id": "s", "date": "soon"}]}]), {}, "'soon'"),
        (json.dumps([{"id": "a", "mapping": []}]), {}, "not a tree"),
        (json.dumps([{"mapping": {}}]), {}, "no conversation_id"),
        (json.dumps([{"uuid": "a", "chat_messages": {}}]), {}, "chat_messages that are not a list"),
    ],
)
async def test_what_cannot_be_understood(memory: AsyncMemory, text: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        await run(memory, text, user_id="ren", **options)


async def test_nothing_is_nothing(memory: AsyncMemory) -> None:
    assert (await run(memory, "", user_id="ren")).messages == 0


async def test_progress_knows_the_total_before_it_starts(memory: AsyncMemory) -> None:
    seen: list[tuple[int, int]] = []
    text = lines([{"content": f"number {i}"} for i in range(BATCH * 2 + 1)])
    await run(memory, text, user_id="ren", progress=lambda done, total: seen.append((done, total)))
    total = BATCH * 2 + 1
    assert seen == [(BATCH, total), (BATCH * 2, total), (total, total)]
