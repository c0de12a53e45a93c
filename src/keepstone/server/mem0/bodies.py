"""The bodies of Mem0's requests. Unknown keys are let in, to be warned of; values are checked where they are used."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from keepstone.server.access import ScopeIds

Id = Annotated[str, Field(max_length=256)]
Filters = dict[str, Any]


class Loose(BaseModel):
    """A body that may have keys which are not known here."""

    model_config = ConfigDict(extra="allow")

    @property
    def strange(self) -> list[str]:
        """The keys that are not known."""
        return list(self.model_extra or ())


class Owned(Loose):
    """A body that may say at its top whose memory it is about, as older clients do."""

    user_id: Id | None = None
    agent_id: Id | None = None
    app_id: Id | None = None
    run_id: Id | None = None

    @property
    def whose(self) -> ScopeIds:
        """The ids at the top."""
        return ScopeIds(user_id=self.user_id, agent_id=self.agent_id, app_id=self.app_id, run_id=self.run_id)


class AddBody(Owned):
    """What is said, and what to make of it."""

    messages: str | dict[str, Any] | list[dict[str, Any]] = Field(
        examples=[[{"role": "user", "content": "I am allergic to peanuts."}]]
    )
    filters: Filters | None = None
    metadata: dict[str, Any] | None = None
    infer: bool | None = None
    expiration_date: str | None = None
    timestamp: int | float | str | None = None
    custom_instructions: str | None = None
    agent_custom_instructions: str | None = None
    custom_categories: list[dict[str, Any]] | None = None
    includes: str | None = None
    excludes: str | None = None
    immutable: bool | None = None
    structured_data_schema: dict[str, Any] | None = None
    enable_graph: bool | None = None
    memory_type: str | None = None
    prompt: str | None = None
    output_format: str | None = None
    async_mode: bool | None = None


class SearchBody(Owned):
    """A query, and what narrows it."""

    query: str
    filters: Filters | None = None
    metadata: dict[str, Any] | None = None
    top_k: int | None = Field(default=None, ge=1, le=1_000)
    limit: int | None = Field(default=None, ge=1, le=1_000)
    threshold: float | None = None
    rerank: bool | None = None
    fields: list[str] | None = None
    categories: list[str] | None = None
    show_expired: bool | None = None
    reference_date: int | float | str | None = None
    latest_only: bool | None = None
    keyword_search: bool | None = None
    explain: bool | None = None
    output_format: str | None = None


class ListBody(Owned):
    """What is to be listed."""

    filters: Filters | None = None
    metadata: dict[str, Any] | None = None
    start_date: int | float | str | None = None
    end_date: int | float | str | None = None
    categories: list[str] | None = None
    fields: list[str] | None = None
    show_expired: bool | None = None
    latest_only: bool | None = None


class UpdateBody(Loose):
    """What is to be changed; a key that is not there leaves its value as it is."""

    text: str | None = None
    data: str | None = None
    memory: str | None = None
    metadata: dict[str, Any] | None = None
    timestamp: int | float | str | None = None
    expiration_date: str | None = None


class BatchItem(Loose):
    """One memory of a batch."""

    memory_id: Id
    text: str | None = None
    metadata: dict[str, Any] | None = None


class BatchBody(Loose):
    """The memories of a batch."""

    memories: list[BatchItem] = Field(min_length=1, max_length=1_000)


class FeedbackBody(Loose):
    """What somebody thinks of a memory."""

    memory_id: Id
    feedback: str | None = None
    feedback_reason: str | None = None


class ExportBody(Owned):
    """What is to be exported."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())

    schema_: Any = Field(default=None, alias="schema")
    filters: Filters | None = None
    memory_export_id: str | None = Field(default=None, max_length=64_000)
    export_instructions: str | None = None


class SummaryBody(Owned):
    """Whose summary is wanted."""

    filters: Filters | None = None


class ProfileJobBody(Loose):
    """Whose profile is to be made."""

    operation: str
    entity_type: str = "user"
    entity_id: Id | None = None
    limit: int | None = Field(default=None, ge=1, le=10)


class ProfileSettingsBody(Loose):
    """What is to be set for profiles."""

    enabled: bool | None = None
    entities: dict[str, dict[str, Any]] | None = None


class ProjectBody(Loose):
    """What is to be set for a project."""

    custom_instructions: str | None = None
    agent_custom_instructions: str | None = None
    custom_categories: list[Any] | None = None
    multilingual: bool | None = None
    memory_depth: str | None = None
    usecase_setting: Any = None


class WebhookBody(Loose):
    """Where events are sent."""

    url: str | None = Field(default=None, max_length=2_000)
    name: str | None = Field(default=None, max_length=256)
    event_types: list[str] | None = None
    is_active: bool | None = None
