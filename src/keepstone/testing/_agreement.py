"""The law of agreement: whatever is done to a store and to the reference, both show the same afterwards."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

from keepstone.contract import Candidate, CandidateQuery, Candidates
from keepstone.errors import KeepstoneError
from keepstone.logic.entities import LINK_FIRST
from keepstone.logic.ids import partition
from keepstone.logic.ranking import UNKNOWN_EMBEDDER, rank
from keepstone.naming import Merge
from keepstone.operations import ArchivedMemory, ArchiveRow
from keepstone.protocols import Store
from keepstone.testing._chaos import BATCHES, JOBS, VIEWS, Chaos
from keepstone.testing._script import START, MakeStore, Script, archived, jobs_of, listed, reference
from keepstone.types import Change, LedgerMessage, Scope, Status, plain

SEQUENCES = 48
# Sequences that once showed a difference.
TELLING = (75, 105, 246, 254)
TOLERANCE = 1e-3

QUERIES = ("Where did Marta move?", "likes tea in the garden", "妹妹喜欢喝茶", "piano piano Tuesday", "zebra")


Found = Mapping[tuple[str, int], Candidate]


async def agrees_with_the_reference(make_store: MakeStore) -> None:
    """Generated batches have the same outcomes and leave the same behind as in the in-memory store."""
    for seed in (*range(SEQUENCES), *TELLING):
        async with make_store() as store, reference() as other:
            chaos = Chaos(seed)
            for step in range(BATCHES):
                batch = chaos.batch()
                known = await store.known(chaos.spoken), await other.known(chaos.spoken)
                same(known[0], known[1], f"known, sequence {seed}, step {step}")
                done = await outcome(store.apply(batch)), await outcome(other.apply(batch))
                same(done[0], done[1], f"outcomes of {batch}, sequence {seed}, step {step}")
                if isinstance(done[1], str):
                    chaos.forget(batch)
                await _same_queues(store, other, chaos, f"sequence {seed}, step {step}")
                if chaos.random.random() < 0.06:
                    erasure = chaos.erasure()
                    gone = await outcome(store.erase(*erasure)), await outcome(other.erase(*erasure))
                    same(gone[0], gone[1], f"erase, sequence {seed}, step {step}")
                if step % 7 == 6:
                    await _same_views(store, other, chaos, f"sequence {seed}, step {step}")


async def _same_queues(store: Store, other: Store, chaos: Chaos, where: str) -> None:
    """Let a worker come by now and then: both queues lease it the same jobs, and take the same back."""
    chance, choice = chaos.random.random, chaos.random.choice
    if chance() > 0.3:
        return
    at, scope, kinds, limit = chaos.script.now, choice((None, *VIEWS)), choice((JOBS, JOBS[:1])), choice((1, 9))
    until, due = at + timedelta(seconds=choice((2, 5))), choice((None, at, at + timedelta(seconds=3)))
    back, reviver, revives = choice(("retry", "finish", "heartbeat", "nothing")), choice(VIEWS), chance() < 0.3
    seen: list[list[Any]] = []
    for queue in (jobs_of(store), jobs_of(other)):
        claimed = await queue.claim(kinds, limit, at, until, scope=scope)
        for job in claimed[:1]:
            if back == "retry":
                await queue.retry(job.id, "the model was down", due, reply="…")
            elif back == "finish":
                await queue.finish(job.id)
            elif back == "heartbeat":
                assert await queue.heartbeat(job.id, job.attempts, until + timedelta(seconds=1))
        seen.append([*claimed, await queue.revive(reviver, None, at) if revives else 0])
    same(seen[0], seen[1], f"jobs claimed for {scope}, {where}")


async def _same_views(store: Store, other: Store, chaos: Chaos, where: str) -> None:
    script = chaos.script
    everything = await observed(store, script), await observed(other, script)
    for what in everything[1]:
        same(everything[0][what], everything[1][what], f"{what}, {where}")
    views = chaos.random.sample(VIEWS, 3)
    for then in chaos.moments(BATCHES):
        before = await observed_then(store, script, views, then), await observed_then(other, script, views, then)
        for what in before[1]:
            same(before[0][what], before[1][what], f"{what}, {where}")
    for text in chaos.random.sample(QUERIES, 2):
        query = script.ask(text, scope=chaos.random.choice(VIEWS), include_superseded=chaos.random.random() < 0.7)
        await same_candidates(store, other, query, f"{text!r} in {query.scope}, {where}")
        await same_candidates(store, other, replace(query, limit=3), f"best 3 for {text!r}, {where}")
        for then in chaos.moments(BATCHES):
            earlier = replace(query, **then)
            await same_candidates(store, other, earlier, f"{text!r} in {query.scope} at {then}, {where}")


async def outcome(action: Any) -> Any:
    """Return what *action* did in a form that does not depend on ids that the store made, or its error's type."""
    try:
        result = summary(await action)
    except KeepstoneError as error:
        return type(error).__name__
    return result


def summary(value: Any) -> Any:
    """Return *value* without what a store may choose: ids of changes, sizes, files."""
    if hasattr(value, "operations") or hasattr(value, "outcomes"):
        done = sorted((o.memory_id or "", o.message_id or "") for o in value.outcomes if o.kind == "stored")
        kinds = [
            (o.kind, o.memory_id or o.retired, o.external_id, o.change_id is None)
            for o in value.outcomes
            if not value.replayed
        ]
        return (value.batch_id, value.replayed, kinds, done, len(value.changes) * (not value.replayed))
    if hasattr(value, "tombstones"):
        return (value.memories, value.messages, value.changes, value.verified, len(value.tombstones))
    return value


async def observed(store: Store, script: Script) -> dict[str, Any]:
    """Return everything that a store shows of one tenant, without what it may choose."""
    seen: dict[str, Any] = {}
    for scope in VIEWS:
        view = replace(scope, tenant=script.scope.tenant)
        records = await listed(store, script, scope=view, limit=7)
        ids = sorted(r.id for r in records)
        seen[f"memories of {view}"] = by_partition(unordered(r.to_dict()) for r in records)
        current = await listed(store, script, scope=view, include_superseded=False, include_expired=True)
        seen[f"current memories of {view}"] = by_partition(unordered(r.to_dict()) for r in current)
        around = await store.neighbours(ids[-3:], view, 1, 2)
        seen[f"neighbours in {view}"] = sorted((str(m.scope.ids), m.position, m.content) for m in around)
        counted = (await store.stats(view)).to_dict()
        seen[f"counts of {view}"] = {k: counted[k] for k in COUNTED}
        rest = await store.dependants(ids[::3], view)
        seen[f"dependants in {view}"] = by_partition(unordered(r.to_dict()) for r in rest)
        there = await store.naming(view, script.now)
        seen[f"names in {view}"] = sorted(there.named, key=lambda n: (partition(n.scope), n.sequence))
        seen[f"merges in {view}"] = sorted(there.merges, key=lambda m: (partition(m.scope), m.one, m.into))
        seen[f"usage of {view}"] = (await store.usage(view, None, script.now)).to_dict() | {"until": None}
        seen[f"jobs of {view}"] = [j.to_dict() for j in await jobs_of(store).jobs(view, at=START)]
    tenant = Scope(tenant=script.scope.tenant)
    for name, retired in (("archive", False), ("archive with the retired", True)):
        rows = await archived(store, tenant, include_retired=retired, limit=9)
        gone = {r.record.id for r in rows if isinstance(r, ArchivedMemory) and r.record.status is Status.ERASED}
        seen[name] = [archive_row(row, gone) for row in sorted(rows, key=partition_in(rows))]
        said = sorted(r.id for r in rows if isinstance(r, LedgerMessage))
        made = await store.said_in(said[::2], tenant)
        seen[f"made from the {name}"] = by_partition(unordered(r.to_dict()) for r in made)
    for row in seen["archive"]:
        if row[0] == "memory":
            seen[f"history of {row[1]}"] = [change(c, gone) for c in await store.history(row[1], tenant)]
    return seen


async def observed_then(
    store: Store, script: Script, views: Sequence[Scope], then: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the memories that a store shows of other moments."""
    seen: dict[str, Any] = {}
    for scope in views:
        view = replace(scope, tenant=script.scope.tenant)
        records = await listed(store, script, scope=view, limit=7, **then)
        seen[f"memories of {view} at {then}"] = by_partition(unordered(r.to_dict()) for r in records)
        current = await listed(store, script, scope=view, include_superseded=False, include_expired=True, **then)
        seen[f"current memories of {view} at {then}"] = by_partition(unordered(r.to_dict()) for r in current)
        sorted_out = await store.get_all(script.listing(scope=view, categorised=True, **then))
        seen[f"categorised of {view} at {then}"] = by_partition(unordered(r.to_dict()) for r in sorted_out.items)
        got = await store.get([r.id for r in records], view, known_at=then.get("known_at"))
        seen[f"{view} by id at {then}"] = by_partition(unordered(r.to_dict()) for r in got)
    return seen


COUNTED = ("messages", "memories", "superseded", "retired", "erased", "changes", "units", "unembedded")


def change(entry: Change, gone: Collection[str | None] = ()) -> dict[str, Any]:
    """Return a change without its own id; whether it still names a memory that is *gone* is not promised."""
    related = None if entry.related_id in gone else entry.related_id
    return entry.to_dict() | {"id": None, "related_id": related}


def by_partition(memories: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return memories with the partitions in the order of their names; only the order within one is promised."""
    return sorted(memories, key=lambda m: partition(Scope(**m["scope"])))


def partition_in(rows: Sequence[ArchiveRow]) -> Callable[[ArchiveRow], tuple[int, str]]:
    """Return what sorts *rows* by their stage in the archive and by partition, whatever order partitions have."""
    scopes = {row.record.id: row.record.scope for row in rows if isinstance(row, ArchivedMemory)}

    def key(row: ArchiveRow) -> tuple[int, str]:
        if isinstance(row, LedgerMessage):
            return 1, partition(row.scope)
        if isinstance(row, ArchivedMemory):
            return 2, partition(row.record.scope)
        if isinstance(row, Merge):
            return 4, partition(row.scope)
        return 3, partition(scopes[row.memory_id])

    return key


def unordered(memory: dict[str, Any]) -> dict[str, Any]:
    """Return a memory with its sources sorted: no order of theirs is promised."""
    return memory | {"sources": sorted(memory["sources"], key=str)}


def archive_row(row: Any, gone: Collection[str | None] = ()) -> tuple[Any, ...]:
    """Return an archived row, a tombstone by its id alone."""
    if isinstance(row, LedgerMessage):
        return ("message", row.id, row.to_dict())
    if isinstance(row, ArchivedMemory):
        if row.record.status is Status.ERASED:
            return ("memory", row.record.id, row.record.text, row.record.scope, [r.text for r in row.revisions])
        # Whether a row still names messages that the archive leaves out is not promised; the record's sources are.
        by = None if row.superseded_by in gone else row.superseded_by
        record = unordered(plain(row.record))
        return ("memory", row.record.id, plain(row) | {"sources": None, "superseded_by": by, "record": record})
    if isinstance(row, Merge):
        return ("merge", row)
    return ("change", change(row, gone))


async def same_candidates(store: Store, other: Store, query: CandidateQuery, where: str) -> None:
    """Check that both find the same units with the same signals, and so rank them alike."""
    got, want = await store.candidates(query), await other.candidates(query)
    for name, corpus in want.corpora.items():
        if any(c.partition == name for c in want.items):
            same(_rounded(got.corpora[name]), _rounded(corpus), f"statistics of {name} for {where}")
    have = {(c.memory_id, c.unit): c for c in got.items}
    should = {(c.memory_id, c.unit): c for c in want.items}
    if len(have) != len(got.items):
        raise AssertionError(f"a unit came back twice for {where}")
    same(len(have) <= 4 * query.limit, True, f"at most four times the limit for {where}")
    _same_but_for_ties(have, should, query, where)
    for key in have.keys() & should.keys():
        same(_rounded(have[key]), _rounded(should[key]), f"signals of {key} for {where}")
    episodes = {id for id, _ in have.keys() & should.keys()}
    told = [{id: each for id, each in side.statements.items() if id in episodes} for side in (got, want)]
    same(told[0], told[1], f"statements for {where}")
    if have.keys() == should.keys():
        same_order(got, want, where)


def same_order(got: Candidates, want: Candidates, where: str) -> None:
    """Check that both rank alike, but for memories whose fused values differ by less than the tolerance."""
    place = {r.candidate.memory_id: i for i, r in enumerate(rank(got, UNKNOWN_EMBEDDER))}
    ordered = rank(want, UNKNOWN_EMBEDDER)
    for earlier, later in pairwise(ordered):
        if earlier.fused - later.fused > TOLERANCE:
            first, second = earlier.candidate.memory_id, later.candidate.memory_id
            same(place[first] < place[second], True, f"order of {first} and {second} for {where}")


def _linked(candidate: Candidate, query: CandidateQuery) -> float | None:
    """What orders linked candidates, None for one that is not linked."""
    near = candidate.bm25 if query.vector is None else candidate.cosine
    return LINK_FIRST * candidate.linked + (-1.0 if near is None else near) if candidate.linked else None


def _same_but_for_ties(have: Found, should: Found, query: CandidateQuery, where: str) -> None:
    """Each side may hold a unit that the other has not only if a list was cut, and it ties with where it was."""
    limit = query.limit
    for mine, theirs in ((have, should), (should, have)):
        for key in mine.keys() - theirs.keys():
            cosines = sorted((c.cosine for c in theirs.values() if c.cosine is not None), reverse=True)[:limit]
            words = sorted((c.bm25 for c in theirs.values() if c.bm25 > 0), reverse=True)[:limit]
            windows = sorted((c.window for c in theirs.values() if c.window > 0), reverse=True)[:limit]
            ties = [
                len(words) == limit and 0 < mine[key].bm25 >= words[-1] - TOLERANCE,
                len(windows) == limit and 0 < mine[key].window >= windows[-1] - TOLERANCE,
            ]
            if (place := _linked(mine[key], query)) is not None:
                links = sorted((v for c in theirs.values() if (v := _linked(c, query)) is not None), reverse=True)
                ties.append(len(links) >= limit and place >= links[:limit][-1] - TOLERANCE)
            cosine = mine[key].cosine
            if cosine is not None:
                ties.append(len(cosines) == limit and cosine >= cosines[-1] - TOLERANCE)
            same(any(ties), True, f"unit {key} among the best for {where}")


class _Near:
    """A number that equals all numbers nearby."""

    def __init__(self, value: float) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Near) and abs(self.value - other.value) <= TOLERANCE * max(1.0, abs(self.value))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(self.value)


def _rounded(value: Any) -> Any:
    """Return *value* with every number in it made to equal all numbers nearby."""
    if isinstance(value, float):
        return _Near(value)
    if isinstance(value, tuple):
        return tuple(map(_rounded, value))
    if isinstance(value, Mapping):
        return {key: _rounded(v) for key, v in value.items()}
    if is_dataclass(value):
        return {f.name: _rounded(getattr(value, f.name)) for f in fields(value)}
    return value


def same(got: Any, want: Any, what: str) -> None:
    """Raise an AssertionError that shows the first difference between *got* and *want*."""
    if got == want:
        return
    raise AssertionError(f"{what}: {difference(got, want)}")


def difference(got: Any, want: Any) -> str:
    """Return where *got* and *want* begin to differ."""
    if isinstance(got, dict) and isinstance(want, dict) and got.keys() == want.keys():
        key = next(k for k in want if got[k] != want[k])
        return f"{key}: {difference(got[key], want[key])}"
    if isinstance(got, list | tuple) and isinstance(want, list | tuple):
        if len(got) == len(want):
            index = next(i for i, (g, w) in enumerate(zip(got, want, strict=True)) if g != w)
            return f"[{index}] {difference(got[index], want[index])}"
        more, less = [g for g in got if g not in want], [w for w in want if w not in got]
        return f"{len(got)} items instead of {len(want)}; only here {more!r}; missing {less!r}"
    return f"{got!r} instead of {want!r}"
