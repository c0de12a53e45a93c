"""Who a statement is about, and whether a fact turns it round: another person, or the opposite."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from keepstone.logic.distillation.grounds import WORD, Grounds
from keepstone.logic.distillation.names import name_words
from keepstone.logic.distillation.wording import (
    CHINESE_NEGATION,
    CHINESE_NEGATIVE,
    ENGLISH_NEGATION,
    ENGLISH_NEGATIVE,
    GENERIC,
    OPENERS,
)
from keepstone.logic.people import is_about_someone_else, names_relation, relations
from keepstone.logic.text import CJK, STOP_WORDS, stem, tokens

_CLAUSE_END = re.compile(
    r"[.!?;。！？；\n]+|,\s+(?:and|but|while|whereas|so)\s+|\s(?:but|while|whereas)\s|，|,\s+(?=my\s|i\s|he\s|she\s)",
    re.IGNORECASE,
)
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
    people = frozenset(relations(clause))
    rest = _OWNED.sub(" ", clause) if people else clause
    if is_about_someone_else(clause):
        return Statement(clause, "" if _FIRST.search(rest) else "other", people)
    head = re.sub(r"^(?:and|but|so|well|oh|also|then|because|不过|但是?|而|然后)\s*", "", clause, flags=re.IGNORECASE)
    named = _NAME_HEAD.match(head) or _CHINESE_NAME_HEAD.match(head)
    if (
        named
        and named[1].lower() not in OPENERS | GENERIC | STOP_WORDS
        and named[1].lower() not in own
        and not _FIRST.search(head)
    ):
        return Statement(clause, "other", frozenset({named[1].lower()}))
    if _FIRST.search(clause):
        return Statement(clause, "self", frozenset())
    return Statement(clause, "other" if re.match(r"(?:he|she|they)\b|[他她]", head, re.IGNORECASE) else "", frozenset())


def wrong_person(text: str, grounds: Grounds) -> str | None:
    """Return why *text*, in simplified characters, is not about whom its sources speak of; None if it may be."""
    told = relations(grounds.cited_text)
    held = dict(told)
    for more in grounds.rests_on:
        held |= relations(more.text)
    if _THIRD.search(grounds.cited_text) or len(grounds.cited_text) < 40:
        held |= relations(grounds.text)
    reached = frozenset(n for names in held.values() for n in names)
    for word, meant in relations(text).items():
        if not names_relation(meant, reached) and word not in grounds.text.lower():
            return (
                f"Its sources do not speak of a {word}." if word.isascii() else f"Its sources do not speak of {word}."
            )
    return _other_subject(text, grounds)


def _other_subject(text: str, grounds: Grounds) -> str | None:
    people = frozenset(relations(text))
    names = name_words(text) | frozenset(m[1] for m in [_CHINESE_NAME_HEAD.match(text)] if m)
    is_self = _is_self(text, grounds) and not people
    who = (people | names) - grounds.own_names
    best = _carrying(text, grounds)
    if not best:
        return None
    if is_self and all(c.about == "other" and not (c.who & who) for c in best):
        if any(n in text.lower() for c in best for n in c.who):
            return None
        return "Its sources say that of somebody else, not of the user."
    subject = _subject(text, grounds)
    if not subject or is_self:
        return None
    if all(_excludes(c, subject) for c in best) and any(n in grounds.cited_text.lower() for n in subject):
        return f"Its sources do not say that of {', '.join(sorted(subject))}."
    return None


def _excludes(clause: Statement, subject: frozenset[str]) -> bool:
    if not clause.about or any(n in clause.text.lower() for n in subject) or _THIRD.search(clause.text):
        return False
    return clause.about == "self" or bool(clause.who) and not clause.who & subject


def _is_self(text: str, grounds: Grounds) -> bool:
    if _SELF_HEAD.match(text):
        return True
    first = WORD.match(text)
    if first is None:
        return False
    low = first[0].lower()
    return low in grounds.own_names or (low in OPENERS and low not in ("birthday", "name", "age"))


def _subject(text: str, grounds: Grounds) -> frozenset[str]:
    """Return the words that name the subject of a fact about somebody else than the user."""
    if owner := _OWNER_HEAD.match(text):
        rest = text[owner.end() :]
        head = re.match(r"[\w'’-]+(?:\s[\w'’-]+)?", rest)
        return frozenset(relations(rest[:4] if re.match(f"[{CJK}]", rest) else head[0] if head else ""))
    if (named := _NAME_HEAD.match(text)) and named[1].lower() not in OPENERS | GENERIC | grounds.own_names:
        return frozenset({re.sub(r"['’]s$", "", named[1].lower())})
    if named := _CHINESE_NAME_HEAD.match(text):
        return frozenset({named[1]})
    return frozenset()


def _carrying(text: str, grounds: Grounds) -> list[Statement]:
    """Return the clauses that hold the most of what *text* states."""
    skip = name_words(text) | frozenset(relations(text))
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
    r"\b(?:do|does|did|am|is|are|was|were|have|has|had|can|could|will|would)(?:n['’]t|\snot)\s(?:really\s|even\s|actually\s)?(?P<a>[a-z]+)"
    r"|\b(?:never|no longer|i['’]m not|not)\s(?P<b>[a-z]+)",
    re.IGNORECASE,
)
# Negations in form alone.
_NOT_NEGATED = re.compile(
    r"[不没](?:仅|但|过|错|同|得不|想到|知道|如|久|光|只|一定|管|论|断|少|客气|好意思|关系|问题|事)|差不多|对不起|要不|是不是|[\u4e00-\u9fff]不[\u4e00-\u9fff]?"
)
_NEGATED_CHINESE = re.compile(r"(?:从来不|从不|不再|不太|不怎么|不|没有|没)(?P<v>[\u4e00-\u9fff]{1,2})")


def turned_round(text: str, grounds: Grounds) -> str | None:
    """Return why *text*, in simplified characters, says the opposite of its sources; None if it need not."""
    if re.search(f"[{CJK}]", text):
        return _turned_chinese(text, grounds)
    if _ENGLISH_NOT.search(text):
        negative = _ENGLISH_NEGATIVE.search(grounds.text) or _CHINESE_NEGATIVE.search(grounds.text)
        return None if negative else "It denies something, and nothing in its sources does."
    if _ENGLISH_NEGATIVE.search(text):
        return None
    stated = {stem(w) for w in re.findall(r"[a-z]+", text.lower())}
    denied = {(m["a"] or m["b"]).lower() for m in _NEGATED_VERB.finditer(grounds.cited_text)}
    plain = _NEGATED_VERB.sub(" ", grounds.cited_text).lower()
    for word in sorted(denied - STOP_WORDS | denied & {"have"}):
        root = stem(word)
        if (root in stated or (word == "have" and "has" in stated)) and root not in {
            stem(w) for w in re.findall(r"[a-z]+", plain)
        }:
            return f"Its sources deny what it states with “{word}”."
    return None


def _turned_chinese(text: str, grounds: Grounds) -> str | None:
    if _CHINESE_NOT.search(_NOT_NEGATED.sub(" ", text)):
        negative = _CHINESE_NEGATIVE.search(grounds.text) or _ENGLISH_NEGATIVE.search(grounds.text)
        return None if negative else "It denies something, and nothing in its sources does."
    if _CHINESE_NEGATIVE.search(text):
        return None
    said = _NOT_NEGATED.sub(" ", grounds.cited_text)
    plain = _NEGATED_CHINESE.sub(" ", said)
    for match in _NEGATED_CHINESE.finditer(said):
        verb = match["v"]
        if verb in text and verb not in plain:
            return f"Its sources deny what it states with “{verb}”."
    return None
