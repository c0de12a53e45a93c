"""Rate limits: how many requests a key may make, and how often an address may come without a valid one."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.aio.storage import Storage
from limits.aio.strategies import FixedWindowRateLimiter
from limits.errors import ConfigurationError, StorageError
from limits.storage import storage_from_string

from keepstone import config
from keepstone.errors import ConfigError
from keepstone.server.problems import RefusedError
from keepstone.server.settings import Settings

log = logging.getLogger("keepstone.server")

WINDOW_SECONDS = 60
# Without a valid key: a client that is set up wrongly is told so, one that tries keys is slowed down.
FAILURES_A_MINUTE = 60


class Limiter:
    """Counts requests in windows of a minute, in this process or where *settings* say.

    A store of counts that cannot be reached limits nobody: it is logged, and requests are served.
    """

    def __init__(self, settings: Settings) -> None:
        most = settings.requests_a_minute
        self._rate = RateLimitItemPerMinute(most, namespace="keepstone") if most else None
        self._failures = RateLimitItemPerMinute(FAILURES_A_MINUTE, namespace="keepstone-failures") if most else None
        self._counts = FixedWindowRateLimiter(_storage(settings.requests_a_minute_store))
        self._policy = f'"key";q={most};w={WINDOW_SECONDS}'

    async def count(self, key_id: str) -> Mapping[str, str]:
        """Count one request of a key, and return the headers that say what is left.

        Raises:
            RefusedError: 429, the limit is reached.
        """
        if self._rate is None:
            return {}
        found = await self._hit(self._rate, key_id)
        if found is None:
            return {}
        allowed, left, seconds = found
        headers = {"RateLimit-Policy": self._policy, "RateLimit": f'"key";r={left};t={seconds}'}
        if allowed:
            return headers
        detail = f"This key has made its {self._rate.amount} requests of this minute; try again in {seconds} s."
        raise RefusedError(429, detail, headers={**headers, "Retry-After": str(seconds)})

    async def failed(self, address: str) -> RefusedError | None:
        """Count a request without a valid key, and return the refusal if an address made too many of them."""
        found = None if self._failures is None else await self._hit(self._failures, address)
        if found is None or found[0]:
            return None
        detail = "Too many requests without a valid key from this address; try again later."
        return RefusedError(429, detail, headers={"Retry-After": str(max(1, found[2]))})

    async def _hit(self, rate: RateLimitItem, who: str) -> tuple[bool, int, int] | None:
        """Count one; return whether it is allowed, how many are left, and the seconds until all are."""
        try:
            allowed = await self._counts.hit(rate, who)
            window = await self._counts.get_window_stats(rate, who)
        except StorageError as error:
            log.warning("Requests cannot be counted now, and are not limited: %s", type(error.storage_error).__name__)
            return None
        seconds = math.ceil(window.reset_time - config.utc_now().timestamp())
        return allowed, window.remaining, min(WINDOW_SECONDS, max(1, seconds))


def _storage(address: str) -> Storage:
    try:
        found = storage_from_string(f"async+{address.removeprefix('async+')}", wrap_exceptions=True)
    except (ConfigurationError, ValueError) as error:
        # The address may hold a password.
        raise ConfigError(
            "requests_a_minute_store is no address of a store of counts, or its client is missing."
        ) from (error)
    assert isinstance(found, Storage)
    return found
