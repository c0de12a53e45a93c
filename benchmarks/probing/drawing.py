"""Requests that ask for what they must not, drawn from the routes and the tools that there are.

A request that would really destroy what its asker owns is not drawn: the world has to stay as it is.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel

from benchmarks.probing.world import SUBJECTS, TENANTS, Asker, World
from keepstone.control import Role
from keepstone.server.access import OPERATIONS
from keepstone.server.mcp.calling import Tool
from keepstone.server.mcp.profiles import TOOLS
from keepstone.server.routing import GuardedRoute
from keepstone.types import OWNER_KINDS, Scope

ID_NAMES = tuple(f"{kind}_id" for kind in OWNER_KINDS)
# Operations on what an id names: drawn with ids that the asker must not reach, unless it may not do them at all.
BY_ID = frozenset(
    "update delete undo erase feedback merge_entities split_entity accept reextract revoke_key rotate_key "
    "drop_webhook redeliver retry discard".split()
)
ODD = (
    "*", "%", "_", "?", "..", "../alice", "%2e%2e%2falice", "alice%00", "alice\0", "ALICE", " alice", "alice ",
    "аlice", "ａｌｉｃｅ", "alice\u200b", "al%", "al_ce%", "' OR 1=1 --", "{}", "null", "None", "[]", "0", "true",
    "a" * 300, "a" * 5_000, "鲍", "bob/../alice", "alice;bob", "alice,bob", "\u202ealice", "\ud7ff",
)  # fmt: skip
WHOSE = ("alice", "alice2", "al_ce", "bob", "鲍勃", "helper", "monday", "mail", "nobody", *TENANTS)
OPERATORS = ("eq", "ne", "in", "nin", "contains", "icontains", "exists", "gt", "gte", "lt", "lte")
# Which kind of id a path or a body has in its place.
KIND_OF_NAME = {
    "memory_id": "memory", "memory_ids": "memory", "ids": "memory", "memories": "memory", "into": "entity",
    "event_id": "batch", "job_id": "batch", "memory_export_id": "memory", "delivery_id": "webhook", "user": "owner",
    "entity_id": "owner", "project": "tenant", "org": "tenant", "tenant": "tenant", "client": "owner",
}  # fmt: skip
KIND_OF_PATH = (
    ("/messages/{id}", "message"), ("memories/{id}", "memory"), ("/entities/{id}", "entity"), ("/keys/{id}", "key"),
    ("api-keys/{id}", "key"), ("webhooks/{id}", "webhook"), ("event/{id}", "batch"), ("undo/{id}", "batch"),
    ("tenants/{id}", "tenant"), ("user/{id}", "owner"), ("{kind}/{id", "owner"),
)  # fmt: skip
MEMORY_OPERATIONS = frozenset("search context trace get_all profile entities stats messages conversations".split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """A way in: a route with one method, or a tool of a profile; `model` is what it takes as a body or arguments."""

    surface: str
    method: str
    path: str
    operation: str
    model: type[BaseModel] | None
    tool: Tool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """One request. `target` is the id that it is about, `narrow` the scope that it says for itself."""

    asker: Asker
    door: Door
    path: str
    query: str
    body: Mapping[str, Any] | None
    target: str | None
    is_foreign: bool
    narrow: Scope | None

    @property
    def sent(self) -> str:
        """All that was sent, to tell an echo from a leak."""
        return f"{self.path}?{self.query}\n{json.dumps(self.body, ensure_ascii=False)}"

    def about(self, id: str) -> Probe:
        """Return the same request about another id."""
        assert self.target is not None
        old, new = self.target, id
        body = None if self.body is None else json.loads(json.dumps(self.body).replace(old, new))
        return Probe(
            asker=self.asker,
            door=self.door,
            path=self.path.replace(old, new),
            query=self.query.replace(old, new),
            body=body,
            target=new,
            is_foreign=False,
            narrow=self.narrow,
        )


def doors(app: FastAPI) -> list[Door]:
    """Return every way in that there is, but for streams that do not end."""
    found = []
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if isinstance(route, GuardedRoute):
            model = getattr(route.body_field, "field_info", None)
            kind = getattr(model, "annotation", None)
            is_model = isinstance(kind, type) and issubclass(kind, BaseModel)
            for method in sorted(context.methods or ()):
                found.append(
                    Door(
                        surface=route.surface,
                        method=method,
                        path=str(context.path),
                        operation=route.operation,
                        model=kind if is_model else None,
                    )
                )
    for profile, tools in TOOLS.items():
        for tool in tools:
            found.append(
                Door(
                    surface="mcp",
                    method="CALL",
                    path=f"{profile}:{tool.name}",
                    operation=tool.operation,
                    model=tool.arguments,
                    tool=tool,
                )
            )
    return found


class Drawing:
    """Draws probes of one world."""

    def __init__(self, world: World, seed: int) -> None:
        self._world, self._chance = world, random.Random(seed)
        self._doors = doors(world.app)
        known = [d for d in self._doors if d.operation in MEMORY_OPERATIONS | {"get", "history"}]
        # What reads memories is asked more often than what only tells of keys.
        self._weighted = self._doors + known * 2
        self._makers: dict[str, Callable[[], Any]] = {
            **dict.fromkeys(("filters", "metadata"), self._filter),
            **dict.fromkeys(("query", "question", "text", "data", "reason"), self._words),
            "messages": lambda: [{"role": "user", "content": self._words()}],
            **dict.fromkeys(("all_scopes", "include_expired", "include_superseded", "explain", "texts"), self._coin),
            **dict.fromkeys(("include_retired", "show_expired", "latest_only", "newest_first", "cascade"), self._coin),
            "value": lambda: "positive",
            "feedback": lambda: "POSITIVE",
            "confirm": lambda: True,
            "name": self._words,
            "id": lambda: uuid.UUID(int=self._chance.getrandbits(128)).hex[:20],
            "url": lambda: "https://example.com/",
            "role": lambda: self._chance.choice(list(Role)).value,
            "expect": lambda: [self._any_id()],
            "operation": lambda: self._chance.choice(("trigger", "sample")),
            "tenant": lambda: self._chance.choice(TENANTS),
            "timeout": lambda: 0,
            "cursor": self._cursor,
            "model": lambda: "m",
        }

    def probe(self) -> Probe:
        """Return the next request."""
        while True:
            made = self._try()
            if made is not None:
                return made

    def unknown(self) -> str:
        """Return an id that nobody has, of the shape of ours."""
        # Version 7 of UUIDs, of about now.
        bits = 0x01A206A9 << 96 | self._chance.getrandbits(96)
        return str(uuid.UUID(int=bits & ~(0xF << 76) & ~(0x3 << 62) | 7 << 76 | 2 << 62))

    def _try(self) -> Probe | None:
        chance, door = self._chance, self._chance.choice(self._weighted)
        asker = chance.choice(self._world.askers)
        may = asker.principal is not None and asker.principal.may(door.operation)
        if door.tool is not None and asker.principal is None:
            return None
        ids = self._scope_ids()
        changes = may and OPERATIONS[door.operation].role is not Role.READ and door.operation != "export"
        target, is_foreign = self._target(asker, door)
        if changes and door.operation in BY_ID and not is_foreign:
            return None
        path = self._path(door, target, ids)
        body = (
            self._body(door, target, ids) if door.method not in ("GET", "DELETE") or self._takes_batch(door) else None
        )
        if door.operation == "erase" and changes and not (body and body.get("ids")):
            return None
        takes_query = door.tool is None and (door.surface != "ui" or door.method == "GET")
        query = self._query(door, ids) if takes_query else {}
        sent_ids = _said_ids(door, body, query)
        if changes and door.operation not in BY_ID and ("{kind}" in door.path or not _contradicts(asker, sent_ids)):
            return None
        return Probe(
            asker=asker,
            door=door,
            path=path,
            query=urlencode(
                {k: v if isinstance(v, str) else json.dumps(v) for k, v in query.items()}, errors="replace"
            ),
            body=body,
            target=target,
            is_foreign=is_foreign,
            narrow=_narrow(asker, door, sent_ids),
        )

    @staticmethod
    def _takes_batch(door: Door) -> bool:
        return door.tool is not None or (door.method == "DELETE" and door.model is not None)

    def _scope_ids(self) -> dict[str, str]:
        chance = self._chance
        names = chance.sample(ID_NAMES, chance.choices((0, 1, 2), (3, 6, 1))[0])
        return {n: chance.choice(WHOSE) if chance.random() < 0.75 else chance.choice(ODD) for n in names}

    def _target(self, asker: Asker, door: Door) -> tuple[str | None, bool]:
        """An id for the place of the path or the body, and whether it is of somebody else."""
        chance, kind = self._chance, _kind(door)
        if kind is None:
            return None, True
        drawn = chance.random()
        if kind == "owner":
            return chance.choice(WHOSE if drawn < 0.7 else ODD) or "x", True
        if drawn < 0.1:
            return chance.choice(ODD), True
        if drawn < 0.15:
            return self.unknown(), True
        if drawn < 0.25:
            kind = chance.choice(list(self._world.ids))
        if kind not in self._world.ids:
            return self.unknown(), True
        id, scope = chance.choice(self._world.ids[kind])
        sees = asker.principal is not None and _reaches(asker, scope, kind)
        return id, not sees

    def _path(self, door: Door, target: str | None, ids: Mapping[str, str]) -> str:
        if door.tool is not None:
            return door.path
        path = door.path
        for name in ("kind", "client", "org", "digest"):
            path = path.replace(f"{{{name}}}", self._chance.choice(("user", "agent", "run", "app", "x")))
        given = quote(target or "x", safe="%/" if self._chance.random() < 0.1 else "", errors="replace")
        for name in ("id", "id:path", "user", "project", "delivery_id", "rest:path"):
            path = path.replace(f"{{{name}}}", given)
        return path

    def _body(self, door: Door, target: str | None, ids: Mapping[str, str]) -> dict[str, Any] | None:
        if door.model is None:
            return {} if door.method == "POST" and door.surface != "ui" else None
        body: dict[str, Any] = {}
        for name, field in door.model.model_fields.items():
            if name in ID_NAMES:
                continue
            if name in KIND_OF_NAME and name not in ("user", "tenant"):
                given = target or self._any_id()
                many = name in ("ids", "memory_ids")
                body[name] = [given] if many else ([{"memory_id": given}] if name == "memories" else given)
            elif name in self._makers and (field.is_required() or self._chance.random() < 0.3):
                body[name] = self._makers[name]()
        body |= {n: v for n, v in ids.items() if n in door.model.model_fields}
        if "filters" in door.model.model_fields and door.surface.startswith("mem0") and ids:
            body["filters"] = {"AND": [dict(ids), *([body["filters"]] if body.get("filters") else [])]}
        return body

    def _query(self, door: Door, ids: Mapping[str, str]) -> dict[str, Any]:
        chance = self._chance
        query: dict[str, Any] = {} if door.model is not None and chance.random() < 0.9 else dict(ids)
        if chance.random() < 0.25:
            names = ("filters", "cursor", "all_scopes", "include_expired", "texts", "newest_first", "tenant")
            query |= {n: self._makers[n]() for n in chance.sample(names, 2)}
        if door.surface == "ui" and chance.random() < 0.7:
            query |= {"q": self._words(), "query": self._words(), "expect": self._any_id(), "stand": "all"}
            query |= {"as_of": "2030-01-01", "known_at": "2030-01-01"} if chance.random() < 0.3 else {}
        if door.path in ("/api/v1/profile", "/api/v1/tenants/{id}"):
            query["confirm"] = "true"
        return query

    def _filter(self, depth: int = 0) -> dict[str, Any]:
        chance = self._chance
        if depth < 4 and chance.random() < 0.4:
            word = chance.choice(("or", "and", "not"))
            word = word.upper() if chance.random() < 0.5 else word
            inner = [self._filter(depth + 1) for _ in range(chance.randint(1, 3))]
            return {word: inner[0] if word.lower() == "not" and chance.random() < 0.7 else inner}
        path = chance.choice((*ID_NAMES, "id", "place", "note.tag", "metadata.user_id", "tenant", "kind", "role"))
        value: Any = chance.choice((*WHOSE, *ODD, "Lyon", self._any_id(), True, None, {}, []))
        operator = chance.choice(OPERATORS)
        if operator in ("in", "nin"):
            value = [value, chance.choice(WHOSE)]
        return {path: value if chance.random() < 0.5 else {operator: value}}

    def _words(self) -> str:
        return self._chance.choice((*SUBJECTS, "Lyon", "*", "%", "what do you know?", "所有人说过什么"))

    def _coin(self) -> bool:
        return self._chance.random() < 0.7

    def _any_id(self) -> str:
        kind = self._chance.choice(list(self._world.ids))
        return self._chance.choice(self._world.ids[kind])[0]

    def _cursor(self) -> str:
        return self._chance.choice((*self._world.cursors, "0", "x", "*"))


def _kind(door: Door) -> str | None:
    """The kind of id that a door takes, None for none."""
    for part, kind in KIND_OF_PATH:
        if part in door.path:
            return kind
    names: Sequence[str] = list(door.model.model_fields) if door.model is not None else ()
    if door.operation == "undo" and "id" in names:
        return "batch"
    if door.tool is not None and "id" in names:
        return "memory"
    for name, kind in KIND_OF_NAME.items():
        if name in names or f"{{{name}}}" in door.path:
            return kind
    return "batch" if "{" in door.path else None


def _reaches(asker: Asker, scope: Scope, kind: str) -> bool:
    """Whether an id is of what the asker may reach."""
    assert asker.principal is not None
    who = asker.principal
    if kind in ("key", "tenant") and who.reach is None:
        return True
    if kind in ("key", "tenant", "webhook"):
        return who.key.tenant == scope.tenant and not who.is_pinned
    return who.key.tenant == scope.tenant and who.key.pin.sees(scope)


def _contradicts(asker: Asker, ids: Mapping[str, str]) -> bool:
    """Whether ids name another scope than the one that a key is pinned to."""
    assert asker.principal is not None
    pin = dict(zip(ID_NAMES, asker.principal.key.pin.ids, strict=True))
    return any(pin[n] is not None and ids[n] != pin[n] for n in ids if ids[n] in WHOSE and ids[n])


def _said_ids(door: Door, body: Mapping[str, Any] | None, query: Mapping[str, Any]) -> dict[str, str]:
    """The ids that a request says in the place where its door reads them."""
    given = query if door.model is None else body or {}
    return {n: str(given[n]) for n in ID_NAMES if n in given}


def _narrow(asker: Asker, door: Door, ids: Mapping[str, str]) -> Scope | None:
    """The scope that an answer must keep to beside that of the key, where the door takes one."""
    ours = door.surface == "rest" or door.path.startswith("keepstone:")
    if not ours or not ids or door.operation not in MEMORY_OPERATIONS or asker.principal is None:
        return None
    if any(id not in WHOSE or not id for id in ids.values()):
        return None
    return Scope(tenant=asker.principal.key.tenant, **ids)
