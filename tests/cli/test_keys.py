"""Keys and tenants from the command line: what they may do at a server over the same store; secrets stay secret."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

from keepstone import config, providers
from keepstone.control import AuditFilter, Role
from keepstone.ids import IdSource
from keepstone.protocols import ControlPlane
from keepstone.server.keys import KeyRing
from tests.cli.running import answer, run


def with_control(work: Callable[[ControlPlane], Any]) -> Any:
    async def opened() -> Any:
        store = providers.store(config.default_path(), IdSource())
        try:
            return await work(store)  # type: ignore[arg-type]
        finally:
            await store.close()

    return asyncio.run(opened())


def found(secret: str) -> Any:
    """The key that a server would find by this secret now."""
    return with_control(lambda control: KeyRing(control, config.utc_now, IdSource()).find(secret))


def test_a_new_key_works_and_is_held_to_its_scope() -> None:
    made = answer(
        "keys", "create", "--name", "alice's phone", "--role", "read", "--user", "alice", "--expires-in", "90d"
    )
    key = found(made["secret"])
    assert (key.id, key.role, key.pin.user_id, key.name) == (made["id"], Role.READ, "alice", "alice's phone")
    assert (key.expires_at - key.created_at).days in (89, 90)
    assert found(made["secret"] + "x") is None


def test_a_secret_is_shown_once() -> None:
    secret = run("keys", "create", "--name", "app").stdout.strip()
    assert secret.startswith("ks_")
    for listed in (run("keys", "list").output, run("keys", "list", "--json").output):
        assert secret[:10] in listed
        assert secret not in listed


def test_a_rotated_key_is_replaced_and_a_revoked_one_ends() -> None:
    old = answer("keys", "create", "--name", "app", "--role", "write", "--user", "alice")
    new = answer("keys", "rotate", old["id"], "--overlap", "1h")
    assert (new["replaces"], new["role"], new["pin"]["user_id"]) == (old["id"], "write", "alice")
    assert found(old["secret"]) is not None
    assert found(new["secret"]) is not None
    assert run("keys", "revoke", new["id"]).exit_code == 0
    assert found(new["secret"]) is None
    again = answer("keys", "rotate", old["id"], "--overlap", "0m")
    assert found(again["secret"]) is not None
    assert run("keys", "revoke", "nothing").exit_code == 1


def test_what_makes_no_sense_is_refused() -> None:
    assert run("keys", "create", "--name", "x", "--expires-in", "soon").exit_code == 2
    assert run("keys", "create", "--name", "x", "--user", "").exit_code == 2
    assert run("keys", "create", "--name", "x", "--role", "king").exit_code == 2
    assert run("keys", "create", "--name", "x", "--tenant", "nobody").exit_code == 1
    assert run("keys", "list", "--store", "/nowhere/x.db").exit_code == 1
    assert run("tenants", "create", "a b").exit_code == 2


def test_tenants_have_keys_of_their_own_and_go_with_everything() -> None:
    assert run("tenants", "create", "acme", "--name", "Acme Ltd").exit_code == 0
    assert run("tenants", "create", "acme").exit_code == 1
    made = answer("keys", "create", "--name", "first", "--role", "admin", "--tenant", "acme")
    assert found(made["secret"]).tenant == "acme"
    assert [t["id"] for t in answer("tenants", "list")] == ["", "acme"]
    assert "Acme Ltd" in run("tenants", "list").output
    assert answer("keys", "list") == []
    assert run("tenants", "delete", "acme").exit_code == 2
    assert run("tenants", "delete", "acme", "--yes").exit_code == 0
    assert found(made["secret"]) is None
    assert [t["id"] for t in answer("tenants", "list")] == [""]
    assert run("tenants", "delete", "acme", "--yes").exit_code == 1


def test_what_was_done_is_in_the_audit() -> None:
    made = answer("keys", "create", "--name", "app")
    run("keys", "revoke", made["id"])
    entries = with_control(lambda control: control.audit(None, AuditFilter())).items
    assert [(e.operation, e.surface, e.target) for e in entries] == [
        ("revoke_key", "cli", made["id"]),
        ("create_key", "cli", made["id"]),
    ]
    assert made["secret"] not in json.dumps([e.to_dict() for e in entries])
