"""How many tokens of a language model a text takes: an estimate on the safe side that needs no vocabulary.

Byte-pair vocabularies (Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units", 2016) give
common words one token, and long words and rare scripts more. The weights were fitted to o200k and then raised;
`benchmarks/tokens.py` compares.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache

from keepstone.logic.text import CJK

_PIECES = re.compile(rf"([{CJK}])|([^\W\d_{CJK}]+)|( ?\d+)|([^\w\s]+|_+)|(\t| {{2,}}|[^\S\n ]+)")

CJK_CHARACTER = 0.76
WORD = 0.98
WORD_LETTERS = 7
FURTHER_LETTER = 0.19
DIGITS = 3
DIGIT_GROUP = 1.03
PUNCTUATION = 0.83
FURTHER_PUNCTUATION = 0.4
LINE_BREAK = 1.23
# What is neither ASCII nor CJK, a UTF-8 byte: letters (Cyrillic, Arabic, Thai, …), and signs and emoji.
LETTER_BYTE = 0.25
SIGN_BYTE = 0.4
# What is counted again and again is short; a long line is not kept, with its megabyte, for the next time.
KEPT_CHARS = 1_000


def count_tokens(text: str) -> int:
    """Return about how many tokens *text* takes, for nearly every text no fewer than a recent vocabulary gives it."""
    lines = text.split("\n")
    counted = sum(_kept(line) if len(line) <= KEPT_CHARS else _line_tokens(line) for line in lines)
    return math.ceil(counted + LINE_BREAK * (len(lines) - 1))


@lru_cache(maxsize=4_096)
def _kept(line: str) -> float:
    return _line_tokens(line)


def _line_tokens(line: str) -> float:
    total = 0.0
    for cjk, word, digits, signs, space in _PIECES.findall(line):
        if cjk:
            total += CJK_CHARACTER
        elif word:
            total += _word(word)
        elif digits:
            # Three digits a token; a space before them is one of its own.
            bare = digits.lstrip(" ")
            total += DIGIT_GROUP * (-(-len(bare) // DIGITS) + len(digits) - len(bare))
        elif signs:
            total += _signs(signs)
        elif space:
            total += 1
    return total


def _word(word: str) -> float:
    whole = WORD + FURTHER_LETTER * max(0, len(word) - WORD_LETTERS)
    return whole if word.isascii() else max(whole, LETTER_BYTE * len(word.encode()))


def _signs(signs: str) -> float:
    if signs.isascii():
        return PUNCTUATION + FURTHER_PUNCTUATION * (len(signs) - 1)
    return SIGN_BYTE * len(signs.encode())
