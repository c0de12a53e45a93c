"""The error tree: every failure that a caller can meet, and what to do next.

    KeepstoneError
    ├ ConfigError
    │ ├ MissingExtraError          an optional dependency is not installed
    │ └ EmbedderMismatchError      the store was embedded by something else
    ├ InvalidRequestError
    │ ├ ScopeError                 no scope, or one that no memory can have
    │ ├ FilterError                a filter that cannot be understood
    │ └ LimitError                 larger than a limit allows
    ├ NotFoundError
    ├ ConflictError
    ├ StoreError
    │ ├ StoreBusyError             another writer holds the store; try again
    │ ├ StoreFullError             no room on the device
    │ ├ StoreReadOnlyError         the folder or file cannot be written
    │ ├ StoreCorruptError          the file is damaged, or is not a store
    │ ├ StoreVersionError          the file was written by a newer Keepstone
    │ └ StoreClosedError           used after close()
    └ ProviderError
      ├ AuthenticationError
      ├ RateLimitError
      ├ TimedOutError
      └ BadReplyError

Nothing here may import anything of ours, know HTTP status codes, or format for a screen.
"""

from __future__ import annotations

from collections.abc import Sequence


class KeepstoneError(Exception):
    """The root of all errors that Keepstone raises on purpose."""


class ConfigError(KeepstoneError):
    """A setting is missing, unknown or contradicts another."""


class MissingExtraError(ConfigError):
    """An optional dependency is needed; `extra` names what to install."""

    def __init__(self, feature: str, extra: str) -> None:
        self.extra = extra
        super().__init__(f"{feature} needs an optional dependency: pip install 'keepstone[{extra}]'")


class EmbedderMismatchError(ConfigError):
    """The store holds vectors of another embedder or dimension than the one given."""

    def __init__(self, stored: str, given: str) -> None:
        self.stored, self.given = stored, given
        super().__init__(
            f"This store was embedded by {stored}, but it was opened with {given}. "
            f"Open it with the first, or change it with `keepstone reembed`."
        )


class InvalidRequestError(KeepstoneError):
    """An argument is of the wrong type or value; nothing was stored."""


class ScopeError(InvalidRequestError):
    """The scope is empty, or an id in it is not usable."""


class FilterError(InvalidRequestError):
    """The filter names an unknown operator, or has the wrong shape or size."""


class LimitError(InvalidRequestError):
    """The input is larger than a limit of `keepstone.limits` allows."""


class NotFoundError(KeepstoneError):
    """No such memory, message or change in the scope; a foreign id looks the same."""


class PermissionDeniedError(KeepstoneError):
    """The key of a server is valid, and may not do this."""


class ConflictError(KeepstoneError):
    """The write contradicts what is stored by now; `blocking` names the ids in the way."""

    def __init__(self, message: str, *, blocking: Sequence[str] = ()) -> None:
        self.blocking = tuple(blocking)
        super().__init__(message)


class StoreError(KeepstoneError):
    """The store could not do what was asked; nothing was half written."""


class StoreBusyError(StoreError):
    """Another process held the store for longer than the busy timeout; try again."""


class StoreFullError(StoreError):
    """The device is full; reading still works, and so does writing once there is room."""


class StoreReadOnlyError(StoreError):
    """The folder or file cannot be written by this process."""


class StoreCorruptError(StoreError):
    """The file is damaged or is not a Keepstone store; `keepstone doctor` tells more."""


class StoreVersionError(StoreError):
    """The file was written by a newer Keepstone; install that one to open it."""


class StoreClosedError(StoreError):
    """The memory or store was used after `close()`."""


class ProviderError(KeepstoneError):
    """A model provider failed; `retryable` says whether trying again can help, `retry_after` when (seconds)."""

    def __init__(self, provider: str, message: str, *, retryable: bool, retry_after: float | None = None) -> None:
        self.provider, self.retryable, self.retry_after = provider, retryable, retry_after
        super().__init__(f"{provider}: {message}")


class AuthenticationError(ProviderError):
    """The provider, or a Keepstone server, refused the key."""


class RateLimitError(ProviderError):
    """The provider asked to slow down, more often than the retries allow."""


class TimedOutError(ProviderError):
    """The provider did not answer in time."""


class BadReplyError(ProviderError):
    """The provider's answer is not of the promised shape."""
