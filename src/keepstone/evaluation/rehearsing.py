"""What a recording would ask: the exact first prompt of each session, without a model."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keepstone.chat import ChatReply, ChatRequest
from keepstone.evaluation.ingesting import taken_in
from keepstone.evaluation.pack import Pack
from keepstone.evaluation.recordings import input_hash
from keepstone.logic.text import estimate_tokens
from keepstone.protocols import Embedder
from keepstone.types import plain

# What a model writes for a call, for an estimate of costs: a few changes of some 80 tokens, or none.
REPLY_TOKENS = 400

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """The first request that a session comes to."""

    pack: str
    record: str
    session: str
    request: ChatRequest

    @property
    def tokens(self) -> int:
        """Its tokens, estimated."""
        return request_tokens(self.request)

    def line(self) -> str:
        """Return the prompt as one JSON object on a line."""
        request = self.request
        raw = {
            "pack": self.pack,
            "record": self.record,
            "session": self.session,
            "prompt": request.prompt,
            "input": input_hash(request),
            "tokens": self.tokens,
            "messages": plain(request.messages),
            "schema": plain(request.schema),
            "tools": plain(request.tools),
            "max_output_tokens": request.max_output_tokens,
        }
        return json.dumps(raw, ensure_ascii=False) + "\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What recording some packs would ask, if every reply were "nothing to change".

    `prompts` are the first requests of the sessions; `calls` and `input_tokens` (estimated) are of all requests. The
    real ones show what is known by then, so they are a little longer, and a refused reply is asked for once more.
    """

    prompts: tuple[Prompt, ...]
    sessions: int
    calls: int
    input_tokens: int

    @property
    def output_tokens(self) -> int:
        """A guess of what a model would write."""
        return self.calls * REPLY_TOKENS


class UnknowingChatModel:
    """A `ChatModel` that keeps what it is asked, and answers that nothing is to be changed."""

    name = "rehearsal"

    def __init__(self) -> None:
        self.asked: list[ChatRequest] = []

    async def reply(self, request: ChatRequest) -> ChatReply:
        """Return the emptiest reply that the request allows."""
        self.asked.append(request)
        text = "" if request.schema is None else json.dumps(_emptiest(request.schema))
        return ChatReply(text=text, model=self.name, input_tokens=request_tokens(request), output_tokens=0)


def request_tokens(request: ChatRequest) -> int:
    """Return an estimate of the tokens of a request: messages, schema and tools."""
    shape = [json.dumps(plain(s), ensure_ascii=False) for s in (request.schema, *request.tools) if s is not None]
    return sum(estimate_tokens(t) for t in (*(m.content for m in request.messages), *shape))


def rehearse(packs: Sequence[Pack], embedder: Embedder | str | None, progress: Progress | None = None) -> Rehearsal:
    """Return what recording *packs* would ask; *progress* is called with the records done and all."""
    prompts: list[Prompt] = []
    sessions = calls = tokens = 0
    records = [(p.name, r) for p in packs for r in p.records]
    for done, (pack, record) in enumerate(records, start=1):
        model = UnknowingChatModel()
        for session, _ in taken_in(record, embedder, model):
            if model.asked:
                prompts.append(Prompt(pack=pack, record=record.id, session=session, request=model.asked[0]))
            sessions += 1
            calls += len(model.asked)
            tokens += sum(map(request_tokens, model.asked))
            model.asked.clear()
        if progress is not None:
            progress(done, len(records))
    return Rehearsal(prompts=tuple(prompts), sessions=sessions, calls=calls, input_tokens=tokens)


def _emptiest(schema: Mapping[str, Any]) -> Any:
    """The smallest value of a strict schema: every property there, every list empty."""
    kind = schema.get("type")
    if kind == "object":
        return {name: _emptiest(inner) for name, inner in schema.get("properties", {}).items()}
    return {"array": [], "string": "", "number": 0, "integer": 0, "boolean": False}.get(str(kind))
