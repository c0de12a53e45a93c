"""HTTP to a Keepstone server: connections kept open, time-outs, deadlines, and retries of what is safe to repeat."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
import weakref
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from keepstone import config
from keepstone.client.rebuilding import PROVIDER
from keepstone.client.refusals import RETRYABLE, error_of, is_in_work
from keepstone.errors import BadReplyError, ConfigError, KeepstoneError, ProviderError, TimedOutError
from keepstone.transport import retry_after_seconds

if TYPE_CHECKING:
    import httpx2

API = "/api/v1"
# Answered before anything is done.
NOTHING_DONE = (429, 503)
ERROR_BYTES_MAX = 65_536
WAIT_SECONDS_MAX = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request: *path* under the interface, *query* and *body* (JSON), and how long the server itself may wait.

    The answer of what *has_secret* is kept nowhere, so that it cannot be asked for again.
    """

    method: str
    path: str
    query: Sequence[tuple[str, str]] = ()
    body: bytes | None = None
    waits: float = 0.0
    has_secret: bool = False

    @property
    def is_repeatable(self) -> bool:
        """Whether asking again, after a try whose answer was lost, does nothing twice."""
        return self.method == "GET" or (self.method == "POST" and not self.has_secret)


class Connection:
    """Sends requests with a key to one server.

    A try has *timeout* seconds beside what the server is asked to wait, and a request with all its tries
    *deadline* seconds (None: no such end). Up to *attempts* tries are made if the server is busy or cannot be reached,
    and if it does not answer, where asking again is safe: GET, and POST with an `Idempotency-Key`. Connections are kept
    for each event loop.
    """

    def __init__(
        self, url: str | None, api_key: str | None, *, timeout: float, deadline: float | None, attempts: int
    ) -> None:
        self.url = (url or config.server_url()).rstrip("/")
        if urlsplit(self.url).scheme not in ("http", "https") or not urlsplit(self.url).hostname:
            raise ConfigError(f"{self.url} is not the URL of a server, such as http://localhost:8765.")
        secret = api_key or config.api_key()
        if secret is None:
            raise ConfigError("There is no key: give api_key, or set KEEPSTONE_API_KEY to what the server printed.")
        if not secret.isascii() or not secret.isprintable() or " " in secret:
            raise ConfigError("The key is not one: a key is ks_ and letters, digits, - and _.")
        self._headers = {"Authorization": f"Bearer {secret}"}
        self._timeout, self._deadline, self._attempts = timeout, deadline, attempts
        self._clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, httpx2.AsyncClient]
        self._clients = weakref.WeakKeyDictionary()

    async def json(self, asked: Asked) -> Any:
        """Return the JSON that the server answers; None if the answer is empty.

        Raises:
            KeepstoneError: what the answer stands for, or ProviderError if there is none.
        """
        raw = await self.send(asked)
        if not raw:
            return None
        try:
            return json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise BadReplyError(PROVIDER, "the reply is not JSON", retryable=False) from error

    async def send(self, asked: Asked) -> bytes:
        """Return the body that the server answers with; errors as for `json`."""
        is_kept = asked.method == "POST" and asked.is_repeatable and self._attempts > 1
        key = {"Idempotency-Key": uuid.uuid4().hex} if is_kept else {}
        until = None if self._deadline is None else asyncio.get_running_loop().time() + self._deadline
        for attempt in range(1, self._attempts + 1):
            try:
                return await self._once(asked, key, until)
            except _AgainError as again:
                wait = again.wait(attempt)
                if attempt == self._attempts or _is_past(until, wait):
                    raise again.error from again.__cause__
                await asyncio.sleep(wait)
        raise AssertionError("unreachable")

    @asynccontextmanager
    async def stream(
        self, asked: Asked, *, headers: Mapping[str, str] | None = None, content: AsyncIterator[bytes] | None = None
    ) -> AsyncIterator[httpx2.Response]:
        """Give the answer while it comes in; it is asked for once. *content* is a body that is sent as it comes.

        Raises:
            KeepstoneError: as for `json`.
        """
        import httpx2

        try:
            async with self._client().stream(
                asked.method,
                self.url + API + asked.path,
                params=list(asked.query),
                headers={**_typed(asked), **(headers or {})},
                timeout=httpx2.Timeout(self._timeout, read=self._timeout + asked.waits),
                content=content if content is not None else asked.body,
            ) as response:
                if response.status_code >= 300:
                    raise await _failure(response)
                yield response
        except httpx2.TimeoutException as error:
            raise TimedOutError(PROVIDER, "the server stopped answering", retryable=True) from error
        except httpx2.HTTPError as error:
            raise ProviderError(PROVIDER, f"cannot be reached at {self.url}: {error}", retryable=True) from error

    async def close(self) -> None:
        """Close the connections of the running loop."""
        client = self._clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()

    async def _once(self, asked: Asked, key: Mapping[str, str], until: float | None) -> bytes:
        import httpx2

        seconds = self._seconds(asked, until)
        try:
            async with asyncio.timeout(seconds):
                response = await self._client().request(
                    asked.method,
                    self.url + API + asked.path,
                    params=list(asked.query),
                    headers={**_typed(asked), **key},
                    content=asked.body,
                    timeout=None,
                )
        except (httpx2.TimeoutException, TimeoutError) as error:
            late = TimedOutError(PROVIDER, f"no answer in {seconds:.3g} s", retryable=True)
            raise (_AgainError(late) if asked.is_repeatable else late) from error
        except httpx2.HTTPError as error:
            unreachable = ProviderError(PROVIDER, f"cannot be reached at {self.url}: {error}", retryable=True)
            was_sent = not isinstance(error, httpx2.ConnectError)
            raise (unreachable if was_sent and not asked.is_repeatable else _AgainError(unreachable)) from error
        if response.status_code < 300:
            return response.content
        failed = await _failure(response)
        wait = retry_after_seconds(response.headers.get("retry-after"))
        is_safe = asked.is_repeatable or response.status_code in NOTHING_DONE
        if (response.status_code in RETRYABLE and is_safe) or is_in_work(failed, response.status_code, wait):
            raise _AgainError(failed, wait)
        raise failed

    def _seconds(self, asked: Asked, until: float | None) -> float:
        most = self._timeout + asked.waits
        return most if until is None else max(0.0, min(most, until - asyncio.get_running_loop().time()))

    def _client(self) -> httpx2.AsyncClient:
        import httpx2

        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            self._clients[loop] = httpx2.AsyncClient(headers=self._headers, timeout=self._timeout)
        return self._clients[loop]


class _AgainError(Exception):
    """A try failed in a way that another one may not."""

    def __init__(self, error: KeepstoneError, retry_after: float | None = None) -> None:
        self.error, self._retry_after = error, retry_after
        super().__init__()

    def wait(self, attempt: int) -> float:
        """Return the seconds to wait before the next try."""
        wait = self._retry_after
        if wait is None:
            wait = 0.25 * 2 ** (attempt - 1) * (0.5 + random.random())
        return min(wait, WAIT_SECONDS_MAX)


async def _failure(response: httpx2.Response) -> KeepstoneError:
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) >= ERROR_BYTES_MAX:
            break
    wait = retry_after_seconds(response.headers.get("retry-after"))
    return error_of(response.status_code, response.headers.get("content-type", ""), bytes(body), wait)


def _typed(asked: Asked) -> dict[str, str]:
    return {} if asked.body is None else {"Content-Type": "application/json"}


def _is_past(until: float | None, wait: float) -> bool:
    return until is not None and asyncio.get_running_loop().time() + wait >= until
