"""What a server can beside the library's verbs, through the client: keys, tenants, webhooks, events, archives."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from keepstone import (
    AuthenticationError,
    ConflictError,
    InvalidRequestError,
    Kind,
    NotFoundError,
    PermissionDeniedError,
)
from keepstone.client import AsyncClient, Client
from tests.client.serving import service
from tests.server.serving import Serving


@pytest.fixture
def admin(shared: Serving) -> Iterator[Client]:
    with service(shared) as (_, secret), Client(shared.url, secret) as found:
        yield found


def test_keys_live_and_end(shared: Serving, admin: Client) -> None:
    made = admin.create_key("alice's", role="write", user_id="alice", expires_at=datetime.now(UTC) + timedelta(days=1))
    assert made.secret is not None
    assert made.secret not in repr(made)
    with Client(shared.url, made.secret) as alice:
        assert alice.whoami().user_id == "alice"
        alice.add("I like tea")
        assert [h.text for h in alice.search("tea")] == ["I like tea"]
        with pytest.raises(PermissionDeniedError):
            alice.keys()
    new = admin.rotate_key(made.id)
    assert new.replaces == made.id
    with Client(shared.url, made.secret) as old, pytest.raises(AuthenticationError):
        old.whoami()
    assert admin.revoke_key(new.id).revoked_at is not None
    page = admin.keys(limit=2)
    assert len(page.items) == 2
    rest = admin.keys(cursor=page.next_cursor)
    assert {k.name for k in (*page.items, *rest.items)} == {"admin", "alice's"}
    assert all(k.secret is None for k in (*page.items, *rest.items))
    with pytest.raises(NotFoundError):
        admin.revoke_key("nobody")


def test_tenants_are_apart_and_audited(shared: Serving, admin: Client) -> None:
    assert admin.create_tenant("acme", name="Acme").name == "Acme"
    with pytest.raises(ConflictError):
        admin.create_tenant("acme")
    key = admin.create_key("app", role="admin", tenant="acme")
    admin.add("Tea is in the cellar", user_id="alice")
    with Client(shared.url, key.secret) as acme:
        assert acme.search("tea", user_id="alice") == []
        with pytest.raises(PermissionDeniedError):
            acme.tenants()
    assert [t.id for t in admin.tenants().items] == ["", "acme"]
    assert ("tenants", 403) in [(e.operation, e.status) for e in admin.audit(tenant="acme").items]
    with pytest.raises(InvalidRequestError):
        admin.drop_tenant("acme")
    admin.drop_tenant("acme", confirm=True)
    done = [(e.operation, e.status) for e in admin.audit().items]
    assert ("create_tenant", 201) in done


def test_webhooks(admin: Client) -> None:
    hook = admin.create_webhook("https://hooks.example/in", name="in", kinds=["changes"], user_id="alice")
    assert hook.secret
    assert (hook.kinds, hook.user_id) == (("changes",), "alice")
    assert [(h.id, h.secret) for h in admin.webhooks()] == [(hook.id, None)]
    assert admin.deliveries(hook.id).items == ()
    with pytest.raises(NotFoundError):
        admin.redeliver(hook.id, "nothing")
    admin.drop_webhook(hook.id)
    assert admin.webhooks() == []
    with pytest.raises(InvalidRequestError):
        admin.create_webhook("https://hooks.example/in", kinds=["everything"])  # type: ignore[list-item]


def test_what_was_said_and_done_can_be_looked_through(admin: Client) -> None:
    for text in ("I like tea", "我喜欢喝茶"):
        admin.add({"content": text, "id": text}, user_id="alice", run_id="r1")
    first = admin.messages(user_id="alice", limit=1)
    assert [m.content for m in first.items] == ["I like tea"]
    assert [m.external_id for m in admin.messages(cursor=first.next_cursor).items] == ["我喜欢喝茶"]
    (conversation,) = admin.conversations(user_id="alice").items
    assert (conversation.messages, conversation.scope.run_id) == (2, "r1")
    assert [c.new_text for c in admin.changes().items] == ["我喜欢喝茶", "I like tea"]
    assert [(o.kind, o.id) for o in admin.owners(kind="user", prefix="al").items] == [("user", "alice")]
    page = admin.events(kinds=["changes"], texts=True)
    assert [e.kind for e in page.items] == ["changes", "changes"]
    assert page.items[0].scope.user_id == "alice"
    assert page.items[0].changes is not None


def test_events_are_followed_as_they_come(shared: Serving) -> None:
    async def followed(secret: str) -> list[str]:
        async with AsyncClient(shared.url, secret) as client:
            await client.add("I like tea", user_id="alice")
            stream, found = client.follow(after=0, texts=True, kinds=["changes"]), []
            async for event in stream:
                assert event.changes is not None
                found.append(str(event.changes[0]["new_text"]))
                if len(found) == 3:
                    break
                await client.add(f"I like cup {len(found)}", user_id="alice")
            await stream.aclose()  # type: ignore[attr-defined]
            return found

    with service(shared) as (_, secret):
        assert asyncio.run(asyncio.wait_for(followed(secret), 20)) == ["I like tea", "I like cup 1", "I like cup 2"]
        with Client(shared.url, secret) as client:
            following = client.follow(after=0)
            assert next(following).sequence > 0
            following.close()  # type: ignore[attr-defined]
        with Client(shared.url, "ks_" + "x" * 43) as stranger, pytest.raises(AuthenticationError):
            next(stranger.follow())


def test_an_archive_goes_out_and_comes_back(admin: Client) -> None:
    made = admin.add("I like tea", user_id="alice").memories[0]
    archive = b"".join(admin.export(user_id="alice"))
    admin.reset(confirm=True)
    assert admin.get_all(user_id="alice").items == ()
    assert admin.import_(archive).memories == 1
    (back,) = admin.get_all(user_id="alice").items
    assert (back.id, back.text, back.kind) == (made.id, "I like tea", Kind.EPISODE)
    report = admin.import_(b'{"role": "user", "content": "Hello from a file"}\n', user_id="bob")
    assert (report.messages, report.format) == (1, "messages")
