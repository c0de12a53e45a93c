"""What stands around each unit: its session, the turns beside it, and the words of both, for one query.

Arrays here are over what was said and the scope sees, in the order of conversations; a turn is the run of units of one
memory. `logic.conversation` and `contract.Conversation` define every figure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from keepstone.contract import Conversation
from keepstone.logic.conversation import PAIRS_MIN, SILENCE, TERMS_A_WORD, WINDOW, WORDS_COUNTED
from keepstone.logic.ranking import BM25_B, BM25_K1, idf
from keepstone.logic.traits import DENSE_SCRIPT
from keepstone.stores.sqlite import encoding as enc
from keepstone.stores.sqlite.columns import Array
from keepstone.stores.sqlite.index import PartitionIndex
from keepstone.types import Kind

_SAID = enc.KIND_NUMBERS[Kind.EPISODE]

Counted = Callable[[Array, Array], Array]
Postings = Mapping[int, tuple[Array, Array]]


class Surroundings:
    """The conversations of one partition, as one query sees them; `window` and the like are by slot."""

    def __init__(self, index: PartitionIndex, seen: Array, terms: Mapping[int, int], postings: Postings) -> None:
        self._index, self._postings = index, postings
        order = index.in_order()
        memories = index.memory.rows[order]
        kept = seen[order] & (index.kind.rows[memories] == _SAID)
        self._slots, memories = order[kept], memories[kept]
        count = len(self._slots)
        self._place = np.full(len(seen), -1, dtype=np.int64)
        self._place[self._slots] = np.arange(count)
        self._starts, self._turn, self._session_of_turn = self._turns(memories)
        self._session = self._session_of_turn[self._turn]
        self._speaker = index.speaker.rows[memories]
        lengths = index.length.rows[self._slots]
        self.window, self.window_stats = self._by_slot(self._windows(terms, lengths), len(seen))
        self.session_bm25, self.session_stats = self._by_slot(self._sessions(terms, lengths), len(seen))
        self.session = np.full(len(seen), -1, dtype=np.int64)
        self.session[self._slots] = self._names(memories)

    def look(self, cosine: Array, embedded: Array, bm25: Array) -> None:
        """Take in what the query is to each slot: its cosine, whether it has one, and its BM25."""
        self._speakers, centred, self._deviation = self._centred(cosine, embedded)
        self._best = self._turn_best(centred)
        self._words = self._turn_best(bm25[self._slots])

    def conversation(self) -> Conversation:
        """Return the figures of the whole."""
        index, slots = self._index, self._slots
        dense = (index.traits.rows[slots] & DENSE_SCRIPT) > 0
        words = index.length.rows[slots] / np.where(dense, TERMS_A_WORD, 1)
        return Conversation(
            speakers=self._speakers,
            cosine_deviation=self._deviation,
            cosine_lags=(self._lag(self._best, 1), self._lag(self._best, 2)),
            bm25_lag=self._lag(self._words, 1),
            window_mean=self.window_stats[0],
            window_deviation=self.window_stats[1],
            session_mean=self.session_stats[0],
            session_deviation=self.session_stats[1],
            words=float(words.mean()) if len(words) else 0.0,
            log_words=float(np.log1p(np.minimum(words, WORDS_COUNTED)).mean()) if len(words) else 0.0,
        )

    def around(self, slots: Array) -> list[tuple[float, float, float]]:
        """Return, for each slot, the best centred cosines of two turns before, the one before and the one after."""
        places = self._place[slots]
        turns = self._turn[places] if len(self._turn) else places
        differences = self._best - self._best.mean() if len(self._best) else self._best
        columns = [self._shifted(differences, turns, step) for step in (-2, -1, 1)]
        known = places >= 0
        return [
            (a, b, c) if k else (0.0, 0.0, 0.0)
            for a, b, c, k in zip(*(c.tolist() for c in columns), known.tolist(), strict=True)
        ]

    def _turns(self, memories: Array) -> tuple[Array, Array, Array]:
        """First place of each turn, the turn of each place, and the session of each turn."""
        if not len(memories):
            nothing = np.zeros(0, dtype=np.int64)
            return nothing, nothing, nothing
        is_first = np.concatenate(([True], memories[1:] != memories[:-1]))
        starts = np.flatnonzero(is_first)
        first = memories[starts]
        scope, at = self._index.scope.rows[first], self._index.at.rows[first]
        is_new = np.concatenate(([True], (scope[1:] != scope[:-1]) | (np.abs(at[1:] - at[:-1]) > SILENCE)))
        return starts, np.cumsum(is_first) - 1, np.cumsum(is_new) - 1

    def _names(self, memories: Array) -> Array:
        """The session of each place, by the sequence of its first memory."""
        sequences = self._index.key.rows[memories] & enc.SEQUENCE_MASK
        firsts = np.searchsorted(self._session, self._session, side="left")
        names: Array = sequences[firsts]
        return names

    def _windows(self, terms: Mapping[int, int], lengths: Array) -> Array:
        """BM25 of each place with the WINDOW places before and after it in its session."""
        session = self._session
        places = np.arange(len(session))
        low = np.searchsorted(session, session, side="left")
        high = np.searchsorted(session, session, side="right")
        low, high = np.maximum(low, places - WINDOW), np.minimum(high, places + WINDOW + 1)
        total = np.concatenate(([0], np.cumsum(lengths)))

        def counted(at: Array, counts: Array) -> Array:
            # Of each posting, to every place whose window holds it.
            spread = (at[:, None] + np.arange(-WINDOW, WINDOW + 1)).ravel()
            weights = np.repeat(counts, 2 * WINDOW + 1)
            inside = (spread >= 0) & (spread < len(session))
            spread, weights, own = spread[inside], weights[inside], np.repeat(at, 2 * WINDOW + 1)[inside]
            same = session[spread] == session[own]
            return np.bincount(spread[same], weights=weights[same], minlength=len(session))

        return self._bm25(terms, total[high] - total[low], counted)

    def _sessions(self, terms: Mapping[int, int], lengths: Array) -> Array:
        """BM25 of each place's session."""
        count = int(self._session[-1]) + 1 if len(self._session) else 0
        total = np.bincount(self._session, weights=lengths, minlength=count)
        scores = self._bm25(
            terms, total, lambda at, counts: np.bincount(self._session[at], weights=counts, minlength=count)
        )
        return scores[self._session] if count else scores

    def _bm25(self, terms: Mapping[int, int], lengths: Array, counted: Counted) -> Array:
        scores = np.zeros(len(lengths))
        if not len(lengths):
            return scores
        norm = BM25_K1 * (1 - BM25_B + BM25_B * lengths / max(float(lengths.mean()), 1e-9))
        for term, asked in terms.items():
            slots, counts = self._postings[term]
            places = self._place[slots]
            here = places >= 0
            if here.any():
                frequency = counted(places[here], counts[here].astype(np.float64))
                holding = np.flatnonzero(frequency)
                tf = frequency[holding]
                weight = asked * idf(len(lengths), len(holding)) * (BM25_K1 + 1)
                scores[holding] += weight * tf / (tf + norm[holding])
        return scores

    def _by_slot(self, values: Array, slots: int) -> tuple[Array, tuple[float, float]]:
        whole = np.zeros(slots)
        whole[self._slots] = values
        return whole, (float(values.mean()), float(values.std())) if len(values) else (0.0, 0.0)

    def _centred(self, cosine: Array, embedded: Array) -> tuple[dict[str, float], Array, float]:
        """Mean cosine of each speaker, the cosines less those means, and their deviation."""
        has = embedded[self._slots]
        said, speaker = cosine[self._slots].astype(np.float64), self._speaker
        size = len(self._index.speakers.texts)
        counts = np.bincount(speaker[has], minlength=size)
        means = np.bincount(speaker[has], weights=said[has], minlength=size) / np.maximum(counts, 1)
        centred = np.where(has, said - means[speaker], 0.0) if len(said) else said
        texts = self._index.speakers.texts
        known = {texts[i] or "": float(means[i]) for i in np.flatnonzero(counts).tolist()}
        return known, centred, float(centred[has].std()) if has.any() else 0.0

    def _turn_best(self, values: Array) -> Array:
        best: Array = np.maximum.reduceat(values, self._starts) if len(self._starts) else np.zeros(0)
        return best

    def _shifted(self, values: Array, turns: Array, step: int) -> Array:
        """The value *step* turns away from each of *turns* in the same session, else 0."""
        other = turns + step
        inside = (other >= 0) & (other < len(values)) & (turns >= 0)
        if not inside.any():
            return np.zeros(len(turns))
        other = np.where(inside, other, 0)
        inside &= self._session_of_turn[other] == self._session_of_turn[np.where(inside, turns, 0)]
        shifted: Array = np.where(inside, values[other], 0.0)
        return shifted

    def _lag(self, values: Array, step: int) -> float:
        """Correlation of turns with those *step* before them in the same session."""
        session = self._session_of_turn
        same = session[step:] == session[:-step]
        if int(same.sum()) < PAIRS_MIN:
            return 0.0
        later, earlier = values[step:][same], values[:-step][same]
        spread = float(later.std() * earlier.std())
        if spread < 1e-12:
            return 0.0
        return float(((later - later.mean()) * (earlier - earlier.mean())).mean() / spread)
