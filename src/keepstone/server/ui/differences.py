"""What differs between two texts, word by word; scripts without spaces, character by character."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

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
    """A stretch of a text; `differs` if the other text has something else there."""

    text: str
    differs: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Two texts in pieces: joined, `old` gives the one and `new` the other."""

    old: tuple[Piece, ...]
    new: tuple[Piece, ...]


def words(text: str) -> list[str]:
    """Return *text* in words, stretches of space and single signs; joined, they give it back."""
    return _WORDS.findall(text)


def difference(old: str, new: str) -> Difference:
    """Return what of *old* and *new* is not in the other, in as few words as can be told."""
    before, after = words(old), words(new)
    if max(len(before), len(after)) > WORDS_MAX:
        differs = old != new
        return Difference(old=_piece([old], differs), new=_piece([new], differs))
    left: list[Piece] = []
    right: list[Piece] = []
    for kind, i, j, k, m in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        left += _piece(before[i:j], kind != "equal")
        right += _piece(after[k:m], kind != "equal")
    return Difference(old=tuple(left), new=tuple(right))


def _piece(parts: Sequence[str], differs: bool) -> tuple[Piece, ...]:
    text = "".join(parts)
    return (Piece(text=text, differs=differs),) if text else ()
