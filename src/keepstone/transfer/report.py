"""What an import or a restore did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from keepstone.types import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """Messages, memories and changes written now, what was there already, and what was left out and why.

    `known` counts messages, or rows of an archive, that were there already; `refreshed` messages say again what a
    memory says. Only an archive brings `changes` of its own.
    """

    format: str
    messages: int = 0
    memories: int = 0
    changes: int = 0
    known: int = 0
    refreshed: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON-ready values."""
        result: dict[str, Any] = plain(self)
        return result
