"""What a model is given to read in one call: new messages, earlier ones, known memories, all under short handles."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from keepstone.logic.counting import count_tokens
from keepstone.logic.passages import passages
from keepstone.logic.text import language
from keepstone.types import LedgerMessage, MemoryRecord, Span

# What one call reads, in tokens of messages: long enough to see how turns belong together, short enough to keep all
# in view. A longer message is read in pieces.
CALL_TOKENS_MAX = 2_500
CALL_PIECES_MAX = 40
PIECE_TOKENS_MAX = 1_500
SPEAKING_ROLES = ("user", "assistant")


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A message of the ledger, or a part of a long one."""

    message: LedgerMessage
    span: Span

    @property
    def text(self) -> str:
        """The part that is read."""
        return self.message.content[self.span.start : self.span.end]

    @property
    def is_whole(self) -> bool:
        """True if the piece is the whole message."""
        return self.span.start == 0 and self.span.end == len(self.message.content)


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What one call reads: handles m1, m2, … for new pieces, e1, … for earlier messages, k1, … for known memories.

    `names` gives the names of what memories are about, by the memories' ids, where these have several.
    """

    new: tuple[Piece, ...]
    earlier: tuple[LedgerMessage, ...] = ()
    known: tuple[MemoryRecord, ...] = ()
    instructions: str | None = None
    procedures: bool = False
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def language(self) -> str:
        """The language that most of the new text is written in."""
        weights: dict[str, int] = {}
        for piece in self.new:
            found = language(piece.text)
            # A Chinese character says about what two or three Latin letters say.
            weights[found] = weights.get(found, 0) + len(piece.text) * (3 if found == "zh" else 1)
        return max(weights, key=lambda k: weights[k], default="und")

    def new_by_handle(self) -> dict[str, Piece]:
        """Return the new pieces by their handles."""
        return {f"m{n}": p for n, p in enumerate(self.new, 1)}

    def earlier_by_handle(self) -> dict[str, LedgerMessage]:
        """Return the earlier messages by their handles."""
        return {f"e{n}": m for n, m in enumerate(self.earlier, 1)}

    def known_by_handle(self) -> dict[str, MemoryRecord]:
        """Return the known memories by their handles."""
        return {f"k{n}": r for n, r in enumerate(self.known, 1)}


def cuts(texts: Sequence[str]) -> list[tuple[tuple[int, Span], ...]]:
    """Return what single calls read of *texts*, in order: places and spans of at most PIECE_TOKENS_MAX tokens.

    Blank texts are left out. A call reads at most CALL_PIECES_MAX pieces and about CALL_TOKENS_MAX tokens.
    """
    made: list[tuple[tuple[int, Span], ...]] = []
    batch: list[tuple[int, Span]] = []
    tokens = 0
    for place, span, size in _pieces(texts):
        if batch and (tokens + size > CALL_TOKENS_MAX or len(batch) == CALL_PIECES_MAX):
            made.append(tuple(batch))
            batch, tokens = [], 0
        batch.append((place, span))
        tokens += size
    return [*made, tuple(batch)] if batch else made


def _pieces(texts: Sequence[str]) -> Iterator[tuple[int, Span, int]]:
    for place, text in enumerate(texts):
        if not text.strip():
            continue
        size = count_tokens(text)
        if size <= PIECE_TOKENS_MAX:
            yield place, Span(start=0, end=len(text)), size
            continue
        for span in passages(text, PIECE_TOKENS_MAX):
            yield place, span, count_tokens(text[span.start : span.end])
