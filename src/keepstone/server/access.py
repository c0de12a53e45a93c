"""Who may do what: the one table of operations, for REST, MCP, Mem0's interfaces, the proxy and the dashboard.

An operation is a verb of the library, or one of the server's own. What is not in the table cannot be done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TypedDict

from keepstone import door
from keepstone.control import ApiKey, Role
from keepstone.limits import DEFAULT_LIMITS
from keepstone.server.problems import ForbiddenError
from keepstone.types import OWNER_KINDS, Scope

ROOT_TENANT = ""


class ScopeIds(TypedDict):
    """The ids of a scope, as verbs take them."""

    user_id: str | None
    agent_id: str | None
    app_id: str | None
    run_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a key needs for an operation.

    With *pinned* false, a key that is pinned to a scope may not do it at all; *root* wants a key of the tenant that
    runs the server.
    """

    role: Role
    pinned: bool = True
    root: bool = False


_READ, _WRITE, _ADMIN = Rule(role=Role.READ), Rule(role=Role.WRITE), Rule(role=Role.ADMIN)
_TENANT = Rule(role=Role.ADMIN, pinned=False)
_ROOT = Rule(role=Role.ADMIN, pinned=False, root=True)

OPERATIONS: Mapping[str, Rule] = MappingProxyType(
    {
        "whoami": _READ,
        "mcp": _READ,
        "search": _READ,
        "context": _READ,
        "trace": _READ,
        "get": _READ,
        "get_all": _READ,
        "history": _READ,
        "profile": _READ,
        "entities": _READ,
        "stats": _READ,
        "usage": _READ,
        "jobs": _READ,
        "messages": _READ,
        "conversations": _READ,
        "changes": _READ,
        "events": _READ,
        "owners": Rule(role=Role.READ, pinned=False),
        "overview": Rule(role=Role.READ, pinned=False),
        "add": _WRITE,
        "update": _WRITE,
        "delete": _WRITE,
        "delete_all": _WRITE,
        "undo": _WRITE,
        "feedback": _WRITE,
        "merge_entities": _WRITE,
        "split_entity": _WRITE,
        "flush": _WRITE,
        "retry": _WRITE,
        "discard": _WRITE,
        "reextract": _WRITE,
        "accept": _WRITE,
        "consolidate": _WRITE,
        "import": _WRITE,
        "proxy": _WRITE,
        "export": _ADMIN,
        "erase": _ADMIN,
        "reset": _TENANT,
        "reembed": _ROOT,
        "keys": _TENANT,
        "create_key": _TENANT,
        "rotate_key": _TENANT,
        "revoke_key": _TENANT,
        "webhooks": _TENANT,
        "put_webhook": _TENANT,
        "drop_webhook": _TENANT,
        "deliveries": _TENANT,
        "redeliver": _TENANT,
        "audit": _TENANT,
        "settings": _ROOT,
        "tenants": _ROOT,
        "create_tenant": _ROOT,
        "drop_tenant": _ROOT,
        "metrics": Rule(role=Role.READ, pinned=False, root=True),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Whoever asks: a key, and the surface that it came through."""

    key: ApiKey
    surface: str = "rest"

    @property
    def tenant(self) -> str:
        """The tenant whose memory it is about."""
        return self.key.tenant

    @property
    def actor(self) -> str:
        """Who the history says made a change."""
        return f"key:{self.key.name or self.key.prefix}"

    @property
    def is_pinned(self) -> bool:
        """Whether the key is held to a scope."""
        return not self.key.pin.is_empty

    def may(self, operation: str) -> bool:
        """Whether the table lets this key do *operation*."""
        rule = OPERATIONS[operation]
        return (
            self.key.role.covers(rule.role)
            and (rule.pinned or not self.is_pinned)
            and (not rule.root or self.tenant == ROOT_TENANT)
        )

    def check(self, operation: str) -> None:
        """Let pass what the table lets this key do.

        Raises:
            ForbiddenError: it does not.
        """
        if self.may(operation):
            return
        rule = OPERATIONS[operation]
        if not self.key.role.covers(rule.role):
            raise ForbiddenError(f"This needs a key with the role {rule.role}; this one has {self.key.role}.")
        if self.is_pinned and not rule.pinned:
            raise ForbiddenError("A key that is pinned to a scope cannot do this.")
        raise ForbiddenError("This needs a key of the tenant that runs the server.")

    def ids(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
    ) -> ScopeIds:
        """Return these ids with those that the key is pinned to.

        Raises:
            ForbiddenError: an id is another than the pinned one.
            ScopeError: an id cannot be one.
        """
        given = door.scope(self.tenant, (user_id, agent_id, app_id, run_id), DEFAULT_LIMITS).ids
        for name, id, pin in zip(OWNER_KINDS, given, self.key.pin.ids, strict=True):
            if pin is not None and id is not None and id != pin:
                raise ForbiddenError(f"This key is pinned to one {name}_id, and this is another; leave it out.")
        user, agent, app, run = (i if pin is None else pin for i, pin in zip(given, self.key.pin.ids, strict=True))
        return ScopeIds(user_id=user, agent_id=agent, app_id=app, run_id=run)

    def scope(
        self,
        *,
        user_id: str | None = None,
        agent_id: str | None = None,
        app_id: str | None = None,
        run_id: str | None = None,
    ) -> Scope:
        """Return the scope of these ids with the pinned ones, in the key's tenant.

        Raises:
            ForbiddenError: an id is another than the pinned one.
            ScopeError: an id cannot be one.
        """
        return Scope(tenant=self.tenant, **self.ids(user_id=user_id, agent_id=agent_id, app_id=app_id, run_id=run_id))

    @property
    def reach(self) -> str | None:
        """The tenant whose keys and audit it may look at; None is all of them."""
        return None if self.tenant == ROOT_TENANT and not self.is_pinned else self.tenant

    def tenant_of(self, given: str | None) -> str:
        """Return the tenant *given*, by default the key's own.

        Raises:
            ForbiddenError: it is another than the key's, and the key is not of the tenant that runs the server.
        """
        if given is None or given == self.tenant:
            return self.tenant
        if self.reach is not None:
            raise ForbiddenError("This key is of another tenant.")
        return given

    def check_grant(self, role: Role, pin: Scope) -> None:
        """Let pass a new key with *role*, held to *pin*, if it may do no more than this one.

        Raises:
            ForbiddenError: it has a higher role, is of another tenant, or is not held to what this one is held to.
        """
        if not self.key.role.covers(role):
            raise ForbiddenError(f"A key with the role {self.key.role} cannot make one with {role}.")
        self.tenant_of(pin.tenant)
        if self.is_pinned and not self.key.pin.sees(pin):
            raise ForbiddenError("A key that is pinned to a scope cannot make one beyond it.")

    def through(self, surface: str) -> Principal:
        """Return the same principal on another surface."""
        return replace(self, surface=surface)
