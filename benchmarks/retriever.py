"""Keepstone as a retriever: `factory(record) -> search`, for a scorer of dialogues with labelled evidence.

Each record goes into a store of its own through `Memory`, as `keepstone eval` does it. A hit is the passage that
matched, with its speaker in front. Embeddings are kept on disk between runs (`embedding_cache`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from benchmarks.embedding_cache import CachedEmbedder
from keepstone.embedders.local import LocalEmbedder, LocalModel
from keepstone.evaluation.pack import Record, moment, record_of
from keepstone.evaluation.retriever import KeepstoneRetriever
from keepstone.evaluation.scoring import Found

Answer = dict[str, Any]


@cache
def embedder() -> LocalEmbedder:
    """Return the embedder that all records share; what is kept on disk is what the model gives."""
    return LocalEmbedder(model=CachedEmbedder(LocalModel()))


class Search:
    """One record, searched in the form that the scorer takes."""

    def __init__(self, record: Record) -> None:
        self._retriever = KeepstoneRetriever(record, embedder())

    def __call__(self, question: str, k: int, at: str | None = None) -> list[Answer]:
        """Return up to *k* hits for a question asked at the end of the day *at*."""
        return [answer(h) for h in self._retriever.search(question, k, moment(at))]

    def context(self, question: str, max_tokens: int, at: str | None = None) -> str:
        """Return what a prompt would get within *max_tokens* for a question asked at the end of the day *at*."""
        return self._retriever.context(question, max_tokens, moment(at)) or ""


def answer(hit: Found) -> Answer:
    """Return a hit as the scorer takes it: what a prompt would get, the turns it came from, and its score."""
    return {"text": hit.text, "source": list(hit.sources), "score": hit.score, "derived": hit.derived}


def factory(record: Mapping[str, Any]) -> Search:
    """Return a search over the sessions of *record*."""
    return Search(record_of(record))


def hits_only(record: Mapping[str, Any]) -> Callable[..., list[Answer]]:
    """Return the same search without contexts, which take most of the time."""
    search = Search(record_of(record))
    return lambda question, k, at=None: search(question, k, at)
