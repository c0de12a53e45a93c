"""Who a statement is about, and whether a fact turns it round: another person, or the opposite."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from keepstone.logic.distillation.grounds import WORD, Grounds
from keepstone.logic.distillation.hanzi import simplified
from keepstone.logic.distillation.names import is_ordinary_opener, name_words
from keepstone.logic.distillation.wording import (
    CHINESE_NEGATION,
    CHINESE_NEGATIVE,
    ENGLISH_NEGATION,
    ENGLISH_NEGATIVE,
    OPENERS,
)
from keepstone.logic.people import is_about_someone_else, names_relation, relations
from keepstone.logic.text import CJK, STOP_WORDS, stem, tokens

_CLAUSE_END = re.compile(
    r"[.!?;。！？；\n]+|,\s+(?:and|but|while|whereas|so)\s+|\s(?:but|while|whereas)\s|，"
    r"|(?:,|\sand)\s+(?=(?:my|our)\s+[\w'’-]+(?:\s[A-Z]\w*)?\s[a-z]+|(?:i|he|she)(?:['’]\w+)?\s)",
    re.IGNORECASE,
)
# A message of so few characters leans on what was said before it.
SHORT = 40

_SENTENCE_END = re.compile(r"[.!?;。！？；\n]+")
_FIRST = re.compile(r"\b(?:i|i['’]\w+|me|my|mine|we|us|our|myself)\b|[我咱俺]|本人", re.IGNORECASE)
_OWNED = re.compile(r"\b(?:my|our)\s+(?:[\w'’-]+\s+){0,2}?(?=\w)|[我咱俺](?:们|的|家|那个|那位)*", re.IGNORECASE)
_THIRD = re.compile(r"\b(?:he|she|they|him|her|his|their|them)\b|[他她]", re.IGNORECASE)
_SELF_HEAD = re.compile(r"^(?:the\s+)?(?:user|i|speaker)\b(?!['’]s)|^(?:用户|使用者|我|本人)(?!的)", re.IGNORECASE)
_OWNER_HEAD = re.compile(r"^(?:the\s+)?user['’]s\s+|^my\s+|^(?:用户|使用者|我)的?", re.IGNORECASE)
_NAME_HEAD = re.compile(
    r"^([A-Z][\w'’-]*)(?=\s+(?:is|was|has|had|will|are|can|[a-z]+s|[a-z]+ed|got|went|just|also|really|never|loves?)\b)"
)
_CHINESE_NAME_HEAD = re.compile(r"^([小老阿][\u4e00-\u9fff])(?=[^\s])")


@dataclass(frozen=True, slots=True)
class Statement:
    """A clause and whom it is about: `self`, `other`, or unknown, and the words that name them."""

    text: str
    about: str
    who: frozenset[str]


def _clauses(text: str, own: frozenset[str]) -> Iterator[Statement]:
    for sentence in _SENTENCE_END.split(text):
        before = Statement("", "", frozenset())
        for clause in _CLAUSE_END.split(sentence):
            if clause.strip():
                said = _statement(clause.strip(), own)
                if not said.about:
                    said = Statement(said.text, before.about, before.who)
                before = said
                yield said


def _statement(clause: str, own: frozenset[str]) -> Statement:
    people = _relation_names(clause)
    rest = _OWNED.sub(" ", clause) if people else clause
    if is_about_someone_else(clause):
        return Statement(clause, "" if _FIRST.search(rest) else "other", people)
    head = re.sub(r"^(?:and|but|so|well|oh|also|then|because|不过|但是?|而|然后)\s*", "", clause, flags=re.IGNORECASE)
    named = _NAME_HEAD.match(head) or _CHINESE_NAME_HEAD.match(head)
    if named and not is_ordinary_opener(named[1].lower()) and named[1].lower() not in own and not _FIRST.search(head):
        return Statement(clause, "other", frozenset({named[1].lower()}))
    if _FIRST.search(clause):
        return Statement(clause, "self", frozenset())
    return Statement(clause, "other" if re.match(r"(?:he|she|they)\b|[他她]", head, re.IGNORECASE) else "", frozenset())


def _relation_names(text: str) -> frozenset[str]:
    return frozenset(name for names in relations(text).values() for name in names)


def wrong_person(text: str, grounds: Grounds) -> str | None:
    """Return why *text*, in simplified characters, is not about whom its sources speak of; None if it may be."""
    reached = _relation_names("\n".join((grounds.cited_text, *(k.text for k in grounds.rests_on))))
    if _THIRD.search(grounds.cited_text) or len(grounds.cited_text) < SHORT:
        reached |= _relation_names(grounds.names_text)
    for word, meant in relations(text).items():
        strange = not names_relation(meant, reached) and word not in grounds.text.lower()
        if strange and not _is_trade(word, text):
            return f"Its sources do not speak of “{word}”."
    return _other_subject(text, grounds)


_TRADES = frozenset(
    "boss manager supervisor teacher tutor professor lecturer coach doctor 老板 领导 主管 经理 老师 教授 教练 "
    "医生".split()
)
_POSSESSED = re.compile(r"(?:['’]s|\b(?:their|his|her|my|our))\s(?:[\w-]+\s)?$|的$", re.IGNORECASE)


def _is_trade(word: str, text: str) -> bool:
    """Return whether a word says what somebody does: "is a doctor", not "the user's doctor"."""
    return word.rstrip("s") in _TRADES and not _POSSESSED.search(text[: text.lower().index(word)])


def _other_subject(text: str, grounds: Grounds) -> str | None:
    people = _relation_names(text)
    names = name_words(text) | frozenset(m[1] for m in [_CHINESE_NAME_HEAD.match(text)] if m)
    is_self = _is_self(text, grounds) and not people
    who = (people | names) - grounds.own_names
    best = _carrying(text, grounds)
    if not best:
        return None
    if is_self and all(c.about == "other" and not (c.who & who) for c in best):
        return "Its sources say that of somebody else, not of the user."
    subject = _subject(text, grounds)
    if not subject or is_self:
        return None
    if all(_excludes(c, subject) for c in best):
        return "Its sources say that of somebody else."
    return None


def _excludes(clause: Statement, subject: frozenset[str]) -> bool:
    held = _relation_names(clause.text) | frozenset(w.lower() for w in WORD.findall(clause.text))
    named = bool(held & subject) or any(_HAN.match(n) and n in clause.text for n in subject)
    if not clause.about or named or _THIRD.search(clause.text):
        return False
    return clause.about == "self" or (bool(clause.who) and not clause.who & subject)


def _is_self(text: str, grounds: Grounds) -> bool:
    if _SELF_HEAD.match(text):
        return True
    first = WORD.match(text)
    if first is None:
        return False
    if any(s.speaker and _HAN.match(s.speaker) and text.startswith(simplified(s.speaker)) for s in grounds.cited):
        return True
    low = first[0].lower()
    return low in grounds.own_names or (low in OPENERS and low not in ("birthday", "name", "age"))


def _subject(text: str, grounds: Grounds) -> frozenset[str]:
    """Return the words that name the subject of a fact about somebody else than the user."""
    if owner := _OWNER_HEAD.match(text):
        rest = text[owner.end() :]
        head = re.match(r"[\w'’-]+(?:\s[\w'’-]+)?", rest)
        if re.match(r"[\w-]+(?:\s[A-Z]\w*)?['’]s\b", rest):
            return frozenset()
        return _relation_names(rest[:4] if _HAN.match(rest) else head[0] if head else "")
    if named := _NAME_HEAD.match(text):
        low = re.sub(r"['’]s$", "", named[1].lower())
        # A name of what is known alone may be another one for who speaks.
        speaks = any(low in (s.speaker or "").lower().split() for s in grounds.context)
        is_told = speaks or re.search(rf"\b{re.escape(low)}\b", grounds.cited_text.lower())
        return (
            frozenset({low})
            if is_told and not is_ordinary_opener(low) and low not in grounds.own_names
            else frozenset()
        )
    if named := _CHINESE_NAME_HEAD.match(text):
        return frozenset({named[1]})
    return frozenset()


def _carrying(text: str, grounds: Grounds) -> list[Statement]:
    """Return the clauses that hold the most of what *text* states."""
    skip = frozenset(stem(w) for w in (*_subject(text, grounds), *grounds.own_names, *relations(text)))
    stated = _content(text) - skip
    counted = [(len(stated & _content(c.text)), c) for c in _clauses(grounds.cited_text, grounds.own_names)]
    most = max((n for n, _ in counted), default=0)
    return [c for n, c in counted if n == most] if most else []


def _content(text: str) -> frozenset[str]:
    """Return the terms of a text; of Chinese the pairs alone, as single characters are in everything."""
    return frozenset(
        t for t in tokens(text) if t not in _FRAME and (not _HAN.match(t) or (len(t) > 1 and t not in _FRAME))
    )


_HAN = re.compile(f"[{CJK}]")
_FRAME = frozenset(("user", "users", "用户", "的人"))


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
    if _HAN.search(text):
        return _turned_chinese(text, grounds)
    if _ENGLISH_NOT.search(text):
        return _denies_what_is_said(text, grounds)
    if _WANTS.search(text) and not _ENGLISH_NEGATIVE.search(text) and _FORBIDS.match(grounds.cited_text):
        return "Its sources forbid what it says is wanted."
    if _LIKES.search(text) and not _LOATHES.search(text) and _only_loathed(text, _LIKES, _LOATHES, grounds):
        return "Its sources dislike what it says is liked."
    if _ENGLISH_NEGATIVE.search(text):
        return None
    stated = frozenset(stem(w) for w in re.findall(r"[a-z]+", text.lower()))
    plain = frozenset(stem(w) for w in re.findall(r"[a-z]+", _NEGATED_VERB.sub(" ", grounds.cited_text).lower()))
    for match in _NEGATED_VERB.finditer(grounds.cited_text):
        word = (match["a"] or match["b"]).lower()
        root = "ha" if word == "have" and "ha" in stated else stem(word)
        if word in _LIGHT:
            following = [
                stem(w) for w in re.findall(r"[a-z]+", grounds.cited_text[match.end() :].lower()) if w not in STOP_WORDS
            ]
            if not following or following[0] not in stated:
                continue
        if root in stated and root not in plain and (word not in STOP_WORDS or word in ("been", "have")):
            return f"Its sources deny what it states with “{word}”."
    return None


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


def _only_loathed(text: str, likes: re.Pattern[str], loathes: re.Pattern[str], grounds: Grounds) -> bool:
    """Return whether the messages named speak of dislike alone, where they speak of the fact's subject and object."""
    said = grounds.cited_text
    if bool(loathes.search(said)) and not likes.search(loathes.sub(" ", said)):
        return True
    subject, is_self = _subject(text, grounds), _is_self(text, grounds)
    stated = _content(likes.sub(" ", text)) - subject
    about = [
        c.text
        for c in _clauses(said, grounds.own_names)
        if (c.about == "self" if is_self else bool(c.who & subject)) and stated & _content(c.text)
    ]
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
