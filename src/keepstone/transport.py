"""HTTP to model providers: time-outs, deadlines, bounded replies, retries that honour Retry-After, our errors."""

from __future__ import annotations

import asyncio
import email.utils
import json
import math
import random
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

from keepstone.config import utc_now
from keepstone.errors import AuthenticationError, BadReplyError, ProviderError, RateLimitError, TimedOutError

if TYPE_CHECKING:
    import httpx2

OPENAI_URL = "https://api.openai.com/v1"
# 529 is what Anthropic answers when it is overloaded.
RETRYABLE = (408, 409, 429, 500, 502, 503, 504, 529)
WAIT_SECONDS_MAX = 60.0
ERROR_BYTES_MAX = 16_384
REPLY_BYTES_MAX = 64_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What an endpoint answered: the JSON of *body*, or for a status that was allowed its *text*."""

    status: int
    body: Any
    text: str
    attempts: int
    retry_after: float | None = None


class Transport:
    """Sends JSON to one endpoint and returns the reply's JSON.

    A request is tried up to *attempts* times. Each try has *timeout_seconds*, from the first byte sent to the last
    one read, and all of them with the waits between have *deadline_seconds* (None: no such end). The wait doubles
    from half a second with jitter, or is what Retry-After says, up to a minute. A reply has at most
    *reply_bytes_max* bytes, unpacked. One connection pool an event loop. *secret* is cut from every message.
    """

    def __init__(
        self,
        *,
        base_url: str,
        headers: Mapping[str, str],
        provider: str,
        timeout_seconds: float = 60.0,
        deadline_seconds: float | None = None,
        attempts: int = 5,
        reply_bytes_max: int = REPLY_BYTES_MAX,
        secret: str | None = None,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._headers = dict(headers)
        self._timeout = timeout_seconds
        self._deadline = deadline_seconds
        self._attempts = attempts
        self._bytes_max = reply_bytes_max
        self._provider = provider
        self._secret = secret
        self._clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, httpx2.AsyncClient]
        self._clients = weakref.WeakKeyDictionary()

    @property
    def base_url(self) -> str:
        """Where requests go, without a slash at the end."""
        return self._base_url

    async def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """Return the JSON that the endpoint answers.

        Raises:
            AuthenticationError: 401 or 403.
            RateLimitError, TimedOutError: still so after the last attempt.
            BadReplyError: the reply is not JSON, or larger than allowed.
            ProviderError: anything else.
        """
        return (await self.ask(path, body)).body

    async def ask(
        self,
        path: str,
        body: Mapping[str, Any],
        *,
        allowed: Sequence[int] = (),
        check: Callable[[Any], None] | None = None,
    ) -> Answered:
        """Return the reply; one of a status in *allowed* is returned too, not raised.

        *check* looks at the JSON of a good reply and raises what should be tried again.

        Raises:
            ProviderError: as for `post`.
        """
        until = None if self._deadline is None else asyncio.get_running_loop().time() + self._deadline
        for attempt in range(1, self._attempts + 1):
            try:
                answered = await self._once(path, body, allowed, attempt, until)
                if check is not None and answered.status < 300:
                    check(answered.body)
                return answered
            except ProviderError as error:
                wait = _wait(error, attempt)
                if not error.retryable or attempt == self._attempts or _is_past(until, wait):
                    raise
                await asyncio.sleep(wait)
        raise AssertionError("unreachable")

    def failure(self, answered: Answered) -> ProviderError:
        """Return the error that a reply with a status from 300 on stands for."""
        code, text = answered.status, self._clean(answered.text[:300])
        if code in (401, 403):
            return AuthenticationError(self._provider, f"the key was refused ({code})", retryable=False)
        kind = RateLimitError if code == 429 else ProviderError
        # An empty account does not fill up by waiting.
        retryable = code in RETRYABLE and "insufficient_quota" not in answered.text
        return kind(self._provider, f"answered {code}: {text}", retryable=retryable, retry_after=answered.retry_after)

    async def close(self) -> None:
        """Close the connections of the running loop."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    async def _once(
        self, path: str, body: Mapping[str, Any], allowed: Sequence[int], attempt: int, until: float | None
    ) -> Answered:
        import httpx2

        seconds = self._seconds(until)
        try:
            async with asyncio.timeout(seconds):
                answered = await self._sent(path, body, attempt)
        except (httpx2.TimeoutException, TimeoutError) as error:
            raise TimedOutError(self._provider, f"no answer in {seconds:.3g} s", retryable=True) from error
        except (httpx2.UnsupportedProtocol, httpx2.InvalidURL, ValueError) as error:
            message = self._clean(f"{self._base_url} is no address to ask: {error}")
            raise ProviderError(self._provider, message, retryable=False) from error
        except httpx2.HTTPError as error:
            message = self._clean(f"cannot be reached: {error}")
            raise ProviderError(self._provider, message, retryable=True) from error
        if answered.status >= 300 and answered.status not in allowed:
            raise self.failure(answered)
        return answered

    async def _sent(self, path: str, body: Mapping[str, Any], attempt: int) -> Answered:
        async with self._client().stream("POST", self._base_url + path, json=dict(body)) as response:
            status, wait = response.status_code, retry_after_seconds(response.headers.get("retry-after"))
            if status >= 300:
                raw = await self._start(response)
                text = raw.decode("utf-8", "replace")
                return Answered(status=status, body=None, text=text, attempts=attempt, retry_after=wait)
            raw = await self._whole(response)
        try:
            return Answered(status=status, body=json.loads(raw), text="", attempts=attempt)
        except (ValueError, RecursionError) as error:
            raise BadReplyError(self._provider, "the reply is not JSON", retryable=True) from error

    async def _start(self, response: httpx2.Response) -> bytes:
        """The first bytes: of an error no more is of use."""
        found = bytearray()
        async for chunk in response.aiter_bytes():
            found += chunk
            if len(found) >= ERROR_BYTES_MAX:
                break
        return bytes(found[:ERROR_BYTES_MAX])

    async def _whole(self, response: httpx2.Response) -> bytes:
        found = bytearray()
        async for chunk in response.aiter_bytes():
            found += chunk
            if len(found) > self._bytes_max:
                message = f"the reply did not end within {self._bytes_max:,} bytes"
                raise BadReplyError(self._provider, message, retryable=True)
        return bytes(found)

    def _seconds(self, until: float | None) -> float:
        if until is None:
            return self._timeout
        return max(0.0, min(self._timeout, until - asyncio.get_running_loop().time()))

    def _client(self) -> httpx2.AsyncClient:
        import httpx2

        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            self._clients[loop] = httpx2.AsyncClient(headers=self._headers, timeout=self._timeout)
        return self._clients[loop]

    def _clean(self, message: str) -> str:
        return message.replace(self._secret, "…") if self._secret else message


class OpenAITransport(Transport):
    """A `Transport` to an OpenAI-compatible endpoint, with *api_key* if it wants one."""

    def __init__(
        self,
        *,
        api_key: str | None,
        base_url: str | None = None,
        timeout_seconds: float = 60.0,
        deadline_seconds: float | None = None,
        attempts: int = 5,
        reply_bytes_max: int = REPLY_BYTES_MAX,
        provider: str = "openai",
    ) -> None:
        super().__init__(
            base_url=base_url or OPENAI_URL,
            headers={"Authorization": f"Bearer {api_key}"} if api_key else {},
            provider=provider,
            timeout_seconds=timeout_seconds,
            deadline_seconds=deadline_seconds,
            attempts=attempts,
            reply_bytes_max=reply_bytes_max,
            secret=api_key,
        )


def _wait(error: ProviderError, attempt: int) -> float:
    wait = error.retry_after
    if wait is None:
        wait = 0.5 * 2 ** (attempt - 1) * (0.5 + random.random())
    return min(wait, WAIT_SECONDS_MAX)


def _is_past(until: float | None, wait: float) -> bool:
    return until is not None and asyncio.get_running_loop().time() + wait >= until


def retry_after_seconds(value: str | None) -> float | None:
    """Return the seconds to wait, from a Retry-After header in either of its forms (RFC 9110 §10.2.3).

    None if it says nothing.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
        return max(0.0, seconds) if math.isfinite(seconds) else None
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
