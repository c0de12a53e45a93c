"""Memories of a server that speaks Mem0's REST API: the hosted one's, or that of its open-source server."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from keepstone.errors import AuthenticationError, InvalidRequestError, ProviderError
from keepstone.transfer.formats import Skipped
from keepstone.transfer.mem0.local import Read
from keepstone.transfer.mem0.records import Remembered, remembered, versions

if TYPE_CHECKING:
    import httpx2

PAGE = 100
LISTED_MAX = 1_000
TRIES = 5
SECONDS = 60.0
WAIT_SECONDS_MAX = 30.0
_NAME = "mem0"
_TRANSIENT = (429, 502, 503, 504)


async def read_server(url: str, key: str) -> list[Read]:
    """Return the memories that *key* sees on the server at *url*, in the order of their making, and what is left out.

    Which of the two interfaces it speaks is found out. Only reads.

    Raises:
        InvalidRequestError: *url* is none, or nothing there speaks Mem0's API.
        ProviderError: the server cannot be reached, fails, or refuses the key (AuthenticationError).
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidRequestError(f"{url} is not an address of a server, such as https://api.mem0.ai.")
    async with _connected(url, key) as server:
        hosted = await server.has("/v1/ping/")
        read = _of_hosted(server) if hosted else _of_open_source(server)
        found: dict[str, Remembered] = {}
        others: list[Read] = []
        async for one in read:
            if isinstance(one, Remembered):
                found[one.id] = one
            else:
                others.append(one)
    ordered = sorted(found.values(), key=lambda r: "" if r.created_at is None else r.created_at.isoformat())
    return [*ordered, *others]


class _Server:
    """Asks one server, with patience where it is busy."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def has(self, path: str) -> bool:
        """Return whether there is such a path."""
        return (await self._answer("GET", path)).status_code != 404

    async def ask(self, method: str, path: str, **options: Any) -> Any:
        """Return what the server answers, as JSON.

        Raises:
            ProviderError: it fails.
        """
        answer = await self._answer(method, path, **options)
        if answer.status_code >= 400:
            raise ProviderError(_NAME, f"{method} {path} was answered with {answer.status_code}.", retryable=False)
        try:
            return answer.json()
        except ValueError as error:
            raise ProviderError(_NAME, f"{path} was not answered with JSON.", retryable=False) from error

    async def _answer(self, method: str, path: str, **options: Any) -> httpx2.Response:
        import httpx2

        for attempt in range(TRIES):
            try:
                answer = await self._client.request(method, path, **options)
            except httpx2.HTTPError as error:
                problem = ProviderError(_NAME, f"cannot be reached: {type(error).__name__}.", retryable=True)
                if attempt == TRIES - 1:
                    raise problem from error
                await asyncio.sleep(2.0**attempt / 4)
                continue
            if answer.status_code in (401, 403):
                raise AuthenticationError(_NAME, "the key was refused; give it in MEM0_API_KEY.", retryable=False)
            if answer.status_code not in _TRANSIENT or attempt == TRIES - 1:
                return answer
            await asyncio.sleep(_wait(answer.headers.get("retry-after"), attempt))
        raise AssertionError("every try returns or raises")


def _wait(given: str | None, attempt: int) -> float:
    try:
        seconds = float(given or "")
    except ValueError:
        seconds = 2.0**attempt / 4
    return min(max(seconds, 0.0), WAIT_SECONDS_MAX) if math.isfinite(seconds) else WAIT_SECONDS_MAX


@asynccontextmanager
async def _connected(url: str, key: str) -> AsyncIterator[_Server]:
    import httpx2

    headers = {"Authorization": f"Token {key}", "X-API-Key": key}
    async with httpx2.AsyncClient(base_url=url.rstrip("/"), headers=headers, timeout=SECONDS) as client:
        yield _Server(client)


async def _of_hosted(server: _Server) -> AsyncIterator[Read]:
    async for entity in _pages(server, "GET", "/v1/entities/"):
        body = {"filters": {"AND": [{f"{entity['type']}_id": entity["name"]}]}, "show_expired": True}
        async for row in _pages(server, "POST", "/v3/memories/", json=body):
            yield await _memory(server, row, "/v1/memories/{}/history/")


async def _pages(server: _Server, method: str, path: str, **options: Any) -> AsyncIterator[dict[str, Any]]:
    page = 1
    while True:
        found = await server.ask(method, path, params={"page": page, "page_size": PAGE}, **options)
        for row in _rows(found, path):
            yield row
        if not isinstance(found, Mapping) or not found.get("next"):
            return
        page += 1


async def _of_open_source(server: _Server) -> AsyncIterator[Read]:
    if not await server.has("/entities"):
        raise InvalidRequestError("Nothing at this address speaks Mem0's API: give it as Mem0's clients take it.")
    for entity in _rows(await server.ask("GET", "/entities"), "/entities"):
        name = {f"{entity['type']}_id": entity.get("name") or entity["id"]}
        params = {**name, "top_k": LISTED_MAX, "show_expired": True}
        rows = _rows(await server.ask("GET", "/memories", params=params), "/memories")
        for row in rows:
            yield await _memory(server, row, "/memories/{}/history")
        if len(rows) >= LISTED_MAX:
            # Its lists have no second page.
            yield Skipped(f"whatever one entity has beyond {LISTED_MAX} memories, which the server does not list")


async def _memory(server: _Server, row: Mapping[str, Any], path: str) -> Read:
    text, id = row.get("memory"), row.get("id")
    if not isinstance(text, str) or not text.strip() or not id:
        return Skipped("memory without text")
    history: list[Any] = []
    if row.get("updated_at") != row.get("created_at"):
        history = _rows(await server.ask("GET", path.format(quote(str(id), safe=""))), path)
    metadata = row.get("metadata") if isinstance(row.get("metadata"), Mapping) else {}
    return remembered(row, metadata or {}, versions(history, text), f"memory {id}")


def _rows(found: Any, path: str) -> list[dict[str, Any]]:
    rows = found.get("results") if isinstance(found, Mapping) else found
    if not isinstance(rows, list) or not all(isinstance(r, dict) for r in rows):
        raise ProviderError(_NAME, f"{path} was not answered with a list.", retryable=False)
    return rows
