"""Memories of Mem0 -> messages with their words kept as they are, and their earlier wordings as revisions.

They come in as episodes, without a chat model: Mem0's model has read them already. Each keeps its id as the id of its
message, by which a second run knows it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from keepstone.errors import ConflictError, InvalidRequestError, NotFoundError
from keepstone.memory import AsyncMemory
from keepstone.results import AddResult
from keepstone.transfer.formats import ScopeIds, Skipped
from keepstone.transfer.mem0.local import Read
from keepstone.transfer.mem0.records import Remembered
from keepstone.transfer.report import ImportReport
from keepstone.types import MemoryRecord

BATCH = 64
REASON = "imported from Mem0"

Progress = Callable[[int, int], None]
Ids = dict[str, Any]


async def import_mem0(
    memory: AsyncMemory,
    found: Iterable[Read],
    *,
    user_id: str | None = None,
    agent_id: str | None = None,
    app_id: str | None = None,
    run_id: str | None = None,
    format: str = "mem0",
    progress: Progress | None = None,
) -> ImportReport:
    """Keep the memories *found*; running it again changes nothing. Ids given here take the place of theirs.

    Raises:
        InvalidRequestError: a memory cannot be kept; the error says which, and all before it is stored.
        ProviderError: the embedder failed; a second run goes on where this one stopped.
    """
    given: ScopeIds = {"user_id": user_id, "agent_id": agent_id, "app_id": app_id, "run_id": run_id}
    every = list(found)
    work = _Import(memory, given)
    done = 0
    for batch in _batches(every, given):
        await work.take(batch)
        done += len(batch)
        if progress is not None:
            progress(done, len(every))
    return work.report(format)


class _Import:
    def __init__(self, memory: AsyncMemory, given: ScopeIds) -> None:
        self._memory, self._given = memory, given
        self._counts: Counter[str] = Counter()
        self._skipped: Counter[str] = Counter()

    def report(self, format: str) -> ImportReport:
        """Return what was done."""
        return ImportReport(
            format=format,
            messages=self._counts["messages"],
            memories=self._counts["memories"],
            changes=self._counts["changes"],
            known=self._counts["replay"],
            refreshed=self._counts["refreshed"],
            skipped=dict(sorted(self._skipped.items())),
        )

    async def take(self, batch: list[Read]) -> None:
        """Keep the memories of *batch*, which are of one scope and expire together."""
        self._skipped.update(r.reason for r in batch if isinstance(r, Skipped))
        records = [r for r in batch if isinstance(r, Remembered)]
        if records and not any(_ids(records[0], self._given).values()):
            self._skipped["memory without a user, agent, app or run"] += len(records)
        elif records:
            await self._add(records)

    async def _add(self, records: list[Remembered]) -> None:
        ids = _ids(records[0], self._given)
        try:
            result = await self._memory.add(
                [_message(r) for r in records], **ids, infer=False, expires_at=records[0].expires_at
            )
        except (InvalidRequestError, ConflictError) as error:
            if len(records) > 1:
                # One by one, so that all before it is stored and the error can say which it is.
                for record in records:
                    await self._add([record])
                return
            if isinstance(error, ConflictError):
                self._skipped["changed in Mem0 since it was imported"] += 1
                return
            raise type(error)(f"{records[0].place}: {error}") from error
        self._counts["messages"] += len(result.messages)
        self._counts["memories"] += len(result.memories)
        self._counts.update(d.reason for d in result.duplicates)
        await self._revise([r for r in records if len(r.texts) > 1], result, ids)

    async def _revise(self, records: list[Remembered], result: AddResult, ids: Ids) -> None:
        """Bring memories from their first wording to their present one, but for those that were changed here."""
        made = {source: r for r in result.memories for source in r.sources}
        known = {d.message_id: d.memory_id for d in result.duplicates}
        for record in records:
            kept = made.get(record.id) or await self._found(known.get(record.id), ids)
            if kept is None or kept.revision != 1 or kept.text != record.texts[0]:
                continue
            for text in record.texts[1:]:
                await self._memory.update(kept.id, text=text, reason=REASON, **ids)
                self._counts["changes"] += 1

    async def _found(self, id: str | None, ids: Ids) -> MemoryRecord | None:
        try:
            return None if id is None else await self._memory.get(id, **ids)
        except NotFoundError:
            # It was deleted here since.
            return None


def _ids(record: Remembered, given: ScopeIds) -> Ids:
    return {k: given.get(k) or v for k, v in record.ids.items()}


def _message(record: Remembered) -> dict[str, Any]:
    return {
        "role": record.role,
        "name": record.name,
        "content": record.texts[0],
        "id": record.id,
        "timestamp": record.created_at,
        "metadata": dict(record.metadata),
    }


def _batches(found: Iterable[Read], given: ScopeIds) -> Iterator[list[Read]]:
    batch: list[Read] = []
    alike: object = None
    # Owner by owner, and in the order of time in each: that is the order of a partition.
    for one in sorted(found, key=lambda r: _owner(r, given)):
        of = (_ids(one, given), one.expires_at) if isinstance(one, Remembered) else alike
        if batch and (of != alike or len(batch) >= BATCH):
            yield batch
            batch = []
        batch.append(one)
        alike = of
    if batch:
        yield batch


def _owner(read: Read, given: ScopeIds) -> str:
    ids = _ids(read, given) if isinstance(read, Remembered) else {}
    return next((f"{kind}:{id}" for kind, id in ids.items() if id), "")
