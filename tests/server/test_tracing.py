"""Traces: the conventions' names, one tree from request to embedder, errors by their type, content only when asked."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from keepstone import AsyncMemory, Memory, telemetry
from keepstone.errors import NotFoundError
from keepstone.telemetry import instrument
from keepstone.testing import HashingEmbedder, InMemoryStore, ScriptedChatModel
from tests.cli.chat import change, changes
from tests.server.serving import serving

CANARY = "zq7canary"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter: InMemorySpanExporter) -> Iterator[TracerProvider]:
    made = TracerProvider()
    made.add_span_processor(SimpleSpanProcessor(exporter))
    yield made
    made.shutdown()


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def named(exporter: InMemorySpanExporter, name: str) -> ReadableSpan:
    (found,) = [s for s in exporter.get_finished_spans() if s.name == name]
    return found


def memory(**more: Any) -> AsyncMemory:
    return AsyncMemory(store=InMemoryStore(), embedder=HashingEmbedder(), **more)


async def test_verbs_are_spans_with_the_names_of_the_conventions(
    exporter: InMemorySpanExporter, provider: TracerProvider
) -> None:
    kept = instrument(memory(tenant="acme"), tracer_provider=provider)
    added = await kept.add(f"I keep a {CANARY}.", user_id="alice")
    id = added.memories[0].id
    await kept.search(CANARY, user_id="alice")
    await kept.update(id, text=f"I kept a {CANARY}.")
    await kept.delete(id)
    spans = {s.name: attributes(s) for s in exporter.get_finished_spans()}
    assert {"create_memory", "search_memory", "update_memory", "delete_memory", "embeddings hashing"} <= set(spans)
    for name in ("create_memory", "search_memory", "update_memory", "delete_memory"):
        assert spans[name]["gen_ai.operation.name"] == name
        assert spans[name]["gen_ai.memory.store.id"] == "acme"
    assert spans["create_memory"]["gen_ai.memory.record.count"] == 1
    assert spans["update_memory"]["gen_ai.memory.record.id"] == id
    assert spans["embeddings hashing"]["gen_ai.operation.name"] == "embeddings"
    assert spans["embeddings hashing"]["gen_ai.embeddings.dimension.count"] == HashingEmbedder().key.dimensions
    assert CANARY not in json.dumps(list(spans.values()))
    await kept.close()


async def test_calls_of_models_are_inside_the_verb(exporter: InMemorySpanExporter, provider: TracerProvider) -> None:
    model = ScriptedChatModel([changes(change("add", "Is allergic to peanuts."))], name="openai:gpt-5-mini")
    kept = instrument(memory(chat_model=model), tracer_provider=provider)
    added = await kept.add("I am allergic to peanuts.", user_id="alice")
    assert added.distilled is not None
    assert added.distilled.status == "done"
    create, job, chat = (named(exporter, n) for n in ("create_memory", "upsert_memory", "chat gpt-5-mini"))
    assert job.parent is not None
    assert chat.parent is not None
    assert (job.parent.span_id, chat.parent.span_id) == (create.context.span_id, job.context.span_id)
    assert chat.kind is trace.SpanKind.CLIENT
    told = attributes(chat)
    assert (told["gen_ai.provider.name"], told["gen_ai.request.model"]) == ("openai", "gpt-5-mini")
    assert told["gen_ai.usage.input_tokens"] > 0
    assert "peanuts" not in json.dumps(told)
    await kept.close()


async def test_an_error_is_told_by_its_type(exporter: InMemorySpanExporter, provider: TracerProvider) -> None:
    kept = instrument(memory(), tracer_provider=provider)
    with pytest.raises(NotFoundError):
        await kept.get(CANARY)
    span = named(exporter, "search_memory")
    assert attributes(span)["error.type"] == "NotFoundError"
    assert (span.status.status_code, span.status.description) == (trace.StatusCode.ERROR, None)
    assert span.events == ()


async def test_content_only_when_asked(
    exporter: InMemorySpanExporter, provider: TracerProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "true")
    model = ScriptedChatModel([changes()], name="openai:gpt-5-mini")
    kept = instrument(memory(chat_model=model), tracer_provider=provider)
    await kept.add("周末喜欢打板球", user_id="alice")
    await kept.search("打板球", user_id="alice")
    told = attributes(named(exporter, "search_memory"))
    assert told["gen_ai.memory.query.text"] == "打板球"
    assert json.loads(told["gen_ai.memory.records"])[0]["memory"]["text"] == "周末喜欢打板球"
    assert "周末喜欢打板球" in attributes(named(exporter, "chat gpt-5-mini"))["gen_ai.input.messages"]
    await kept.close()


def test_the_blocking_memory_is_traced_within_the_caller(
    exporter: InMemorySpanExporter, provider: TracerProvider
) -> None:
    with Memory(store=InMemoryStore(), embedder=HashingEmbedder()) as kept:
        assert instrument(instrument(kept, tracer_provider=provider), tracer_provider=provider) is kept
        with provider.get_tracer("app").start_as_current_span("my request") as outer:
            kept.add("I keep bees.", user_id="alice")
        create = named(exporter, "create_memory")
        assert create.parent is not None
        assert create.parent.span_id == outer.get_span_context().span_id


def test_every_verb_that_is_traced_exists() -> None:
    assert all(hasattr(AsyncMemory, verb) for verb in telemetry.OPERATION_OF)


def test_a_request_continues_the_trace_of_whoever_asks(
    exporter: InMemorySpanExporter, provider: TracerProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with serving(otel=True) as server, server.client() as client:
        asked = {"query": CANARY, "user_id": "alice"}
        assert client.post("/api/v1/search", json=asked, headers={"traceparent": parent}).status_code == 200
        assert client.post("/api/v1/search", json=asked, headers={"Authorization": CANARY}).status_code == 401
    spans = exporter.get_finished_spans()
    search = named(exporter, "search_memory")
    assert search.parent is not None
    (request,) = [s for s in spans if s.context.span_id == search.parent.span_id]
    assert format(request.context.trace_id, "032x") == parent.split("-")[1]
    assert request.kind is trace.SpanKind.SERVER
    assert attributes(request)["http.response.status_code"] == 200
    assert {s.name for s in spans if s.kind is trace.SpanKind.SERVER} == {"POST /api/v1/search"}
    assert CANARY not in "".join(s.to_json() for s in spans)
