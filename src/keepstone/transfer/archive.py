"""The archive: everything of a scope as JSON lines, and back with the same ids, times, statuses and history.

    {"keepstone_archive": 1, …}          what this is
    {"type": "message", …}               the ledger, then memories with all their revisions, the history, merges
    {"type": "end", "messages": 3, …}    what a file that was cut off does not have

Sequence numbers are given anew by a restore; everything else comes back as it was.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TextIO

from keepstone import config, ingest
from keepstone.contract import Clock, NewId
from keepstone.errors import ConflictError, InvalidRequestError, NotFoundError
from keepstone.ids import IdSource
from keepstone.logic.ids import bucket
from keepstone.logic.replay import statement_key
from keepstone.naming import Merge
from keepstone.operations import Applied, ArchivedMemory, ArchiveRow, Batch, Load, NewUnit
from keepstone.protocols import Embedder, Store
from keepstone.transfer.reading import Item
from keepstone.transfer.report import ImportReport
from keepstone.transfer.rows import CHANGE, MEMORY, MERGE, MESSAGE, from_line, kind_of, to_line
from keepstone.types import Change, Kind, LedgerMessage, Scope
from keepstone.vectorspace import VectorSpace

FORMAT = "keepstone"
VERSION = 1
PAGE = 500
BATCH = 128
END = "end"
COUNTED = {"messages": MESSAGE, "memories": MEMORY, "changes": CHANGE, "merges": MERGE}

Line = Mapping[str, Any]
Progress = Callable[[int, int], None]
# By the speaker's name, which counts in each unit, and the text.
UnitsByText = dict[tuple[str | None, str], tuple[NewUnit, ...]]


async def export(
    store: Store,
    scope: Scope,
    out: TextIO,
    *,
    include_retired: bool = False,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Write all that *scope* sees to *out*, and return the number of messages, memories, changes and merges.

    As `lines`, which it writes. *progress* is called with the rows written and how many there are.
    """
    total, written = 0, 0
    if progress is not None:
        there = await store.stats(scope)
        total = there.messages + there.memories + there.changes
    page: list[Line] = []
    async for page in lines(store, scope, include_retired=include_retired):
        out.writelines(map(text, page))
        written += sum(line.get("type", END) != END for line in page)
        if progress is not None and written:
            progress(written, max(total, written))
    out.flush()
    return {name: page[-1][name] for name in COUNTED}


async def lines(store: Store, scope: Scope, *, include_retired: bool = False) -> AsyncIterator[list[Line]]:
    """Yield the lines of the archive of all that *scope* sees, a page at a time; the last one counts them.

    Texts of retired memories, and the messages that they came from, stay out unless *include_retired*. Reading is
    in pages: what is written meanwhile may or may not be in it.
    """
    counts: Counter[str] = Counter()
    whose = {k: v for k, v in scope.to_dict().items() if k != "tenant"}
    yield [{"keepstone_archive": VERSION, "scope": whose, "include_retired": include_retired}]
    cursor: str | None = None
    while True:
        rows, cursor = await store.dump(scope, cursor, PAGE, include_retired=include_retired)
        counts.update(map(kind_of, rows))
        if rows:
            yield [to_line(row) for row in rows]
        if cursor is None:
            break
    yield [{"type": END, **{name: counts[kind] for name, kind in COUNTED.items()}}]


async def restore(
    store: Store,
    embedder: Embedder | None,
    lines: Iterator[Item],
    *,
    tenant: str = "",
    clock: Clock = config.utc_now,
    new_id: NewId | None = None,
    total: int = 0,
    progress: Progress | None = None,
) -> ImportReport:
    """Put the rows of an archive back; those that are there already stay as they are.

    *progress* is called with the rows carried out and *total*.

    Raises:
        InvalidRequestError: *lines* are no archive, of a newer version, damaged or cut off; the error says where, and
            all before it is restored. With the whole file, a second call adds the rest.
        ConflictError: a message's id stands for another message here.
        EmbedderMismatchError: the store holds vectors of another embedder.
        ProviderError: the embedder failed; a second call goes on where this one stopped.
    """
    _check_header(next(lines, None))
    report = None if progress is None else partial(_reported, progress, total)
    usable = await VectorSpace(store, embedder, tenant).agreed()
    work = _Restore(store, usable, tenant, clock, new_id or IdSource(), report)
    batch: list[tuple[ArchiveRow, str]] = []
    try:
        for item in lines:
            if item.value.get("type") == END:
                await work.load(batch)
                batch = []
                work.check_end(item)
                return work.report
            batch.append((_row(item, tenant), item.place))
            if len(batch) == BATCH:
                full, batch = batch, []
                await work.load(full)
    except InvalidRequestError:
        await work.load(batch)
        raise
    await work.load(batch)
    raise InvalidRequestError(
        f"The archive was cut off after {work.rows} rows: its last line is missing. What it holds is restored."
    )


class _Restore:
    """One restore under way."""

    def __init__(
        self,
        store: Store,
        embedder: Embedder | None,
        tenant: str,
        clock: Clock,
        new_id: NewId,
        report: Callable[[int], None] | None,
    ) -> None:
        self._store, self._embedder, self._tenant = store, embedder, tenant
        self._clock, self._new_id, self._report = clock, new_id, report
        self._read: Counter[str] = Counter()
        self._stored: Counter[str] = Counter()
        self._scopes: dict[str, Scope] = {}
        self._shared: dict[Scope, Scope] = {}

    @property
    def rows(self) -> int:
        """How many rows were read and carried out."""
        return self._read.total()

    @property
    def report(self) -> ImportReport:
        """What was done so far."""
        return ImportReport(
            format=FORMAT,
            messages=self._stored[MESSAGE],
            memories=self._stored[MEMORY],
            changes=self._stored[CHANGE],
            known=self._read.total() - self._stored.total(),
        )

    async def load(self, batch: Sequence[tuple[ArchiveRow, str]]) -> None:
        """Put the rows of *batch* back in one transaction, with one call of the embedder."""
        if not batch:
            return
        rows = [row for row, _ in batch]
        units = await self._units([r for r in rows if isinstance(r, ArchivedMemory)])
        places = f"{batch[0][1]} to {batch[-1][1]}"
        try:
            operations = tuple(self._operation(row, units) for row in rows)
            applied = await self._apply(operations, embedded=any(units.values()))
        except (InvalidRequestError, NotFoundError) as error:
            raise InvalidRequestError(f"{places}: {error}") from error
        except ConflictError as error:
            raise ConflictError(f"{places}: {error}", blocking=error.blocking) from error
        kinds = [kind_of(row) for row in rows]
        self._read.update(kinds)
        self._stored.update(k for k, o in zip(kinds, applied.outcomes, strict=True) if o.kind == "stored")
        if self._report is not None:
            self._report(self.rows)

    def check_end(self, item: Item) -> None:
        """Raise InvalidRequestError unless the end line counts as many rows as were read."""
        # Archives of before have no merges, and do not count them.
        counted = [item.value.get(name, 0 if kind == MERGE else None) for name, kind in COUNTED.items()]
        read = [self._read[kind] for kind in COUNTED.values()]
        if counted != read:
            raise InvalidRequestError(
                f"{item.place}: the archive says it has {counted} messages, memories, changes and merges, but "
                f"{read} were read."
            )

    async def _units(self, memories: list[ArchivedMemory]) -> UnitsByText:
        """Units of every text that the memories have or had, of those that are not in the store yet."""
        scope = Scope(tenant=self._tenant)
        there = {r.id for r in await self._store.get([m.record.id for m in memories], scope)}
        fresh = [m for m in memories if m.record.id not in there]
        texts = dict.fromkeys((m.record.name, r.text) for m in fresh for r in m.revisions if r.text)
        wanted = [(text, name, ingest.units(text, name)) for name, text in texts]
        return dict(zip(texts, await ingest.embed_units(self._embedder, wanted), strict=True))

    async def _apply(self, operations: tuple[Load, ...], *, embedded: bool) -> Applied:
        now = self._clock()
        batch = Batch(
            id=self._new_id(now, bucket(Scope(tenant=self._tenant))),
            tenant=self._tenant,
            at=now,
            actor="import",
            operations=operations,
            embedder=self._embedder.key if self._embedder is not None and embedded else None,
        )
        return await self._store.apply(batch)

    def _operation(self, row: ArchiveRow, units: UnitsByText) -> Load:
        if isinstance(row, Change):
            if row.memory_id not in self._scopes:
                raise InvalidRequestError(f"the change {row.id} is of a memory that does not stand before it.")
            return Load(row=row, scope=self._scopes[row.memory_id])
        if isinstance(row, LedgerMessage | Merge):
            return Load(row=row, scope=row.scope)
        record = row.record
        # One object a scope: an archive has many memories and few scopes.
        self._scopes[record.id] = self._shared.setdefault(record.scope, record.scope)
        said = record.kind is Kind.EPISODE and bool(record.text)
        older = {r.number: units.get((record.name, r.text or ""), ()) for r in row.revisions}
        return Load(
            row=row,
            scope=record.scope,
            units=older.pop(record.revision, ()),
            older_units=older,
            statement_key=statement_key(record.text, record.role, record.name, record.scope) if said else None,
        )


def _check_header(item: Item | None) -> None:
    version = None if item is None else item.value.get("keepstone_archive")
    if not isinstance(version, int) or isinstance(version, bool):
        raise InvalidRequestError("This is not a Keepstone archive: its first line does not say so.")
    if version > VERSION:
        raise InvalidRequestError(f"The archive is of version {version}; this Keepstone reads up to {VERSION}.")


def _row(item: Item, tenant: str) -> ArchiveRow:
    try:
        return from_line(item.value, tenant)
    except InvalidRequestError as error:
        raise InvalidRequestError(f"{item.place} is {error}") from error


def _reported(progress: Progress, total: int, done: int) -> None:
    progress(done, total)


def text(line: Line) -> str:
    """Return one line of an archive as it stands in the file."""
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n"
