"""The words on the pages, one dictionary a language with the same keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keepstone.server.ui.wording import chinese, english


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """The words of one language; called with a key, it returns them with values in their places."""

    tag: str
    name: str
    short: str
    words: Mapping[str, str]

    def __call__(self, key: str, /, **values: object) -> str:
        """Return the words for *key*.

        Raises:
            KeyError: there are none.
        """
        found = self.words[key]
        return found.format(**values) if values else found


LANGUAGES = (
    Wording(tag="en", name="English", short="EN", words=english.WORDS),
    Wording(tag="zh", name="中文", short="中", words=chinese.WORDS),
)


def wording_for(chosen: str | None, accepted: str | None) -> Wording:
    """Return the words in the language *chosen*, else in the one that *accepted* (`Accept-Language`) likes best."""
    by_tag = {w.tag: w for w in LANGUAGES}
    if chosen in by_tag:
        return by_tag[chosen]
    wanted = sorted(_preferences(accepted or ""), key=lambda p: -p[1])
    return next((by_tag[tag] for tag, _ in wanted if tag in by_tag), LANGUAGES[0])


def _preferences(accepted: str) -> list[tuple[str, float]]:
    found = []
    for part in accepted[:500].split(","):
        tag, _, quality = part.strip().partition(";")
        try:
            weight = float(quality.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        if weight > 0:
            found.append((tag.strip().lower().partition("-")[0], weight))
    return found
