"""What a server runs with. Reading it from flags, environment and files is in `keepstone.server.configuring`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a server runs with; every value has a default that works.

    *store* is a file, by default that of the library. *allowed_hosts* are names, beside those of this machine, by
    which browsers may reach the server. *tls_terminated* states that something in front of it speaks TLS, without
    which, or a *tls_certificate*, only loopback is served. Sizes are bytes, times seconds; a rate of 0 is no limit.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    store: Path | None = None
    embedder: str | None = None
    chat_model: str | None = None
    instructions: str | None = None
    strategy: str = "single_pass"
    allowed_hosts: tuple[str, ...] = ()
    tls_terminated: bool = False
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    workers: int = 4
    drain_seconds: float = 10.0
    body_bytes_max: int = 16_000_000
    import_bytes_max: int = 1_000_000_000
    page_items_max: int = 1_000
    requests_a_minute: int = 6_000
    requests_a_minute_store: str = "memory://"
    idempotency_seconds: int = 86_400
    events_days: int = 30
    audit_days: int = 365
    audit_reads: bool = False
    session_seconds: int = 43_200
    webhooks_to_private_hosts: bool = False
    mem0: bool = True
    mem0_oss: bool = True
    mcp: bool = True
    mcp_profile: str = "keepstone"
    dashboard: bool = True
    proxy: bool = True
    proxy_upstream: str = "https://api.openai.com/v1"
    proxy_key: str | None = field(default=None, repr=False)
    log_format: str = "text"
    log_level: str = "info"
    otel: bool = False
    otel_content: bool = False

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host in LOOPBACK
