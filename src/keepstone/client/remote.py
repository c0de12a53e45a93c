"""A verb of the library as a request to a server: its signature, its documentation and its result are the library's."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from functools import cache, wraps
from inspect import signature
from typing import Any, Concatenate, ParamSpec, TypeVar, get_origin, get_type_hints

from keepstone.client import sending
from keepstone.client.connection import Asked
from keepstone.client.rebuilding import rebuild
from keepstone.portal import portal

P = ParamSpec("P")
R = TypeVar("R")
Waiting = Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]
Blocking = Callable[Concatenate[Any, P], R]

IN_BODY = ("POST", "PUT", "PATCH")
# The longest that a server waits for a model before it answers.
WAIT_SECONDS_MAX = 60.0


def verb(method: Waiting[P, R], http: str, pattern: str, *, waits: str | None = None) -> Waiting[P, R]:
    """Return a method with the signature of *method* that asks a server by *http* at *pattern*.

    Arguments that the pattern names are put into it; the others go into the body, or for GET and DELETE into the
    query. *waits* is the argument that says how long the server may wait (seconds), of which None means as long as it
    does. Errors are those of *method*, and those of `Connection.json`.
    """
    form = signature(method)

    @wraps(method, assigned=("__name__", "__doc__"))
    async def asked(self: Any, /, *args: P.args, **named: P.kwargs) -> R:
        bound = form.bind(self, *args, **named)
        bound.apply_defaults()
        # What is None and by default so is not said; `expires_at=None` of an update says something.
        given = sending.arguments(
            {
                n: v
                for n, v in bound.arguments.items()
                if n != "self" and (v, form.parameters[n].default) != (None, None)
            }
        )
        seconds = 0.0
        if waits is not None:
            wanted = given.get(waits)
            given[waits] = seconds = WAIT_SECONDS_MAX if wanted is None else min(wanted, WAIT_SECONDS_MAX)
        path = sending.path(pattern, given)
        in_body = http in IN_BODY
        answer = await self.connection.json(
            Asked(
                method=http,
                path=path,
                query=() if in_body else sending.query(given),
                body=sending.body(given) if in_body else None,
                waits=seconds,
            )
        )
        found: R = result(_answers(method), answer)
        return found

    return asked


def blocking(method: Waiting[P, R]) -> Blocking[P, R]:
    """Return *method* of `AsyncClient` as one of `Client`, which waits for it."""

    @wraps(method, assigned=("__name__", "__doc__"))
    def asked(self: Any, /, *args: P.args, **named: P.kwargs) -> R:
        return portal.call(method(self.waiting, *args, **named))

    return asked


def drained(method: Callable[Concatenate[Any, P], AsyncIterator[R]]) -> Callable[Concatenate[Any, P], Iterator[R]]:
    """Return *method* of `AsyncClient`, which yields, as one of `Client`."""

    @wraps(method, assigned=("__name__", "__doc__"))
    def asked(self: Any, /, *args: P.args, **named: P.kwargs) -> Iterator[R]:
        found = method(self.waiting, *args, **named)
        try:
            while True:
                item = portal.call(_next(found))
                if item is None:
                    return
                yield item[0]
        finally:
            portal.call(_close(found))

    return asked


async def _next(found: AsyncIterator[R]) -> tuple[R] | None:
    async for item in found:
        return (item,)
    return None


async def _close(found: AsyncIterator[R]) -> None:
    if isinstance(found, AsyncGenerator):
        await found.aclose()


def result(hint: Any, answer: Any) -> Any:
    """Return what a server answered as a value of type *hint*: lists come as `items`, numbers as `count`.

    Raises:
        BadReplyError: it is not of that type.
    """
    if hint is type(None):
        return None
    if get_origin(hint) is list:
        return rebuild(hint, _part(answer, "items"), "items")
    return rebuild(int, _part(answer, "count"), "count") if hint is int else rebuild(hint, answer)


def _part(answer: Any, name: str) -> Any:
    return rebuild(dict[str, Any], answer).get(name)


@cache
def _answers(method: Callable[..., Any]) -> Any:
    return get_type_hints(method)["return"]
