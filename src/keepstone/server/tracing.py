"""Traces of a server: one span a request, in the trace of whoever asks, and where spans are sent."""

from __future__ import annotations

import importlib
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import keepstone
from keepstone.errors import MissingExtraError
from keepstone.server.middleware import pattern

EXPORTER = "opentelemetry.exporter.otlp.proto.http.trace_exporter"


def export() -> None:
    """Send spans over OTLP/HTTP to where the variables `OTEL_EXPORTER_OTLP_…` say, by default port 4318 here.

    Nothing is changed where a provider has been set already, as `opentelemetry-instrument` does.

    Raises:
        MissingExtraError: the SDK or the exporter is not installed.
    """
    try:
        from opentelemetry import trace
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        exporter: Any = importlib.import_module(EXPORTER).OTLPSpanExporter
    except ImportError as error:
        raise MissingExtraError("Tracing", "otel") from error
    if isinstance(trace.get_tracer_provider(), TracerProvider):
        return
    resource = Resource.create({"service.name": "keepstone", "service.version": keepstone.__version__})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(exporter()))
    trace.set_tracer_provider(provider)


class TracedRequests:
    """Makes a span of every request, by the pattern of its route: a path may hold ids."""

    def __init__(self, app: ASGIApp) -> None:
        from opentelemetry import trace

        self._app, self._tracer = app, trace.get_tracer("keepstone.server", keepstone.__version__)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        from opentelemetry.propagate import extract
        from opentelemetry.trace import SpanKind, Status, StatusCode

        method = scope["method"]
        status = 500
        with self._tracer.start_as_current_span(
            method,
            context=extract(dict(Headers(scope=scope))),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": method, "url.scheme": scope["scheme"]},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:

            async def answer(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            try:
                await self._app(scope, receive, answer)
            finally:
                route = pattern(scope)
                span.update_name(f"{method} {route}")
                span.set_attribute("http.route", route)
                span.set_attribute("http.response.status_code", status)
                if status >= 500:
                    span.set_attribute("error.type", str(status))
                    span.set_status(Status(StatusCode.ERROR))
