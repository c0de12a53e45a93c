"""`Client`: `AsyncClient` without `await`, over the portal's event loop."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from keepstone.client.asynchronous import AsyncClient
from keepstone.client.remote import blocking, drained


class Client:
    """A memory that a Keepstone server keeps: the verbs, results and errors of `Memory`.

    *url* is that of the server, by default `KEEPSTONE_URL` or http://127.0.0.1:8765, *api_key* its key, by default
    `KEEPSTONE_API_KEY`. A request is tried up to *attempts* times, each of them for *timeout* seconds beside what the
    server is asked to wait, all together for *deadline* seconds (None: no such end).

    Every verb also raises AuthenticationError for a key that is not valid, PermissionDeniedError for one that may not
    do it, and ProviderError (RateLimitError, TimedOutError) if the server cannot be reached or is too busy.

    Nothing is opened before the first verb. May be used from any thread, and after a fork.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = 60.0,
        deadline: float | None = None,
        attempts: int = 4,
    ) -> None:
        self.waiting = AsyncClient(url, api_key, timeout=timeout, deadline=deadline, attempts=attempts)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """Where the server is."""
        return self.waiting.url

    add = blocking(AsyncClient.add)
    search = blocking(AsyncClient.search)
    context = blocking(AsyncClient.context)
    trace = blocking(AsyncClient.trace)
    get = blocking(AsyncClient.get)
    get_all = blocking(AsyncClient.get_all)
    update = blocking(AsyncClient.update)
    delete = blocking(AsyncClient.delete)
    delete_all = blocking(AsyncClient.delete_all)
    history = blocking(AsyncClient.history)
    undo = blocking(AsyncClient.undo)
    erase = blocking(AsyncClient.erase)
    reset = blocking(AsyncClient.reset)
    feedback = blocking(AsyncClient.feedback)
    profile = blocking(AsyncClient.profile)
    entities = blocking(AsyncClient.entities)
    merge_entities = blocking(AsyncClient.merge_entities)
    split_entity = blocking(AsyncClient.split_entity)
    stats = blocking(AsyncClient.stats)
    usage = blocking(AsyncClient.usage)
    jobs = blocking(AsyncClient.jobs)
    flush = blocking(AsyncClient.flush)
    retry = blocking(AsyncClient.retry)
    discard = blocking(AsyncClient.discard)
    consolidate = blocking(AsyncClient.consolidate)
    whoami = blocking(AsyncClient.whoami)
    keys = blocking(AsyncClient.keys)
    create_key = blocking(AsyncClient.create_key)
    rotate_key = blocking(AsyncClient.rotate_key)
    revoke_key = blocking(AsyncClient.revoke_key)
    tenants = blocking(AsyncClient.tenants)
    create_tenant = blocking(AsyncClient.create_tenant)
    drop_tenant = blocking(AsyncClient.drop_tenant)
    webhooks = blocking(AsyncClient.webhooks)
    create_webhook = blocking(AsyncClient.create_webhook)
    drop_webhook = blocking(AsyncClient.drop_webhook)
    deliveries = blocking(AsyncClient.deliveries)
    redeliver = blocking(AsyncClient.redeliver)
    audit = blocking(AsyncClient.audit)
    messages = blocking(AsyncClient.messages)
    conversations = blocking(AsyncClient.conversations)
    changes = blocking(AsyncClient.changes)
    owners = blocking(AsyncClient.owners)
    events = blocking(AsyncClient.events)
    import_ = blocking(AsyncClient.import_)
    follow = drained(AsyncClient.follow)
    export = drained(AsyncClient.export)
    close = blocking(AsyncClient.close)
