"""Which known names stand in a text: a question's, or a memory's that was rewritten."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import NamedTuple

from keepstone.logic.entities.folding import fold, name_keys
from keepstone.logic.text import CJK, STOP_WORDS
from keepstone.naming import Mention

# Of a longer question only the beginning is read: what it costs must have a bound.
CHARACTERS_READ = 600
# The longest name that is looked for, in words, a character of a script without spaces being one.
PARTS_MAX = 12
WORDS_MAX = 6
# Between two parts of one name: a space, a full stop and a space, a hyphen.
GAP_MAX = 2
# Among memories that are linked, the share of the names comes first, then how near they are.
LINK_FIRST = 1_000.0

_PART = re.compile(rf"[{CJK}]|(?:(?![{CJK}])[^\W_])+(?:['’&](?:(?![{CJK}])[^\W_])+)*")


class _Part(NamedTuple):
    """A word, or a character of a script without spaces."""

    start: int
    end: int
    is_word: bool


def known_names(text: str, knows: Callable[[str], bool], characters: int = CHARACTERS_READ) -> tuple[str, ...]:
    """Return the names in *text* that *knows* knows in their folded form, in order, each once.

    Of names that overlap, the longest counts: in 同济大学 nobody asks for 大学. A single character of a script without
    spaces is no name, and a word such as "will" only with a capital letter inside of a sentence.
    """
    read = unicodedata.normalize("NFKC", text[:characters])
    parts = [_Part(m.start(), m.end(), len(m[0]) > 1 or m[0].isascii()) for m in _PART.finditer(read)]
    found = []
    for first in range(len(parts)):
        words = 0
        for last in range(first, min(first + PARTS_MAX, len(parts))):
            if last > first and not _joined(read, parts[last - 1], parts[last]):
                break
            words += parts[last].is_word
            if words > WORDS_MAX:
                break
            start, end = parts[first].start, parts[last].end
            name = fold(read[start:end])
            if (first < last or _is_enough(read, parts[first])) and knows(name):
                found.append((start - end, start, end, name))
    chosen: list[tuple[int, int, str]] = []
    for _, start, end, name in sorted(found):
        if all(end <= a or b <= start for a, b, _ in chosen):
            chosen.append((start, end, name))
    return tuple(dict.fromkeys(name for _, _, name in sorted(chosen)))


def _joined(text: str, one: _Part, other: _Part) -> bool:
    between = text[one.end : other.start]
    return len(between) <= GAP_MAX and "\n" not in between and not set(between) & set("?!,;，。！？；、")


def _is_enough(text: str, part: _Part) -> bool:
    """Whether a single part may be a name."""
    if not part.is_word:
        return False
    word = text[part.start : part.end]
    is_ordinary = word.lower() in STOP_WORDS
    return len(word) > 1 and (not is_ordinary or (word[0].isupper() and bool(text[: part.start].strip())))


def still_named(mentions: Sequence[Mention], text: str, new_text: str) -> tuple[Mention, ...]:
    """Return those *mentions* of *text* that *new_text* names too, by any of their names; of an equal text, all."""
    if text == new_text or not mentions:
        return tuple(mentions)
    names = {name for m in mentions for name, _ in name_keys(m)}
    there = set(known_names(new_text, names.__contains__, len(new_text)))
    return tuple(m for m in mentions if any(name in there for name, _ in name_keys(m)))
