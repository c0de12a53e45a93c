"""What a server runs with. Reading it from flags, environment and files is in `keepstone.server.configuring`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field

LOOPBACK = ("127.0.0.1", "::1", "localhost")

T = TypeVar("T")

Port = Annotated[int, Field(ge=0, le=65_535)]
Count = Annotated[int, Field(ge=0)]
Size = Annotated[int, Field(ge=1)]
Secret = Annotated[str, Field(pattern=r"^ks_[A-Za-z0-9_-]{32,190}$")]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _set(default: T, says: str, *, secret: bool = False) -> T:
    """A field with its default and what it says; the value of a secret is never shown."""
    made: T = field(default=default, repr=not secret, metadata={"says": says, "secret": secret})
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a server runs with; every value has a default that works.

    Sizes are bytes, times seconds unless a name says days; a rate of 0 is no limit. What each one says is in its
    metadata, under `says`.
    """

    host: str = _set("127.0.0.1", "the address to listen at; beyond this machine only with a key and TLS")
    port: Port = _set(8765, "the port; 0 takes a free one")
    store: Path | None = _set(None, "the store's file; by default `memory.db` in `KEEPSTONE_HOME`")
    embedder: str | None = _set(None, "what makes vectors: `local`, `hashing`, `none`, `openai:MODEL`; else `local`")
    chat_model: str | None = _set(None, "the chat model that distils; by default none")
    instructions: str | None = _set(None, "what the chat model is to keep, and what never")
    strategy: Literal["single_pass", "two_step"] = _set("single_pass", "how the chat model is asked")
    admin_key: Secret | None = _set(
        None, "an admin key that you made yourself, entered at the start if it is not there", secret=True
    )
    allowed_hosts: tuple[str, ...] = _set((), "names, beside those of this machine, by which browsers may reach it")
    tls_terminated: bool = _set(False, "states that something in front of the server speaks TLS")
    tls_certificate: Path | None = _set(None, "a certificate chain (PEM), to speak TLS itself")
    tls_key: Path | None = _set(None, "the key of the certificate (PEM), if it is not in the same file")
    workers: Count = _set(4, "jobs done at once in this process; 0 leaves them to `keepstone worker`")
    drain_seconds: Seconds = _set(10.0, "how long requests and jobs may go on after a signal to stop")
    body_bytes_max: Size = _set(16_000_000, "the largest body of a request")
    import_bytes_max: Size = _set(1_000_000_000, "the largest body of an import")
    page_items_max: Size = _set(1_000, "the most items of one page")
    requests_a_minute: Count = _set(6_000, "requests a minute of one key; 0 is no limit")
    requests_a_minute_store: str = _set("memory://", "where requests are counted, for several processes")
    idempotency_seconds: Count = _set(86_400, "how long the answer to an `Idempotency-Key` is kept")
    events_days: Count = _set(30, "how long events are kept")
    audit_days: Count = _set(365, "how long the audit is kept")
    audit_reads: bool = _set(False, "whether reads enter the audit, too")
    session_seconds: Count = _set(43_200, "how long a login of the dashboard lasts")
    webhooks_to_private_hosts: bool = _set(False, "whether webhooks may go to addresses of private networks")
    mem0: bool = _set(True, "the interface of Mem0's hosted service, at `/mem0`")
    mem0_oss: bool = _set(True, "the interface of Mem0's open-source server, at `/mem0-oss`")
    mcp: bool = _set(True, "MCP, at `/mcp`")
    mcp_profile: str = _set(
        "keepstone", "the tools of MCP where the URL names no profile: keepstone, mem0, openmemory, chatgpt"
    )
    dashboard: bool = _set(True, "the dashboard, at `/ui/`")
    proxy: bool = _set(True, "the memory proxy, at `/v1/chat/completions`")
    proxy_upstream: str = _set("https://api.openai.com/v1", "where the proxy asks")
    proxy_key: str | None = _set(None, "the key that the proxy asks with; else that of the request", secret=True)
    log_format: Literal["text", "json"] = _set("text", "how lines of the log are written, to stderr")
    log_level: Literal["debug", "info", "warning", "error"] = _set("info", "the least level of the log")
    otel: bool = _set(False, "traces through OpenTelemetry, sent where the `OTEL_` variables say")
    otel_content: bool = _set(False, "whether traces hold queries and texts")

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        return self.host in LOOPBACK

    @property
    def speaks_tls(self) -> bool:
        """Whether what travels is encrypted, by the server or by what stands in front of it."""
        return self.tls_terminated or self.tls_certificate is not None
