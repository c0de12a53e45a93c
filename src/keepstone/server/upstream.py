"""The one place that the proxy asks: connections, time-outs, and which headers travel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

import httpx2

from keepstone.errors import ConfigError
from keepstone.server.keys import PREFIX
from keepstone.server.problems import RefusedError

CONNECT_SECONDS = 10.0
# Between two parts of a reply; a model may think for long before the first.
READ_SECONDS = 600.0

# Of one connection alone (RFC 9110 §7.6.1), or made anew for each.
_HOP_BY_HOP = frozenset(
    {
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
        "transfer-encoding", "upgrade", "host", "content-length", "expect",
    }
)  # fmt: skip
# Whoever asks is our business, and whatever we say of it.
_OURS = frozenset({"authorization", "x-api-key", "cookie", "set-cookie", "accept-encoding", "forwarded", "x-real-ip"})
_OUR_PREFIXES = ("x-keepstone-", "x-forwarded-")


class Upstream:
    """Asks the endpoint at *url*, with *key* if there is one; nothing else is ever asked, and no redirect followed."""

    def __init__(self, url: str, key: str | None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ConfigError("proxy_upstream is not the URL of an interface, such as https://api.openai.com/v1.")
        self._url, self._key = url.rstrip("/"), key
        self._client: httpx2.AsyncClient | None = None

    async def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> httpx2.Response:
        """Return the answer, of which the body is still to be read, and which is to be closed.

        Raises:
            RefusedError: 504, it did not answer in time; 502, it cannot be reached.
        """
        if self._client is None:
            timeout = httpx2.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
            limits = httpx2.Limits(max_connections=None, max_keepalive_connections=100)
            self._client = httpx2.AsyncClient(timeout=timeout, limits=limits, follow_redirects=False)
        request = self._client.build_request(
            method,
            self._url + path,
            headers={**self._travelling(headers), **self._authorization(headers)},
            content=body,
        )
        # What is packed cannot be read while it passes.
        request.headers["Accept-Encoding"] = "identity"
        try:
            return await self._client.send(request, stream=True)
        except httpx2.TimeoutException as error:
            raise RefusedError(504, "The model's provider did not answer in time.") from error
        except httpx2.HTTPError as error:
            raise RefusedError(502, "The model's provider cannot be reached.") from error

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    def _authorization(self, headers: Mapping[str, str]) -> dict[str, str]:
        if self._key is not None:
            return {"Authorization": f"Bearer {self._key}"}
        own = headers.get("authorization", "")
        # Our keys never leave: only what is no key of ours is meant for the provider.
        return {} if not own or PREFIX in own else {"Authorization": own}

    @staticmethod
    def _travelling(headers: Mapping[str, str]) -> dict[str, str]:
        return {n: v for n, v in headers.items() if _travels(n, headers) and not v.startswith(PREFIX)}


def answered(response: httpx2.Response) -> Iterable[tuple[str, str]]:
    """Return the headers of an answer that are passed on."""
    kept = [(n, v) for n, v in response.headers.multi_items() if _travels(n, response.headers)]
    length = response.headers.get("content-length")
    return [*kept, ("content-length", length)] if length is not None else kept


def _travels(name: str, headers: Mapping[str, str]) -> bool:
    low = name.lower()
    named = {n.strip().lower() for n in headers.get("connection", "").split(",")}
    return low not in _HOP_BY_HOP | _OURS | named and not low.startswith(_OUR_PREFIXES)
