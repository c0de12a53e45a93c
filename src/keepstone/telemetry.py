"""Traces through OpenTelemetry, by its conventions for generative AI: which verb ran, how long, how much it returned.

Nothing is traced unless `instrument` is called, and nothing that was said is in a trace unless that is asked for. The
names are those of the semantic conventions for generative AI, version 0.1.0 (status: development). Where spans go is
for the application to say, through the SDK.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import keepstone
from keepstone import config
from keepstone.blocking import Memory
from keepstone.chat import ChatReply, ChatRequest
from keepstone.contract import EmbedderKey, Vector
from keepstone.errors import ConfigError, MissingExtraError
from keepstone.memory import AsyncMemory
from keepstone.protocols import ChatModel, Embedder

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer, TracerProvider

M = TypeVar("M", bound=Memory | AsyncMemory)

OPERATION = "gen_ai.operation.name"
PROVIDER = "gen_ai.provider.name"
REQUEST_MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
MAX_TOKENS = "gen_ai.request.max_tokens"
FINISH_REASONS = "gen_ai.response.finish_reasons"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
DIMENSIONS = "gen_ai.embeddings.dimension.count"
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
STORE_ID = "gen_ai.memory.store.id"
RECORD_ID = "gen_ai.memory.record.id"
RECORD_COUNT = "gen_ai.memory.record.count"
QUERY_TEXT = "gen_ai.memory.query.text"
RECORDS = "gen_ai.memory.records"
ERROR_TYPE = "error.type"
# Several verbs are one operation of the conventions.
VERB = "keepstone.verb"

CONTENT_VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
CONTENT_WANTED = ("true", "1", "span_only", "span_and_event")

# `_work` is one job: a chat model reads what was said and decides itself what becomes of it.
OPERATION_OF: Mapping[str, str] = MappingProxyType(
    {
        "add": "create_memory",
        "_work": "upsert_memory",
        "reextract": "upsert_memory",
        "accept": "upsert_memory",
        "consolidate": "update_memory",
        "update": "update_memory",
        "undo": "update_memory",
        "feedback": "update_memory",
        "merge_entities": "update_memory",
        "split_entity": "update_memory",
        "search": "search_memory",
        "context": "search_memory",
        "trace": "search_memory",
        "profile": "search_memory",
        "get": "search_memory",
        "get_all": "search_memory",
        "history": "search_memory",
        "delete": "delete_memory",
        "delete_all": "delete_memory",
        "erase": "delete_memory",
        "reset": "delete_memory_store",
    }
)
_QUERIES = ("query", "question")


def instrument(memory: M, *, tracer_provider: TracerProvider | None = None, content: bool | None = None) -> M:
    """Let *memory* make a span of every verb, job, call of its embedder and call of its chat model; return it.

    By default spans go to the provider that the application has set. *content* puts queries, memories and prompts into
    them; None does what `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT` says. The chat model that the environment
    names is looked up now. A second call changes nothing.

    Raises:
        MissingExtraError: OpenTelemetry is not installed.
        ConfigError: the chat model that the environment names cannot be made.
    """
    if importlib.util.find_spec("opentelemetry") is None:
        raise MissingExtraError("Tracing", "otel")
    from opentelemetry import trace

    inner: AsyncMemory = memory._memory if isinstance(memory, Memory) else memory
    if "search" in vars(inner):
        return memory
    tracer = trace.get_tracer("keepstone", keepstone.__version__, tracer_provider)
    spans = _Spans(tracer, content=_is_wanted() if content is None else content)
    chat_model, embedder = inner.chat_model, inner.embedder
    if chat_model is not None:
        inner._chat_model = TracedChatModel(chat_model, spans)
    if embedder is not None:
        inner._space.embedder = TracedEmbedder(embedder, spans)
    for verb, operation in OPERATION_OF.items():
        setattr(inner, verb, _traced(getattr(inner, verb), verb.removeprefix("_"), operation, inner._tenant, spans))
    return memory


class _Spans:
    """Makes spans, and knows whether content may be in them."""

    def __init__(self, tracer: Tracer, *, content: bool) -> None:
        self._tracer, self.content = tracer, content

    @contextmanager
    def span(self, name: str, operation: str, attributes: Mapping[str, Any], *, is_remote: bool) -> Iterator[Span]:
        """A span until the block ends; an error is told by its type alone, for its words may quote content."""
        from opentelemetry.trace import SpanKind, Status, StatusCode

        kind = SpanKind.CLIENT if is_remote else SpanKind.INTERNAL
        with self._tracer.start_as_current_span(
            name,
            kind=kind,
            attributes={OPERATION: operation, **attributes},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield span
            except BaseException as error:
                # Whatever it was, the span must say so before it is raised on.
                span.set_attribute(ERROR_TYPE, type(error).__name__)
                span.set_status(Status(StatusCode.ERROR))
                raise


class TracedEmbedder:
    """An embedder whose calls are spans."""

    def __init__(self, embedder: Embedder, spans: _Spans) -> None:
        self._embedder, self._spans = embedder, spans

    @property
    def key(self) -> EmbedderKey:
        """The space of its vectors."""
        return self._embedder.key

    async def embed(self, texts: Sequence[str], kind: Literal["query", "document"]) -> list[Vector]:
        """Return one vector a text, in order."""
        name, is_remote = _embedder_name(self._embedder)
        provider, _, model = name.rpartition(":")
        about = {PROVIDER: provider or "keepstone", REQUEST_MODEL: model}
        with self._spans.span(f"embeddings {model}", "embeddings", about, is_remote=is_remote) as span:
            vectors = await self._embedder.embed(texts, kind)
            if vectors:
                span.set_attribute(DIMENSIONS, len(vectors[0]))
            return vectors

    async def close(self) -> None:
        """Close the embedder, if it can be."""
        await _close(self._embedder)


class TracedChatModel:
    """A chat model whose calls are spans."""

    def __init__(self, model: ChatModel, spans: _Spans) -> None:
        self._model, self._spans = model, spans

    @property
    def name(self) -> str:
        """Provider and model."""
        return self._model.name

    async def reply(self, request: ChatRequest) -> ChatReply:
        """Return what the model answers."""
        provider, _, model = self.name.rpartition(":")
        about = {PROVIDER: provider or "keepstone", REQUEST_MODEL: model, MAX_TOKENS: request.max_output_tokens}
        with self._spans.span(f"chat {model}", "chat", about, is_remote=True) as span:
            reply = await self._model.reply(request)
            told = {
                RESPONSE_MODEL: reply.model,
                FINISH_REASONS: [reply.finish],
                INPUT_TOKENS: reply.input_tokens,
                OUTPUT_TOKENS: reply.output_tokens,
            }
            span.set_attributes({name: value for name, value in told.items() if value is not None})
            if self._spans.content:
                said = [{"role": m.role, "parts": [_part(m.content)]} for m in request.messages]
                answered = [{"role": "assistant", "parts": [_part(reply.text)], "finish_reason": reply.finish}]
                span.set_attribute(INPUT_MESSAGES, _json(said))
                span.set_attribute(OUTPUT_MESSAGES, _json(answered))
            return reply

    async def close(self) -> None:
        """Close the model, if it can be."""
        await _close(self._model)


def _traced(
    verb: Callable[..., Awaitable[Any]], name: str, operation: str, tenant: str, spans: _Spans
) -> Callable[..., Awaitable[Any]]:
    first = next(iter(inspect.signature(verb).parameters), "")

    @functools.wraps(verb)
    async def traced(*args: Any, **options: Any) -> Any:
        subject = args[0] if args else options.get(first)
        about: dict[str, Any] = {VERB: name, STORE_ID: tenant or "default"}
        if first == "id" and isinstance(subject, str):
            about[RECORD_ID] = subject
        if spans.content and first in _QUERIES and isinstance(subject, str):
            about[QUERY_TEXT] = subject
        with spans.span(operation, operation, about, is_remote=False) as span:
            result = await verb(*args, **options)
            records = _records(result)
            if records is not None:
                span.set_attribute(RECORD_COUNT, len(records))
                if spans.content:
                    span.set_attribute(RECORDS, _json([r.to_dict() for r in records if hasattr(r, "to_dict")]))
            elif isinstance(result, int) and not isinstance(result, bool):
                span.set_attribute(RECORD_COUNT, result)
            return result

    return traced


def _records(result: Any) -> Sequence[Any] | None:
    """The memories, changes or hits that a verb returned, None for what is none of them."""
    if isinstance(result, list | tuple):
        return result
    for name in ("memories", "items", "citations", "changes"):
        found = getattr(result, name, None)
        if isinstance(found, list | tuple):
            return found
    return None


def _embedder_name(embedder: Embedder) -> tuple[str, bool]:
    """What an embedder is called, and whether it is asked over the network; some learn their space only by asking."""
    try:
        name = embedder.key.name
    except ConfigError:
        name = type(embedder).__name__
    return name, "openai" in name.lower() or "openai" in type(embedder).__module__


async def _close(thing: object) -> None:
    close = getattr(thing, "close", None)
    if close is not None:
        closing = close()
        if inspect.isawaitable(closing):
            await closing


def _is_wanted() -> bool:
    return (config.environment(CONTENT_VARIABLE) or "").lower() in CONTENT_WANTED


def _part(text: str) -> dict[str, str]:
    return {"type": "text", "content": text}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
