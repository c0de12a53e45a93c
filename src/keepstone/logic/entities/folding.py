"""The form under which two writings of one name are equal, and what is a name of somebody or something at all."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import lru_cache

from keepstone.logic.people import CHINESE_PEOPLE_WORDS, PEOPLE_WORDS
from keepstone.naming import Mention

_HONORIFIC = re.compile(
    r"^(?:mr|mrs|ms|miss|mx|dr|prof|professor|sir|madam|dame|lord|lady|st|saint|the)\.?\s+", re.IGNORECASE
)
_POSSESSIVE = re.compile(r"['’]s?$")
_TITLE_MARKS = "《》〈〉「」『』“”\"'‘’ .,;:!?，。！？"
_CHINESE_HONORIFIC = re.compile("(?<=[\u4e00-\u9fff])(?:先生|女士|小姐|太太|同学|同志)$")
_SPACE = re.compile(r"\s+")
# Whose they are does not make "my brother" or 我的同事 a name.
_WHOSE = re.compile(
    r"^(?:(?:the )?user['’]?s|my|our|your|his|her|their|an?|some)\s+|^(?:用户|我们?|你们?|他们?|她们?|咱们?)的?(?=.)"
)
# "my office", but not "My Fair Lady".
_DESCRIBED = re.compile(
    r"^(?:[Tt]he user['’]?s|my|our|your|his|her|their|an?|some)\s+[^\WA-Z]|^(?:用户|我们?|你们?|他们?|她们?|咱们?)的"
)
_NOBODY = frozenset(
    "user users assistant ai bot speaker i me you he him she her it we us they them myself yourself himself herself "
    "who someone somebody anyone everybody everyone nobody this that one "
    "用户 助手 我 你 您 他 她 它 我们 你们 他们 她们 咱们 自己 本人 某人 有人 大家 谁 对方 别人".split()
)


@lru_cache(maxsize=65_536)
def fold(name: str) -> str:
    """Return *name* in lower case and one width, without honorific, possessive, marks and needless space.

    What would leave nothing is left as it is: a name may be "The The" or 先生.
    """
    folded = _SPACE.sub(" ", unicodedata.normalize("NFKC", name)).strip(_TITLE_MARKS).lower()
    folded = _POSSESSIVE.sub("", folded)
    bare = _CHINESE_HONORIFIC.sub("", _HONORIFIC.sub("", folded))
    return bare or folded


def is_name(name: str) -> bool:
    """Return whether *name* can tell one person or thing from another: "Bob", but not "he", "my office" or 同事."""
    folded = fold(name)
    if _DESCRIBED.match(name.strip()):
        return False
    bare = _WHOSE.sub("", folded)
    common = (_NOBODY, PEOPLE_WORDS, CHINESE_PEOPLE_WORDS)
    return len(folded) > 0 and not any(f in words for f in (folded, bare) for words in common)


# A name as it is compared: folded, and whether it is a person's. Jordan who plays chess is not Jordan the country.
NameKey = tuple[str, bool]


def name_keys(mention: Mention) -> tuple[NameKey, ...]:
    """Return the names of *mention* as they are compared, its own first, each once."""
    person = mention.kind == "person"
    folded = dict.fromkeys(map(fold, (mention.name, *mention.aliases)))
    return tuple((name, person) for name in folded if name)


def name_id(partition: str, key: NameKey) -> str:
    """Return the id of a name in a partition, a UUID of version 8: nobody else's, and the same at any time."""
    text = "\x1f".join((partition, "person" if key[1] else "other", key[0]))
    value = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big")
    value = value & ~(0xF << 76) & ~(3 << 62) | 8 << 76 | 2 << 62
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"
