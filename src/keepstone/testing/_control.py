"""The laws of a server's own business: each tenant has its own, each event is looked at once, replies go in time."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from datetime import timedelta
from typing import Any

from keepstone.control import (
    EVENT_KINDS,
    ApiKey,
    AuditEntry,
    AuditFilter,
    BrowserSession,
    Role,
    StoredReply,
    Tenant,
    Webhook,
)
from keepstone.errors import ConflictError, InvalidRequestError, NotFoundError
from keepstone.operations import Retire
from keepstone.protocols import ControlPlane
from keepstone.testing._catalogue import MONDAY, pages
from keepstone.testing._script import ALICE, START, MakeStore, Script, control_of, refused
from keepstone.types import Scope

ACME = Tenant(id="acme", name="Acme", created_at=START)
HOUR = timedelta(hours=1)


def digest(secret: str) -> bytes:
    """Return the digest under which a secret is kept."""
    return hashlib.sha256(secret.encode()).digest()


def an_api_key(id: str, tenant: str = "", **fields: Any) -> ApiKey:
    """Return a key that may read."""
    key: dict[str, Any] = {
        "id": id,
        "tenant": tenant,
        "name": f"key {id}",
        "role": Role.READ,
        "prefix": f"ks_{id}",
        "pin": Scope(tenant=tenant),
        "created_at": START,
        **fields,
    }
    return ApiKey(**key)


def a_webhook(id: str, tenant: str = "", **fields: Any) -> Webhook:
    """Return a webhook for all kinds of events."""
    webhook: dict[str, Any] = {
        "id": id,
        "tenant": tenant,
        "url": f"https://{id}.test/hook",
        "secret": "s",
        "kinds": EVENT_KINDS,
        "pin": Scope(tenant=tenant),
        "created_at": START,
        **fields,
    }
    return Webhook(**webhook)


async def tenants_stand_apart(make_store: MakeStore) -> None:
    """Tenants are kept once, listed by id, and go with their keys, sessions, webhooks and replies, no one else's."""
    async with make_store() as store:
        control = control_of(store)
        others = [replace(ACME, id=id) for id in ("b", "a", "张")]
        for tenant in (ACME, *others):
            await control.put_tenant(tenant)
        await refused(control.put_tenant(replace(ACME, name="Again")), ConflictError)
        await refused(control.put_tenant(replace(ACME, id="")), ConflictError)
        found = await pages(lambda c: control.tenants(cursor=c, limit=2))
        assert [t.id for t in found] == ["", "a", "acme", "b", "张"]
        assert found[2] == ACME
        await refused(control.tenants(cursor="?!"), InvalidRequestError)
        for tenant_id in ("acme", "b"):
            await control.put_key(an_api_key(f"of {tenant_id}", tenant_id), digest(tenant_id))
            await control.put_session(
                BrowserSession(key_id=f"of {tenant_id}", csrf_token="t", created_at=START, expires_at=START + HOUR),
                digest(f"session of {tenant_id}"),
            )
            await control.put_webhook(a_webhook("hook", tenant_id))
            assert await control.begin_reply(tenant_id, b"k", b"f", START, START + HOUR) is None
        assert await control.drop_tenant("acme")
        assert not await control.drop_tenant("acme")
        assert not await control.drop_tenant(""), "who runs the server stays"
        assert await control.key(digest("acme")) is None
        assert await control.session(digest("session of acme")) is None
        assert await control.webhooks("acme") == []
        assert await control.begin_reply("acme", b"k", b"f", START, START + HOUR) is None
        assert await control.key(digest("b")) is not None
        assert await control.session(digest("session of b")) is not None
        assert len(await control.webhooks("b")) == 1
        assert await control.begin_reply("b", b"k", b"f", START, START + HOUR) is not None


async def keys_come_back(make_store: MakeStore) -> None:
    """A key comes back by its digest as it was kept, valid or not; ids and digests are taken once."""
    async with make_store() as store:
        control = control_of(store)
        await control.put_tenant(ACME)
        pinned = an_api_key(
            "one", "acme", role=Role.ADMIN, pin=Scope(tenant="acme", user_id="alice", run_id="monday"),
            expires_at=START, replaces="zero",
        )  # fmt: skip
        for key, secret in ((pinned, "first"), (an_api_key("two"), "second"), (an_api_key("three", "acme"), "third")):
            await control.put_key(key, digest(secret))
        assert await control.key(digest("first")) == pinned
        assert await control.key(digest("unknown")) is None
        await refused(control.put_key(an_api_key("one"), digest("fresh")), ConflictError)
        await refused(control.put_key(an_api_key("fresh"), digest("first")), ConflictError)
        await refused(control.put_key(an_api_key("fresh", "nobody"), digest("fresh")), NotFoundError)
        every = await pages(lambda c: control.keys(None, cursor=c, limit=1))
        assert [k.id for k in every] == ["one", "two", "three"]
        assert [k.id for k in (await control.keys("acme")).items] == ["one", "three"]
        await control.touch_keys({"one": START + HOUR, "two": START, "unknown": START})
        await control.touch_keys({"one": START})
        used = [k.last_used_at for k in (await control.keys(None)).items]
        assert used == [START + HOUR, START, None], "the latest time counts"


async def keys_end(make_store: MakeStore) -> None:
    """A key is ended by its own tenant or by the server, once, at the earliest time that was said."""
    async with make_store() as store:
        control = control_of(store)
        await control.put_tenant(ACME)
        await control.put_key(an_api_key("one", "acme"), digest("one"))
        assert await control.end_key("", "one", START) is None
        assert await control.end_key("acme", "unknown", START) is None
        key = await control.key(digest("one"))
        assert key is not None
        assert key.revoked_at is None, "another tenant ended it"
        ends = (("acme", START + HOUR), (None, START), ("acme", START + HOUR))
        ended = [await control.end_key(tenant, "one", at) for tenant, at in ends]
        assert [k and k.revoked_at for k in ended] == [START + HOUR, START, START]
        key = await control.key(digest("one"))
        assert key == ended[-1]
        assert key is not None
        assert not key.is_valid(START)


async def sessions_end(make_store: MakeStore) -> None:
    """A session comes with its key as that is now; it goes when it is dropped, and when it has expired."""
    async with make_store() as store:
        control = control_of(store)
        await control.put_key(an_api_key("one"), digest("one"))
        made = BrowserSession(key_id="one", csrf_token="t", created_at=START, expires_at=START + HOUR)
        await refused(control.put_session(replace(made, key_id="unknown"), digest("s")), NotFoundError)
        await control.put_session(made, digest("first"))
        await control.put_session(replace(made, expires_at=START + 2 * HOUR), digest("second"))
        ended = await control.end_key("", "one", START)
        assert await control.session(digest("first")) == (made, ended)
        await control.put_session(replace(made, created_at=START + HOUR, expires_at=START + 3 * HOUR), digest("third"))
        assert await control.session(digest("first")) is None, "it had expired"
        assert await control.session(digest("second")) is not None
        await control.drop_session(digest("second"))
        assert await control.session(digest("second")) is None
        assert await control.session(digest("third")) is not None


async def the_audit_is_kept(make_store: MakeStore) -> None:
    """The audit has what was entered, the newest first, by tenant, key, operation and time."""
    async with make_store() as store:
        control = control_of(store)
        entries = [
            AuditEntry(
                at=START + n * HOUR, tenant=("", "acme")[n % 2], key_id=f"key {n % 3}",
                operation=("add", "erase")[n % 2],
                surface="rest", status=200, scope=Scope(tenant=("", "acme")[n % 2], user_id="alice"),
                target=f"id {n}", request_id=None if n else "r",
            )
            for n in range(8)
        ]  # fmt: skip
        await control.enter_audit(entries[:5])
        await control.enter_audit([])
        await control.enter_audit(entries[5:])

        async def seen(tenant: str | None, **where: Any) -> list[int]:
            found = await pages(lambda c: control.audit(tenant, AuditFilter(**where), cursor=c, limit=2))
            numbers = [int((e.target or "").removeprefix("id ")) for e in found]
            assert [replace(e, sequence=0) for e in found] == [entries[n] for n in numbers]
            return numbers

        assert await seen(None) == [7, 6, 5, 4, 3, 2, 1, 0]
        assert await seen("acme") == [7, 5, 3, 1]
        assert await seen("acme", operation="add") == []
        assert await seen(None, key_id="key 1", operation="add") == [4]
        assert await seen("", since=START + 2 * HOUR, until=START + 6 * HOUR) == [4, 2]
        await refused(control.audit(None, AuditFilter(), cursor="nonsense"), InvalidRequestError)
        assert await control.trim(START + 8 * HOUR, audit_before=START + HOUR) == 1
        assert await control.trim(START + 3 * HOUR) == 2
        assert await seen(None) == [7, 6, 5, 4, 3], "the audit is kept for as long as is said of it"


async def events_keep_to_their_scope(make_store: MakeStore) -> None:
    """Events are seen by who sees their scope, forwards or backwards; a reset leaves one, for the whole tenant."""
    async with make_store() as store:
        control, script, other = control_of(store), Script(), Script(Scope(tenant="acme", user_id="alice"))
        bob = Scope(user_id="bob", agent_id="coach")
        for n in range(6):
            await store.apply(script.batch(script.say(f"Sentence {n}", scope=(ALICE, MONDAY, bob)[n % 3])))
        await store.apply(other.batch(other.say("In another tenant")))

        async def seen(scope: Scope, **page: Any) -> list[Scope]:
            return [e.scope for e in await control.events(scope, **page)]

        assert await seen(Scope()) == [ALICE, MONDAY, bob] * 2
        assert await seen(Scope(), limit=2, newest_first=True) == [bob, MONDAY]
        assert await seen(ALICE) == [ALICE, MONDAY] * 2
        assert await seen(MONDAY) == await seen(Scope(run_id="monday")) == [MONDAY] * 2
        assert await seen(Scope(agent_id="coach"), limit=1) == [bob]
        assert await seen(other.scope) == [other.scope]
        first, second = await control.events(MONDAY)
        assert await control.events(MONDAY, after=first.sequence) == [second]
        assert await control.events(MONDAY, after=second.sequence, newest_first=True) == [first]
        assert await control.event_of(bob, first.batch_id or "") == []
        assert await control.event_of(other.scope, first.batch_id or "") == []
        assert await control.event_of(ALICE, first.batch_id or "") == [first]
        last = await control.last_event()
        await store.reset("")
        (event,) = await control.events(Scope())
        assert (event.kind, event.scope, event.sequence) == ("reset", Scope(), last + 1)
        assert await seen(ALICE) == []
        assert await seen(other.scope) == [other.scope]


async def events_fan_out_once(make_store: MakeStore) -> None:
    """Each event reaches each webhook that wants it once, from the making of the webhook on, whoever calls."""
    async with make_store() as store:
        control, script = control_of(store), Script()
        await control.put_tenant(ACME)
        await store.apply(script.batch(script.say("Before anybody listened")))
        await control.put_webhook(a_webhook("all"))
        await control.put_webhook(a_webhook("alice", pin=MONDAY))
        await control.put_webhook(a_webhook("erasures", kinds=("erased",)))
        await control.put_webhook(a_webhook("asleep", is_active=False))
        await control.put_webhook(a_webhook("foreign", "acme"))
        said = script.say("At home")
        await store.apply(script.batch(said))
        await store.apply(script.batch(script.say("On Monday", scope=MONDAY)))
        await store.erase(ALICE, [said.id], script.batch())
        await control.put_webhook(a_webhook("all", url="https://elsewhere.test"))
        looked = await asyncio.gather(*(control.fan_out(script.now, 3) for _ in range(4)))
        assert sum(looked) == 4
        assert await control.fan_out(script.now, 3) == 0
        due = await control.due_deliveries(script.now, script.now + HOUR, 50)
        sent = sorted((w.id, d.event.kind, d.event.scope.run_id or "") for w, d in due)
        assert sent == [
            ("alice", "changes", "monday"),
            ("all", "changes", ""),
            ("all", "changes", "monday"),
            ("all", "erased", ""),
            ("erasures", "erased", ""),
        ]
        events = {e.sequence: e for e in await control.events(Scope())}
        assert all(d.event == events[d.event.sequence] and d.webhook_id == w.id for w, d in due)
        assert {w.url for w, _ in due if w.id == "all"} == {"https://elsewhere.test"}
        assert [w.id for w in await control.webhooks("")] == ["all", "alice", "erasures", "asleep"]
        assert await control.webhooks("acme") == [a_webhook("foreign", "acme")]
        assert not await control.drop_webhook("acme", "all")
        assert await control.drop_webhook("", "all")
        assert (await control.deliveries("", "all")).items == ()
        assert len((await control.deliveries("", "alice")).items) == 1


async def deliveries_are_leased(make_store: MakeStore) -> None:
    """A delivery is leased to one at a time; only the last lease settles it, once; what ended can be tried anew."""
    async with make_store() as store:
        control, script = control_of(store), Script()
        await control.put_webhook(a_webhook("hook"))
        for n in range(3):
            await store.apply(script.batch(script.say(f"Sentence {n}")))
        now = script.now
        await control.fan_out(now, 50)
        listed = await pages(lambda c: control.deliveries("", "hook", cursor=c, limit=1))
        assert [d.event.sequence for d in listed] == [3, 2, 1]
        assert (await control.deliveries("acme", "hook")).items == ()
        assert await control.due_deliveries(now - HOUR, now, 9) == []
        first, second, third = await _leased(control, now)
        assert await control.due_deliveries(now, now + HOUR, 9) == [], "they are leased"
        assert (first.attempts, first.due_at) == (1, now + HOUR)
        assert await control.settle_delivery(replace(first, state="sent", status=204, due_at=None))
        assert not await control.settle_delivery(replace(first, state="dead"))
        later = replace(second, state="waiting", due_at=now + 2 * HOUR, status=503, error="busy")
        assert await control.settle_delivery(later)
        assert not await control.settle_delivery(later), "it was settled"
        again = await _leased(control, now + HOUR)
        assert [(d.id, d.attempts) for d in again] == [(third.id, 2)], "its lease ran out"
        assert not await control.settle_delivery(replace(third, state="sent")), "leased again since"
        assert await control.settle_delivery(replace(again[0], state="dead", error="gone", due_at=None))
        kept = {d.id: d for d in (await control.deliveries("", "hook")).items}
        assert [(kept[d.id].state, kept[d.id].status, kept[d.id].error) for d in (first, second, third)] == [
            ("sent", 204, None), ("waiting", 503, "busy"), ("dead", None, "gone"),
        ]  # fmt: skip
        assert not await control.redeliver("acme", third.id, now)
        assert not await control.redeliver("", second.id, now), "it waits"
        assert await control.redeliver("", third.id, now)
        assert [(d.id, d.attempts) for d in await _leased(control, now)] == [(third.id, 1)]
        assert await control.trim(now + 9 * HOUR) == 3, (
            "two events and what was sent; what waits and the last event stay"
        )
        assert {d.id for d in (await control.deliveries("", "hook")).items} == {second.id, third.id}
        assert await control.last_event() == 3
        await store.apply(script.batch(script.say("One more")))
        assert [e.sequence for e in await control.events(Scope())] == [3, 4], "no number is given again"


async def _leased(control: ControlPlane, at: Any) -> list[Any]:
    return [delivery for _, delivery in await control.due_deliveries(at, at + HOUR, 9)]


async def replies_are_kept(make_store: MakeStore) -> None:
    """A reply is there for its tenant and key until it expires; erasing and resetting drop the tenant's."""
    async with make_store() as store:
        control, script = control_of(store), Script()
        said = script.say("I have a boat")
        await store.apply(script.batch(said))
        reply = StoredReply(fingerprint=b"f", status=201, headers={"x": "y", "空": "值"}, body=b"\x00{}")

        async def begin(tenant: str = "", key: bytes = b"k", hours: int = 0) -> StoredReply | None:
            at = START + hours * HOUR
            return await control.begin_reply(tenant, key, b"f", at, at + 5 * HOUR)

        assert await begin() is None
        assert await begin() == StoredReply(fingerprint=b"f", status=0)
        await control.keep_reply("", b"k", reply)
        assert await begin(hours=4) == reply
        assert await begin("acme") is None, "another tenant's"
        assert await begin(key=b"other") is None
        await control.keep_reply("", b"other", None)
        assert await begin(key=b"other") is None, "its place was given free"
        await control.keep_reply("", b"k", None)
        assert await begin() == reply, "only a place is given free"
        assert await begin(hours=5) is None, "it had expired"
        await control.keep_reply("", b"k", reply)
        await control.keep_reply("acme", b"k", reply)
        await store.erase(ALICE, [said.id], script.batch())
        await control.keep_reply("", b"other", reply)
        for key in (b"k", b"other"):
            assert await begin(key=key, hours=6) is None, "no reply outlives an erase, nor comes after it"
        await store.reset("")
        assert await begin(hours=6) is None
        assert await control.trim(START + 6 * HOUR) == 0
        assert await begin(hours=6) is not None, "what is newer stays"
        assert await control.trim(START + 7 * HOUR) == 1
        assert await begin(hours=6) is None


async def resetting_keeps_the_keys(make_store: MakeStore) -> None:
    """`reset` takes a tenant's memory, events and deliveries, not its record, keys and webhooks, nor other tenants'."""
    async with make_store() as store:
        control = control_of(store)
        await control.put_tenant(ACME)
        await control.put_key(an_api_key("one"), digest("one"))
        for tenant in ("", "acme"):
            await control.put_webhook(a_webhook("hook", tenant))
            writer = Script(Scope(tenant=tenant, user_id="alice"))
            said = writer.say("I have a boat")
            await store.apply(writer.batch(said))
            await store.apply(writer.batch(Retire(memory_id=said.memory.id)))
        await control.fan_out(START, 50)
        await store.reset("")
        assert (await control.deliveries("", "hook")).items == ()
        assert len((await control.deliveries("acme", "hook")).items) == 2
        assert [w.id for w in await control.webhooks("")] == ["hook"]
        assert await control.key(digest("one")) is not None
        assert await control.fan_out(START, 50) == 1
        assert [d.event.kind for d in await _leased(control, START)].count("reset") == 1
