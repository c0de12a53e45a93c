"""The commands about who may use a server: keys and tenants, in the store on this machine."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from keepstone import config, providers
from keepstone.cli import options, output
from keepstone.cli.running import confirm, ids
from keepstone.cli.serving import store_path
from keepstone.control import ApiKey, AuditEntry, Role, Tenant
from keepstone.errors import ConfigError, InvalidRequestError, NotFoundError
from keepstone.ids import IdSource
from keepstone.protocols import ControlPlane, Store
from keepstone.server.keys import KeyRing
from keepstone.types import Scope

T = TypeVar("T")

PAGE = 200
UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
DURATION = re.compile(r"(\d{1,6})([mhdw])")
TENANT_ID = re.compile(r"[\w.@+-]{1,64}", re.ASCII)

keys = typer.Typer(name="keys", help="Who may use a server: make, list, rotate and revoke keys.", no_args_is_help=True)
tenants = typer.Typer(name="tenants", help="Projects apart from each other on one server.", no_args_is_help=True)

Name = Annotated[str, typer.Option("--name", help="Whom or what it is for; the history shows it.", show_default=False)]
RoleOption = Annotated[Role, typer.Option("--role", help="read; write, which adds changing; admin, which adds all.")]
TenantOption = Annotated[str, typer.Option("--tenant", help="By default the one that runs the server.")]
ExpiresIn = Annotated[str | None, typer.Option("--expires-in", help="As in 90d, 12h, 30m.", metavar="TIME")]
KeyId = Annotated[str, typer.Argument(help="The id of a key, from `keys list`.", metavar="ID", show_default=False)]
TenantId = Annotated[str, typer.Argument(help="The tenant's id.", metavar="ID", show_default=False)]


@keys.command("create")
def create(
    name: Name,
    role: RoleOption = Role.WRITE,
    user: options.User = None,
    agent: options.Agent = None,
    app: options.App = None,
    run_id: options.Run = None,
    expires_in: ExpiresIn = None,
    tenant: TenantOption = "",
    store: options.Store = None,
    as_json: options.Json = False,
) -> None:
    """Make a key, and show its secret, which nobody can get again.

    With --user, --agent, --app or --run, the key is held to that scope.
    """
    lasting = None if expires_in is None else _duration(expires_in)
    pin = Scope(tenant=tenant, **ids(user, agent, app, run_id))
    if "" in pin.ids:
        raise InvalidRequestError("An id that a key is held to cannot be empty.")

    async def work(ring: KeyRing) -> tuple[ApiKey, str]:
        expires_at = None if lasting is None else config.utc_now() + lasting
        return await ring.create(tenant, name, role, pin=pin, expires_at=expires_at)

    _show_new(*_run(store, "create_key", work), as_json)


@keys.command("list")
def list_(tenant: TenantOption = "", store: options.Store = None, as_json: options.Json = False) -> None:
    """List the keys of a tenant, the oldest first; never their secrets."""

    async def work(control: ControlPlane) -> list[ApiKey]:
        found: list[ApiKey] = []
        cursor = None
        while True:
            page = await control.keys(tenant, cursor=cursor, limit=PAGE)
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                return found

    found = _controlled(store, work, is_reading=True)
    if as_json:
        output.show_json(found)
    else:
        output.keys(found, config.utc_now())


@keys.command("rotate")
def rotate(
    id: KeyId,
    overlap: Annotated[str, typer.Option("--overlap", help="How long the old one goes on working.")] = "1h",
    tenant: TenantOption = "",
    store: options.Store = None,
    as_json: options.Json = False,
) -> None:
    """Make a key in the place of another, with the same rights, and show its secret."""
    lasting = _duration(overlap)
    _show_new(*_run(store, "rotate_key", lambda ring: ring.rotate(tenant, id, overlap=lasting)), as_json)


@keys.command("revoke")
def revoke(id: KeyId, tenant: TenantOption = "", store: options.Store = None, as_json: options.Json = False) -> None:
    """Let a key end now; a server that runs knows it within two seconds."""

    async def work(ring: KeyRing) -> tuple[ApiKey, str]:
        return await ring.revoke(tenant, id), ""

    key, _ = _run(store, "revoke_key", work)
    if as_json:
        output.show_json(key)
    else:
        output.note(f"{key.name} ({key.prefix}…) is revoked.")


@tenants.command("create")
def create_tenant(
    id: TenantId,
    name: Annotated[str, typer.Option("--name", help="What it is called, by default its id.")] = "",
    store: options.Store = None,
    as_json: options.Json = False,
) -> None:
    """Make a tenant, whose memory and keys are apart from all others."""
    if not TENANT_ID.fullmatch(id):
        raise InvalidRequestError("A tenant's id has 1 to 64 letters, digits or any of . @ + - _")
    tenant = Tenant(id=id, name=name or id, created_at=config.utc_now())

    async def work(control: ControlPlane) -> None:
        await control.put_tenant(tenant)
        await control.enter_audit([_entry("create_tenant", id, "")])

    _controlled(store, work)
    if as_json:
        output.show_json(tenant)
    else:
        output.note(f"Made. Its first key: keepstone keys create --tenant {id} --role admin --name NAME")


@tenants.command("list")
def list_tenants(store: options.Store = None, as_json: options.Json = False) -> None:
    """List the tenants; the one without an id runs the server."""

    async def work(control: ControlPlane) -> list[Tenant]:
        found: list[Tenant] = []
        cursor = None
        while True:
            page = await control.tenants(cursor=cursor, limit=PAGE)
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                return found

    found = _controlled(store, work, is_reading=True)
    if as_json:
        output.show_json(found)
    else:
        output.tenants(found)


@tenants.command("delete")
def delete_tenant(id: TenantId, yes: options.Yes = False, store: options.Store = None) -> None:
    """Remove a tenant with its keys, its webhooks and all of its memory; this cannot be taken back."""
    if not id:
        raise InvalidRequestError("The tenant that runs the server stays; `keepstone reset` empties it.")
    confirm(f"Remove the tenant {id} with everything in it, for good?", yes)

    async def work(kept: Store) -> None:
        control = _control(kept)
        if not await control.drop_tenant(id):
            raise NotFoundError(f"No tenant {id}.")
        await kept.reset(id)
        await control.enter_audit([_entry("drop_tenant", id, "")])

    _opened(store, work)
    output.note(f"The tenant {id} is gone.")


def _run(
    path: Path | None, operation: str, work: Callable[[KeyRing], Awaitable[tuple[ApiKey, str]]]
) -> tuple[ApiKey, str]:
    """Do something to a key, and enter it into the audit."""

    async def with_ring(control: ControlPlane) -> tuple[ApiKey, str]:
        key, secret = await work(KeyRing(control, config.utc_now, IdSource()))
        await control.enter_audit([_entry(operation, key.id, key.tenant)])
        return key, secret

    return _controlled(path, with_ring)


def _controlled(path: Path | None, work: Callable[[ControlPlane], Awaitable[T]], *, is_reading: bool = False) -> T:
    return _opened(path, lambda store: work(_control(store)), is_reading=is_reading)


def _opened(path: Path | None, work: Callable[[Store], Awaitable[T]], *, is_reading: bool = False) -> T:
    file = store_path(path)
    if is_reading and path is not None and not file.exists():
        raise ConfigError(f"There is no store at {path}.")

    async def opened() -> T:
        store = providers.store(file, IdSource())
        try:
            return await work(store)
        finally:
            await store.close()

    return asyncio.run(opened())


def _control(store: Store) -> ControlPlane:
    if not isinstance(store, ControlPlane):
        raise ConfigError(f"{type(store).__name__} keeps no keys.")
    return store


def _entry(operation: str, target: str, tenant: str) -> AuditEntry:
    return AuditEntry(
        at=config.utc_now(),
        tenant=tenant,
        key_id=None,
        operation=operation,
        surface="cli",
        status=0,
        scope=Scope(tenant=tenant),
        target=target,
    )


def _duration(given: str) -> timedelta:
    found = DURATION.fullmatch(given.strip())
    if found is None:
        raise InvalidRequestError(f"{given!r} is no time: say it as in 90d, 12h or 30m.")
    return int(found[1]) * UNITS[found[2]]


def _show_new(key: ApiKey, secret: str, as_json: bool) -> None:
    if as_json:
        output.show_json({**key.to_dict(), "secret": secret})
        return
    output.note(f"{key.name}, {key.role}; shown only this once:")
    output.line(secret)
