"""The world that is probed: tenants, owners whose texts hold words of their own, and every kind of key."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from keepstone.control import Role, Tenant, Webhook
from keepstone.server.access import Principal
from keepstone.server.app import create_app
from keepstone.server.keys import digest
from keepstone.server.service import Service
from keepstone.server.settings import Settings
from keepstone.server.ui.sessions import COOKIE
from keepstone.testing import HashingEmbedder
from keepstone.types import OWNER_KINDS, Scope

TENANTS = ("", "acme", "globex")
OWNERS: tuple[dict[str, str], ...] = (
    {"user_id": "alice"},
    {"user_id": "alice", "agent_id": "helper", "run_id": "monday"},
    {"user_id": "alice2"},
    {"user_id": "al_ce"},
    {"user_id": "bob"},
    {"user_id": "bob", "app_id": "mail"},
    {"user_id": "鲍勃"},
    {"agent_id": "helper"},
)
PINS: tuple[dict[str, str], ...] = (
    {},
    {"user_id": "alice"},
    {"user_id": "bob"},
    {"agent_id": "helper"},
    {"user_id": "alice", "run_id": "monday"},
)
SUBJECTS = ("a blue teapot in Lyon", "the ferry on Monday", "周末的陶艺课", "her sister Anna", "a bicycle repair")
STRANGERS = ("none", "wrong", "expired", "revoked")
LONG_AGO = timedelta(days=1)
ADDRESS = "http://127.0.0.1:8765"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A word that stands in the texts of one scope; one that `nobody` sees was erased."""

    word: str
    scope: Scope
    nobody: bool = False
    # What is of a tenant and of none of its owners, as the name of a webhook.
    of_tenant: bool = False

    def is_for(self, who: Asker) -> bool:
        """Whether an answer to *who* may hold it."""
        if who.principal is None or self.nobody or who.principal.key.tenant != self.scope.tenant:
            return False
        pin = who.principal.key.pin
        return pin.is_empty if self.of_tenant else pin.sees(self.scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Whoever asks: headers for the interfaces, a cookie and a form's token for the dashboard."""

    name: str
    principal: Principal | None
    secret: str
    cookie: str = ""
    token: str = ""


@dataclass(slots=True)
class World:
    """What there is: the ids by kind, each with the scope that it is of, the secrets, and who may ask."""

    app: FastAPI
    service: Service
    ids: dict[str, list[tuple[str, Scope]]] = field(default_factory=dict)
    secrets: dict[str, Secret] = field(default_factory=dict)
    askers: list[Asker] = field(default_factory=list)
    cursors: list[str] = field(default_factory=list)

    def enter(self, kind: str, id: str, scope: Scope) -> None:
        """Let an id be known to those who probe."""
        self.ids.setdefault(kind, []).append((id, scope))


@asynccontextmanager
async def made(seed: int, path: Path | None) -> AsyncIterator[World]:
    """Make a world in a store at *path*, in memory for None, and serve it until the block ends."""
    from keepstone.testing import InMemoryStore

    store = InMemoryStore() if path is None else None
    # Where nothing listens, if the proxy should ever ask.
    settings = Settings(requests_a_minute=0, store=path, proxy_upstream="http://127.0.0.1:9/v1")
    service = Service(settings, store=store, embedder=HashingEmbedder())
    app = create_app(service)
    world, chance = World(app, service), random.Random(seed)
    async with app.router.lifespan_context(app):
        for tenant in TENANTS:
            await _tenant(world, tenant, chance)
        await _strangers(world)
        yield world


async def _tenant(world: World, tenant: str, chance: random.Random) -> None:
    service, now = world.service, world.service.clock()
    if tenant:
        await service.control.put_tenant(Tenant(id=tenant, name=tenant, created_at=now))
    root = Scope(tenant=tenant)
    world.enter("tenant", tenant or "none", root)
    for role in Role:
        for pin in PINS:
            await _asker(world, role, Scope(tenant=tenant, **pin))
    hook = service.new_id(now, 1)
    word = _word(world, chance, root, of_tenant=True)
    await service.control.put_webhook(
        Webhook(
            id=hook,
            tenant=tenant,
            url=f"https://example.com/{word}",
            secret="whsec_" + "A" * 32,
            kinds=("changes",),
            pin=root,
            created_at=now,
            name=word,
            is_active=False,
        )
    )
    world.enter("webhook", hook, root)
    for owner in OWNERS:
        await _owner(world, Scope(tenant=tenant, **owner), chance)


async def _asker(world: World, role: Role, pin: Scope) -> None:
    service, name = world.service, f"{role}-{len(world.askers)}"
    key, secret = await service.keys.create(pin.tenant, name, role, pin=pin)
    world.enter("key", key.id, pin)
    cookie = await logged_in(world.app, secret)
    stored = await service.control.session(digest(cookie))
    assert stored is not None
    principal = Principal(key=key)
    pinned = ",".join(i for i in pin.ids if i) or "all"
    world.askers.append(
        Asker(
            name=f"{pin.tenant or 'root'}/{role}/{pinned}",
            principal=principal,
            secret=secret,
            cookie=cookie,
            token=stored[0].csrf_token,
        )
    )


async def _strangers(world: World) -> None:
    service = world.service
    for name in STRANGERS:
        secret = {"none": "", "wrong": "ks_" + "w" * 43}.get(name)
        if secret is None:
            ends = datetime.now(UTC) - LONG_AGO if name == "expired" else None
            key, secret = await service.keys.create("", name, Role.ADMIN, expires_at=ends)
            if name == "revoked":
                await service.keys.revoke("", key.id)
        world.askers.append(Asker(name=name, principal=None, secret=secret, cookie="c" * 43, token="t"))


async def logged_in(app: FastAPI, secret: str) -> str:
    """Log into the dashboard with a key, and return the cookie."""
    import httpx2

    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url=ADDRESS) as http:
        answer = await http.post("/ui/login", data={"key": secret})
        return str(answer.cookies[COOKIE])


def _word(world: World, chance: random.Random, scope: Scope, **more: bool) -> str:
    """A word that is nowhere else, of letters that no id and no digest is made of."""
    word = "zq" + "".join(chance.choices("ghjkmnpqrstvwxyz", k=12))
    world.secrets[word] = Secret(word=word, scope=scope, **more)
    return word


async def _owner(world: World, scope: Scope, chance: random.Random) -> None:
    """Fill one scope: what stands, what was changed, what was taken back, and what was erased."""
    memory = world.service.memory_of(scope.tenant)
    ids: dict[str, Any] = {f"{kind}_id": id for kind, id in zip(OWNER_KINDS, scope.ids, strict=True)}
    for state in ("stands", "changed", "retired", "erased"):
        gone = state == "erased"
        word, tag = (_word(world, chance, scope, nobody=gone) for _ in range(2))
        about = chance.choice(SUBJECTS)
        said: dict[str, Any] = {"content": f"{word} and {about}.", "metadata": {"place": "Lyon", "note": {"tag": tag}}}
        added = await memory.add([said], **ids)
        record = added.memories[0]
        # Ids of what was erased are probed, too: its own scope still sees that there was something.
        world.enter("memory", record.id, scope)
        world.enter("message", record.sources[0], scope)
        world.enter("batch", added.batch_id, scope)
        if state == "changed":
            await memory.update(record.id, text=f"Now {word} about {about}.")
        elif state == "retired":
            change = await memory.delete(record.id)
            world.enter("batch", change.id, scope)
        elif gone:
            await memory.erase(record.id)
    for entity in await memory.entities(**ids):
        world.enter("entity", entity.id, scope)
    page = await memory.get_all(limit=1, **ids)
    if page.next_cursor is not None:
        world.cursors.append(page.next_cursor)
    log = await world.service.catalogue.log(scope, limit=1)
    if log.next_cursor is not None:
        world.cursors.append(log.next_cursor)
