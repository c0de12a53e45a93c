"""What differs between two texts, word by word; scripts without spaces, character by character."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

# Comparing costs up to the square of the length; beyond this, texts are shown as wholly different.
WORDS_MAX = 3_000
# Han, kana, hangul, Thai and the like stand alone; other letters and digits make words, with marks inside them.
_ALONE = (
    "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u2e80-\u30ff\u3400-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff"
)
_WORDS = re.compile(rf"[{_ALONE}]|[^\W{_ALONE}]+(?:['’.\-][^\W{_ALONE}]+)*|\s+|.", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A stretch of text that is in `both` texts, or only in the `old` or the `new` one."""

    text: str
    where: Literal["both", "old", "new"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Two texts in one row of pieces, what went before what came in its place."""

    pieces: tuple[Piece, ...]

    @property
    def old(self) -> tuple[Piece, ...]:
        """The pieces of the old text: joined, they give it."""
        return tuple(p for p in self.pieces if p.where != "new")

    @property
    def new(self) -> tuple[Piece, ...]:
        """The pieces of the new text: joined, they give it."""
        return tuple(p for p in self.pieces if p.where != "old")


def words(text: str) -> list[str]:
    """Return *text* in words, stretches of space and single signs; joined, they give it back."""
    return _WORDS.findall(text)


def difference(old: str, new: str) -> Difference:
    """Return what of *old* and *new* is not in the other, in as few words as can be told."""
    before, after = words(old), words(new)
    if max(len(before), len(after)) > WORDS_MAX:
        before, after = [old], [new]
    pieces: list[Piece] = []
    for kind, i, j, k, m in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            pieces.append(Piece(text="".join(before[i:j]), where="both"))
            continue
        gone, came = "".join(before[i:j]), "".join(after[k:m])
        pieces += [Piece(text=gone, where="old")] if gone else []
        pieces += [Piece(text=came, where="new")] if came else []
    return Difference(pieces=tuple(pieces))
