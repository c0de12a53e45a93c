"""Taking a record in with a model in the loop, in a store that goes with it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Protocol

from keepstone.blocking import Memory
from keepstone.errors import ConfigError, ProviderError
from keepstone.evaluation.pack import Pack, Record
from keepstone.evaluation.recordings import RecordingChatModel
from keepstone.evaluation.retriever import LIMITS, SINGLE_PASS, StandingClock, ingest
from keepstone.protocols import ChatModel, Embedder
from keepstone.results import AddResult

Progress = Callable[[int, int], None]


class WithFailures(Protocol):
    """A model that remembers how it failed."""

    failures: list[ProviderError]


def taken_in(
    record: Record, embedder: Embedder | str | None, model: ChatModel, strategy: str = SINGLE_PASS
) -> Generator[tuple[str, AddResult], None, None]:
    """Add the sessions of *record* in order to a store in a temporary folder; yield each one's id and what came of it.

    The store goes when the iterator is exhausted or closed.
    """
    clock = StandingClock()
    with (
        tempfile.TemporaryDirectory(prefix="keepstone-recording-", ignore_cleanup_errors=True) as folder,
        Memory(
            Path(folder) / "memory.db",
            embedder=embedder,
            chat_model=model,
            strategy=strategy,
            clock=clock,
            limits=LIMITS,
            actor="evaluation",
        ) as memory,
    ):
        yield from ingest(memory, clock, record)


def record_packs(
    packs: Sequence[Pack],
    embedder: Embedder | str | None,
    model: RecordingChatModel,
    progress: Progress | None = None,
    strategy: str = SINGLE_PASS,
) -> None:
    """Add every record of *packs* to a store of its own, so that *model* records its replies.

    *progress* is called with the sessions done and all. It stops at the first failure of the model, since later prompts
    would show what is known without the reply that is missing; what was recorded until then is kept.

    Raises:
        ProviderError: the model failed.
        ConfigError: nothing was asked, so nothing could be recorded, or something other than the model failed.
    """
    total, done = sum(len(r.sessions) for p in packs for r in p.records), 0
    for pack in packs:
        for record in pack.records:
            for session, added in taken_in(record, embedder, model, strategy):
                raise_failure(model)
                if added.distilled is not None and added.distilled.status == "pending":
                    raise ConfigError(f"Session {session} of {record.id} was not distilled: {added.distilled.reason}.")
                done += 1
                if progress is not None:
                    progress(done, total)
    if total and not model.asked and not model.kept:
        raise ConfigError("The model was asked nothing, so there is nothing to record: this memory does not distil.")


def raise_failure(model: WithFailures) -> None:
    """Raise the first failure of *model*, if there was one: a memory alone goes on without the model."""
    if model.failures:
        raise model.failures[0]
