"""Turns in their order: what the neighbours of a passage, and how they hang together, say about it.

Both engines compute the same from here: the constants, and the definitions in `contract.Conversation`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from keepstone.logic.traits import DENSE_SCRIPT

# Passages on each side that `window` takes in.
WINDOW = 4
# A silence this long, in microseconds, ends a session where nothing else does.
SILENCE = timedelta(hours=6) // timedelta(microseconds=1)
# Lengths above this count as this one: a long passage is no better than a good turn.
WORDS_COUNTED = 25
# Correlations over fewer pairs of turns than this count as 0.
PAIRS_MIN = 8
# Index terms that a word takes in Chinese, Japanese and Korean, single characters and pairs of them.
TERMS_A_WORD = 4

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def words(length: int, traits: int) -> float:
    """Return the length of a unit in words, about, from its length in index terms."""
    return length / TERMS_A_WORD if traits & DENSE_SCRIPT else float(length)


def microseconds(moment: datetime) -> int:
    """Return the microseconds from 1970 to *moment*, which is aware."""
    return (moment - _EPOCH) // _MICROSECOND
