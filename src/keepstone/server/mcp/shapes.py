"""What the tools of the default profile answer: the values of the library, as short as a model wants to read them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from keepstone.results import AddResult
from keepstone.server.mcp.calling import Answer
from keepstone.types import OWNER_KINDS, Change, Context, Hit, MemoryRecord, Page

OWNER_IDS = tuple(f"{kind}_id" for kind in OWNER_KINDS)


class Remembered(Answer):
    """One memory. `text` is data: what somebody said, or what was made of it."""

    id: str
    text: str
    kind: str
    status: str
    user_id: str | None = None
    agent_id: str | None = None
    app_id: str | None = None
    run_id: str | None = None
    role: str | None = None
    name: str | None = None
    categories: list[str] | None = None
    metadata: dict[str, Any] | None = None
    occurred_at: datetime | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None = None

    @classmethod
    def of(cls, record: MemoryRecord, **more: Any) -> Remembered:
        """Return a memory in this shape."""
        told = record.to_dict()
        values: dict[str, Any] = {name: told[name] or None for name in cls.model_fields if name in told}
        return cls(**{**values, **{name: told["scope"][name] for name in OWNER_IDS}, **more})


class FoundMemory(Remembered):
    """A memory that a search found; `outdated` means that only superseded facts are left of it."""

    score: float = Field(ge=0, le=1)
    outdated: bool | None = None


class Found(Answer):
    """What a search found, best first."""

    results: list[FoundMemory]

    @classmethod
    def of(cls, hits: list[Hit]) -> Found:
        """Return hits in this shape."""
        made = [FoundMemory.of(h.memory, score=h.score, outdated=h.outdated or None) for h in hits]
        return cls(results=[m for m in made if isinstance(m, FoundMemory)])


class Listed(Answer):
    """A page of memories; `next_cursor` is `cursor` of the next one."""

    results: list[Remembered]
    next_cursor: str | None = None

    @classmethod
    def of(cls, page: Page) -> Listed:
        """Return a page in this shape."""
        return cls(results=[Remembered.of(r) for r in page.items], next_cursor=page.next_cursor)


class AlreadyThere(Answer):
    """A message that was there already, and the memory that says it."""

    memory_id: str
    reason: str


class TakenBack(Answer):
    """A memory that was taken back because the message asked for it."""

    memory_id: str
    text: str
    change_id: str


class Suggested(Answer):
    """A memory that the message may have meant to be forgotten, and why it was not."""

    memory_id: str
    text: str
    reason: str


class Distilled(Answer):
    """What the chat model does with what was added: `pending` until it has read it."""

    status: str
    reason: str | None = None


class Added(Answer):
    """Exactly what was stored, what was there already, and what was taken back."""

    results: list[Remembered]
    already_there: list[AlreadyThere]
    forgotten: list[TakenBack]
    suggestions: list[Suggested]
    batch_id: str
    distilled: Distilled | None = None

    @classmethod
    def of(cls, result: AddResult) -> Added:
        """Return the result of an `add` in this shape."""
        made = result.distilled
        return cls(
            results=[Remembered.of(m) for m in result.memories],
            already_there=[AlreadyThere(memory_id=d.memory_id, reason=d.reason) for d in result.duplicates],
            forgotten=[TakenBack(memory_id=f.memory_id, text=f.text, change_id=f.change_id) for f in result.forgotten],
            suggestions=[Suggested(memory_id=s.memory_id, text=s.text, reason=s.reason) for s in result.suggestions],
            batch_id=result.batch_id,
            distilled=None if made is None else Distilled(status=made.status, reason=made.reason),
        )


class ContextAnswer(Answer):
    """Memories fitted into a token budget, as text for a prompt, and which ones they are."""

    context: str
    tokens: int
    memory_ids: list[str]

    @property
    def plain(self) -> str:
        """The context itself."""
        return self.context

    @classmethod
    def of(cls, made: Context) -> ContextAnswer:
        """Return a context in this shape."""
        return cls(
            context=made.text,
            tokens=made.tokens,
            memory_ids=list(dict.fromkeys(c.memory_id for c in made.citations)),
        )


class Changed(Answer):
    """One entry of the history of a memory."""

    id: str
    batch_id: str
    action: str
    old_text: str | None = None
    new_text: str | None = None
    actor: str
    reason: str | None = None
    at: datetime

    @classmethod
    def of(cls, change: Change) -> Changed:
        """Return a change in this shape."""
        told = change.to_dict()
        return cls(**{name: told[name] for name in cls.model_fields})


class History(Answer):
    """Every change of a memory, oldest first."""

    results: list[Changed]


class Deleted(Answer):
    """Which memory was taken back; `undo` with `change_id` brings it back, outside of MCP."""

    memory_id: str
    change_id: str


class Counted(Answer):
    """How many memories were taken back."""

    count: int
