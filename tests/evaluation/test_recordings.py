"""Recorded replies: asked once and kept at once, replayed exactly, and a miss never falls through."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepstone.chat import ChatMessage, ChatReply, ChatRequest, Tool, ToolCall
from keepstone.errors import ConfigError, InvalidRequestError, ProviderError
from keepstone.evaluation.recordings import (
    Recorded,
    RecordingChatModel,
    ReplayingChatModel,
    input_hash,
    read_recording,
    recorded_of,
)
from keepstone.testing import FakeClock, ScriptedChatModel

SCHEMA = {"type": "object", "properties": {"changes": {"type": "array"}}, "required": ["changes"]}
TOOL = Tool(name="add_memory", description="Keep a fact.", parameters={"type": "object"})


def asking(text: str, prompt: str = "single_pass/1/en", **more: Any) -> ChatRequest:
    messages = (ChatMessage(role="system", content="Be exact."), ChatMessage(role="user", content=text))
    return ChatRequest(messages=messages, prompt=prompt, **{"schema": SCHEMA, **more})


HELLO, TEA = asking("[m1] 2025-01-07 User: Hello."), asking("[m1] 2025-01-08 User: 我改喝茶了。")
FULL = ChatReply(
    text='{"changes": []}\u2028 and 茶',
    model="model-2026-01",
    tool_calls=(ToolCall(name="add_memory", arguments='{"text": "茶"}'),),
    finish="length",
    input_tokens=812,
    output_tokens=9,
)


def record(path: Path, *requests: ChatRequest, name: str = "scripted", reply: Any = FULL) -> RecordingChatModel:
    model = RecordingChatModel(ScriptedChatModel([reply] * len(requests), name=name), path, clock=FakeClock())

    async def ask() -> None:
        for request in requests:
            await model.reply(request)

    asyncio.run(ask())
    return model


def counts(model: RecordingChatModel) -> tuple[int, int]:
    return len(model.asked), len(model.kept)


def replay(model: ReplayingChatModel, request: ChatRequest) -> ChatReply:
    return asyncio.run(model.reply(request))


def test_what_was_recorded_is_replayed_without_the_model(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    recording = record(path, HELLO, TEA)
    assert counts(recording) == (2, 0)
    model = ReplayingChatModel(path)
    assert model.name == "scripted"
    answer = replay(model, TEA)
    assert replace(answer, milliseconds=FULL.milliseconds, attempts=1, price_usd=None) == FULL
    assert (model.replayed, model.failures) == (1, [])


def test_what_is_there_is_not_asked_again_in_this_process_or_a_later_one(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    model = record(path, HELLO, HELLO)
    assert counts(model) == (1, 1)
    again = record(path, HELLO, TEA)
    assert counts(again) == (1, 1)
    assert path.read_bytes().count(b"\n") == len(read_recording(path)) == 2


def test_two_calls_at_once_ask_once(tmp_path: Path) -> None:
    inner = ScriptedChatModel([FULL, FULL], delay=0.01)
    model = RecordingChatModel(inner, tmp_path / "replies.jsonl")

    async def both() -> tuple[ChatReply, ChatReply]:
        return await asyncio.gather(model.reply(HELLO), model.reply(HELLO))

    first, second = asyncio.run(both())
    assert first.text == second.text
    assert len(inner.calls) == 1


def test_a_failure_is_not_recorded(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    with pytest.raises(ProviderError):
        record(path, HELLO, reply=ProviderError("scripted", "down", retryable=True))
    assert not path.exists()
    record(path, HELLO)
    assert len(read_recording(path)) == 1


@pytest.mark.parametrize(
    "other",
    [
        asking("[m1] 2025-01-07 User: Hello!"),
        asking("[m1] 2025-01-07 User: Hello.", prompt="single_pass/2/en"),
        asking("[m1] 2025-01-07 User: Hello.", schema=None),
        asking("[m1] 2025-01-07 User: Hello.", tools=(TOOL,)),
        ChatRequest(messages=HELLO.messages[::-1], schema=SCHEMA, prompt=HELLO.prompt),
    ],
    ids=["words", "version", "schema", "tools", "order"],
)
def test_a_miss_fails_and_says_what_to_run(tmp_path: Path, other: ChatRequest) -> None:
    path = tmp_path / "replies.jsonl"
    record(path, HELLO, name="openai:strong")
    model = ReplayingChatModel(path)
    with pytest.raises(ProviderError) as caught:
        replay(model, other)
    assert not caught.value.retryable
    key = Recorded(
        prompt=other.prompt,
        model="openai:strong",
        input_hash=input_hash(other),
        reply=FULL,
        recorded_at=datetime(2026, 1, 1, tzinfo=UTC),
    ).key
    for part in (key, other.prompt, f"keepstone eval record PACK --model openai:strong --out {path}"):
        assert part in str(caught.value)
    assert len(model.failures) == 1
    assert model.replayed == 0


def test_only_what_the_model_is_shown_counts(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    record(path, HELLO)
    same = replace(HELLO, schema=dict(reversed(SCHEMA.items())), max_output_tokens=17)
    assert replay(ReplayingChatModel(path), same).text == FULL.text


def test_a_recording_of_several_models_needs_a_name(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    record(path, HELLO, name="a:one")
    record(path, HELLO, name="b:two", reply="other")
    with pytest.raises(ConfigError, match="a:one, b:two"):
        ReplayingChatModel(path)
    with pytest.raises(ConfigError, match="c:three"):
        ReplayingChatModel(path, model="c:three")
    assert replay(ReplayingChatModel(path, model="b:two"), HELLO).text == "other"


@pytest.mark.parametrize("cut", [1, 30, 200])
def test_a_line_cut_by_the_end_of_a_process_is_asked_again(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "replies.jsonl"
    record(path, HELLO, TEA)
    whole = path.read_bytes()
    path.write_bytes(whole[: whole.index(b"\n") + 1 + cut])
    with pytest.raises(InvalidRequestError, match="line 2"):
        ReplayingChatModel(path)
    assert counts(record(path, HELLO, TEA)) == (1, 1)
    assert list(read_recording(path)) == [r.key for r in map(recorded_of, whole.decode().strip().split("\n"))]


def test_a_whole_line_without_its_end_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    record(path, HELLO)
    path.write_bytes(path.read_bytes().removesuffix(b"\n"))
    assert counts(record(path, HELLO, TEA)) == (1, 1)
    assert len(read_recording(path)) == 2


def test_another_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    for text in ("my notes", "my notes\nmore\n", '{"id": "a pack"}'):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InvalidRequestError, match="not"):
            record(path, HELLO)
        assert path.read_text(encoding="utf-8") == text


FAULTS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "not a line of a recording": lambda raw: raw.pop("format"),
    "'key' is not that": lambda raw: raw.update(prompt="single_pass/9/en"),
    "'api_key' is missing or does not belong": lambda raw: raw.update(api_key="secret"),
    "'endpoint' is missing from the reply": lambda raw: raw["reply"].update(endpoint="http://localhost"),
    "'input' is not a SHA-256": lambda raw: raw.update(input="abc"),
    "'finish' is not one of": lambda raw: raw["reply"].update(finish="tired"),
    "'input_tokens' is not a count": lambda raw: raw["reply"].update(input_tokens=-1),
    "'recorded_at' is not a time": lambda raw: raw.update(recorded_at="yesterday"),
    "'recorded_at' has no zone": lambda raw: raw.update(recorded_at="2026-01-01T00:00:00"),
    "'text' is missing or not a string": lambda raw: raw["reply"].update(text=None),
    "'tool_calls' is not a list": lambda raw: raw["reply"].update(tool_calls=["add"]),
    "'reply' is not an object": lambda raw: raw.update(reply=[]),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_line_is_named(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "replies.jsonl"
    record(path, HELLO, TEA)
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").strip().split("\n")]
    FAULTS[fault](lines[1])
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    with pytest.raises(InvalidRequestError, match=f"line 2: {fault}"):
        read_recording(path)


def test_a_key_that_stands_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    record(path, HELLO)
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(InvalidRequestError, match=r"line 2: .* twice"):
        read_recording(path)


def test_nothing_of_the_prompt_is_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    record(path, asking("My password is tulip-88."))
    assert "tulip" not in path.read_text(encoding="utf-8")


@given(
    st.builds(
        Recorded,
        prompt=st.text(st.characters(codec="utf-8")),
        model=st.text(st.characters(codec="utf-8")),
        input_hash=st.just("0" * 64),
        reply=st.builds(
            ChatReply,
            text=st.text(),
            model=st.text(),
            tool_calls=st.lists(st.builds(ToolCall, name=st.text(), arguments=st.text()), max_size=2).map(tuple),
            finish=st.sampled_from(["stop", "length", "refusal"]),
            input_tokens=st.none() | st.integers(min_value=0),
            output_tokens=st.none() | st.integers(min_value=0),
        ),
        recorded_at=st.datetimes(timezones=st.just(UTC)),
    )
)
def test_any_reply_survives_its_line(recorded: Recorded) -> None:
    line = recorded.line()
    assert line.count("\n") == 1
    assert recorded_of(line.encode().decode().removesuffix("\n")) == recorded
