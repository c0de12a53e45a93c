"""JSON bodies that cost more to read than they may: refused before anything parses them."""

from __future__ import annotations

import re

from fastapi import Request

from keepstone.server.problems import RefusedError

DEPTH_MAX = 64
NAMES_MAX = 100_000
CONTAINERS_MAX = 100_000
VALUES_MAX = 1_000_000

# The end is optional, so that no text makes it try again from each of its quotes.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")


async def check(request: Request) -> None:
    """Read the body of a request whole if it is JSON, and let it pass if its shape is within bounds.

    Raises:
        RefusedError: 413, it is nested too deep or holds too many values; 400, it holds NUL bytes.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json" or kind.endswith("+json"):
        check_shape(await request.body())


def check_shape(body: bytes) -> None:
    """Let pass a JSON text whose shape is within bounds; whether it is JSON is not looked at.

    Raises:
        RefusedError: as `check`.
    """
    if b"\0" in body:
        # As in UTF-16, in which the brackets would not be seen.
        raise RefusedError(400, "The body is not JSON in UTF-8: it holds NUL bytes.")
    bare = _STRING.sub(b"", body)
    if bare.count(b"[") + bare.count(b"{") > CONTAINERS_MAX:
        raise RefusedError(413, f"The body holds more than {CONTAINERS_MAX} objects and arrays.")
    if bare.count(b":") > NAMES_MAX:
        raise RefusedError(413, f"The body holds more than {NAMES_MAX} names.")
    if bare.count(b",") > VALUES_MAX:
        raise RefusedError(413, f"The body holds more than {VALUES_MAX} values.")
    depth = 0
    for bracket in _BRACKET.findall(bare):
        depth += 1 if bracket in b"[{" else -1
        if depth > DEPTH_MAX:
            raise RefusedError(413, f"The body is nested deeper than {DEPTH_MAX}.")
