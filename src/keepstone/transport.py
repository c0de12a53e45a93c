"""HTTP to OpenAI-compatible endpoints: time-outs, retries that honour Retry-After, errors of our tree."""

from __future__ import annotations

import asyncio
import email.utils
import random
import weakref
from collections.abc import Mapping
from datetime import UTC
from typing import TYPE_CHECKING, Any

from keepstone.config import utc_now
from keepstone.errors import AuthenticationError, BadReplyError, ProviderError, RateLimitError, TimedOutError

if TYPE_CHECKING:
    import httpx2

OPENAI_URL = "https://api.openai.com/v1"
RETRYABLE = (408, 409, 429, 500, 502, 503, 504)
WAIT_SECONDS_MAX = 60.0


class OpenAITransport:
    """POSTs JSON to one endpoint and returns the reply's JSON.

    A request is tried up to *attempts* times, within *timeout_seconds* each; the wait doubles from half a second
    with jitter, or is what Retry-After says, up to a minute. One connection pool an event loop.
    """

    def __init__(
        self,
        *,
        api_key: str | None,
        base_url: str | None = None,
        timeout_seconds: float = 60.0,
        attempts: int = 5,
        provider: str = "openai",
    ) -> None:
        self._base_url = (base_url or OPENAI_URL).rstrip("/")
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._timeout = timeout_seconds
        self._attempts = attempts
        self._provider = provider
        self._clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, httpx2.AsyncClient]
        self._clients = weakref.WeakKeyDictionary()

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the JSON that the endpoint answers.

        Raises:
            AuthenticationError: 401 or 403.
            RateLimitError, TimedOutError: still so after the last attempt.
            BadReplyError: the reply is not JSON.
            ProviderError: anything else.
        """
        for attempt in range(1, self._attempts + 1):
            try:
                return await self._once(path, body)
            except ProviderError as error:
                if not error.retryable or attempt == self._attempts:
                    raise
                wait = error.retry_after
                if wait is None:
                    wait = 0.5 * 2 ** (attempt - 1) * (0.5 + random.random())
                await asyncio.sleep(min(wait, WAIT_SECONDS_MAX))
        raise AssertionError("unreachable")

    async def close(self) -> None:
        """Close the connections of the running loop."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    async def _once(self, path: str, body: Mapping[str, Any]) -> Any:
        import httpx2

        try:
            response = await self._client().post(self._base_url + path, json=dict(body))
        except httpx2.TimeoutException as error:
            raise TimedOutError(self._provider, f"no answer in {self._timeout:g} s", retryable=True) from error
        except (httpx2.UnsupportedProtocol, httpx2.InvalidURL, ValueError) as error:
            message = f"{self._base_url} is no address to ask: {error}"
            raise ProviderError(self._provider, message, retryable=False) from error
        except httpx2.HTTPError as error:
            raise ProviderError(self._provider, f"cannot be reached: {error}", retryable=True) from error
        if response.status_code >= 400:
            raise self._failure(response)
        try:
            return response.json()
        except ValueError as error:
            raise BadReplyError(self._provider, "the reply is not JSON", retryable=True) from error

    def _client(self) -> httpx2.AsyncClient:
        import httpx2

        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            self._clients[loop] = httpx2.AsyncClient(headers=self._headers, timeout=self._timeout)
        return self._clients[loop]

    def _failure(self, response: httpx2.Response) -> ProviderError:
        code, text = response.status_code, response.text[:300]
        if code in (401, 403):
            return AuthenticationError(self._provider, f"the key was refused ({code})", retryable=False)
        kind = RateLimitError if code == 429 else ProviderError
        wait = _retry_after(response.headers.get("retry-after"))
        message = f"answered {code}: {text}"
        return kind(self._provider, message, retryable=code in RETRYABLE, retry_after=wait)


def _retry_after(value: str | None) -> float | None:
    """Seconds to wait, from a Retry-After header in either of its forms (RFC 9110 §10.2.3)."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        moment = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        # The obsolete forms that a recipient must accept name no zone: it is UTC.
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - utc_now()).total_seconds())
