"""What an import or a restore did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from keepstone.types import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class DistilledReport:
    """What a chat model made of imported messages.

    `added`, `updated`, `superseded` and `retired` count changes of memories, `refused` what the checks did not let
    through, `calls` those of the model; `price_usd` sums the calls whose price is known, `unpriced` counts the others.
    Of the jobs, `pending` were not done when the import ended, and `failed` left something as a dead letter.
    """

    added: int = 0
    updated: int = 0
    superseded: int = 0
    retired: int = 0
    refused: int = 0
    calls: int = 0
    price_usd: float = 0.0
    unpriced: int = 0
    pending: int = 0
    failed: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as JSON-ready values."""
        result: dict[str, Any] = plain(self)
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """Messages, memories and changes written now, what was there already, and what was left out and why.

    `known` counts messages, or rows of an archive, that were there already; `refreshed` messages say again what a
    memory says. Only an archive and Mem0's stores bring `changes` of their own. `distilled` is None without a
    chat model.
    """

    format: str
    messages: int = 0
    memories: int = 0
    changes: int = 0
    known: int = 0
    refreshed: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    distilled: DistilledReport | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-ready values."""
        result: dict[str, Any] = plain(self)
        return result
