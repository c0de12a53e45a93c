"""Tracing: a search and a context as they are made, and for each memory expected, the stage at which it was lost.

Costs what a search and a context cost; besides, a look at the index for each term of the question, a wider look for
what is no candidate, and a pass over the scope's ledger for ids that are no memory's. Everything is read under the
scope of the question: what that does not see is the same as what was never stored.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from keepstone import assembly, recall
from keepstone.contract import Candidate, CandidateQuery, Candidates, EmbedderKey, Vector
from keepstone.filters import failing, to_dict
from keepstone.logic.budget import Budget
from keepstone.logic.questions import NOTHING_ASKED
from keepstone.logic.ranking import Ranked, rank
from keepstone.logic.statements import outdated
from keepstone.logic.text import language, term, tokens
from keepstone.logic.validity import standing
from keepstone.operations import ArchivedMemory
from keepstone.protocols import Embedder, Store
from keepstone.recall import Look, SearchRequest, Stopwatch
from keepstone.traces import Expected, SignalGap, Stage, StageCounts, Trace
from keepstone.types import Action, Change, Context, Hit, LedgerMessage, MemoryRecord, Scope, Status, TokenCounter

TERMS_MAX = 64
# How many times wider each further look for what is no candidate is.
WIDER = 8
ROWS_AT_ONCE = 1_000

SIGNALS: Mapping[str, Callable[[Candidate], float | None]] = {
    "cosine": lambda c: c.cosine,
    "bm25": lambda c: c.bm25 or None,
    "window": lambda c: c.window or None,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceRequest:
    """What one call of `trace` asks for, checked; `expect` are ids of memories or messages."""

    search: SearchRequest
    max_tokens: int
    counter: TokenCounter
    context_hits: int
    expect: tuple[str, ...]


async def trace(store: Store, embedder: Embedder | None, request: TraceRequest, *, now: datetime) -> Trace:
    """Return how the question of *request* is answered now, and what becomes of what it expects.

    Raises:
        ProviderError: the embedder failed.
        LimitError: the scope reaches more partitions than one search may.
    """
    clock, search = Stopwatch(), request.search
    once = None if embedder is None else _EmbeddedOnce(embedder)
    answer = await _answered(store, once, search, clock, now)
    context = await _context(store, once, request, now)
    clock.mark("context")
    terms = tuple(dict.fromkeys(tokens(search.query)))[:TERMS_MAX]
    unknown = await _unknown(store, search, terms, now)
    clock.mark("terms")
    expected = await _Inquest(store, request, answer, context, now).of(request.expect)
    clock.mark("expected")
    return Trace(
        question=NOTHING_ASKED if answer.look is None else answer.look.question,
        language=language(search.query),
        terms=terms,
        unknown=unknown,
        limit=search.limit,
        min_score=search.min_score,
        counts=StageCounts(
            units=answer.units,
            candidates=len(answer.found.items),
            ranked=len(answer.ranked),
            scored=len(answer.scored),
            shown=len(answer.hits),
            in_context=len(context.citations),
        ),
        hits=answer.hits,
        context=context,
        expected=expected,
        timings_ms=clock.milliseconds,
    )


class _EmbeddedOnce:
    """An embedder that embeds the question once, for the search and the context."""

    def __init__(self, inner: Embedder) -> None:
        self._inner = inner
        self._known: dict[tuple[str, ...], list[Vector]] = {}

    @property
    def key(self) -> EmbedderKey:
        return self._inner.key

    async def embed(self, texts: Sequence[str], kind: Literal["query", "document"]) -> list[Vector]:
        asked = (kind, *texts)
        if asked not in self._known:
            self._known[asked] = await self._inner.embed(texts, kind)
        return self._known[asked]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """What the search found; `ranked` are all candidates' memories in order, `scored` those with enough score."""

    look: Look | None
    found: Candidates
    ranked: tuple[Ranked, ...]
    scored: tuple[Ranked, ...]
    hits: tuple[Hit, ...]

    @property
    def units(self) -> int:
        return sum(c.units for c in self.found.corpora.values())


async def _answered(
    store: Store, embedder: Embedder | None, search: SearchRequest, clock: Stopwatch, now: datetime
) -> _Answer:
    if not search.query:
        return _Answer(look=None, found=Candidates(items=(), corpora={}), ranked=(), scored=(), hits=())
    look = await recall.looked_for(embedder, search, now=now)
    clock.mark("embed")
    found = await store.candidates(look.query)
    clock.mark("candidates")
    ranked = _ranked(found, look, search)
    clock.mark("rank")
    scored = tuple(r for r in ranked if r.score >= search.min_score)
    shown = scored[: search.limit]
    ids = [r.candidate.memory_id for r in shown]
    records = {r.id: r for r in await store.get(ids, search.scope, known_at=search.known_at)}
    clock.mark("fetch")
    hits = recall.hits_of(shown, records, dict(clock.milliseconds))
    return _Answer(look=look, found=found, ranked=ranked, scored=scored, hits=tuple(hits))


def _ranked(found: Candidates, look: Look, search: SearchRequest) -> tuple[Ranked, ...]:
    ranked = rank(
        found,
        look.calibration,
        question=look.question,
        explain=True,
        include_outdated=search.include_superseded,
    )
    return tuple(ranked)


async def _context(store: Store, embedder: Embedder | None, request: TraceRequest, now: datetime) -> Context:
    wanted = assembly.ContextRequest(
        search=replace(request.search, limit=request.context_hits, include_expired=False, explain=True),
        format="text",
        budget=Budget(tokens=request.max_tokens, counter=request.counter),
    )
    return (await assembly.assemble(store, embedder, wanted, now=now))[0]


async def _unknown(store: Store, search: SearchRequest, terms: Sequence[str], now: datetime) -> tuple[str, ...]:
    """Return those of *terms* that no memory of the scope holds, expired and superseded ones included."""
    missing = []
    for token in terms:
        query = CandidateQuery(
            scope=search.scope,
            terms={term(token): 1},
            vector=None,
            at=now,
            limit=1,
            include_expired=True,
            partitions_max=search.partitions_max,
            known_at=search.known_at,
        )
        if not (await store.candidates(query)).items:
            missing.append(token)
    return tuple(missing)


@dataclass(frozen=True, slots=True)
class _Origin:
    """What an id stands for: the memories, and if it is a message without one, the memory that it repeats."""

    memories: tuple[str, ...]
    echo_of: str | None = None


async def _origins(store: Store, scope: Scope, ids: Collection[str]) -> dict[str, _Origin]:
    """Return what each of *ids* stands for; what the scope does not see is left out."""
    found = {id: _Origin((id,)) for id in ids if await store.history(id, scope)}
    messages: dict[str, str] = {}
    made: dict[str, dict[bool, list[str]]] = {}
    wanted, cursor, reading = set(ids) - set(found), None, True
    while wanted and reading:
        rows, cursor = await store.dump(scope, cursor, ROWS_AT_ONCE, include_retired=True)
        for row in rows:
            if isinstance(row, LedgerMessage):
                asked = row.external_id if row.external_id in wanted else row.id
                if asked in wanted:
                    messages[row.id] = asked
                    made.setdefault(asked, {False: [], True: []})
            elif isinstance(row, ArchivedMemory):
                _enter(row, messages, made)
        # Memories come after messages, and matter if one was found; changes come last, and say nothing new.
        reading = cursor is not None and isinstance(
            rows[-1], (LedgerMessage, ArchivedMemory) if messages else LedgerMessage
        )
    for asked, memories in made.items():
        found[asked] = _Origin(tuple(memories[False]), next(iter(memories[True]), None))
    return found


def _enter(row: ArchivedMemory, messages: Mapping[str, str], made: Mapping[str, dict[bool, list[str]]]) -> None:
    for source in row.sources:
        asked = messages.get(source.message_id)
        if asked is not None and row.record.id not in made[asked][source.echo]:
            made[asked][source.echo].append(row.record.id)


class _Inquest:
    """Finds out at which stage each expected memory was lost."""

    def __init__(self, store: Store, request: TraceRequest, answer: _Answer, context: Context, now: datetime) -> None:
        self._store, self._request, self._search, self._now = store, request, request.search, now
        self._answer, self._context = answer, context
        self._cited = {c.memory_id for c in context.citations}
        self._wider, self._wider_limit = answer.found, 1 if answer.look is None else answer.look.query.limit

    async def of(self, ids: Sequence[str]) -> tuple[Expected, ...]:
        """Return what became of *ids*, in this order, each once."""
        asked = tuple(dict.fromkeys(ids))
        origins = await _origins(self._store, self._search.scope, asked)
        memory_ids = list(dict.fromkeys(m for o in origins.values() for m in o.memories))
        scope, known_at = self._search.scope, self._search.known_at
        records = {r.id: r for r in await self._store.get(memory_ids, scope, known_at=known_at)}
        unknown = await self._store.get([m for m in memory_ids if m not in records], scope) if known_at else []
        later = {r.id for r in unknown}
        histories = {m: await self._store.history(m, self._search.scope) for m in memory_ids}
        entries: list[Expected] = []
        for id in asked:
            origin = origins.get(id)
            if origin is None or not origin.memories:
                entries.append(_without_memory(id, origin))
                continue
            for memory_id in origin.memories:
                if memory_id in later and known_at is not None:
                    entries.append(_not_known(id, memory_id, known_at))
                    continue
                fate = await self._fate(id, memory_id, records.get(memory_id), histories[memory_id])
                shown = not self._cited.isdisjoint((memory_id, fate.hit_id))
                entries.append(replace(fate, memory_id=memory_id, in_context=shown))
        return tuple(entries)

    async def _fate(self, id: str, memory_id: str, record: MemoryRecord | None, history: Sequence[Change]) -> Expected:
        if record is None:
            return _gone(id, history)
        excluded = self._excluded(id, record, history)
        if excluded is not None:
            return replace(excluded, text=record.text)
        found = _entry_of(memory_id, self._answer.ranked)
        if found is None and not self._search.include_superseded and memory_id in outdated(self._answer.found):
            reason = "All that was distilled from it is superseded, and include_superseded is false."
            return Expected(id=id, stage=Stage.SUPERSEDED, reason=reason, text=record.text)
        fate = await self._no_candidate(id, memory_id) if found is None else self._placed(id, record, found)
        superseded = record.status is Status.SUPERSEDED and fate.other_id is None
        return replace(fate, text=record.text, other_id=_superseded_by(history) if superseded else fate.other_id)

    def _excluded(self, id: str, record: MemoryRecord, history: Sequence[Change]) -> Expected | None:
        """Return why the arguments of the search exclude a memory; None if they do not."""
        search = self._search
        if search.as_of is not None:
            if (stood := standing(record, search.as_of)) is not Status.CURRENT:
                when = "did not hold yet" if stood is None else "held no longer"
                return Expected(id=id, stage=Stage.NOT_VALID, reason=f"It {when} at {search.as_of.isoformat()}.")
        elif record.status is Status.SUPERSEDED and not search.include_superseded:
            change = _last(history, Action.SUPERSEDE)
            reason = "It is superseded, and include_superseded is false."
            return Expected(
                id=id, stage=Stage.SUPERSEDED, reason=reason, change=change, other_id=_superseded_by(history)
            )
        now = search.known_at or self._now
        if not search.include_expired and record.expires_at is not None and record.expires_at <= now:
            reason = f"It expired at {record.expires_at.isoformat()}, and include_expired is false."
            return Expected(id=id, stage=Stage.EXPIRED, reason=reason)
        if search.kinds and record.kind not in search.kinds:
            kinds = [k.value for k in search.kinds]
            reason = f"It is of the kind {record.kind.value}, and only {', '.join(kinds)} is asked for."
            return Expected(id=id, stage=Stage.FILTERED, reason=reason, condition={"kind": {"in": kinds}})
        failed = failing(search.where, record)
        if failed is not None:
            condition = to_dict(failed)
            return Expected(
                id=id, stage=Stage.FILTERED, reason=f"It fails the filter {condition}.", condition=condition
            )
        return None

    async def _no_candidate(self, id: str, memory_id: str) -> Expected:
        """Return the signals and the place that a memory would have, had it been a candidate."""
        look, answer = self._answer.look, self._answer
        if look is None:
            return Expected(id=id, stage=Stage.NOT_A_CANDIDATE, reason="The question is empty, which finds nothing.")
        own = await self._units_of(memory_id, look)
        # Ranked among the candidates of the search, so that it is placed by what the search knew.
        statements = {**self._wider.statements, **answer.found.statements}
        items = (*answer.found.items, *own)
        together = _ranked(replace(answer.found, items=items, statements=statements), look, self._search)
        entry = _entry_of(memory_id, together)
        gaps = _list_gaps(answer.found, own, look.query)
        reason = f"It is on none of the lists of the {look.query.limit} best by cosine, by words, and by words around."
        if not any(c.bm25 for c in own):
            reason += " It holds no word of the question."
        if not any(c.cosine is not None for c in own):
            reason += " It has no cosine: there is no embedder, or it has no vector yet."
        if entry is None:
            return Expected(id=id, stage=Stage.NOT_A_CANDIDATE, reason=reason, gaps=gaps)
        place = self._place(together, entry)
        return Expected(
            id=id,
            stage=Stage.NOT_A_CANDIDATE,
            reason=f"{reason} Among the candidates it would stand at place {place}.",
            place=place,
            score=entry.score,
            fused=entry.fused,
            signals=entry.signals,
            gaps=gaps,
        )

    async def _units_of(self, memory_id: str, look: Look) -> tuple[Candidate, ...]:
        """Return the units of a memory with their signals, from wider and wider looks; none if no signal has them."""
        partitions = self._answer.found.corpora
        while True:
            own = tuple(c for c in self._wider.items if c.memory_id == memory_id and c.partition in partitions)
            if own or self._wider_limit >= self._answer.units:
                return own
            self._wider_limit *= WIDER
            self._wider = await self._store.candidates(replace(look.query, limit=self._wider_limit, alike=None))

    def _placed(self, id: str, record: MemoryRecord, entry: Ranked) -> Expected:
        search, place = self._search, self._place(self._answer.ranked, entry)
        stage, other, hit_id = Stage.FOUND, None, entry.candidate.memory_id
        shown = not self._cited.isdisjoint((record.id, hit_id))
        gaps: tuple[SignalGap, ...] = ()
        if entry.score < search.min_score:
            stage = Stage.BELOW_MIN_SCORE
            reason = f"Its score is {entry.score:.3f}, and min_score is {search.min_score:g}."
        elif place > search.limit:
            stage, last = Stage.BELOW_THE_CUT, self._answer.scored[search.limit - 1]
            gaps = _gaps(entry, last)
            reason = (
                f"It stands at place {place} of {len(self._answer.scored)}, and the limit is {search.limit}: "
                f"fused {entry.fused:.2f} against {last.fused:.2f} of the last hit shown.{_set_back(entry)}"
            )
        elif shown:
            reason = f"It is hit {place}, and in the context."
        else:
            stage = Stage.NOT_IN_CONTEXT
            why, other = self._left_out(record, place)
            reason = f"It is hit {place}, and not in the context: {why}"
        if stage is not Stage.FOUND and shown:
            reason += " The context, which looks further, shows it."
        if hit_id != record.id:
            reason = f"It is one hit with {hit_id}, a memory distilled from it. {reason}"
        return Expected(
            id=id,
            hit_id=hit_id,
            stage=stage,
            reason=reason,
            place=place,
            score=entry.score,
            fused=entry.fused,
            signals=entry.signals,
            gaps=gaps,
            other_id=other,
        )

    def _place(self, ranked: Sequence[Ranked], entry: Ranked) -> int:
        before = ranked[: ranked.index(entry)]
        return 1 + sum(r.score >= self._search.min_score for r in before)

    def _left_out(self, record: MemoryRecord, place: int) -> tuple[str, str | None]:
        """Return why the context does not show a hit, and the memory that it shows instead."""
        tokens_most = self._request.max_tokens
        left = next((e for e in self._context.left_out if e.memory_id == record.id), None)
        if left is not None and left.reason == "budget":
            return f"there was no room in {tokens_most} tokens.", None
        if left is not None and left.reason == "covered":
            return f"{left.other_id}, which came from the same message and says it, is there.", left.other_id
        if left is not None:
            return f"{left.other_id}, in which the same speaker says the same words, is there.", left.other_id
        if record.expires_at is not None and record.expires_at <= (self._search.known_at or self._now):
            return "a context never shows what has expired.", None
        return f"of {tokens_most} tokens, it takes the first {assembly.considered(tokens_most)} hits.", None


def _entry_of(memory_id: str, ranked: Sequence[Ranked]) -> Ranked | None:
    """Return the entry of a memory: its own, or that of a statement that stands for it."""
    own = (r for r in ranked if r.candidate.memory_id == memory_id)
    return next(own, None) or next((r for r in ranked if any(e.memory_id == memory_id for e in r.evidence)), None)


def _without_memory(id: str, origin: _Origin | None) -> Expected:
    if origin is None:
        reason = "This scope has no memory and no message with this id."
        return Expected(id=id, stage=Stage.NEVER_STORED, reason=reason)
    if origin.echo_of is None:
        return Expected(id=id, stage=Stage.NO_MEMORY, reason="No memory was made from this message.")
    reason = f"This message only repeats the memory {origin.echo_of}, so that none was made from it."
    return Expected(id=id, stage=Stage.NO_MEMORY, reason=reason, other_id=origin.echo_of)


def _not_known(id: str, memory_id: str, known_at: datetime) -> Expected:
    reason = f"It was not stored yet, or was taken back, at {known_at.isoformat()}."
    return Expected(id=id, stage=Stage.NOT_KNOWN, reason=reason, memory_id=memory_id)


def _gone(id: str, history: Sequence[Change]) -> Expected:
    erased = _last(history, Action.ERASE)
    change = erased or _last(history, Action.DELETE)
    stage = Stage.RETIRED if erased is None else Stage.ERASED
    if change is None:
        return Expected(id=id, stage=stage, reason="No verb but history shows it any more.")
    why = f", reason: {change.reason}" if change.reason else ""
    reason = f"At {change.at.isoformat()} by {change.actor}{why}, with change {change.id}."
    return Expected(id=id, stage=stage, reason=reason, change=change)


def _last(history: Sequence[Change], action: Action) -> Change | None:
    """Return the last change of that kind, without the texts."""
    found = next((c for c in reversed(history) if c.action is action), None)
    return None if found is None else replace(found, old_text=None, new_text=None)


def _superseded_by(history: Sequence[Change]) -> str | None:
    change = _last(history, Action.SUPERSEDE)
    return None if change is None else change.related_id


def _set_back(entry: Ranked) -> str:
    """Return what newer statements took off, for people; empty if nothing."""
    added = {s.name: s.contribution for s in entry.signals}
    found = ""
    if added.get("superseded", 0.0) < 0:
        found += f" Being superseded took {-added['superseded']:.2f} off."
    if added.get("outdated", 0.0) < 0:
        found += f" That all it said is superseded took {-added['outdated']:.2f} off."
    if added.get("succession", 0.0) < 0:
        found += f" A newer statement about the same took {-added['succession']:.2f} off."
    return found


def _gaps(entry: Ranked, last: Ranked) -> tuple[SignalGap, ...]:
    """Return signal by signal what each adds, the largest difference first."""
    own, others = ({s.name: s.contribution for s in r.signals} for r in (entry, last))
    names = dict.fromkeys((*others, *own))
    return tuple(
        SignalGap(name=n, own=own.get(n, 0.0), last=others.get(n, 0.0))
        for n in sorted(names, key=lambda n: own.get(n, 0.0) - others.get(n, 0.0))
    )


def _list_gaps(found: Candidates, own: Sequence[Candidate], query: CandidateQuery) -> tuple[SignalGap, ...]:
    """Return the raw signals of a memory, and those of the last candidate on each list."""
    gaps = []
    for name, signal in SIGNALS.items():
        if query.vector is None and name != "bm25":
            continue
        best = max((v for c in own if (v := signal(c)) is not None), default=None if name == "cosine" else 0.0)
        values = sorted((v for c in found.items if (v := signal(c)) is not None), reverse=True)
        gaps.append(
            SignalGap(name=name, own=best, last=values[query.limit - 1] if len(values) >= query.limit else None)
        )
    return tuple(gaps)
