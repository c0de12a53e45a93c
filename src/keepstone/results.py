"""What the writing verbs answer: what was stored, what a model made of it, what it cost, what is still to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from keepstone.types import Action, Kind, MemoryRecord, Scope, Value

FeedbackValue = Literal["positive", "negative", "very_negative"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt(Value):
    """What one call of a chat model cost.

    Tokens are the provider's count, or an estimate where it gave none (`estimated`); `price_usd` is None where the
    price of the model is not known. `prompt` names the prompt with its version and language, as in `single_pass/1/zh`.
    """

    model: str
    purpose: str
    prompt: str
    input_tokens: int
    output_tokens: int
    milliseconds: float
    at: datetime
    price_usd: float | None = None
    estimated: bool = False
    attempts: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage(Value):
    """What the calls of chat models in a scope cost over a time.

    `price_usd` sums the calls whose price is known; `unpriced` counts the others. `models` is by model name.
    """

    calls: int
    input_tokens: int
    output_tokens: int
    price_usd: float
    unpriced: int
    since: datetime | None
    until: datetime | None
    models: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(Value):
    """What a model proposed and the checks did not let through: `reason` is a code, `detail` a sentence."""

    text: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FactChange(Value):
    """One change of the memories that a model proposed and that was carried out.

    `text` is how the memory reads now (for DELETE and SUPERSEDE, how it read); `sources` are message ids;
    `undo(change_id)` takes it back.
    """

    action: Action
    memory_id: str
    kind: Kind
    text: str
    change_id: str
    old_text: str | None = None
    related_id: str | None = None
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Distillation(Value):
    """What a model made of the messages of one call.

    `done`: carried out, in the batches `batch_ids`, which `undo` takes. `pending`: a job waits or runs. `failed`:
    something is left as a dead letter, which `jobs` shows; what was let through is carried out all the same.
    `skipped`: no model was asked, `reason` says why (no model, over the budget, nothing to read). The words are kept
    in any case. `review` lists memories whose ground fell with these changes.
    """

    status: Literal["done", "pending", "failed", "skipped"]
    reason: str | None = None
    job_ids: tuple[str, ...] = ()
    batch_ids: tuple[str, ...] = ()
    changes: tuple[FactChange, ...] = ()
    refused: tuple[Refused, ...] = ()
    receipts: tuple[Receipt, ...] = ()
    review: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus(Value):
    """A job in the durable queue: `waiting` for its time or its turn, `running`, or `dead` with its error.

    `reply` is the raw reply of the model that made it a dead letter, if there was one.
    """

    id: str
    kind: str
    scope: Scope
    state: Literal["waiting", "running", "dead"]
    attempts: int
    created_at: datetime
    due_at: datetime | None = None
    error: str | None = None
    reply: str | None = None
    payload: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate(Value):
    """A message that was there already.

    `replay`: the same message again, nothing changed. `refreshed`: said again, so the message is in the ledger
    and the memory that says it became the newest. `echo`: it only repeats what a search returned a little while
    ago, so the message is in the ledger and no memory was made from it.
    """

    message_id: str
    memory_id: str
    reason: Literal["replay", "refreshed", "echo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten(Value):
    """A memory that was taken back because the user asked for it in a message.

    `undo(change_id)` brings it back; `message_id` is the message that asked.
    """

    memory_id: str
    text: str
    change_id: str
    message_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion(Value):
    """What a message may have asked for and was not done, because it was not clear enough.

    `action` says what to do with the memory, `reason` why it was not done; `message_id` is the message that asked.
    `change_id` is the change that ranked the memory lower meanwhile, to undo it; None if nothing was changed.
    """

    action: Literal["forget"]
    memory_id: str
    text: str
    message_id: str
    reason: str
    change_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AddResult(Value):
    """Exactly what an `add` stored, what was there already, and what was taken back.

    `messages` are the ids of the ledger messages written now, in the order given (the caller's where given);
    `memories` the records made now and still there; `duplicates` the rest. `forgotten` lists the memories that a
    message asked to forget, `suggestions` those that it may have meant. `distilled` says what a model made of the
    messages, None without one.
    """

    memories: tuple[MemoryRecord, ...]
    messages: tuple[str, ...]
    duplicates: tuple[Duplicate, ...]
    batch_id: str
    forgotten: tuple[Forgotten, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    distilled: Distillation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup(Value):
    """A copy of a store: where it is, its size in bytes, the version of its schema, and how much it holds."""

    path: str
    bytes: int
    schema_version: int
    messages: int
    memories: int
