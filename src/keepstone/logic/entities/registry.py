"""Entities: what the names in memories come to, by names that are equal, by aliases, and by merges.

Two names are of one entity if one memory gives both to the same mention, or if somebody merged them; that carries over
any number of steps. Names of people and of anything else stay apart.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from keepstone.logic.entities.asking import known_names
from keepstone.logic.entities.folding import NameKey, fold, name_id, name_keys
from keepstone.logic.ids import partition
from keepstone.naming import Entity, EntityKind, Merge, MergedEntity, Named, Naming
from keepstone.types import Scope

K = TypeVar("K", bound=Hashable)


class _Groups(Generic[K]):
    """Sets that are joined pair by pair (Galler and Fischer's disjoint sets)."""

    def __init__(self) -> None:
        self._above: dict[K, K] = {}

    def join(self, one: K, other: K) -> None:
        self._above[self.of(one)] = self.of(other)

    def of(self, key: K) -> K:
        """Return what stands for the group of *key*, its own if nothing was joined with it."""
        while (above := self._above.get(key, key)) != key:
            self._above[key] = self._above.get(above, above)
            key = above
        return key


@dataclass(slots=True)
class _Name:
    """One name as the memories of a partition give it; `place` is when it was first given."""

    id: str
    key: NameKey
    place: int
    writings: Counter[str] = field(default_factory=Counter)
    headings: Counter[str] = field(default_factory=Counter)
    kinds: Counter[EntityKind] = field(default_factory=Counter)
    memories: set[str] = field(default_factory=set)


class _Partition:
    """The names of one partition, in groups by equal names and aliases (`base`), and by merges too (`whole`)."""

    def __init__(self, scope: Scope, named: Sequence[Named], merges: Sequence[Merge]) -> None:
        self.scope = scope
        self.names: dict[str, _Name] = {}
        self.base, self.whole = _Groups[str](), _Groups[str]()
        home = partition(scope)
        ids: dict[NameKey, str] = {}
        for memory in named:
            for mention in memory.mentions:
                first = None
                for key in name_keys(mention):
                    id = ids.get(key)
                    if id is None:
                        id = ids[key] = name_id(home, key)
                        self.names[id] = _Name(id, key, len(self.names))
                    name = self.names[id]
                    name.memories.add(memory.memory_id)
                    if first is None:
                        first = name
                        name.headings[mention.name] += 1
                        name.kinds[mention.kind] += 1
                    else:
                        self.base.join(id, first.id)
                        self.whole.join(id, first.id)
                for writing in dict.fromkeys((mention.name, *mention.aliases)):
                    if (key := (fold(writing), mention.kind == "person")) in ids:
                        self.names[ids[key]].writings[writing] += 1
        self.merges = [m for m in merges if self.base.of(m.one) != self.base.of(m.into)]
        for merge in merges:
            self.whole.join(merge.one, merge.into)
        self._based: defaultdict[str, list[_Name]] = defaultdict(list)
        for name in self.names.values():
            self._based[self.base.of(name.id)].append(name)

    def entities(self) -> list[Entity]:
        """Return the entities, those that most memories mention first."""
        groups: defaultdict[str, list[_Name]] = defaultdict(list)
        for name in self.names.values():
            groups[self.whole.of(name.id)].append(name)
        found = [(min(n.place for n in group), self._entity(group)) for group in groups.values()]
        return [entity for _, entity in sorted(found, key=lambda f: (-f[1].memories, f[0]))]

    def _entity(self, group: list[_Name]) -> Entity:
        merged_away = {self.base.of(m.one) for m in self.merges}
        roots = [n for n in group if self.base.of(n.id) not in merged_away] or group
        root = self._of_base(min(roots, key=lambda n: n.place).id)
        name, kind = _heading(root), _most(sum((n.kinds for n in root), Counter()))
        others = sorted((n for n in group if n.key[0] != fold(name)), key=lambda n: (-len(n.memories), n.place))
        aliases: dict[str, str] = {}
        for other in others:
            aliases.setdefault(other.key[0], _most(other.writings))
        inside = self.whole.of(group[0].id)
        return Entity(
            id=_id(root),
            name=name,
            kind=kind,
            aliases=tuple(aliases.values()),
            memories=len(set().union(*(n.memories for n in group))),
            scope=self.scope,
            merged=tuple(m for merge in self.merges if self.whole.of(merge.one) == inside for m in self._merged(merge)),
        )

    def _merged(self, merge: Merge) -> Iterable[MergedEntity]:
        one, into = self._of_base(merge.one), self._of_base(merge.into)
        if one and into:
            yield MergedEntity(
                id=_id(one), name=_heading(one), into=_id(into), actor=merge.actor, at=merge.at, reason=merge.reason
            )

    def _of_base(self, id: str) -> list[_Name]:
        return self._based.get(self.base.of(id), [])


class Registry:
    """The entities of what a scope sees, and what belongs to them."""

    def __init__(self, naming: Naming) -> None:
        named: defaultdict[Scope, list[Named]] = defaultdict(list)
        owners: dict[Scope, Scope] = {}
        for memory in naming.named:
            owner = owners.get(memory.scope) or owners.setdefault(memory.scope, memory.scope.of_owner)
            named[owner].append(memory)
        merges: defaultdict[Scope, list[Merge]] = defaultdict(list)
        for merge in naming.merges:
            merges[merge.scope].append(merge)
        self._partitions = [_Partition(scope, some, merges[scope]) for scope, some in named.items()]

    def entities(self) -> list[Entity]:
        """Return all entities, partition by partition, those that most memories mention first."""
        return [e for p in self._partitions for e in p.entities()]

    def entity(self, id: str) -> Entity | None:
        """Return the entity that has the name with this id, None if there is none."""
        for place in self._partitions:
            if id in place.names:
                of = place.whole.of(id)
                return next(e for e in place.entities() if place.whole.of(e.id) == of)
        return None

    def merges_of(self, id: str) -> list[Merge]:
        """Return the merges that took the entity with the name *id*, as it is without merges, into another."""
        return [m for p in self._partitions if id in p.names for m in p.merges if p.base.of(m.one) == p.base.of(id)]

    def holds(self, id: str) -> bool:
        """Return whether a memory mentions the name with this id."""
        return any(id in p.names for p in self._partitions)

    def mentioned(self) -> dict[str, frozenset[str]]:
        """Return the ids of the entities that each memory mentions, by the memory's id."""
        found: defaultdict[str, set[str]] = defaultdict(set)
        for place in self._partitions:
            ids = {place.whole.of(e.id): e.id for e in place.entities()}
            for name in place.names.values():
                for memory in name.memories:
                    found[memory].add(ids[place.whole.of(name.id)])
        return {memory: frozenset(ids) for memory, ids in found.items()}

    def other_names(self) -> dict[str, tuple[str, ...]]:
        """Return the names of the entities that have several, by the memories that mention them."""
        found: defaultdict[str, dict[str, None]] = defaultdict(dict)
        for place in self._partitions:
            groups: defaultdict[str, list[_Name]] = defaultdict(list)
            for name in place.names.values():
                groups[place.whole.of(name.id)].append(name)
            for group in (g for g in groups.values() if len(g) > 1):
                for memory in set().union(*(n.memories for n in group)):
                    found[memory].update(dict.fromkeys(_most(n.writings) for n in group))
        return {memory: tuple(names) for memory, names in found.items()}

    def linked(self, question: str) -> dict[str, float]:
        """Return the share of the entities named in *question* that memories mention, without those of which it is 0.

        Each partition for itself. Two names of one entity count once.
        """
        shares: dict[str, float] = {}
        for place in self._partitions:
            by_name: defaultdict[str, set[str]] = defaultdict(set)
            for name in place.names.values():
                by_name[name.key[0]].add(place.whole.of(name.id))
            asked = {frozenset(by_name[n]) for n in known_names(question, by_name.__contains__)}
            counts: Counter[str] = Counter()
            for groups in asked:
                memories = (n.memories for n in place.names.values() if place.whole.of(n.id) in groups)
                counts.update(set().union(*memories))
            shares |= {memory: count / len(asked) for memory, count in counts.items()}
        return shares


def _id(group: Sequence[_Name]) -> str:
    """The id of the name that was given first."""
    return min(group, key=lambda n: n.place).id


def _heading(group: Sequence[_Name]) -> str:
    return _most(sum((n.headings for n in sorted(group, key=lambda n: n.place)), Counter()))


def _most(counts: Counter[K]) -> K:
    """What was counted most often, of equals the first."""
    return max(counts, key=lambda k: counts[k])
