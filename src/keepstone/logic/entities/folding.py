"""The form under which two writings of one name are equal."""

from __future__ import annotations

import re
import unicodedata

_HONORIFIC = re.compile(
    r"^(?:mr|mrs|ms|miss|mx|dr|prof|professor|sir|madam|dame|lord|lady|st|saint|the)\.?\s+", re.IGNORECASE
)
_POSSESSIVE = re.compile(r"['’]s?$")
_TITLE_MARKS = "《》〈〉「」『』“”\"'‘’ .,;:!?，。！？"
_CHINESE_HONORIFIC = re.compile("(?<=[\u4e00-\u9fff])(?:先生|女士|小姐|太太|同学|同志)$")
_SPACE = re.compile(r"\s+")


def fold(name: str) -> str:
    """Return *name* in lower case and one width, without honorific, possessive, marks and needless space.

    What would leave nothing is left as it is: a name may be "The The" or 先生.
    """
    folded = _SPACE.sub(" ", unicodedata.normalize("NFKC", name)).strip(_TITLE_MARKS).lower()
    folded = _POSSESSIVE.sub("", folded)
    bare = _CHINESE_HONORIFIC.sub("", _HONORIFIC.sub("", folded))
    return bare or folded
