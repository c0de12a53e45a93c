"""A model that fails in any way costs no word, invents nothing, says why, and is done with once it works again."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from keepstone.chat import ChatReply, ChatRequest, ToolCall
from keepstone.errors import ProviderError
from keepstone.llms.anthropic import AnthropicChatModel
from keepstone.llms.openai import OpenAIChatModel
from keepstone.protocols import ChatModel, Store
from keepstone.stores.inmemory import InMemoryStore
from keepstone.testing import CHAT_FAULTS, ChatFault, ChatServer, FakeClock
from tests.distillation.speaking import (
    OPS,
    STORES,
    STORIES,
    Story,
    Turn,
    as_bullets,
    as_calls,
    change,
    episodes,
    facts,
    good,
    opened,
    reply,
    still,
)

STRATEGIES = ("single_pass", "two_step")
# After these the same reply is still good: nothing has to be said about them.
HARMLESS = {"duplicate_items"}
LATER = timedelta(hours=2)


@dataclass(slots=True)
class Speaker:
    """A model that is good, or has a fault; it knows where the story is."""

    story: Story
    strategy: str
    turn: Turn | None = None
    fault: ChatFault | None = None
    calls: list[ChatRequest] = field(default_factory=list)

    def __call__(self, request: ChatRequest) -> Any:
        self.calls.append(request)
        right = good(request, self.story, self.turn)
        if self.strategy == "two_step" and not request.tools:
            text = (self.turn.text if self.turn else "") or self.story.fact
            right = reply(change("add", text))
        if self.fault is not None:
            return spoiled(self.fault(right), request)
        if self.strategy == "single_pass":
            return right
        return as_calls(right) if request.tools else as_bullets(right)


def spoiled(answer: ChatReply | ProviderError, request: ChatRequest) -> ChatReply | ProviderError:
    """Return what a fault makes where calls of tools are asked for: the same words, as arguments."""
    if isinstance(answer, ProviderError) or not request.tools or answer.finish != "stop":
        return answer
    return replace(answer, text="", tool_calls=(ToolCall(name="update_memory", arguments=answer.text),))


async def survived(
    store: Store,
    speaker: Speaker,
    fault: ChatFault,
    clock: FakeClock,
    harmless: bool,
    model: ChatModel | None = None,
) -> None:
    """Say the turn while the model fails, look at what is there, and let it work again."""
    story, turn = speaker.story, speaker.turn
    memory = opened(store, model or speaker, strategy=speaker.strategy, clock=clock)
    speaker.turn = None
    await memory.add(story.first, user_id="u")
    assert await facts(memory, user_id="u") == [story.fact]
    assert turn is not None
    speaker.turn, speaker.fault = turn, fault

    result = await memory.add(turn.said, user_id="u")

    hits = await memory.search(turn.said, user_id="u", kinds=["episode"])
    assert turn.said in [h.text for h in hits]
    assert len(result.memories) == 1
    assert set(await facts(memory, user_id="u")) <= {story.fact, *turn.facts}, "something was invented"
    distilled = result.distilled
    assert distilled is not None
    jobs = await memory.jobs(user_id="u")
    if distilled.status == "done":
        assert harmless or await facts(memory, user_id="u") == sorted(turn.facts) or distilled.refused
        assert jobs == []
    else:
        assert distilled.reason
        assert [j.id for j in jobs] == list(distilled.job_ids)
        assert jobs[0].error is not None
        assert jobs[0].state == ("dead" if distilled.status == "failed" else "waiting")
        assert jobs[0].state == "waiting" or jobs[0].reply is not None

    speaker.fault = None
    await memory.retry(user_id="u")
    clock.advance(LATER)
    assert await memory.flush(user_id="u") == []
    if distilled.status != "done":
        assert await facts(memory, user_id="u") == sorted(turn.facts)
    assert turn.said in await episodes(memory, user_id="u")
    await memory.close()


def cases() -> Iterator[Any]:
    """Yield each fault with each operation and language; the two-step method, which has fewer, in half of them."""
    for fault in CHAT_FAULTS:
        for n, op in enumerate(OPS):
            # A huge reply takes its time to count, and is the same whatever it spoils.
            if fault == "huge" and op != "add":
                continue
            for language in STORIES:
                yield pytest.param(fault, "single_pass", language, op, "inmemory")
            if op != "none":
                yield pytest.param(fault, "two_step", ("en", "zh")[n % 2], op, "inmemory")
        yield pytest.param(fault, "single_pass", "zh", "supersede", "sqlite")
        yield pytest.param(fault, "two_step", "en", "delete", "sqlite")


@pytest.mark.parametrize(("fault", "strategy", "language", "op", "store"), list(cases()))
async def test_a_fault_loses_and_invents_nothing(
    fault: str, strategy: str, language: str, op: str, store: str, tmp_path: Path
) -> None:
    story = STORIES[language]
    speaker = Speaker(story, strategy, story.turns[op])
    made = STORES[store](tmp_path / "m.db")
    await survived(made, speaker, CHAT_FAULTS[fault], still(), fault in HARMLESS)


class Wired:
    """A speaker asked over the wire, by the adapter of one provider; in haste only for an answer that never comes."""

    name = "wired"

    def __init__(self, speaker: Speaker, provider: str, server: ChatServer) -> None:
        self._speaker = speaker
        self._patient, self._hasty = adapter(provider, server, 20.0), adapter(provider, server, 0.3)

    async def reply(self, request: ChatRequest) -> ChatReply:
        in_haste = self._speaker.fault is CHAT_FAULTS["timeout"]
        return await (self._hasty if in_haste else self._patient).reply(request)

    async def close(self) -> None:
        for model in (self._patient, self._hasty):
            await model.close()


def adapter(provider: str, server: ChatServer, seconds: float) -> OpenAIChatModel | AnthropicChatModel:
    """Return the adapter of one provider, which asks once."""
    patience: dict[str, Any] = {"timeout_seconds": seconds, "attempts": 1, "reply_bytes_max": 2_000_000}
    if provider == "openai":
        return OpenAIChatModel("mini", api_key=None, base_url=server.url, **patience)
    return AnthropicChatModel("haiku", api_key=None, base_url=server.root, **patience)


ON_THE_WIRE = ("timeout", "rate_limited", "refusal", "truncated_json", "wrong_schema", "endless_stream", "cut_body")


@pytest.mark.parametrize(
    ("strategy", "language", "op"), [("single_pass", "zh", "supersede"), ("two_step", "en", "add")]
)
@pytest.mark.parametrize("provider", ["openai", "anthropic"])
@pytest.mark.parametrize("fault", ON_THE_WIRE)
async def test_so_does_a_fault_on_the_wire(fault: str, provider: str, strategy: str, language: str, op: str) -> None:
    story = STORIES[language]
    speaker = Speaker(story, strategy, story.turns[op])
    with ChatServer(speaker) as server:
        model = Wired(speaker, provider, server)
        await survived(InMemoryStore(), speaker, CHAT_FAULTS[fault], still(), False, model)
