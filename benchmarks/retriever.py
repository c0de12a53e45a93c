"""Keepstone as a retriever: `factory(record) -> search`, for a scorer of dialogues with labelled evidence.

Each record's sessions go into a store of their own through `Memory`, as one user: turn ids are message ids, speakers
are names, sessions are runs, dates of sessions are times. A hit is the passage that matched, with its speaker in
front. Embeddings are kept on disk between runs (`embedding_cache`).
"""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks import packs
from benchmarks.embedding_cache import CachedEmbedder
from keepstone import Hit, Memory
from keepstone.embedders.local import LocalEmbedder
from keepstone.limits import DEFAULT_LIMITS
from keepstone.logic.text import estimate_tokens, spoken
from keepstone.protocols import Embedder

USER = "user"
LIMITS = replace(DEFAULT_LIMITS, hits_max=100_000)

Answer = dict[str, Any]


@cache
def embedder() -> CachedEmbedder:
    """Return the embedder that all records share."""
    return CachedEmbedder(LocalEmbedder())


class Clock:
    """A clock that stands where it was put."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now


class Search:
    """One record in a store of its own, which goes with it; searches are as of the time of the question.

    *model* is another embedder than the local one; "none" is words alone.
    """

    def __init__(self, record: packs.Record, model: Embedder | str | None = None) -> None:
        folder = tempfile.TemporaryDirectory(prefix="keepstone-bench-")
        self._clock = Clock()
        memory = Memory(Path(folder.name) / "memory.db", embedder=model or embedder(), clock=self._clock, limits=LIMITS)
        self.memory = memory
        self._release = weakref.finalize(self, _release, memory, folder)
        for session, messages in packs.conversations(record):
            if messages[0].timestamp is not None:
                self._clock.now = messages[0].timestamp
            memory.add(messages, user_id=USER, run_id=session)

    @property
    def now(self) -> datetime:
        """The time at which a search is made."""
        return self._clock.now

    def __call__(self, question: str, k: int, at: str | None = None) -> list[Answer]:
        """Return up to *k* hits for a question asked at the end of the day *at*."""
        self._ask_at(at)
        return [answer(h) for h in self.memory.search(question, user_id=USER, limit=k)]

    def context(self, question: str, max_tokens: int, at: str | None = None) -> str:
        """Return the context for a question asked at the end of the day *at*, by the scorer's count of tokens."""
        self._ask_at(at)
        found = self.memory.context(question, user_id=USER, max_tokens=max_tokens, counter=estimate_tokens)
        return found.text

    def _ask_at(self, at: str | None) -> None:
        when = packs.moment(at)
        if when is not None:
            self._clock.now = when + timedelta(days=1)


def answer(hit: Hit) -> Answer:
    """Return a hit as the scorer takes it: what a prompt would get, the turns it came from, and its score."""
    return {"text": spoken(hit.memory.name, hit.passage), "source": list(hit.sources), "score": hit.score}


def factory(record: Mapping[str, Any]) -> Callable[..., list[Answer]]:
    """Return a search over the sessions of *record*."""
    return Search(record)


def _release(memory: Memory, folder: tempfile.TemporaryDirectory[str]) -> None:
    memory.close()
    folder.cleanup()
