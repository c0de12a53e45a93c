"""What a server tells of its own: keys, webhooks, events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from keepstone.control import EventKind, Role
from keepstone.types import Scope, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Key(Value):
    """A key of a tenant; the ids are those that it is pinned to.

    `prefix` are the first characters of its secret. `secret` is told once, when the key is made, and None afterwards.
    """

    id: str
    tenant: str
    name: str
    role: Role
    prefix: str
    created_at: datetime
    user_id: str | None = None
    agent_id: str | None = None
    app_id: str | None = None
    run_id: str | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    replaces: str | None = None
    secret: str | None = None

    def __repr__(self) -> str:
        return f"Key({self.prefix}…, {self.name!r}, {self.role.value})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook(Value):
    """A webhook: where events go, which ones, and (by the ids) whose; `secret` signs them, and is told once."""

    id: str
    name: str
    url: str
    kinds: tuple[EventKind, ...]
    is_active: bool
    created_at: datetime
    user_id: str | None = None
    agent_id: str | None = None
    app_id: str | None = None
    run_id: str | None = None
    secret: str | None = None

    def __repr__(self) -> str:
        return f"Hook({self.id!r}, {self.url!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldEvent(Value):
    """Something that was committed; `sequence` grows, and is where a stream goes on.

    `changes` are those of its batch, without their texts unless these were asked for; None of an event that changed
    nothing. `changes_left_out` are as many more, which `history` tells.
    """

    sequence: int
    kind: EventKind
    scope: Scope
    at: datetime
    batch_id: str | None = None
    job_id: str | None = None
    changes: tuple[Mapping[str, Any], ...] | None = None
    changes_left_out: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Events(Value):
    """A page of events; `next_after` is where the next one begins, None at the end."""

    items: tuple[ToldEvent, ...]
    next_after: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported(Value):
    """What an import wrote, what was there already (`known`, `refreshed`), and what was left out and why."""

    format: str
    messages: int
    memories: int
    changes: int
    known: int
    refreshed: int
    skipped: Mapping[str, int]
    distilled: Mapping[str, Any] | None = None
