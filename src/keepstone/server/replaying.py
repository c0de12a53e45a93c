"""Requests with an `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07): done once, answered alike again.

The answer is kept, for each key of the server, for as long as the settings say. Only success is kept: an error has
changed nothing, and the same request is tried anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any

from fastapi import Request, Response

from keepstone.control import Role, StoredReply
from keepstone.server.access import OPERATIONS, Principal
from keepstone.server.problems import RefusedError
from keepstone.server.service import Service

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
KEY_CHARS_MAX = 256
REPLY_BYTES_MAX = 4_000_000
KEPT_HEADERS = ("content-type", "location")

# Their answers hold a secret that is kept nowhere, and a stored answer would keep it.
SECRET_OPERATIONS = frozenset({"create_key", "rotate_key"})
# What is streamed is not kept; importing the same again adds nothing anyway.
STREAMED_OPERATIONS = frozenset({"import", "export", "proxy"})

# A request that is not answered by then was cut off by a crash: its place is given to the next one.
WORKING_MAX = timedelta(minutes=10)
_DIGEST_BYTES = 32

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


async def replayed(
    request: Request, principal: Principal, service: Service, operation: str, handle: Handler
) -> Response:
    """Return the answer of *handle*, or the one that the same request of this key was given before.

    What changes nothing is just done again.

    Raises:
        RefusedError: 409 while the first one is being worked on, 422 if the key was used for another request, 400 if
            it cannot be used.
    """
    given = request.headers.get(HEADER)
    repeats_safely = OPERATIONS[operation].role is Role.READ or operation in STREAMED_OPERATIONS
    if given is None or request.method != "POST" or repeats_safely:
        return await handle(request)
    if operation in SECRET_OPERATIONS:
        raise RefusedError(400, "The answer holds a secret and is not kept; ask without Idempotency-Key.")
    place = _Place(service, principal, _checked(given))
    found = await place.begin(await _fingerprint(request))
    if found is not None:
        return found
    # By this, `add` stores nothing twice even if the process dies between the store and the answer.
    request.state.idempotency_key = place.key.hex()
    try:
        response = await handle(request)
    except Exception:
        # Whatever it was, nothing is kept of it, and the same request may be tried anew.
        await place.give_free()
        raise
    await place.fill(response)
    return response


class _Place:
    """Where the answer to one request is kept."""

    def __init__(self, service: Service, principal: Principal, given: str) -> None:
        self._control, self._now = service.control, service.clock()
        self._tenant, self._kept = principal.tenant, timedelta(seconds=service.settings.idempotency_seconds)
        self.key = hashlib.sha256(f"{principal.key.id}\0{given}".encode()).digest()

    async def begin(self, fingerprint: bytes) -> Response | None:
        """Take the place, and return None; or return what is there."""
        marked = fingerprint + int(self._now.timestamp()).to_bytes(8, "big")
        found = await self._begin(marked)
        if found is not None and self._was_cut_off(found):
            await self.give_free()
            found = await self._begin(marked)
        if found is None:
            return None
        if found.fingerprint[:_DIGEST_BYTES] != fingerprint:
            raise RefusedError(422, f"This {HEADER} was used for another request; take a new one for each.")
        if not found.status:
            detail = f"A request with this {HEADER} is still being worked on; try again in a moment."
            raise RefusedError(409, detail, headers={"Retry-After": "1"})
        return Response(found.body, found.status, {**found.headers, REPLAYED: "true"})

    async def fill(self, response: Response) -> None:
        """Keep an answer that is complete and says that something was done; else give the place free."""
        body = getattr(response, "body", None)
        if not isinstance(body, bytes) or response.status_code >= 400 or len(body) > REPLY_BYTES_MAX:
            await self.give_free()
            return
        headers = {name: response.headers[name] for name in KEPT_HEADERS if name in response.headers}
        reply = StoredReply(fingerprint=self._marked, status=response.status_code, headers=headers, body=body)
        await self._control.keep_reply(self._tenant, self.key, reply)

    async def give_free(self) -> None:
        """Let the place be taken again."""
        await self._control.keep_reply(self._tenant, self.key, None)

    async def _begin(self, marked: bytes) -> StoredReply | None:
        self._marked = marked
        return await self._control.begin_reply(self._tenant, self.key, marked, self._now, self._now + self._kept)

    def _was_cut_off(self, found: StoredReply) -> bool:
        begun = datetime.fromtimestamp(int.from_bytes(found.fingerprint[_DIGEST_BYTES:], "big"), self._now.tzinfo)
        return not found.status and self._now - begun > WORKING_MAX


def _checked(given: str) -> str:
    """The key without the quotes of a structured field, if it has them."""
    bare = given[1:-1] if len(given) > 1 and given[0] == given[-1] == '"' else given
    if not bare.strip() or len(bare) > KEY_CHARS_MAX or not bare.isprintable():
        raise RefusedError(400, f"{HEADER} has from 1 to {KEY_CHARS_MAX} printable characters.")
    return bare


async def _fingerprint(request: Request) -> bytes:
    digest = hashlib.sha256()
    for part in (request.method.encode(), request.url.path.encode(), request.url.query.encode(), await request.body()):
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.digest()
