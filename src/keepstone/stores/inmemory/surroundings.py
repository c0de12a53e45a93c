"""What stands around each unit in its conversation, told one unit at a time."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from statistics import fmean, pstdev

from keepstone.contract import Candidate, Conversation
from keepstone.logic.conversation import PAIRS_MIN, SILENCE, WINDOW, WORDS_COUNTED, words
from keepstone.logic.ranking import BM25_B, BM25_K1, idf
from keepstone.types import Kind

Terms = Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Said:
    """One unit of an episode: its candidate, its terms, and the scope in which it was said."""

    candidate: Candidate
    terms: Terms
    scope: tuple[str | None, ...]


def surround(said: Sequence[Said], query: Terms) -> tuple[list[Candidate], Conversation]:
    """Return the candidates of *said* with what stands around them, and the figures of the whole."""
    said = sorted(said, key=lambda s: (str(s.scope), s.candidate.sequence, s.candidate.unit))
    turns = [list(g) for _, g in groupby(said, key=lambda s: s.candidate.memory_id)]
    sessions = _sessions(turns)
    numbers = [n for n, turn in zip(sessions, turns, strict=True) for _ in turn]
    window = _bm25(query, [_sum(said, numbers, i) for i in range(len(said))])
    whole: dict[int, Counter[int]] = defaultdict(Counter)
    lengths: Counter[int] = Counter()
    for number, unit in zip(numbers, said, strict=True):
        whole[number].update(unit.terms)
        lengths[number] += unit.candidate.length
    by_session = _bm25(query, [(whole[n], lengths[n]) for n in sorted(whole)])
    session = [by_session[n] for n in numbers]
    means = _speakers(said)
    centred = [_centred(s.candidate, means) for s in said]
    starts = [sum(map(len, turns[:i])) for i in range(len(turns))]
    best = [max(centred[b : b + len(t)]) for b, t in zip(starts, turns, strict=True)]
    best_words = [max(u.candidate.bm25 for u in t) for t in turns]
    mean_best = fmean(best) if best else 0.0
    names = {n: turn[0].candidate.sequence for n, turn in reversed(list(zip(sessions, turns, strict=True)))}
    made = []
    place = 0
    for i, turn in enumerate(turns):
        around = tuple(_beside(best, sessions, i, step, mean_best) for step in (-2, -1, 1))
        for unit in turn:
            found = replace(
                unit.candidate,
                session=names[numbers[place]],
                window=window[place],
                session_bm25=session[place],
                around=(around[0], around[1], around[2]),
            )
            made.append(found)
            place += 1
    spread = [c for c, s in zip(centred, said, strict=True) if s.candidate.cosine is not None]
    sizes = [words(s.candidate.length, s.candidate.traits) for s in said]
    return made, Conversation(
        speakers=means,
        cosine_deviation=pstdev(spread) if spread else 0.0,
        cosine_lags=(_lag(best, sessions, 1), _lag(best, sessions, 2)),
        bm25_lag=_lag(best_words, sessions, 1),
        window_mean=_mean(window),
        window_deviation=pstdev(window) if window else 0.0,
        session_mean=_mean(session),
        session_deviation=pstdev(session) if session else 0.0,
        words=_mean(sizes),
        log_words=_mean([math.log1p(min(s, WORDS_COUNTED)) for s in sizes]),
    )


def is_said(candidate: Candidate) -> bool:
    """Return whether a candidate is of what was said, and so has a place in a conversation."""
    return candidate.kind is Kind.EPISODE


def _mean(values: Sequence[float]) -> float:
    return fmean(values) if values else 0.0


def _sessions(turns: Sequence[Sequence[Said]]) -> list[int]:
    """Number the sessions, turn by turn: a new one with a new scope, and after a silence."""
    numbers: list[int] = []
    for i, turn in enumerate(turns):
        if not i:
            numbers.append(0)
            continue
        before = turns[i - 1][0]
        is_new = before.scope != turn[0].scope or abs(turn[0].candidate.at - before.candidate.at) > SILENCE
        numbers.append(numbers[-1] + is_new)
    return numbers


def _sum(said: Sequence[Said], sessions: Sequence[int], place: int) -> tuple[Counter[int], int]:
    """Terms and length of the units around *place* in its session, its own included."""
    counts: Counter[int] = Counter()
    length = 0
    for i in range(max(0, place - WINDOW), min(len(said), place + WINDOW + 1)):
        if sessions[i] == sessions[place]:
            counts.update(said[i].terms)
            length += said[i].candidate.length
    return counts, length


def _bm25(query: Terms, texts: Sequence[tuple[Terms, int]]) -> list[float]:
    average = max(_mean([length for _, length in texts]), 1e-9)
    scores = [0.0] * len(texts)
    for term, asked in query.items():
        holding = [i for i, (terms, _) in enumerate(texts) if terms.get(term)]
        weight = asked * idf(len(texts), len(holding)) * (BM25_K1 + 1)
        for i in holding:
            terms, length = texts[i]
            norm = BM25_K1 * (1 - BM25_B + BM25_B * length / average)
            scores[i] += weight * terms[term] / (terms[term] + norm)
    return scores


def _speakers(said: Sequence[Said]) -> dict[str, float]:
    """Mean cosine of the units of each speaker that have one."""
    cosines: dict[str, list[float]] = defaultdict(list)
    for unit in said:
        if unit.candidate.cosine is not None:
            cosines[unit.candidate.speaker].append(unit.candidate.cosine)
    return {speaker: fmean(values) for speaker, values in cosines.items()}


def _centred(candidate: Candidate, means: Mapping[str, float]) -> float:
    return 0.0 if candidate.cosine is None else candidate.cosine - means[candidate.speaker]


def _beside(best: Sequence[float], sessions: Sequence[int], turn: int, step: int, mean: float) -> float:
    other = turn + step
    if not 0 <= other < len(best) or sessions[other] != sessions[turn]:
        return 0.0
    return best[other] - mean


def _lag(values: Sequence[float], sessions: Sequence[int], step: int) -> float:
    pairs = [(values[i], values[i - step]) for i in range(step, len(values)) if sessions[i] == sessions[i - step]]
    if len(pairs) < PAIRS_MIN:
        return 0.0
    later, earlier = [p[0] for p in pairs], [p[1] for p in pairs]
    spread = pstdev(later) * pstdev(earlier)
    if spread < 1e-12:
        return 0.0
    mean_later, mean_earlier = fmean(later), fmean(earlier)
    return fmean((a - mean_later) * (b - mean_earlier) for a, b in pairs) / spread
