"""Candidates for a query: every unit that the scope sees is scored, the best of each signal come back."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import combinations
from operator import mul
from statistics import fmean, pstdev

from keepstone.contract import Candidate, CandidateQuery, Candidates, Corpus, ListQuery, Vector
from keepstone.errors import EmbedderMismatchError, LimitError
from keepstone.logic.conversation import microseconds
from keepstone.logic.entities import LINK_FIRST
from keepstone.logic.ids import partition
from keepstone.logic.ranking import BM25_B, BM25_K1, bm25_most, idf
from keepstone.logic.succession import leading
from keepstone.logic.validity import standing
from keepstone.stores.inmemory.earlier import memories_at
from keepstone.stores.inmemory.naming import linked
from keepstone.stores.inmemory.reading import is_wanted
from keepstone.stores.inmemory.state import State, StoredMemory, Tenant, Unit
from keepstone.stores.inmemory.surroundings import Said, is_said, surround
from keepstone.types import Kind, Status


@dataclass(frozen=True, slots=True)
class Words:
    """BM25 of one partition for one query, over all of its visible units, whoever asks."""

    idfs: Mapping[int, float]
    mean_length: float

    @classmethod
    def of(cls, units: Sequence[Unit], query: Mapping[int, int]) -> Words:
        """Count the documents, their lengths and those that hold each term of *query*."""
        holding = {term: sum(term in unit.terms for unit in units) for term in query}
        return cls(
            {term: idf(len(units), n) for term, n in holding.items()},
            fmean(unit.length for unit in units) if units else 0.0,
        )

    def score(self, unit: Unit, query: Mapping[int, int]) -> float:
        """Return the BM25 of *unit*, 0 if it holds no term of *query*."""
        total = 0.0
        for term, count in query.items():
            if frequency := unit.terms.get(term, 0):
                norm = 1 - BM25_B + BM25_B * unit.length / (self.mean_length or 1.0)
                saturated = frequency * (BM25_K1 + 1) / (frequency + BM25_K1 * norm)
                total += count * self.idfs[term] * saturated
        return total


def candidates(state: State, query: CandidateQuery) -> Candidates:
    """Return the best units by cosine and by BM25, united, and each partition's statistics."""
    given, stored = query.embedder, state.embedder
    if given is not None and stored is not None and given != stored:
        raise EmbedderMismatchError(str(stored), str(given))
    tenant = state.tenant(query.scope.tenant)
    reached = {
        partition(m.record.scope) for m in tenant.memories.values() if m.visible and query.scope.sees(m.record.scope)
    }
    if len(reached) > query.partitions_max:
        raise LimitError(
            f"The query spans {len(reached)} partitions, and at most {query.partitions_max} are allowed: "
            f"name a user, or raise `fan_out_partitions_max`."
        )
    memories = memories_at(tenant, query.known_at)
    seen = {id: m for id, m in memories.items() if query.scope.sees(m.record.scope)}
    names = sorted({partition(m.record.scope) for m in seen.values()}, key=lambda n: tenant.partitions[n].number)
    corpora: dict[str, Corpus] = {}
    wanted: list[Candidate] = []
    for name in names:
        everyones = [m for m in memories.values() if partition(m.record.scope) == name]
        scored, corpora[name] = _partition(state, tenant, name, everyones, query)
        wanted += [c for c in scored if is_wanted(seen[c.memory_id], _as_list(query))]
    if query.as_of is not None:
        # What was superseded since held then.
        wanted = [replace(c, status=Status.CURRENT) for c in wanted]
    dense = _best(wanted, query.limit, lambda c: c.cosine)
    words = _best(wanted, query.limit, lambda c: c.bm25 if c.bm25 > 0 else None)
    # Without a vector, what holds none of the words is nothing to find.
    windows = [] if query.vector is None else _best(wanted, query.limit, lambda c: c.window if c.window > 0 else None)
    links = _best(wanted, query.limit, lambda c: _nearness(c, query) if c.linked else None)
    items = tuple({(c.memory_id, c.unit): c for c in (*dense, *words, *windows, *links)}.values())
    return Candidates(
        items=items,
        corpora=corpora,
        alike=_alike(state, tenant, seen, items, query.alike),
        statements=(told := _statements(tenant, seen, items, query.as_of)),
        successors={} if query.known_at is not None else _successors(tenant, items, told),
    )


def _successors(
    tenant: Tenant, items: Sequence[Candidate], told: Mapping[str, tuple[tuple[str, Status], ...]]
) -> dict[str, str]:
    """Return what superseded those of *items* and their statements that something did."""
    old = {c.memory_id for c in items if c.status is Status.SUPERSEDED}
    old |= {id for each in told.values() for id, status in each if status is Status.SUPERSEDED}
    newer = {id: tenant.memories[id].superseded_by for id in old}
    return {
        id: by
        for id, by in newer.items()
        if by in tenant.memories and tenant.memories[id].record.status is Status.SUPERSEDED
    }


def _nearness(candidate: Candidate, query: CandidateQuery) -> float:
    """What orders linked memories: how much of what is named they mention, then how near they are."""
    cosine = -1.0 if candidate.cosine is None else candidate.cosine
    return LINK_FIRST * candidate.linked + (candidate.bm25 if query.vector is None else cosine)


def _statements(
    tenant: Tenant, seen: Mapping[str, StoredMemory], items: Sequence[Candidate], as_of: datetime | None
) -> dict[str, tuple[tuple[str, Status], ...]]:
    """Return, for each episode among *items*, the memories distilled from its messages in its partition."""
    distilled = sorted((m for m in seen.values() if m.record.kind is not Kind.EPISODE), key=lambda m: m.record.sequence)
    found: dict[str, tuple[tuple[str, Status], ...]] = {}
    for episode in (seen[c.memory_id] for c in items if c.kind is Kind.EPISODE):
        messages, home = _messages(tenant, episode), partition(episode.record.scope)
        found[episode.record.id] = tuple(
            (m.record.id, status)
            for m in distilled
            if partition(m.record.scope) == home and messages & _messages(tenant, m)
            if (status := m.record.status if as_of is None else standing(m.record, as_of)) is not None
        )
    return {id: statements for id, statements in found.items() if statements}


def _messages(tenant: Tenant, memory: StoredMemory) -> set[str]:
    """The messages that a memory came from, as far as is known now."""
    return {source.message_id for source in tenant.memories[memory.record.id].sources if not source.echo}


def _partition(
    state: State, tenant: Tenant, name: str, everyones: Sequence[StoredMemory], query: CandidateQuery
) -> tuple[list[Candidate], Corpus]:
    seen = {m.record.id: m for m in everyones if query.scope.sees(m.record.scope)}
    words = Words.of([u for m in everyones for u in _units(m)], query.terms)
    vector = None if query.vector is None else _floats(query.vector)
    links = linked(tenant, name, seen.values(), query)
    scored: list[Candidate] = []
    terms: dict[tuple[str, int], Mapping[int, int]] = {}
    for memory in everyones:
        if memory.record.id not in seen:
            continue
        for unit in _units(memory):
            kept = None
            if vector is not None and state.embedder is not None:
                kept = tenant.vectors.get((unit.key, state.embedder))
            scored.append(
                Candidate(
                    memory_id=memory.record.id,
                    partition=name,
                    sequence=memory.record.sequence,
                    unit=unit.number,
                    recency=memory.recency,
                    span=unit.span,
                    length=unit.length,
                    cosine=None if kept is None or vector is None else sum(map(mul, kept, vector)),
                    bm25=words.score(unit, query.terms),
                    status=memory.record.status,
                    kind=memory.record.kind,
                    traits=unit.traits,
                    role=memory.record.role,
                    speaker=memory.record.name or memory.record.role or "",
                    at=microseconds(memory.record.occurred_at or memory.record.created_at),
                    valid_from=None if memory.record.valid_from is None else microseconds(memory.record.valid_from),
                    strength=memory.record.strength,
                    linked=links.get(memory.record.id, 0.0),
                )
            )
            terms[memory.record.id, unit.number] = unit.terms
    said = [Said(c, terms[c.memory_id, c.unit], seen[c.memory_id].record.scope.ids) for c in scored if is_said(c)]
    placed, conversation = surround(said, query.terms)
    scored = [*placed, *(c for c in scored if not is_said(c))]
    cosines = [c.cosine for c in scored if c.cosine is not None]
    weights = [c.bm25 for c in scored]
    return scored, Corpus(
        units=len(scored),
        cosine_mean=fmean(cosines) if cosines else 0.0,
        cosine_deviation=pstdev(cosines) if cosines else 0.0,
        bm25_mean=fmean(weights) if weights else 0.0,
        bm25_deviation=pstdev(weights) if weights else 0.0,
        bm25_most=bm25_most(query.terms, words.idfs),
        bm25_top=max(weights, default=0.0),
        cosine_top=max(cosines, default=None),
        newest=max((c.recency for c in scored), default=0),
        conversation=conversation,
    )


def _alike(
    state: State,
    tenant: Tenant,
    seen: Mapping[str, StoredMemory],
    items: Sequence[Candidate],
    least: float | None,
) -> tuple[tuple[int, int, float], ...]:
    """Return the pairs among the leading candidates whose cosine with each other is at least *least*."""
    if least is None or state.embedder is None:
        return ()
    vectors = {
        place: tenant.vectors[_key(seen, items[place]), state.embedder]
        for place in leading([(c.cosine, c.bm25) for c in items])
    }
    pairs = ((a, b, sum(map(mul, vectors[a], vectors[b]))) for a, b in combinations(vectors, 2))
    return tuple((a, b, cosine) for a, b, cosine in pairs if cosine >= least)


def _key(seen: Mapping[str, StoredMemory], candidate: Candidate) -> int:
    units = _units(seen[candidate.memory_id])
    return next(u.key for u in units if u.number == candidate.unit)


def _units(memory: StoredMemory) -> tuple[Unit, ...]:
    return memory.current.units if memory.current is not None else ()


def _floats(vector: Vector) -> tuple[float, ...]:
    return struct.unpack(f"<{len(vector)}f", struct.pack(f"<{len(vector)}f", *vector))


def _best(found: Sequence[Candidate], limit: int, signal: Callable[[Candidate], float | None]) -> list[Candidate]:
    """Return the *limit* best by *signal*; of equals, the earlier in its partition."""
    having = [(value, c) for c in found if (value := signal(c)) is not None]
    having.sort(key=lambda h: (-h[0], h[1].sequence, h[1].unit))
    return [c for _, c in having[:limit]]


def _as_list(query: CandidateQuery) -> ListQuery:
    return ListQuery(
        scope=query.scope,
        at=query.at,
        limit=query.limit,
        where=query.where,
        kinds=query.kinds,
        include_expired=query.include_expired,
        include_superseded=query.include_superseded,
        as_of=query.as_of,
    )
