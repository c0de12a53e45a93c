"""Candidates: the best units of each partition by cosine and by BM25, united, from one snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import apsw
import numpy as np
import simsimd

from keepstone.contract import Candidate, CandidateQuery, Candidates, Corpus
from keepstone.errors import EmbedderMismatchError, LimitError
from keepstone.filters import Filter
from keepstone.logic.entities import LINK_FIRST
from keepstone.logic.ranking import BM25_B, BM25_K1, bm25_most, idf
from keepstone.logic.succession import leading
from keepstone.stores.sqlite import earlier
from keepstone.stores.sqlite import encoding as enc
from keepstone.stores.sqlite.columns import Array
from keepstone.stores.sqlite.holding import held
from keepstone.stores.sqlite.index import NEVER, IndexCache, PartitionIndex, live_text
from keepstone.stores.sqlite.reading import holds_visible, owner_of, partitions, satisfy, scope_keys
from keepstone.stores.sqlite.statements import Statements, said_in, successors
from keepstone.stores.sqlite.surroundings import Surroundings
from keepstone.stores.sqlite.vectors import active
from keepstone.types import Span, Status

Allowed = Callable[[Array], Array]
# The best by cosine, by BM25, by the words around them, and by what they mention.
Lists = tuple[list[Candidate], list[Candidate], list[Candidate], list[Candidate]]


def candidates(snapshot: Callable[[], apsw.Connection], cache: IndexCache, query: CandidateQuery) -> Candidates:
    """Return the candidates of *query*.

    *snapshot* begins a new read transaction and returns its connection: each partition is read under its lock in a
    snapshot that is no older than its index. Partitions of one query may so be some milliseconds apart.

    Raises:
        EmbedderMismatchError: the query's vector is of another space than the store's.
        LimitError: the scope reaches more partitions than the query allows.
    """
    db = snapshot()
    _check_space(db, query)
    reached = partitions(db, query.scope)
    if len(reached) > query.partitions_max:
        reached = [p for p in reached if holds_visible(db, p, query.scope)]
    if len(reached) > query.partitions_max:
        raise LimitError(
            f"This search reaches {len(reached)} partitions, the limit is {query.partitions_max}: name the user, or "
            "raise limits.fan_out_partitions_max."
        )
    lists: Lists = ([], [], [], [])
    vectors: dict[tuple[str, int], Array] = {}
    corpora: dict[str, Corpus] = {}
    statements: Statements = {}
    for partition in reached:
        with cache.lock(partition):
            # The index may have been caught up by a later snapshot than ours: take one that is later still.
            db = snapshot()
            index = cache.current(db, partition, _check_space(db, query), query.known_at)
            found = _Search(db, index, query)
            if found.is_empty:
                continue
            name = _name(db, partition)
            for signal, best in zip(lists, found.items(name), strict=True):
                signal.extend(best)
            if query.alike is not None:
                vectors.update(found.vectors())
            corpora[name] = found.corpus()
            statements.update(found.statements())
    items = _united(*lists, query)
    if statements:
        chosen = {c.memory_id for c in items}
        statements = {id: each for id, each in statements.items() if id in chosen}
    return Candidates(
        items=items,
        corpora=corpora,
        alike=_alike(items, vectors, query.alike),
        statements=statements,
        successors={} if query.known_at is not None else successors(db, items, statements),
    )


def _united(
    by_cosine: list[Candidate],
    by_words: list[Candidate],
    by_window: list[Candidate],
    by_link: list[Candidate],
    query: CandidateQuery,
) -> tuple[Candidate, ...]:
    """The best of each list over all partitions, each unit once."""
    by_cosine.sort(key=lambda c: (-(c.cosine or 0.0), c.sequence, c.unit))
    by_words.sort(key=lambda c: (-c.bm25, c.sequence, c.unit))
    by_window.sort(key=lambda c: (-c.window, c.sequence, c.unit))
    by_link.sort(key=lambda c: (-_nearness(c, query), c.sequence, c.unit))
    limit = query.limit
    best = (*by_cosine[:limit], *by_words[:limit], *by_window[:limit], *by_link[:limit])
    return tuple({(c.memory_id, c.unit): c for c in best}.values())


def _nearness(candidate: Candidate, query: CandidateQuery) -> float:
    """What orders linked units of several partitions, as `_best_linked` those of one."""
    cosine = -1.0 if candidate.cosine is None else candidate.cosine
    return LINK_FIRST * candidate.linked + (candidate.bm25 if query.vector is None else cosine)


def _alike(
    items: Sequence[Candidate], vectors: Mapping[tuple[str, int], Array], least: float | None
) -> tuple[tuple[int, int, float], ...]:
    """Pairs among the candidates of LEADING cosine or BM25 whose cosine with each other is at least *least*."""
    if least is None:
        return ()
    places = leading([(c.cosine, c.bm25) for c in items])
    if len(places) < 2:
        return ()
    rows = np.stack([vectors[items[p].memory_id, items[p].unit] for p in places]).astype(np.float32)
    cosines = rows @ rows.T
    ones, others = np.nonzero(np.triu(cosines >= least, 1))
    return tuple(
        (places[i], places[j], float(cosines[i, j])) for i, j in zip(ones.tolist(), others.tolist(), strict=True)
    )


def _check_space(db: apsw.Connection, query: CandidateQuery) -> int:
    """Return the dimensions of the store's vectors, 0 if it has none."""
    space = active(db)
    if query.embedder is not None and space is not None and query.embedder != space:
        raise EmbedderMismatchError(str(space), str(query.embedder))
    return 0 if space is None else space.dimensions


class _Search:
    """One query in one partition."""

    def __init__(self, db: apsw.Connection, index: PartitionIndex, query: CandidateQuery) -> None:
        self._db, self._index, self._query = db, index, query
        self._visible = live_text(index)
        # Of memories; None is all of them.
        self._scope = self._scope_mask()
        self._seen = self._visible if self._scope is None else self._visible & self._scope[index.memory.rows]
        self.is_empty = not bool(self._seen.any())
        if self.is_empty:
            return
        self._cosine = self._cosines()
        self._postings = {term: index.postings.of(term) for term in query.terms}
        self._bm25, self._most = self._words()
        embedded = index.embedded.rows & (query.vector is not None)
        self._surroundings = Surroundings(index, self._seen, query.terms, self._postings)
        self._surroundings.look(self._cosine, embedded, self._bm25)
        # Of memories; None if the question names nothing that is known here.
        self._linked = self._links()
        self._found: dict[int, Candidate] = {}

    def corpus(self) -> Corpus:
        """Return the statistics behind the candidates."""
        seen = self._seen
        embedded = seen & self._index.embedded.rows
        cosines = self._cosine[embedded] if self._query.vector is not None else np.zeros(0)
        bm25 = self._bm25[seen]
        return Corpus(
            units=int(seen.sum()),
            cosine_mean=float(cosines.mean()) if len(cosines) else 0.0,
            cosine_deviation=float(cosines.std()) if len(cosines) else 0.0,
            bm25_mean=float(bm25.mean()),
            bm25_deviation=float(bm25.std()),
            bm25_most=self._most,
            bm25_top=float(bm25.max()),
            cosine_top=float(cosines.max()) if len(cosines) else None,
            newest=int(self._index.recency.rows[self._index.memory.rows[seen]].max()),
            conversation=self._surroundings.conversation(),
        )

    def vectors(self) -> Iterator[tuple[tuple[str, int], Array]]:
        """Yield the vectors of the units found that have one, by memory and unit."""
        for slot, candidate in self._found.items():
            if candidate.cosine is not None:
                yield (candidate.memory_id, candidate.unit), self._index.vectors.rows[slot]

    def statements(self) -> Statements:
        """Return the memories distilled from the messages of the episodes found, by episode."""
        memories = np.unique(self._index.memory.rows[list(self._found)])
        return said_in(self._db, self._index, self._scope, memories, self._query.as_of)

    def items(self, partition: str) -> Lists:
        """Return the best units by cosine, by BM25, by the words around them, and by what they mention."""
        narrow = self._seen & self._narrow_mask()
        allowed = self._filter()
        by_cosine: list[int] = []
        if self._query.vector is not None:
            by_cosine = self._best(self._cosine, narrow & self._index.embedded.rows, allowed)
        by_words = self._best(self._bm25, narrow & (self._bm25 > 0), allowed)
        window = self._surroundings.window
        # Without a vector, what holds none of the words is nothing to find.
        by_window: list[int] = []
        if self._query.vector is not None:
            by_window = self._best(window, narrow & (window > 0), allowed)
        by_link = [] if self._linked is None else self._best_linked(self._linked, narrow, allowed)
        slots = list(dict.fromkeys((*by_cosine, *by_words, *by_window, *by_link)))
        made = self._found = dict(zip(slots, self._candidates(slots, partition), strict=True))
        lists = ([made[s] for s in slots] for slots in (by_cosine, by_words, by_window, by_link))
        return next(lists), next(lists), next(lists), next(lists)

    def _links(self) -> Array | None:
        index, query = self._index, self._query
        if not index.mentioned or not query.question:
            return None
        seen = index.status.rows <= enc.LAST_VISIBLE
        if self._scope is not None:
            seen = seen & self._scope
        if not query.include_expired:
            seen = seen & (index.expires.rows > (enc.micros(query.at) or 0))
        return index.mentioned.linked(self._db, query.question, seen, query.known_at)

    def _best_linked(self, linked: Array, narrow: Array, allowed: Allowed | None) -> list[int]:
        near = self._bm25
        if self._query.vector is not None:
            near = np.where(self._index.embedded.rows, self._cosine, -1.0)
        shares = linked[self._index.memory.rows]
        return self._best(LINK_FIRST * shares + near, narrow & (shares > 0), allowed)

    def _candidates(self, slots: list[int], partition: str) -> Iterator[Candidate]:
        index, chosen = self._index, np.array(slots, dtype=np.int64)
        memories = index.memory.rows[chosen]
        has_cosine = index.embedded.rows[chosen] & (self._query.vector is not None)
        ids = index.id.rows[memories].tobytes()
        columns = zip(
            (index.key.rows[memories] & enc.SEQUENCE_MASK).tolist(),
            index.number.rows[chosen].tolist(),
            index.recency.rows[memories].tolist(),
            index.first.rows[chosen].tolist(),
            index.last.rows[chosen].tolist(),
            index.length.rows[chosen].tolist(),
            has_cosine.tolist(),
            self._cosine[chosen].tolist(),
            self._bm25[chosen].tolist(),
            index.status.rows[memories].tolist(),
            index.kind.rows[memories].tolist(),
            index.strength.rows[memories].tolist(),
            [0.0] * len(slots) if self._linked is None else self._linked[memories].tolist(),
            strict=True,
        )
        said = self._said(chosen, memories)
        for i, (row, more) in enumerate(zip(columns, said, strict=True)):
            sequence, unit, recency, first, last, length, known, cosine, bm25, status, kind, strength, linked = row
            traits, role, speaker, at, valid, session, window, session_bm25, around = more
            yield Candidate(
                memory_id=enc.text_id(ids[16 * i : 16 * i + 16]),
                partition=partition,
                sequence=sequence,
                unit=unit,
                recency=recency,
                span=Span(start=first, end=last),
                length=length,
                cosine=cosine if known else None,
                bm25=bm25,
                # What was superseded since held then.
                status=enc.STATUSES[status] if self._query.as_of is None else Status.CURRENT,
                kind=enc.KINDS[kind],
                traits=traits,
                role=index.roles.texts[role],
                speaker=index.speakers.texts[speaker] or "",
                at=at,
                valid_from=None if valid == NEVER else valid,
                session=session,
                window=window,
                session_bm25=session_bm25,
                around=around,
                strength=strength,
                linked=linked,
            )

    def _said(self, chosen: Array, memories: Array) -> Iterator[tuple[Any, ...]]:
        """Who said each of *chosen*, when, and what stands around it."""
        index, around = self._index, self._surroundings
        return zip(
            index.traits.rows[chosen].tolist(),
            index.role.rows[memories].tolist(),
            index.speaker.rows[memories].tolist(),
            index.at.rows[memories].tolist(),
            index.valid_from.rows[memories].tolist(),
            around.session[chosen].tolist(),
            around.window[chosen].tolist(),
            around.session_bm25[chosen].tolist(),
            around.around(chosen),
            strict=True,
        )

    def _scope_mask(self) -> Array | None:
        index, scope = self._index, self._query.scope
        if sum(i is not None for i in scope.ids) == 1 and scope.owner == owner_of(self._db, index.partition):
            return None
        keys = np.array(scope_keys(self._db, index.partition, scope), dtype=np.int64)
        mask: Array = np.isin(index.scope.rows, keys)
        return mask

    def _narrow_mask(self) -> Array:
        index, query = self._index, self._query
        mask = np.ones(len(index.key.rows), dtype=np.bool_)
        if not query.include_expired:
            mask &= index.expires.rows > (enc.micros(query.at) or 0)
        if query.as_of is not None:
            mask &= held(index, query.as_of)
        elif not query.include_superseded:
            mask &= index.status.rows == enc.CURRENT
        if query.kinds:
            mask &= np.isin(index.kind.rows, [enc.KIND_NUMBERS[k] for k in query.kinds])
        narrow: Array = mask[index.memory.rows]
        return narrow

    def _cosines(self) -> Array:
        vectors = self._index.vectors.rows
        if self._query.vector is None or not len(vectors):
            return np.zeros(len(vectors))
        vector = np.asarray(self._query.vector, dtype=np.float32).astype(np.float16)
        cosines: Array = np.asarray(simsimd.cdist(vector[None], vectors, metric="dot"))[0]
        return cosines

    def _words(self) -> tuple[Array, float]:
        """BM25 of every unit, and the most that a text could get."""
        index, visible = self._index, self._visible
        scores = np.zeros(len(visible))
        units = int(visible.sum())
        length = index.length.rows
        average = max(float(length[visible].mean()), 1e-9)
        idfs: dict[int, float] = {}
        for term, asked in self._query.terms.items():
            slots, counts = self._postings[term]
            keep = visible[slots]
            slots, tf = slots[keep], counts[keep].astype(np.float64)
            idfs[term] = idf(units, len(slots))
            norm = BM25_K1 * (1 - BM25_B + BM25_B * length[slots] / average)
            scores[slots] += asked * idfs[term] * tf * (BM25_K1 + 1) / (tf + norm)
        return scores, bm25_most(self._query.terms, idfs)

    def _best(self, scores: Array, mask: Array, allowed: Allowed | None) -> list[int]:
        """Slots of the highest scores among *mask* that are *allowed*, ties in the order of the partition."""
        found: list[int] = []
        for part in self._in_order(scores, np.flatnonzero(mask)):
            found.extend((part if allowed is None else part[allowed(part)]).tolist())
            if len(found) >= self._query.limit:
                break
        return found[: self._query.limit]

    def _in_order(self, scores: Array, slots: Array) -> Iterator[Array]:
        """Yield *slots* by falling score, in growing parts: mostly the first part is enough."""
        index, size = self._index, 4 * self._query.limit
        while len(slots):
            part, slots = slots, slots[:0]
            if len(part) > size:
                # Everything equal to the last one in goes along, so that ties are cut by order and not by chance.
                cut = np.partition(scores[part], len(part) - size)[len(part) - size]
                is_in = scores[part] >= cut
                part, slots = part[is_in], part[~is_in]
            keys = index.key.rows[index.memory.rows[part]]
            yield part[np.lexsort((index.number.rows[part], keys, -scores[part]))]
            size *= 4

    def _filter(self) -> Allowed | None:
        where, index = self._query.where, self._index
        if where is None:
            return None
        known = index.verdicts(repr(where))

        def allowed(slots: Array) -> Array:
            memories = index.memory.rows[slots].tolist()
            unknown = {int(index.key.rows[m]): m for m in memories if m not in known}
            if unknown:
                known.update((unknown[key], verdict) for key, verdict in self._satisfy(where, list(unknown)))
            return np.fromiter((known[m] for m in memories), dtype=np.bool_, count=len(memories))

        return allowed

    def _satisfy(self, where: Filter, keys: list[int]) -> Iterator[tuple[int, bool]]:
        if self._query.known_at is None:
            return satisfy(self._db, where, keys)
        return earlier.satisfy(self._db, where, keys, self._query.known_at)


def _name(db: apsw.Connection, partition: int) -> str:
    kind, owner = owner_of(db, partition)
    return f"{kind}:{owner}"
