"""What a server counts, for Prometheus: by operation, surface and status, never by who asked or whose memory it is."""

from __future__ import annotations

from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

MEDIA_TYPE = CONTENT_TYPE_LATEST
SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

GaugeName = Literal[
    "jobs_waiting",
    "jobs_running",
    "jobs_dead",
    "oldest_job_seconds",
    "jobs_here",
    "audit_waiting",
    "event_streams",
    "last_event",
]
_GAUGES: dict[GaugeName, str] = {
    "jobs_waiting": "Jobs that wait for their time or their turn, of all tenants",
    "jobs_running": "Jobs that are being done by any process",
    "jobs_dead": "Dead letters",
    "oldest_job_seconds": "How long the oldest job has been waiting",
    "jobs_here": "Jobs that this process is doing",
    "audit_waiting": "Entries of the audit that are not written yet",
    "event_streams": "Streams of events that are open",
    "last_event": "The highest sequence of an event",
}


class Metrics:
    """The counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        labels = ("operation", "surface", "status")
        self._requests = Counter("keepstone_requests", "Requests that were answered", labels, registry=self._registry)
        self._seconds = Histogram(
            "keepstone_request_seconds",
            "Time from a request's head to its answer",
            labels[:2],
            buckets=SECONDS,
            registry=self._registry,
        )
        self._deliveries = Counter(
            "keepstone_webhook_attempts", "Attempts to deliver to webhooks", ("outcome",), registry=self._registry
        )
        self._gauges = {
            name: Gauge(f"keepstone_{name}", text, registry=self._registry) for name, text in _GAUGES.items()
        }

    def count(self, operation: str, surface: str, status: int, seconds: float) -> None:
        """Count one request."""
        self._requests.labels(operation, surface, str(status)).inc()
        self._seconds.labels(operation, surface).observe(seconds)

    def count_delivery(self, outcome: Literal["sent", "failed", "dead"]) -> None:
        """Count one attempt to deliver to a webhook."""
        self._deliveries.labels(outcome).inc()

    def set(self, name: GaugeName, value: float) -> None:
        """Enter what a gauge shows."""
        self._gauges[name].set(value)

    def text(self) -> bytes:
        """Return everything in the format of Prometheus."""
        return generate_latest(self._registry)
