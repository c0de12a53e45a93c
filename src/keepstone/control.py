"""Values of a server's own business: tenants, keys, browser sessions, audit, webhooks, stored replies, events.

None of them holds what was said: only ids, counts, times and names that an operator gave.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from keepstone.types import Scope, Value


class Role(StrEnum):
    """What a key may do: `read`; `write` adds changing memories; `admin` adds erasing, keys, webhooks and audit."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    def covers(self, other: Role) -> bool:
        """True if who has this role may do what *other* may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant(Value):
    """A project on a server, apart from all others. The tenant `""` is there from the start and runs the server."""

    id: str
    name: str
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey(Value):
    """A key of a tenant, without its secret.

    `prefix` are the first characters of the secret, to recognise it by. `pin` is the scope that the key is held to: an
    id that it has cannot be another one; an empty scope pins nothing. `replaces` is the key that it was rotated from.
    """

    id: str
    tenant: str
    name: str
    role: Role
    prefix: str
    pin: Scope
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    replaces: str | None = None

    def is_valid(self, at: datetime) -> bool:
        """True unless it was revoked or has expired by *at*."""
        return not any(end is not None and end <= at for end in (self.expires_at, self.revoked_at))


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserSession(Value):
    """Somebody who logged into the dashboard with a key; it ends with the key, with its time, or by logging out."""

    key_id: str
    csrf_token: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry(Value):
    """Who asked for what, through which surface, and what came of it; never with content.

    `surface` is rest, mcp, mem0, mem0-oss, proxy, ui or cli. `target` is the id of what was asked for, `status` the
    HTTP status (0 for what did not come by HTTP).
    """

    at: datetime
    tenant: str
    key_id: str | None
    operation: str
    surface: str
    status: int
    scope: Scope
    target: str | None = None
    request_id: str | None = None
    sequence: int = 0


EventKind = Literal["changes", "erased", "reset", "job.done", "job.dead"]
EVENT_KINDS: tuple[EventKind, ...] = ("changes", "erased", "reset", "job.done", "job.dead")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event(Value):
    """Something that was committed. `sequence` grows with every event of the store, in the order of commits.

    A batch makes one `changes` event for each scope that it changed; `Store.changes(batch_id)` tells what, but for rows
    of an archive, which keep the batches that they came with. `job_id` is the job that made it, or that ended. `at` is
    the time of the batch; of a job that `JobQueue.finish` or `retry` ended, the time of its lease, and of a reset, the
    last time that is known of the tenant, since nobody says when these happen.
    """

    sequence: int
    kind: EventKind
    scope: Scope
    at: datetime
    batch_id: str | None = None
    job_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook(Value):
    """Where events of a tenant are sent. `secret` signs them; `kinds` are the events wanted; `pin` narrows them."""

    id: str
    tenant: str
    url: str
    secret: str
    kinds: tuple[EventKind, ...]
    pin: Scope
    created_at: datetime
    name: str = ""
    is_active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery(Value):
    """One event on its way to one webhook: `waiting` for its time, `sent`, or `dead` after its last attempt.

    `status` is the HTTP status of the last answer, `error` what went wrong.
    """

    id: str
    webhook_id: str
    event: Event
    state: Literal["waiting", "sent", "dead"]
    attempts: int
    due_at: datetime | None
    updated_at: datetime
    status: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReply:
    """What a request with an `Idempotency-Key` was answered; `status` 0 while it is still being worked on."""

    fingerprint: bytes
    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner(Value):
    """An owner of memories (user, agent, app or run) and how much it has; `last_at` is the time of its last change.

    `memories` are the visible ones, `messages` all in the ledger, also those that a retired one hides, as in `Stats`.
    """

    kind: str
    id: str
    memories: int
    messages: int
    last_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation(Value):
    """One exact scope with its messages: what was said there, in order. Times are recorded times.

    `messages` and the times are of all messages in the ledger, also of those that a retired memory hides.
    """

    scope: Scope
    messages: int
    first_at: datetime | None
    last_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Day(Value):
    """What was written on one day (UTC, `YYYY-MM-DD`): messages, and changes by action."""

    day: str
    messages: int
    changes: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueCounts(Value):
    """How many jobs wait, run, or are dead letters, and since when the oldest one waits."""

    waiting: int
    running: int
    dead: int
    oldest_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    """Which entries of the audit are wanted; None is any."""

    key_id: str | None = None
    operation: str | None = None
    since: datetime | None = None
    until: datetime | None = None
