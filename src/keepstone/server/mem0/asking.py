"""What handlers of Mem0's routes share: whose memory, which memories, pages by number, ids from before an import."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fastapi import Request

from keepstone.compat.mem0 import filtering
from keepstone.compat.mem0.filtering import Asked
from keepstone.errors import InvalidRequestError, NotFoundError, ScopeError
from keepstone.memory import AsyncMemory
from keepstone.server.access import Principal, ScopeIds
from keepstone.server.native.asking import about
from keepstone.server.routing import service_of
from keepstone.types import Listing, MemoryRecord, Page

T = TypeVar("T")

REACH_MAX = 100_000
COUNT_MAX = 2_000
AT_ONCE = 1_000
PAGE_DEFAULT = 100


def whose(asked: Asked) -> ScopeIds:
    """Return the ids that *asked* says, as the verbs take them."""
    ids = asked.ids
    return ScopeIds(
        user_id=ids.get("user_id"), agent_id=ids.get("agent_id"), app_id=ids.get("app_id"), run_id=ids.get("run_id")
    )


def scoped(request: Request, who: Principal, asked: Asked) -> dict[str, Any]:
    """Return the scope of a reading verb: the ids, with those of the key's pin, or everything that the key sees.

    Raises:
        ScopeError: nothing says whose memory it is.
        ForbiddenError: an id contradicts the pin.
    """
    ids = about(request, who, whose(asked))
    if any(ids.values()):
        return dict(ids)
    if not asked.anybody:
        raise ScopeError(
            'Say whose memory: {"user_id": "alice"} at the top of filters or under AND, or agent_id, app_id, run_id. '
            "An id under OR or NOT only narrows."
        )
    return {"all_scopes": True}


def named_scope(request: Request, who: Principal, asked: Asked) -> ScopeIds:
    """Return the ids of a verb that has no wildcard.

    Raises:
        InvalidRequestError: nothing says whose memory it is, or filters say more than that.
        ForbiddenError: an id contradicts the pin.
    """
    if asked.where is not None or asked.anybody:
        raise InvalidRequestError("Only user_id, agent_id, app_id and run_id can be said here, each with one value.")
    ids = about(request, who, whose(asked))
    if not any(ids.values()):
        raise ScopeError("Say whose memory: give at least one of user_id, agent_id, app_id, run_id.")
    return ids


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered(Generic[T]):
    """One page by its number, with how many there are (None if that would cost too much to know)."""

    items: Sequence[T]
    page: int
    size: int
    count: int | None
    has_more: bool

    def shown(self, request: Request, rows: Sequence[Any]) -> dict[str, Any]:
        """Return the page as Mem0 shows one, with *rows* for its items."""
        before = str(request.url.include_query_params(page=self.page - 1)) if self.page > 1 else None
        after = str(request.url.include_query_params(page=self.page + 1)) if self.has_more else None
        return {"count": self.count, "next": after, "previous": before, "results": list(rows)}


@dataclass(frozen=True, slots=True)
class Asking:
    """The page that a request asks for: `page` from 1, and its size."""

    page: int
    size: int

    @property
    def first(self) -> int:
        """How many items stand before it."""
        return (self.page - 1) * self.size

    @property
    def limit(self) -> int:
        """How many items to read at once, to reach it and see whether there is more."""
        return min(AT_ONCE, self.first + self.size + 1)


def page_of(request: Request, size: int = PAGE_DEFAULT) -> Asking:
    """Return the page that `page` and `page_size` of *request* ask for, by default the first of *size*.

    Raises:
        InvalidRequestError: they are no such numbers, or reach further than REACH_MAX items.
    """
    asked = Asking(_number(request, "page", 1, REACH_MAX), _number(request, "page_size", size, AT_ONCE))
    if asked.page * asked.size > REACH_MAX:
        raise InvalidRequestError(f"Pages reach {REACH_MAX} items here; /api/v1/memories goes on, by cursor.")
    return asked


async def numbered(
    items: AsyncIterator[T], asked: Asking, total: Callable[[], Awaitable[int | None]] | None = None
) -> Numbered[T]:
    """Return one page of *items*. *total* tells how many there are; without it they are counted, up to COUNT_MAX."""
    last, seen = asked.first + asked.size, 0
    most = last if total is not None else max(last, COUNT_MAX)
    found: list[T] = []
    async for item in items:
        seen += 1
        if asked.first < seen <= last:
            found.append(item)
        if seen > most:
            count = None if total is None else await total()
            return Numbered(items=found, page=asked.page, size=asked.size, count=count, has_more=True)
    return Numbered(items=found, page=asked.page, size=asked.size, count=seen, has_more=seen > last)


async def every(fetch: Callable[[str | None], Awaitable[Page | Listing[Any]]]) -> AsyncIterator[Any]:
    """Yield the items of all pages that *fetch* returns for a cursor."""
    cursor = None
    while True:
        page = await fetch(cursor)
        for item in page.items:
            yield item
        cursor = page.next_cursor
        if cursor is None:
            return


async def known(request: Request, who: Principal, id: str) -> str:
    """Return the id of the memory that is meant by *id*: its own, or the one that it had before it was imported.

    Raises:
        NotFoundError: the key sees no such memory.
    """
    record = await found(request, who, id)
    if record is None:
        raise NotFoundError(f"No memory {id}.")
    return record.id


async def found(request: Request, who: Principal, id: str) -> MemoryRecord | None:
    """Return the memory that is meant by *id*, None if the key sees none."""
    store, scope = service_of(request).store, who.scope()
    request.state.scope = scope
    records = await store.get([id], scope) or await store.said_in([id], scope)
    return records[0] if records else None


def read(body_filters: object, given: Mapping[str, Any], *, wildcard: bool = False) -> Asked:
    """Return what filters and the ids *given* beside them ask for."""
    return filtering.read(body_filters, given=given, wildcard=wildcard)


async def counted(memory: AsyncMemory, scope: dict[str, Any]) -> int:
    """Return how many memories a scope has, expired ones too."""
    ids = {k: v for k, v in scope.items() if k != "all_scopes"}
    return (await memory.stats(**ids)).memories


def _number(request: Request, name: str, default: int, most: int) -> int:
    given = request.query_params.get(name)
    if given is None:
        return default
    if not (given.isascii() and given.isdigit() and len(given) < 8 and 1 <= int(given) <= most):
        raise InvalidRequestError(f"{name} is a whole number from 1 to {most}.")
    return int(given)
