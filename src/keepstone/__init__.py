"""Keepstone: a memory layer for applications built on language models.

    from keepstone import Memory

    memory = Memory()
    memory.add("I play cricket at weekends", user_id="alice")
    memory.search("What does Alice do for fun?", user_id="alice")

`AsyncMemory` has the same verbs for event loops. Importing this package opens nothing and loads no SDK.
"""

from keepstone.blocking import Memory
from keepstone.chat import ChatMessage, ChatReply, ChatRequest
from keepstone.drafts import Reextraction
from keepstone.errors import (
    AuthenticationError,
    BadReplyError,
    ConfigError,
    ConflictError,
    EmbedderMismatchError,
    FilterError,
    InvalidRequestError,
    KeepstoneError,
    LimitError,
    MissingExtraError,
    NotFoundError,
    PermissionDeniedError,
    ProviderError,
    RateLimitError,
    ScopeError,
    StoreBusyError,
    StoreClosedError,
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreReadOnlyError,
    StoreVersionError,
    TimedOutError,
)
from keepstone.limits import Limits, SpendingLimits
from keepstone.memory import AsyncMemory
from keepstone.naming import Entity, MergedEntity
from keepstone.profiles import Profile, ProfileLine
from keepstone.protocols import ChatModel, Embedder
from keepstone.results import (
    AddResult,
    Distillation,
    Duplicate,
    FactChange,
    FeedbackValue,
    Forgotten,
    JobStatus,
    Receipt,
    Refused,
    Suggestion,
    Usage,
)
from keepstone.traces import Expected, SignalGap, Stage, StageCounts, Trace
from keepstone.types import (
    Action,
    Change,
    Citation,
    Context,
    ErasureReceipt,
    Evidence,
    Explanation,
    Hit,
    Kind,
    LedgerMessage,
    LeftOut,
    MemoryRecord,
    Message,
    Page,
    Scope,
    Signal,
    Span,
    Stats,
    Status,
)

__version__ = "0.1.0"

__all__ = [
    "Action",
    "AddResult",
    "AsyncMemory",
    "AuthenticationError",
    "BadReplyError",
    "Change",
    "ChatMessage",
    "ChatModel",
    "ChatReply",
    "ChatRequest",
    "Citation",
    "ConfigError",
    "ConflictError",
    "Context",
    "Distillation",
    "Duplicate",
    "Embedder",
    "EmbedderMismatchError",
    "Entity",
    "ErasureReceipt",
    "Evidence",
    "Expected",
    "Explanation",
    "FactChange",
    "FeedbackValue",
    "FilterError",
    "Forgotten",
    "Hit",
    "InvalidRequestError",
    "JobStatus",
    "KeepstoneError",
    "Kind",
    "LedgerMessage",
    "LeftOut",
    "LimitError",
    "Limits",
    "Memory",
    "MemoryRecord",
    "MergedEntity",
    "Message",
    "MissingExtraError",
    "NotFoundError",
    "Page",
    "PermissionDeniedError",
    "Profile",
    "ProfileLine",
    "ProviderError",
    "RateLimitError",
    "Receipt",
    "Reextraction",
    "Refused",
    "Scope",
    "ScopeError",
    "Signal",
    "SignalGap",
    "Span",
    "SpendingLimits",
    "Stage",
    "StageCounts",
    "Stats",
    "Status",
    "StoreBusyError",
    "StoreClosedError",
    "StoreCorruptError",
    "StoreError",
    "StoreFullError",
    "StoreReadOnlyError",
    "StoreVersionError",
    "Suggestion",
    "TimedOutError",
    "Trace",
    "Usage",
    "__version__",
]
