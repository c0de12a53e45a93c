"""What a server can beside the library's verbs: keys, tenants, webhooks, audit, events, listings, archives."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

from keepstone.client import sending
from keepstone.client.connection import Asked, Connection
from keepstone.client.rebuilding import rebuild
from keepstone.client.values import Events, Hook, Imported, Key, ToldEvent
from keepstone.control import EVENT_KINDS, AuditEntry, Conversation, Delivery, EventKind, Owner, Role, Tenant
from keepstone.errors import ProviderError
from keepstone.types import Change, LedgerMessage, Listing

T = TypeVar("T")

# The server says that it lives more often than this.
STREAM_SECONDS = 60.0
RECONNECT_SECONDS = 1.0


class Administering:
    """The verbs of a server's own. Those that list return pages; `next_cursor` of one is *cursor* of the next."""

    connection: Connection

    async def whoami(self) -> Key:
        """Return the key that asks."""
        return await self._ask(Key, "GET", "/whoami")

    async def keys(self, *, cursor: str | None = None, limit: int = 50, tenant: str | None = None) -> Listing[Key]:
        """Return a page of the keys of the tenant, the oldest first, ended ones too."""
        return await self._ask(Listing[Key], "GET", "/keys", cursor=cursor, limit=limit, tenant=tenant)

    async def create_key(
        self,
        name: str,
        *,
        role: Role | str = Role.READ,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        tenant: str | None = None,
        expires_at: datetime | str | None = None,
    ) -> Key:
        """Make a key, pinned to the ids that are given, and return it with its secret, which nobody can get again."""
        return await self._ask(
            Key, "POST", "/keys", has_secret=True, name=name, role=str(role), user_id=user_id, agent_id=agent_id,
            app_id=app_id, run_id=run_id, tenant=tenant, expires_at=expires_at,
        )  # fmt: skip

    async def rotate_key(self, id: str, *, overlap_seconds: int = 0) -> Key:
        """Make a key in the place of another, which ends after the overlap; return the new one with its secret."""
        return await self._ask(
            Key, "POST", "/keys/{id}/rotate", has_secret=True, id=id, overlap_seconds=overlap_seconds
        )

    async def revoke_key(self, id: str) -> Key:
        """Let a key end now, and return it."""
        return await self._ask(Key, "DELETE", "/keys/{id}", id=id)

    async def tenants(self, *, cursor: str | None = None, limit: int = 50) -> Listing[Tenant]:
        """Return a page of the tenants by id."""
        return await self._ask(Listing[Tenant], "GET", "/tenants", cursor=cursor, limit=limit)

    async def create_tenant(self, id: str, *, name: str | None = None) -> Tenant:
        """Make a tenant; its first key is made with `create_key(tenant=…)`."""
        return await self._ask(Tenant, "POST", "/tenants", name=name, body_id=id)

    async def drop_tenant(self, id: str, *, confirm: bool = False) -> None:
        """Remove a tenant with its keys and webhooks, and erase all its memory; it cannot be undone."""
        await self._ask(type(None), "DELETE", "/tenants/{id}", id=id, confirm=True if confirm is True else None)

    async def webhooks(self) -> list[Hook]:
        """Return the webhooks of the tenant, the oldest first."""
        return list((await self._ask(Listing[Hook], "GET", "/webhooks")).items)

    async def create_webhook(
        self,
        url: str,
        *,
        name: str = "",
        kinds: Sequence[EventKind] = EVENT_KINDS,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        secret: str | None = None,
    ) -> Hook:
        """Send events to a URL from now on, and return the webhook with the secret that signs them."""
        return await self._ask(
            Hook, "POST", "/webhooks", url=url, name=name, event_kinds=kinds, user_id=user_id, agent_id=agent_id,
            app_id=app_id, run_id=run_id, secret=secret,
        )  # fmt: skip

    async def drop_webhook(self, id: str) -> None:
        """Remove a webhook with its deliveries."""
        await self._ask(type(None), "DELETE", "/webhooks/{id}", id=id)

    async def deliveries(self, id: str, *, cursor: str | None = None, limit: int = 50) -> Listing[Delivery]:
        """Return a page of what was sent to a webhook, waits, or is dead after its last attempt; the newest first."""
        return await self._ask(Listing[Delivery], "GET", "/webhooks/{id}/deliveries", id=id, cursor=cursor, limit=limit)

    async def redeliver(self, id: str, delivery_id: str) -> None:
        """Let a delivery that is sent or dead be tried anew."""
        path = "/webhooks/{id}/deliveries/{delivery_id}/redeliver"
        await self._ask(type(None), "POST", path, id=id, delivery_id=delivery_id)

    async def audit(
        self,
        *,
        key_id: str | None = None,
        operation: str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        tenant: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Listing[AuditEntry]:
        """Return a page of who asked for what and what came of it, the newest first."""
        return await self._ask(
            Listing[AuditEntry], "GET", "/audit", key_id=key_id, operation=operation, since=since, until=until,
            tenant=tenant, cursor=cursor, limit=limit,
        )  # fmt: skip

    async def messages(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        newest_first: bool = False,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Listing[LedgerMessage]:
        """Return a page of the messages of a scope as they were said; without one, all that the key sees."""
        return await self._ask(
            Listing[LedgerMessage], "GET", "/messages", user_id=user_id, agent_id=agent_id, app_id=app_id,
            run_id=run_id, newest_first=newest_first, cursor=cursor, limit=limit,
        )  # fmt: skip

    async def conversations(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Listing[Conversation]:
        """Return a page of the conversations that a scope sees, those of the newest scopes first."""
        return await self._ask(
            Listing[Conversation], "GET", "/conversations", user_id=user_id, agent_id=agent_id, app_id=app_id,
            run_id=run_id, cursor=cursor, limit=limit,
        )  # fmt: skip

    async def changes(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Listing[Change]:
        """Return a page of the changes that a scope sees, the newest first."""
        return await self._ask(
            Listing[Change], "GET", "/changes", user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id,
            cursor=cursor, limit=limit,
        )  # fmt: skip

    async def owners(
        self, *, kind: str | None = None, prefix: str = "", cursor: str | None = None, limit: int = 50
    ) -> Listing[Owner]:
        """Return a page of whose memories there are; *kind* is user, agent, app or run, *prefix* begins the id."""
        return await self._ask(Listing[Owner], "GET", "/owners", kind=kind, prefix=prefix, cursor=cursor, limit=limit)

    async def events(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        after: int | None = None,
        kinds: Sequence[EventKind] | None = None,
        newest_first: bool = False,
        texts: bool = False,
        limit: int = 50,
    ) -> Events:
        """Return a page of what was committed after a sequence, with the changes; *texts* asks for theirs, too."""
        return await self._ask(
            Events, "GET", "/events", user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id, after=after,
            event_kinds=kinds, newest_first=newest_first, texts=texts, limit=limit,
        )  # fmt: skip

    async def follow(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        after: int | None = None,
        kinds: Sequence[EventKind] | None = None,
        texts: bool = False,
    ) -> AsyncIterator[ToldEvent]:
        """Yield what is committed after a sequence (None: from now on), as it comes, without end.

        A stream that breaks off is taken up where it was.

        Raises:
            KeepstoneError: the server refuses it, or cannot be reached when it begins.
        """
        given = sending.arguments(
            {"user_id": user_id, "agent_id": agent_id, "app_id": app_id, "run_id": run_id, "event_kinds": kinds or ()}
        )
        given["kinds"] = given.pop("event_kinds")
        has_begun = False
        while True:
            query = sending.query({**given, "after": after, "texts": texts})
            asked = Asked(method="GET", path="/events", query=query, waits=STREAM_SECONDS)
            try:
                async with self.connection.stream(asked, headers={"Accept": "text/event-stream"}) as response:
                    has_begun = True
                    async for line in response.aiter_lines():
                        if line.startswith("data:"):
                            event: ToldEvent = rebuild(ToldEvent, json.loads(line.removeprefix("data:")), "the event")
                            after = event.sequence
                            yield event
            except ProviderError as error:
                if not has_begun or not error.retryable:
                    raise
            await asyncio.sleep(RECONNECT_SECONDS)

    async def export(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
        all_scopes: bool = False,
        include_retired: bool = False,
    ) -> AsyncIterator[bytes]:
        """Yield the archive of a scope in parts, JSON a line; one that is complete ends with a line of counts."""
        scope = {"user_id": user_id, "agent_id": agent_id, "app_id": app_id, "run_id": run_id}
        given = sending.arguments({**scope, "all_scopes": all_scopes, "include_retired": include_retired})
        asked = Asked(method="POST", path="/export", body=sending.body(given), waits=STREAM_SECONDS)
        async with self.connection.stream(asked) as response:
            async for part in response.aiter_bytes():
                yield part

    async def import_(
        self,
        content: bytes,
        *,
        format: str | None = None,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
    ) -> Imported:
        """Add the messages of a file, or put an archive back, given its bytes; a second time adds nothing."""
        scope = {"user_id": user_id, "agent_id": agent_id, "app_id": app_id, "run_id": run_id}
        given = sending.arguments({**scope, "format": format})
        asked = Asked(
            method="POST", path="/import", query=sending.query(given), body=content, waits=STREAM_SECONDS * 10
        )
        found: Imported = rebuild(Imported, await self.connection.json(asked))
        return found

    async def _ask(self, hint: type[T], http: str, pattern: str, /, *, has_secret: bool = False, **arguments: Any) -> T:
        given = sending.arguments({name: value for name, value in arguments.items() if value is not None})
        path = sending.path(pattern, given)
        for name, sent in sending.RENAMED.items():
            if name in given:
                given[sent] = given.pop(name)
        in_body = http in ("POST", "PUT")
        answer = await self.connection.json(
            Asked(
                method=http,
                path=path,
                query=() if in_body else sending.query(given),
                body=sending.body(given) if in_body else None,
                has_secret=has_secret,
            )
        )
        found: T = rebuild(hint, {"next_cursor": None, **answer} if isinstance(answer, dict) else answer)
        return found
