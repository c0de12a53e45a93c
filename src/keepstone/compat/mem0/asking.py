"""The arguments of Mem0's library verbs as arguments of ours."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from keepstone.compat.mem0 import filtering, shapes
from keepstone.errors import InvalidRequestError, ScopeError

Row = dict[str, Any]
Filters = Mapping[str, Any] | None
Given = str | Mapping[str, Any] | Sequence[Mapping[str, Any]]

UNSET: Any = "unset"
ACTOR = "mem0"


def adding(
    messages: Given,
    ids: Mapping[str, str | None],
    *,
    metadata: Mapping[str, Any] | None,
    timestamp: object,
    expiration_date: object,
    infer: bool,
    memory_type: str | None,
    prompt: str | None,
) -> tuple[list[Row], Row]:
    """Return the messages and the other arguments of `add`.

    Raises:
        InvalidRequestError: an argument has no meaning, or no id is given (ScopeError).
    """
    if not any(ids.values()):
        raise ScopeError("Say whose memory: give at least one of user_id, agent_id, run_id.")
    sentences: list[str] = []
    at = None if timestamp is None else filtering.moment(timestamp, "timestamp")
    said = shapes.messages(messages, at, sentences)
    for sentence in sentences:
        warnings.warn(sentence, UserWarning, stacklevel=3)
    return said, {
        **ids,
        "metadata": shapes.merged({}, metadata),
        "expires_at": shapes.expires_at(expiration_date),
        "infer": infer,
        "procedures": shapes.is_procedural(memory_type),
        "instructions": prompt,
    }


def searching(
    query: str,
    filters: Filters,
    *,
    top_k: int,
    threshold: float | None,
    rerank: bool,
    explain: bool,
    reference_date: object,
    show_expired: bool,
) -> Row:
    """Return the arguments of `search` but for the query.

    Raises:
        InvalidRequestError: an argument has no meaning, or no id is in *filters* (ScopeError).
    """
    if not query.strip():
        raise InvalidRequestError("The query is empty.")
    if rerank:
        warnings.warn("There is no reranker: rerank is ignored.", UserWarning, stacklevel=3)
    return {
        **listing(filters, top_k=top_k, show_expired=show_expired),
        "min_score": threshold or 0.0,
        "explain": explain,
        "as_of": None if reference_date is None else filtering.moment(reference_date, "reference_date"),
    }


def listing(filters: Filters, *, top_k: int, show_expired: bool) -> Row:
    """Return the arguments of `get_all`.

    Raises:
        InvalidRequestError: an argument has no meaning, or no id is in *filters* (ScopeError).
    """
    asked = filtering.read(filters)
    if not asked.ids:
        raise ScopeError("Say whose memory, as in filters={'user_id': 'alice'}; ids under OR and NOT do not say it.")
    return {**asked.ids, "filters": asked.where, "limit": top_k, "include_expired": show_expired}


def changing(
    text: str | None, data: str | None, metadata: Mapping[str, Any] | None, before: Mapping[str, Any], expiry: object
) -> Row:
    """Return the arguments of `update` for a memory whose metadata are those of *before*.

    Raises:
        InvalidRequestError: an argument has no meaning.
    """
    if data is not None:
        warnings.warn("data is the old name of text.", DeprecationWarning, stacklevel=3)
    change: Row = {"text": text if text is not None else data, "metadata": shapes.merged(before, metadata)}
    if expiry is not UNSET:
        change["expires_at"] = shapes.expires_at(expiry)
    return change
