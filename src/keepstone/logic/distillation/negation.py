"""Whether a fact says the opposite of its sources: denies what they state, or states what they deny."""

from __future__ import annotations

import re
from functools import lru_cache

from keepstone.logic.distillation.attribution import HAN, about_whom, content_of, subject_of
from keepstone.logic.distillation.grounds import Grounds
from keepstone.logic.distillation.wording import (
    CHINESE_NEGATION,
    CHINESE_NEGATIVE,
    ENGLISH_NEGATION,
    ENGLISH_NEGATIVE,
    root_of,
)
from keepstone.logic.text import STOP_WORDS, stem

_ENGLISH_NOT = re.compile(ENGLISH_NEGATION, re.IGNORECASE)
_ENGLISH_NEGATIVE = re.compile(ENGLISH_NEGATIVE, re.IGNORECASE)
_CHINESE_NOT = re.compile(CHINESE_NEGATION)
_CHINESE_NEGATIVE = re.compile(CHINESE_NEGATIVE)
_NEGATED_VERB = re.compile(
    r"\b(?:do|does|did|am|is|are|was|were|have|has|had|ca|can|could|wo|will|would)(?:n['’]t|\snot)"
    r"\s(?:really\s|even\s|actually\s|a\s|an\s|the\s|at\s|in\s)*(?P<a>[a-z]+)"
    r"|\b(?:never|no longer|i['’]m not|not)\s(?:really\s|even\s|actually\s|been\s(?=[a-su-z]))*(?P<b>[a-z]+)",
    re.IGNORECASE,
)
_DENIES = re.compile(r"(?:\bnot|n['’]t|\bno|\bnever)\s(?:really\s|a\s|an\s|any\s)?(?P<v>[a-z]+)", re.IGNORECASE)
_LIKES = re.compile(
    r"\b(?:likes|liked|(?<!es )(?<!ks )(?<!ls )(?<!ds )(?<!ms )(?<!is )like|lov(?:e|es|ed|ing)"
    r"|enjoy(?:s|ed)?|adore[sd]?|prefers?|fond|fan|favou?rite|into)\b",
    re.IGNORECASE,
)
_LOATHES = re.compile(
    r"\b(?:hat(?:e|es|ed)|loath\w+|detest\w*|dislik\w+|despis\w+|sick of|not a fan|(?:can['’]t"
    r"|cannot|can not|could(?:n['’]t| not)) (?:stand|bear|abide)"
    r"|(?:do|did|does)(?:n['’]t| not) (?:really )?(?:like|love|enjoy|care for))\b",
    re.IGNORECASE,
)
_LIKES_ZH, _LOATHES_ZH = (
    re.compile(r"(?<![不没讨])(?:喜欢|喜爱|热爱|爱)"),
    re.compile(r"讨厌|受不了|反感|厌恶|恨|不(?:太|怎么|大)?(?:喜欢|爱)"),
)
# Negations in form alone.
_NOT_NEGATED = re.compile(
    r"[不没](?:仅|但|过(?!敏)|错|同|得不|想到|知道|如|久|光|只|一定|管|论|断|少|客气|好意思|关系|问题|事)|差不多|对不起|要不|([\u4e00-\u9fff])不\1"
)
_NEGATED_CHINESE = re.compile(
    r"(?:从来不|从来没有?|从不|从没有?|不再|不太|不怎么|不|没有|没)(?P<v>[\u4e00-\u9fff]{2}|[\u4e00-\u9fff](?![\u4e00-\u9fff]))"
)


# What is denied is what follows them: "I don't want kids", not "I don't want to think about it".
_LIGHT = frozenset("want need think know feel plan have mind have go see mean expect".split())


def turned_round(text: str, grounds: Grounds) -> str | None:
    """Return why *text*, in simplified characters, says the opposite of its sources; None if it need not."""
    if HAN.search(text):
        return _turned_chinese(text, grounds)
    if _ENGLISH_NOT.search(text):
        return _denies_what_is_said(text, grounds)
    if _WANTS.search(text) and not _ENGLISH_NEGATIVE.search(text) and _FORBIDS.match(grounds.cited_text):
        return "Its sources forbid what it says is wanted."
    if _LIKES.search(text) and not _LOATHES.search(text) and _only_loathed(text, _LIKES, _LOATHES, grounds):
        return "Its sources dislike what it says is liked."
    if _ENGLISH_NEGATIVE.search(text):
        return None
    stated, plain = _words(text), _words(_NEGATED_VERB.sub(" ", grounds.cited_text))
    for match in _NEGATED_VERB.finditer(grounds.cited_text):
        word = (match["a"] or match["b"]).lower()
        root = root_of(word)
        if word in _LIGHT:
            following = [
                stem(w) for w in re.findall(r"[a-z]+", grounds.cited_text[match.end() :].lower()) if w not in STOP_WORDS
            ]
            if not following or following[0] not in stated:
                continue
        if root in stated and root not in plain and (word not in STOP_WORDS or word in ("been", "have")):
            return f"Its sources deny what it states with “{word}”."
    return _is_where_it_is_not(text, grounds.cited_text) or _has_what_is_missing(text, grounds.cited_text)


_NOT_THERE = re.compile(r"\bnot\s(?:on|in|at|from|to|with|into)\s(?:the\s)?(?P<what>[a-z]+)", re.IGNORECASE)


def _is_where_it_is_not(text: str, said: str) -> str | None:
    """Return why *text* puts somebody where its messages say they are not; None if it does not."""
    stated, plain = _words(text), _words(_NOT_THERE.sub(" ", said))
    for match in _NOT_THERE.finditer(said):
        word = match["what"].lower()
        if word not in STOP_WORDS and stem(word) in stated - plain:
            return f"Its sources deny what it states with “{match[0]}”."
    return None


@lru_cache(maxsize=64)
def _words(text: str) -> frozenset[str]:
    return frozenset(root_of(w) for w in re.findall(r"[a-z]+", text.lower()))


_MISSING = re.compile(
    r"\b(?:(?:do|does|did)(?:n['’]t|\snot)\s(?:\w+\s){0,2}?have|never\s(?:\w+\s)?(?:have|has|had|owned)"
    r"|(?:have|has|had)(?:n['’]t|\snot)(?:\s(?:\w+\s)?(?:got|had))?|(?:have|has|had|['’]ve got|got)\sno)\s+"
    r"(?P<what>[a-z][a-z' -]*)",
    re.IGNORECASE,
)
_HAVING = re.compile(r"\b(?:has|have|had|owns?|owned|keeps?|got)\s+(?P<what>[a-z][a-z' -]*)", re.IGNORECASE)
# Where what is missing ends.
_PHRASE_END = re.compile(
    r"\b(?:to|for|with|at|in|on|of|that|which|who|when|where|because|since|but|and|or|so|yet|anymore|any more"
    r"|except|apart|besides|other|than|until)\b.*",
    re.IGNORECASE,
)
_EXCEPTED = re.compile(r"\b(?:except|apart|besides|other than|beyond|bar|but for|only)\b", re.IGNORECASE)


def _has_what_is_missing(text: str, said: str) -> str | None:
    """Return why *text* lets somebody have what its messages say is not there; None if it need not."""
    having = {w for m in _HAVING.finditer(text) for w in _objects(m["what"])}
    if not having:
        return None
    plain = _words(_MISSING.sub(" ", said))
    for match in _MISSING.finditer(said):
        missing = _objects(match["what"]) & having
        if missing - plain and not _EXCEPTED.search(match["what"]):
            return f"Its sources deny what it states with “{match[0].strip()}”."
    return None


def _objects(phrase: str) -> frozenset[str]:
    words = re.findall(r"[a-z]+", _PHRASE_END.sub("", phrase).lower())
    return frozenset(stem(w) for w in words if w not in STOP_WORDS)


_WANTS, _WANTS_ZH = re.compile(r"\b(?:wants?|likes?|prefers?)\b", re.IGNORECASE), re.compile("想|希望|喜欢|需要")
# An order not to, and nothing else.
_FORBIDS = re.compile(r"\W*(?:please\s+)?(?:never|don['’]t|do not|stop|no more)\s[^.!?;,]*[.!?]*\s*$", re.IGNORECASE)
_FORBIDS_ZH = re.compile(r"\W*(?:请|麻烦)?(?:别|不要|不用|勿)[^，。！？；]*[。！]*\s*$")


def _denies_what_is_said(text: str, grounds: Grounds) -> str | None:
    if not _ENGLISH_NEGATIVE.search(grounds.text) and not _CHINESE_NEGATIVE.search(grounds.text):
        return "It denies something, and nothing in its sources does."
    if _ENGLISH_NOT.search(grounds.text) or _LOATHES.search(grounds.text):
        return None
    said = frozenset(stem(w) for w in re.findall(r"[a-z]+", grounds.cited_text.lower()))
    denied = [m["v"].lower() for m in _DENIES.finditer(text)]
    if any(w not in STOP_WORDS and w != "longer" and stem(w) in said for w in denied):
        return "It denies what its sources state."
    return None


# No onions for me, 别放葱花.
_UNWANTED = re.compile(
    r"\b(?:no|without|skip the|hold the|leave out the)\s(?P<en>[a-z]+)"
    r"|(?:别|不要|不)(?:放|加|要|给我)(?P<zh>[\u4e00-\u9fff]{2})",
    re.IGNORECASE,
)


def _stands_in(what: str, text: str) -> bool:
    return what in text if HAN.match(what) else what.lower() not in STOP_WORDS and stem(what.lower()) in _words(text)


# One thing is liked better than another.
_RATHER = re.compile(r"\bprefer\w*\b.*\b(?:to|over|than|instead)\b|比|而不是", re.IGNORECASE)


def _only_loathed(text: str, likes: re.Pattern[str], loathes: re.Pattern[str], grounds: Grounds) -> bool:
    """Return whether the messages named speak of dislike alone, where they speak of the fact's subject and object."""
    said = grounds.cited_text
    if _RATHER.search(text):
        return False
    if any(_stands_in(m["en"] or m["zh"], likes.sub(" ", text)) for m in _UNWANTED.finditer(said)):
        return not likes.search(loathes.sub(" ", said))
    if bool(loathes.search(said)) and not likes.search(loathes.sub(" ", said)):
        return True
    stated = content_of(likes.sub(" ", text)) - subject_of(text, grounds).words
    about = [c.text for c in about_whom(text, grounds) if stated & content_of(c.text)]
    return bool(about) and all(loathes.search(c) and not likes.search(loathes.sub(" ", c)) for c in about)


def _turned_chinese(text: str, grounds: Grounds) -> str | None:
    plain_text = _NOT_NEGATED.sub(" ", text)
    if _CHINESE_NOT.search(plain_text):
        if not _CHINESE_NEGATIVE.search(grounds.text) and not _ENGLISH_NEGATIVE.search(grounds.text):
            return "It denies something, and nothing in its sources does."
        denied = [m["v"] for m in _NEGATED_CHINESE.finditer(plain_text)]
        if not _CHINESE_NOT.search(grounds.text) and any(v in grounds.cited_text for v in denied):
            return "It denies what its sources state."
        return None
    if _WANTS_ZH.search(text) and _FORBIDS_ZH.match(grounds.cited_text):
        return "Its sources forbid what it says is wanted."
    if _LIKES_ZH.search(text) and not _LOATHES_ZH.search(text) and _only_loathed(text, _LIKES_ZH, _LOATHES_ZH, grounds):
        return "Its sources dislike what it says is liked."
    if _CHINESE_NEGATIVE.search(text):
        return None
    said = _NOT_NEGATED.sub(" ", grounds.cited_text)
    plain = _NEGATED_CHINESE.sub(" ", said)
    for match in _NEGATED_CHINESE.finditer(said):
        verb = match["v"]
        if verb in text and verb not in plain:
            return f"Its sources deny what it states with “{verb}”."
    return None
