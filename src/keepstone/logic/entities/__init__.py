"""Names of people, places, organisations and things in a text, by rules in English and Chinese.

The rules know no names: they go by capitals, quotation marks of titles, words of kinship and office, and, in Chinese, a
table of surnames with the words around them. A name that begins an English sentence is no mention unless it stands
elsewhere in the text too, or has a second part.
"""

from __future__ import annotations

from keepstone.logic.entities.asking import LINK_FIRST, known_names, still_named
from keepstone.logic.entities.folding import fold, is_name, name_id, name_keys
from keepstone.logic.entities.registry import Registry
from keepstone.naming import Mention

__all__ = [
    "CHARACTERS_MAX",
    "LINK_FIRST",
    "Registry",
    "fold",
    "is_name",
    "known_names",
    "mentions",
    "name_id",
    "name_keys",
    "still_named",
]

# Of longer texts only the beginning is read.
CHARACTERS_MAX = 4_000


def mentions(text: str, speaker: str | None = None) -> tuple[Mention, ...]:
    """Return what *text* names, each once, in order; the *speaker* is a person whose name is known."""
    # Their patterns take long to compile, and the stores need none of them.
    from keepstone.logic.entities import chinese, english

    read = text[:CHARACTERS_MAX]
    found = [*english.mentions(read, speaker)]
    if not read.isascii():
        found += chinese.mentions(read)
    once: dict[str, Mention] = {}
    for mention in found:
        once.setdefault(fold(mention.name), mention)
    return tuple(m for name, m in once.items() if name)
