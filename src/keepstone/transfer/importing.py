"""Importing messages: a stream in any known format -> `add`, in batches that can stop and go on.

A second run over the same file adds nothing: a message with an id or a stated time is known by it, and one with
neither gets an id made from all that stands before it in the file.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain
from typing import Any

from keepstone import door
from keepstone.errors import ConflictError, InvalidRequestError
from keepstone.memory import AsyncMemory
from keepstone.results import AddResult, Distillation
from keepstone.transfer.archive import restore
from keepstone.transfer.formats import ARCHIVE, Entry, Found, ScopeIds, Skipped, detect, reader
from keepstone.transfer.reading import ITEM_BYTES_MAX, Item, items
from keepstone.transfer.report import DistilledReport, ImportReport
from keepstone.types import Action

BATCH = 64

Progress = Callable[[int, int], None]


async def import_stream(
    memory: AsyncMemory,
    stream: io.BufferedReader,
    *,
    format: str | None = None,
    user_id: str | None = None,
    agent_id: str | None = None,
    app_id: str | None = None,
    run_id: str | None = None,
    progress: Progress | None = None,
    instructions: str | None = None,
    procedures: bool = False,
    wait: float | None = None,
    item_bytes_max: int = ITEM_BYTES_MAX,
) -> ImportReport:
    """Add all messages of *stream*, whose format is told from its first item unless it is given.

    Ids given here replace those in the file. *progress* is called with the messages read so far and how many
    there are, 0 if the stream cannot be read twice. With a chat model, *instructions* and *procedures* are those of
    `add`, and *wait* is how many seconds the whole import may wait for the model: None until it is done, 0 not at all.
    *item_bytes_max* bounds one message, conversation or record.

    Raises:
        InvalidRequestError: the input cannot be understood; the error says where, and all before it is stored.
        ConflictError: a message's id stands for other content already; all before it is stored.
        ProviderError: the embedder failed; a second run goes on where this one stopped.
    """
    ids = {"user_id": user_id, "agent_id": agent_id, "app_id": app_id, "run_id": run_id}
    found = items(stream, item_bytes_max=item_bytes_max)
    first = next(found, None)
    if first is None:
        return ImportReport(format=format or "messages")
    name = format or detect(first)
    found, total = chain([first], found), 0
    read = _one if name == ARCHIVE else reader(name)
    if progress is not None and stream.seekable():
        total = _count(found, read, ids)
        stream.seek(0)
        found = items(stream, item_bytes_max=item_bytes_max)
    if name == ARCHIVE:
        if any(ids.values()):
            raise InvalidRequestError("An archive says for each row whose it is; leave the ids out.")
        return await restore(memory.store, memory.embedder, found, total=total, progress=progress)
    wish = _Wish(instructions, procedures, None if wait is None else door.seconds(wait, "wait"))
    work = _Import(memory, name, total, progress, wish)
    for batch in _batches(entry for item in found for entry in read(item, ids)):
        await work.take(batch)
    return await work.report()


class _Wish:
    """What is asked of the chat model, and how long it is waited for from now on."""

    def __init__(self, instructions: str | None, procedures: bool, wait: float | None) -> None:
        self.instructions, self.procedures = instructions, procedures
        self._deadline = None if wait is None else asyncio.get_running_loop().time() + wait

    @property
    def wait(self) -> float | None:
        """The seconds that are left."""
        return None if self._deadline is None else max(0.0, self._deadline - asyncio.get_running_loop().time())


class _Import:
    """One import under way."""

    def __init__(self, memory: AsyncMemory, name: str, total: int, progress: Progress | None, wish: _Wish) -> None:
        self._memory, self._name, self._total, self._progress, self._wish = memory, name, total, progress, wish
        self._counts: Counter[str] = Counter()
        self._skipped: Counter[str] = Counter()
        self._identities = _Identities()
        self._distilled = _Distilled()

    async def report(self) -> ImportReport:
        """Return what was done so far."""
        return ImportReport(
            format=self._name,
            messages=self._counts["messages"],
            memories=self._counts["memories"],
            known=self._counts["replay"],
            refreshed=self._counts["refreshed"],
            skipped=dict(sorted(self._skipped.items())),
            distilled=await self._distilled.report(self._memory) if self._memory.chat_model is not None else None,
        )

    async def take(self, batch: list[Entry | Skipped]) -> None:
        """Store the entries of *batch*, which are of one scope."""
        self._skipped.update(s.reason for s in batch if isinstance(s, Skipped))
        entries = [self._identities.identified(e) for e in batch if isinstance(e, Entry)]
        if entries:
            await self._add(entries)
        self._counts["read"] += len(entries)
        if self._progress is not None and entries:
            self._progress(self._counts["read"], self._total and max(self._total, self._counts["read"]))

    async def _add(self, entries: list[Entry]) -> None:
        try:
            ids = entries[0].ids
            result = await self._memory.add(
                [e.message for e in entries],
                user_id=ids["user_id"],
                agent_id=ids["agent_id"],
                app_id=ids["app_id"],
                run_id=ids["run_id"],
                instructions=self._wish.instructions,
                procedures=self._wish.procedures,
                wait=self._wish.wait,
            )
        except (InvalidRequestError, ConflictError) as error:
            if len(entries) == 1:
                raise _placed(error, entries[0].place) from error
            # One by one, so that all before the bad message is stored and the error can say where it stands.
            for entry in entries:
                await self._add([entry])
            return
        self._tally(result)

    def _tally(self, result: AddResult) -> None:
        self._counts["messages"] += len(result.messages)
        self._counts["memories"] += len(result.memories)
        self._counts.update(d.reason for d in result.duplicates)
        if result.distilled is not None:
            self._distilled.take(result.distilled)


class _Distilled:
    """Counts what a chat model made of an import."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._prices: list[float] = []
        self._pending: set[str] = set()

    def take(self, made: Distillation) -> None:
        """Count what became of one `add`."""
        self._counts.update(c.action.value for c in made.changes)
        self._counts["refused"] += len(made.refused)
        self._counts["calls"] += len(made.receipts)
        self._prices += [r.price_usd for r in made.receipts if r.price_usd is not None]
        self._pending.update(made.job_ids if made.status in ("pending", "failed") else ())

    async def report(self, memory: AsyncMemory) -> DistilledReport:
        """Return the counts, and what is left of the jobs by now."""
        left = Counter(job.state for job in await memory.jobs() if job.id in self._pending)
        return DistilledReport(
            added=self._counts[Action.ADD.value],
            updated=self._counts[Action.UPDATE.value],
            superseded=self._counts[Action.SUPERSEDE.value],
            retired=self._counts[Action.DELETE.value],
            refused=self._counts["refused"],
            calls=self._counts["calls"],
            price_usd=math.fsum(self._prices),
            unpriced=self._counts["calls"] - len(self._prices),
            pending=left["waiting"] + left["running"],
            failed=left["dead"],
        )


class _Identities:
    """Gives ids to messages that the store could not tell from others of the same words."""

    def __init__(self) -> None:
        self._before = b""
        self._moment: object = None
        self._said: Counter[bytes] = Counter()

    def identified(self, entry: Entry) -> Entry:
        """Return *entry* with an id if it needs one: no id and no time, or a twin said at the same time.

        Input is in the order of time or nearly so, so twins are looked for among messages of the same time in a row:
        that bounds the memory it takes.
        """
        message = entry.message
        self._before = _digest([self._before.hex(), entry.ids, message])
        if message.get("id") is not None:
            return entry
        moment = message.get("timestamp")
        if moment is None:
            return _with_id(entry, self._before)
        if moment != self._moment:
            self._moment, self._said = moment, Counter()
        # What the store takes for the same message: the speaker's name and the metadata do not count.
        key = _digest([entry.ids, message.get("role"), message.get("content"), str(moment)])
        self._said[key] += 1
        times = self._said[key]
        return entry if times == 1 else _with_id(entry, _digest([key.hex(), times]))


def _digest(values: list[Any]) -> bytes:
    text = json.dumps(values, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


def _with_id(entry: Entry, digest: bytes) -> Entry:
    message = {**entry.message, "id": f"import-{digest.hex()}"}
    return Entry(message=message, ids=entry.ids, place=entry.place)


def _batches(found: Iterator[Entry | Skipped]) -> Iterator[list[Entry | Skipped]]:
    """Group what is read into batches of one scope; if reading fails, what was read before comes first."""
    batch: list[Entry | Skipped] = []
    ids: ScopeIds | None = None
    try:
        for entry in found:
            changed = isinstance(entry, Entry) and ids is not None and entry.ids != ids
            if batch and (changed or len(batch) >= BATCH):
                yield batch
                batch = []
            if isinstance(entry, Entry):
                ids = entry.ids
            batch.append(entry)
    except InvalidRequestError:
        if batch:
            yield batch
        raise
    if batch:
        yield batch


def _one(item: Item, ids: ScopeIds) -> Found:
    """Read a row of an archive, only to count it."""
    yield Entry(message=item.value, ids=ids, place=item.place)


def _count(found: Iterator[Item], read: Callable[[Item, ScopeIds], Found], ids: ScopeIds) -> int:
    """Count the messages up to the first that cannot be read, which the import itself will meet and name."""
    total = 0
    with suppress(InvalidRequestError):
        for item in found:
            total += sum(isinstance(entry, Entry) for entry in read(item, ids))
    return total


def _placed(error: InvalidRequestError | ConflictError, place: str) -> InvalidRequestError | ConflictError:
    """The same error, saying where in the file the message stands."""
    text = str(error)
    text = place + text.removeprefix("Message 0") if text.startswith("Message 0") else f"{place}: {text}"
    if isinstance(error, ConflictError):
        return ConflictError(text, blocking=error.blocking)
    return type(error)(text)
