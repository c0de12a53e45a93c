"""The bodies of requests: the parameters of the verbs, by the same names. What they mean is checked by the library."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from keepstone.control import ApiKey, Role
from keepstone.results import FeedbackValue
from keepstone.server.access import ScopeIds
from keepstone.types import OWNER_KINDS, ContextFormat, Kind

Id = Annotated[str, Field(max_length=256, examples=["alice"])]


class Body(BaseModel):
    """What a body may have and nothing else: an unknown name is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")


class Scoped(Body):
    """A body that says whose memory it is about."""

    user_id: Id | None = None
    agent_id: Id | None = None
    app_id: Id | None = None
    run_id: Id | None = None

    @property
    def whose(self) -> ScopeIds:
        """Return the ids, as the verbs take them."""
        return ScopeIds(user_id=self.user_id, agent_id=self.agent_id, app_id=self.app_id, run_id=self.run_id)


class MessageBody(Body):
    """One utterance: who said it, what, and when."""

    content: str = Field(examples=["I am allergic to peanuts."])
    role: str = "user"
    name: str | None = None
    id: str | None = None
    timestamp: str | None = Field(default=None, examples=["2026-06-18T08:30:00+02:00"])
    metadata: dict[str, Any] = Field(default_factory=dict)

    def given(self) -> dict[str, Any]:
        """Return it as the library takes it."""
        return self.model_dump(exclude_none=True)


class AddBody(Scoped):
    """The parameters of `add`. *wait* is how many seconds to wait for the chat model, 0 by default."""

    messages: str | MessageBody | list[MessageBody] = Field(examples=["I am allergic to peanuts."])
    metadata: dict[str, Any] | None = None
    infer: bool = True
    expires_at: str | None = None
    idempotency_key: str | None = Field(default=None, max_length=256)
    instructions: str | None = None
    procedures: bool = False
    wait: float = Field(default=0.0, ge=0, le=60)


class SearchBody(Scoped):
    """The parameters of `search`."""

    query: str = Field(examples=["What must Alice not eat?"])
    limit: int = Field(default=10, ge=1, le=1_000)
    min_score: float = Field(default=0.0, ge=0, le=1)
    filters: dict[str, Any] | None = None
    kinds: list[Kind] | None = None
    include_expired: bool = False
    include_superseded: bool = True
    all_scopes: bool = False
    as_of: str | None = None
    known_at: str | None = None
    explain: bool = False


class ContextBody(Scoped):
    """The parameters of `context`."""

    query: str = Field(examples=["What must Alice not eat?"])
    max_tokens: int = Field(default=1000, ge=1, le=1_000_000)
    format: ContextFormat = "text"
    min_score: float = Field(default=0.0, ge=0, le=1)
    filters: dict[str, Any] | None = None
    kinds: list[Kind] | None = None
    include_superseded: bool = True
    all_scopes: bool = False
    as_of: str | None = None
    known_at: str | None = None


class TraceBody(Scoped):
    """The parameters of `trace`."""

    question: str
    expect: list[str] | None = Field(default=None, max_length=100)
    limit: int = Field(default=10, ge=1, le=1_000)
    min_score: float = Field(default=0.0, ge=0, le=1)
    filters: dict[str, Any] | None = None
    kinds: list[Kind] | None = None
    include_expired: bool = False
    include_superseded: bool = True
    max_tokens: int = Field(default=1000, ge=1, le=1_000_000)
    all_scopes: bool = False
    as_of: str | None = None
    known_at: str | None = None


class UpdateBody(Scoped):
    """The parameters of `update`; what is not given stays, `"expires_at": null` removes an expiry."""

    text: str | None = None
    metadata: dict[str, Any] | None = None
    expires_at: str | None = None
    reason: str | None = None


class UndoBody(Scoped):
    """The parameters of `undo`: the id of a change or of a batch."""

    id: str
    cascade: bool = False


class EraseBody(Scoped):
    """The parameters of `erase`: ids of memories or messages, or a scope."""

    ids: list[str] | None = Field(default=None, max_length=10_000)
    reason: str | None = None


class ResetBody(Body):
    """The parameter of `reset`: said on purpose."""

    confirm: Literal[True]


class FeedbackBody(Scoped):
    """The parameters of `feedback`."""

    value: FeedbackValue
    reason: str | None = None


class MergeBody(Scoped):
    """The parameters of `merge_entities`."""

    into: str
    reason: str | None = None


class FlushBody(Scoped):
    """The parameters of `flush`."""

    timeout: float = Field(default=30.0, ge=0, le=300)


class RetryBody(Scoped):
    """The parameters of `retry` and `discard`; without *job_id*, all of the scope."""

    job_id: str | None = None


class ReextractBody(Scoped):
    """The parameters of `reextract`."""

    strategy: Literal["single_pass", "two_step"] | None = None
    instructions: str | None = None
    procedures: bool = False


class CountAnswer(BaseModel):
    """How many it was."""

    count: int


class KeyAnswer(BaseModel):
    """A key, without its secret; the ids are those that it is pinned to."""

    id: str
    tenant: str
    name: str
    role: Role
    prefix: str = Field(description="The first characters of the secret.")
    user_id: str | None = None
    agent_id: str | None = None
    app_id: str | None = None
    run_id: str | None = None
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None
    replaces: str | None = None

    @classmethod
    def of(cls, key: ApiKey) -> Self:
        """Tell a key."""
        pinned = {f"{kind}_id": id for kind, id in zip(OWNER_KINDS, key.pin.ids, strict=True)}
        return cls.model_validate({**{k: v for k, v in key.to_dict().items() if k != "pin"}, **pinned})
