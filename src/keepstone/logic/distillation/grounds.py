"""What a proposal can rest on: the messages that it names, what was shown around them, and what was known.

All texts are compared in simplified characters, so that both forms of Chinese are read by one set of rules.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache

from keepstone.logic.distillation import reading
from keepstone.logic.distillation.moments import Calendar
from keepstone.logic.distillation.proposals import Known, Proposal, Source
from keepstone.logic.distillation.reading import WORD, Numbers, plain

# A message of so few characters leans on what was said before it.
SHORT = 40


class Grounds:
    """The texts behind one proposal, nearest first; what they tell is worked out when it is asked for."""

    def __init__(
        self,
        proposal: Proposal,
        sources: Mapping[str, Source],
        earlier: Sequence[Source],
        known: Mapping[str, Known],
    ) -> None:
        everything = {s.handle: s for s in earlier} | dict(sources)
        self.cited = tuple(everything[h] for h in proposal.sources if h in everything)
        last = max((i for i, s in enumerate(everything.values()) if s in self.cited), default=-1)
        shown = tuple(everything.values())[: last + 1]
        self.context = tuple(s for s in shown if s not in self.cited)
        handles = dict.fromkeys((*([proposal.target] if proposal.target else ()), *proposal.rests_on))
        self.rests_on = tuple(known[h] for h in handles if h in known)
        self.known = tuple(known.values())

    @cached_property
    def cited_text(self) -> str:
        """The messages that the proposal names."""
        return "\n".join(self._cited_texts)

    @property
    def _cited_texts(self) -> list[str]:
        return [plain(s.text) for s in self.cited]

    @cached_property
    def _texts(self) -> list[str]:
        behind = [plain(t) for t in (*(s.text for s in self.context), *(k.text for k in self.rests_on))]
        return [*self._cited_texts, *behind]

    @cached_property
    def text(self) -> str:
        """All messages up to those named, and the memories that it changes or rests on."""
        return "\n".join(self._texts)

    @cached_property
    def names_text(self) -> str:
        """Where names may stand: there, in all memories shown, and as speakers of what is named."""
        return "\n".join((self.text, *self.speakers, self.known_text))

    @cached_property
    def names_texts(self) -> frozenset[str]:
        """The same, text by text."""
        return frozenset((*self._texts, *self.speakers, *self._known_texts))

    @cached_property
    def known_text(self) -> str:
        """All memories shown, and other names of what they are about."""
        return "\n".join(self._known_texts)

    @property
    def _known_texts(self) -> list[str]:
        return [plain(part) for k in self.known for part in (k.text, *k.names)]

    @cached_property
    def speakers(self) -> tuple[str, ...]:
        """Who speaks in the messages named, and around them if these are short or speak of somebody by a pronoun."""
        found = [s.speaker for s in self.cited if s.speaker]
        if len(self.cited_text) < SHORT or _ANAPHOR.search(self.cited_text):
            found += [s.speaker for s in self.context if s.speaker]
        return tuple(plain(n) for n in dict.fromkeys(found))

    @cached_property
    def own_names(self) -> frozenset[str]:
        """The words of the names of who speaks in the messages named, in lower case; Chinese names whole."""
        speak = {s.speaker for s in self.cited}
        told = [s.text for s in (*self.context, *self.cited) if s.speaker in speak and s.role != "assistant"]
        names = [s for s in speak if s]
        names += [name for text in (*told, *(k.text for k in self.known)) for name in _called(text)]
        return frozenset(w.lower() for name in names for w in WORD.findall(plain(name)))

    def repeats(self, text: str) -> bool:
        """Return whether *text*, in simplified characters, is said word for word, from the start of a sentence."""
        return reading.repeats(text, self._cited_texts)

    @cached_property
    def words(self) -> frozenset[str]:
        """The words of what may hold names, in lower case, and neighbours written as one."""
        return reading.words_of(self.names_texts)

    @cached_property
    def stems(self) -> frozenset[str]:
        """The stems of `words`."""
        return reading.stems_of(self.names_texts)

    def begins(self, word: str, length: int) -> bool:
        """Return whether one of `words` has the first *length* letters of *word*."""
        return word[:length] in reading.beginnings_of(self.names_texts, length)

    @cached_property
    def pairs(self) -> frozenset[str]:
        """The pairs of neighbouring Chinese characters in what may hold names, and the single ones."""
        return reading.pairs_of(self.names_texts)

    @cached_property
    def numbers(self) -> Numbers:
        """The numbers of messages and memories behind the proposal."""
        told_by = [reading.numbers_of(text) for text in self._texts]
        return Numbers(tuple(q for n in told_by for q in n.amounts), tuple(c for n in told_by for c in n.clocks))

    @cached_property
    def calendar(self) -> Calendar:
        """What the messages and memories behind the proposal tell of times."""
        times = [(s.text, s.said_at) for s in (*self.cited, *self.context)]
        times += [(k.text, at) for k in self.rests_on for at in (k.valid_from, k.valid_to)]
        return Calendar([reading.tells(plain(t), at) for t, at in times], [q.value for q in self.numbers.amounts])


_ANAPHOR = re.compile(
    r"\b(?:you|your|yours|he|him|his|she|her|hers|they|them|their|we|us|our"
    r"|mine|too|either|neither|same|likewise|ditto)\b|[你您他她也]|咱|我们|大家|一样",
    re.IGNORECASE,
)
# How somebody says what they are called, or a memory does of them.
_CALLED = re.compile(
    r"(?:\b(?:my|user['’]s) name(?:['’]s| is)|\bcall me|\b(?:i am|i['’]m|user is|user goes) (?:called|named|by))"
    r"\s(?-i:([A-Z][\w-]+))"
    r"|(?:^|[.!?]\s)(?:hi|hello|hey)[,!]?\s(?:i['’]m|i am|this is)\s(?-i:([A-Z][\w-]+))"
    r"|(?:(?:我|用户)的?(?:名?叫|名字[是叫]|姓名是)|叫我)(?!做)(?-i:([\u4e00-\u9fff]{2,3}?))(?=[，。！,.!\s就吧好]|$)",
    re.IGNORECASE,
)


@lru_cache(maxsize=reading.TEXTS)
def _called(text: str) -> tuple[str, ...]:
    return tuple(m[1] or m[2] or m[3] for m in _CALLED.finditer(text))
