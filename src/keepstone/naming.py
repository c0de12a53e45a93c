"""Values about names: what memories mention, which names were merged, and the entities that these come to."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from keepstone.types import Scope, Value

EntityKind = Literal["person", "place", "organisation", "thing"]
ENTITY_KINDS: tuple[EntityKind, ...] = ("person", "place", "organisation", "thing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """Somebody or something that a memory names: the name as it stands, what sort it is, and other names for it."""

    name: str
    kind: EntityKind
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What one memory names in its current revision; `sequence` orders the memories of a partition."""

    memory_id: str
    scope: Scope
    sequence: int
    mentions: tuple[Mention, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """Somebody said that two names are of one entity: `one` is taken for `into`.

    Both are ids of names in the partition of `scope`, which has the id of its owner and no other
    (`keepstone.logic.entities.name_id`): a merge holds no name.
    """

    scope: Scope
    one: str
    into: str
    actor: str
    at: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """What the memories that a scope sees name, in the order of partition and sequence, and the merges there."""

    named: tuple[Named, ...]
    merges: tuple[Merge, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedEntity(Value):
    """An entity that was merged into another, by whom, when and why; `split_entity` takes it out again by its id."""

    id: str
    name: str
    into: str
    actor: str
    at: datetime
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity(Value):
    """A person, place, organisation or thing that memories mention.

    `name` and `kind` are those that most of them give it, `aliases` all its other names, `memories` counts those that
    mention it. `merged` are the entities that somebody merged into it. `scope` is that of its owner. The id stays as
    long as the name that was mentioned first is mentioned.
    """

    id: str
    name: str
    kind: EntityKind
    aliases: tuple[str, ...]
    memories: int
    scope: Scope
    merged: tuple[MergedEntity, ...] = ()
