"""What deriving again answers: the difference to what is there, to look at, and to accept or drop."""

from __future__ import annotations

from dataclasses import dataclass

from keepstone.operations import ArchivedMemory
from keepstone.results import Receipt, Refused
from keepstone.types import MemoryRecord, Scope, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Reextraction(Value):
    """What deriving again came to: `kept` is there already, `added` is new, `dropped` would go.

    `failures` say what a model could not do; with `stopped`, a spending limit was reached before all was read, and the
    difference cannot be accepted. `rows` are what is new with all that `accept` needs.
    """

    scope: Scope
    model: str
    prompt: str
    kept: tuple[MemoryRecord, ...]
    added: tuple[MemoryRecord, ...]
    dropped: tuple[MemoryRecord, ...]
    refused: tuple[Refused, ...]
    failures: tuple[str, ...]
    receipts: tuple[Receipt, ...]
    stopped: str | None
    rows: tuple[ArchivedMemory, ...]
