"""Who a statement is about, and whether a fact says of one person what was said of another."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from keepstone.logic.distillation.grounds import SHORT, Grounds
from keepstone.logic.distillation.hanzi import simplified
from keepstone.logic.distillation.names import CALENDAR_WORDS, SURNAMES, is_ordinary_opener, name_words
from keepstone.logic.distillation.reading import TEXTS, WORD
from keepstone.logic.distillation.wording import GENERIC_CHARACTERS, OPENERS, REMINDER, root_of, without_generic
from keepstone.logic.people import is_about_someone_else, names_relation, relation_spans, relations
from keepstone.logic.text import CJK, stem, tokens

HAN = re.compile(f"[{CJK}]")

_CLAUSE_END = re.compile(
    r"[.!?;。！？；\n]+|,\s+(?:and|but|while|whereas|so)\s+|\s(?:but|while|whereas)\s|，"
    r"|(?:,|\sand)\s+(?=(?:my|our)\s+[\w'’-]+(?:\s[A-Z]\w*)?\s[a-z]+|(?:i|he|she)(?:['’]\w+)?\s)"
    r"|\sand\s+(?=(?-i:[A-Z])[\w'’-]+\s(?:is|was|has|had|can|will|[a-z]+s|[a-z]+ed)\b)",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?;。！？；\n]+")
# In Chinese not where it is whom something is done to, or with, or at whose place.
_FIRST = re.compile(
    r"\b(?:i|i['’]\w+|me|my|mine|we|us|our|myself)\b|(?<![在给跟对把被让带从到向替陪拉帮问找叫教借])[我咱俺]|本人",
    re.IGNORECASE,
)
_OWNED = re.compile(r"\b(?:my|our)\s+(?:[\w'’-]+\s+){0,2}?$|[我咱俺](?:们|的|家|那个|那位|大|小|老)*$", re.IGNORECASE)
# "Our new tenant, Vic, …"
_APPOSED = re.compile(r"(?:[Mm]y|[Oo]ur|[Tt]he)\s[^,]{1,40},\s([A-Z][\w-]+)(?:,|\s(?=[a-z]+s\b))")
# What they do, they do for whom they attend to.
_ATTENDS = frozenset({"doctor", "landlord"})
_THIRD = re.compile(r"\b(?:he|she|they|him|her|his|their|them)\b|[他她]", re.IGNORECASE)
_SELF_HEAD = re.compile(r"^(?:the\s+)?(?:user|i|speaker)\b(?!['’]s)|^(?:用户|使用者|我|本人)(?!的)", re.IGNORECASE)
_OWNER_HEAD = re.compile(r"^(?:the\s+)?user['’]s\s+|^(?:my|our)\s+|^(?:用户|使用者|我)(?:的|家的?)?", re.IGNORECASE)
_USER = re.compile(r"\buser\b|用户|使用者|" + _FIRST.pattern, re.IGNORECASE)
_NAME_HEAD = re.compile(
    r"^([A-Z][\w'’-]*)(?=\s+(?:is|was|has|had|will|are|can|[a-z]+s|[a-z]+ed|got|went|just|also|really|never|loves?)\b)"
)
_CHINESE_NAME_HEAD = re.compile(
    r"^([小老阿][\u4e00-\u9fff](?=\S)|[^\W我你他她大你\da-zA-Z][姨叔伯姑舅婶嫂哥姐](?=[住在是要去说有把从给也都会不]))"
)
_OPENING = re.compile(
    r"^(?:(?:(?:and|but|so|well|oh|also|then|because|now|today|still|actually|apparently)\b"
    r"|不过|但是?|而|然后|现在|今天|后来|最近|其实)[\s，,]*)+",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Statement:
    """A clause and whom it is about: `self`, `other`, or unknown, and the words that name them."""

    text: str
    about: str
    who: frozenset[str]


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a fact is about: the user alone, or others, by relations and names in lower case; nobody if that is open."""

    is_self: bool
    words: frozenset[str]


@lru_cache(maxsize=256)
def _clauses(text: str) -> tuple[Statement, ...]:
    return tuple(_read_clauses(text))


def _read_clauses(text: str) -> Iterator[Statement]:
    for sentence in _SENTENCE_END.split(text):
        before = Statement("", "", frozenset())
        for clause in _CLAUSE_END.split(sentence):
            if clause.strip():
                said = _statement(clause.strip())
                if not said.about:
                    said = Statement(said.text, before.about, before.who)
                before = said
                yield said


def _statement(clause: str) -> Statement:
    clause = _OPENING.sub("", clause)
    clause = REMINDER.sub("", clause) or clause
    people = _relation_names(clause)
    if is_about_someone_else(clause):
        is_open = _FIRST.search(_without_people(clause)) or (people and people <= _ATTENDS and not _FIRST.match(clause))
        return Statement(clause, "" if is_open else "other", people)
    if apposed := _APPOSED.match(clause):
        return Statement(clause, "other", frozenset({apposed[1].lower()}))
    named = _NAME_HEAD.match(clause) or _CHINESE_NAME_HEAD.match(clause)
    if named and not is_ordinary_opener(named[1].lower()) and not _FIRST.search(clause):
        return Statement(clause, "other", frozenset({named[1].lower()}))
    if _FIRST.search(clause):
        return Statement(clause, "self", frozenset())
    return Statement(
        clause, "other" if re.match(r"(?:he|she|they)\b|[他她]", clause, re.IGNORECASE) else "", frozenset()
    )


def _said_in(grounds: Grounds, text: str) -> Iterator[Statement]:
    """Yield the clauses of the messages named; what looks like a name and is an ordinary word names nobody."""
    for clause in _clauses(grounds.cited_text):
        if clause.who and clause.who <= grounds.own_names:
            yield Statement(clause.text, "self", frozenset())
        elif any(not relations(w) and re.search(rf"\b{re.escape(w)}\b", text) for w in clause.who if w.isascii()):
            yield Statement(clause.text, "", frozenset())
        else:
            yield clause


def _relation_names(text: str) -> frozenset[str]:
    return frozenset(name for names in relations(text).values() for name in names)


_TRADES = frozenset(
    "boss manager supervisor teacher tutor professor lecturer coach doctor 老板 领导 主管 经理 老师 教授 教练 "
    "医生".split()
)
_POSSESSED = re.compile(r"(?:['’]s|\b(?:their|his|her|my|our))\s(?:[\w-]+\s)?$|的$", re.IGNORECASE)


def wrong_person(text: str, grounds: Grounds) -> str | None:
    """Return why *text*, in simplified characters, is not about whom its sources speak of; None if it may be."""
    reached = _reached(grounds)
    for word, meant in relations(text).items():
        strange = not names_relation(meant, reached) and word not in grounds.text.lower()
        if strange and not _is_trade(word, text):
            return f"Its sources do not speak of “{word}”."
    return _other_subject(text, grounds)


def _reached(grounds: Grounds) -> frozenset[str]:
    """Return the relations that the messages named speak of, by their words or by the name of who is one."""
    said = grounds.cited_text
    reached = _relation_names("\n".join((said, *(k.text for k in grounds.rests_on))))
    if _THIRD.search(said) or len(said) < SHORT:
        reached = reached.union(*map(_relation_names, grounds.names_texts))
    if _AT_WORK.search(said):
        reached |= {"colleague", "boss"}
    return reached | frozenset(r for name, held in _all_links(grounds) if _names(name, said) for r in held)


_AT_WORK = re.compile(
    r"\b(?:from|at) (?:work|the office)\b|\b(?:our|my|the) (?:team|new (?:starter|hire))\b"
    r"|我们[组部]|公司|单位|[部门组]里",
    re.IGNORECASE,
)


def _is_trade(word: str, text: str) -> bool:
    """Return whether a word says what somebody does: "is a doctor", not "the user's doctor"."""
    return word.rstrip("s") in _TRADES and not _POSSESSED.search(text[: text.lower().index(word)])


# "Their son Max", "Max is their son", 儿子小满, 小满是我儿子: what stands beside a relation is a name.
_NAME_AFTER = re.compile(
    r"(?:,?\s(?:is\s)?(?:called\s|named\s)?(?P<en>[A-Z][\w-]+)|(?:名?叫做?|名字是|是|，)?(?P<zh>[\u4e00-\u9fff]{2}))"
)
_NAME_BEFORE = re.compile(
    r"(?:\b(?P<en>[A-Z][\w-]+)(?:\sis|\swas|,)\s(?:the\s)?(?:[\w-]+['’]s|my|our|his|her|their)\s(?:[\w-]+\s)?"
    r"|(?P<zh>[\u4e00-\u9fff]{2})是(?:用户|我们?|他|她)(?:的|家的?)?)$"
)


def _all_links(grounds: Grounds) -> Iterator[tuple[str, frozenset[str]]]:
    return (link for text in grounds.names_texts for link in _links(text))


@lru_cache(maxsize=TEXTS)
def _links(text: str) -> tuple[tuple[str, frozenset[str]], ...]:
    """Return the names that stand beside a relation, in lower case, each with what it may be."""
    found: list[tuple[str, frozenset[str]]] = []
    for start, end, meant in relation_spans(text):
        for match in (_NAME_AFTER.match(text, end), _NAME_BEFORE.search(text[max(0, start - 40) : start])):
            name = (match["en"] or match["zh"]) if match else ""
            if name and _may_name(name):
                found.append((name.lower(), meant))
    return tuple(found)


def _may_name(name: str) -> bool:
    if not HAN.match(name):
        return name.lower() not in CALENDAR_WORDS
    begins = name[0] in "小老阿大" or name[0] not in GENERIC_CHARACTERS
    return begins and bool(without_generic(name, least=2)) and not relations(name)


def _names(name: str, text: str) -> bool:
    return (
        name in text
        if HAN.match(name)
        else name in text.lower() and bool(re.search(rf"\b{re.escape(name)}\b", text, re.IGNORECASE))
    )


def _other_subject(text: str, grounds: Grounds) -> str | None:
    first = next((c.text for c in _clauses(text)), text)
    subject = subject_of(first, grounds)
    who = (_relation_names(first) | name_words(first) | subject.words) - grounds.own_names
    best = _carrying(first, grounds)
    if subject.is_self:
        if best and all(c.about == "other" and not (c.who & who or any(_names(w, first) for w in c.who)) for c in best):
            return "Its sources say that of somebody else, not of the user."
        return None
    held = _relation_names(first)
    if _SELF_HEAD.match(first) and best and all(_of_whom_is_told(c, held) for c in best):
        return "Its sources say that of somebody else, not of the user."
    if _is_owned_by_another(first, grounds):
        return "Its sources say that of somebody else, not of the user."
    mentioned = _OWNER_HEAD.sub("", text)
    if best and subject.words and all(_excludes(c, subject.words, mentioned) for c in best):
        return "Its sources say that of somebody else."
    return None


def _of_whom_is_told(clause: Statement, held: frozenset[str]) -> bool:
    """Return whether a clause is about somebody whom only a pronoun names, and speaks of all that a fact *held*."""
    return clause.about == "other" and not clause.who and held <= _relation_names(clause.text)


def subject_of(text: str, grounds: Grounds) -> Subject:
    """Return whom *text* is about."""
    is_self = _is_self(text, grounds) and not _relation_names(text)
    return Subject(is_self, frozenset() if is_self else _others(text, grounds))


def about_whom(text: str, grounds: Grounds) -> list[Statement]:
    """Return the clauses of the messages named that are about the subject of *text*."""
    subject = subject_of(text, grounds)
    said = _said_in(grounds, text)
    return [c for c in said if (c.about == "self" if subject.is_self else bool(c.who & subject.words))]


def _excludes(clause: Statement, subject: frozenset[str], mentioned: str) -> bool:
    """Return whether a clause is about somebody whom the fact leaves out, and not about its subject."""
    held = _relation_names(clause.text) | frozenset(w.lower() for w in WORD.findall(clause.text))
    held |= frozenset(re.sub(r"['’]s$", "", w) for w in held)
    named = bool(held & subject) or any(HAN.match(n) and n in clause.text for n in subject)
    if not clause.about or named or clause.who & subject or _THIRD.search(clause.text):
        return False
    if clause.about == "self":
        return not _USER.search(mentioned)
    relations_there = _relation_names(mentioned)
    return bool(clause.who) and not any(w in relations_there or _names(w, mentioned) for w in clause.who)


def _is_self(text: str, grounds: Grounds) -> bool:
    if _SELF_HEAD.match(text):
        return True
    first = WORD.match(text)
    if first is None:
        return False
    if any(HAN.match(name) and text.startswith(name) for name in grounds.own_names):
        return True
    low = re.sub(r"['’]s$", "", first[0].lower())
    return low in grounds.own_names or (low in OPENERS and low not in ("birthday", "name", "age"))


def _others(text: str, grounds: Grounds) -> frozenset[str]:
    """Return the words that name the subject of a fact about somebody else than the user."""
    if owner := _OWNER_HEAD.match(text):
        rest = text[owner.end() :]
        if _ALONG.match(rest):
            return frozenset()
        if re.match(r"[\w-]+(?:\s[A-Z]\w*)?['’]s\b", rest):
            return frozenset()
        return _person_at_head(rest, grounds)
    if speaks := _speaker_at_head(text, grounds):
        return frozenset({speaks})
    if named := _NAME_HEAD.match(text):
        low = re.sub(r"['’]s$", "", named[1].lower())
        # A name of what is known alone may be another one for who speaks.
        is_told = re.search(rf"\b{re.escape(low)}\b", grounds.cited_text.lower())
        is_name = is_told and not is_ordinary_opener(low) and low not in grounds.own_names
        return frozenset({low}) if is_name else frozenset()
    if (named := _CHINESE_NAME_HEAD.match(text)) and not relations(text[:2]):
        return frozenset({named[1]})
    return frozenset()


def _speaker_at_head(text: str, grounds: Grounds) -> str | None:
    """Return who begins *text* of those who spoke before, in lower case; None if it is nobody of them."""
    others = {simplified(s.speaker) for s in grounds.context if s.speaker}
    for name in sorted(others, key=len, reverse=True):
        begins = text.startswith(name) if HAN.match(name) else re.match(rf"{re.escape(name.split()[0])}\b", text)
        if begins and not {w.lower() for w in WORD.findall(name)} & grounds.own_names:
            return name.split()[0].lower()
    return None


def _person_at_head(rest: str, grounds: Grounds) -> frozenset[str]:
    """Return the relation that begins *rest*, what follows it as a name, and the names known of who that is."""
    head = re.match(r"[\w'’-]+(?:\s[\w'’-]+)?", rest)
    meant = _relation_names(rest[:4] if HAN.match(rest) else head[0] if head else "")
    if not meant:
        return frozenset()
    here = [(name, held) for name, held in _links(rest) if not HAN.match(name) or _is_marked(name, rest)]
    called = {name for name, held in (*here, *_all_links(grounds)) if held & meant}
    return meant | called


def _is_marked(name: str, text: str) -> bool:
    """Return whether a Chinese word looks like a name: by a form of address, a surname, or by being called so."""
    return name[0] in "小老阿" or name[0] in SURNAMES or bool(re.search(f"[叫是]{name}", text))


# 用户和老伴: who is named beside the user is no subject alone.
_ALONG = re.compile("[和跟与同及给为]")
_THING = re.compile(r"([a-z]{3,})\b")


def _is_owned_by_another(text: str, grounds: Grounds) -> bool:
    """Return whether "the user's thing" is only ever somebody else's thing in the messages named."""
    owner = _OWNER_HEAD.match(text)
    thing = _THING.match(text, owner.end()) if owner else None
    if thing is None or relations(thing[1]):
        return False
    said, noun = grounds.cited_text, re.escape(thing[1])
    if re.search(rf"\b(?:my|our)\s(?:[\w-]+\s)?{noun}\b", said, re.IGNORECASE):
        return False
    owners = re.findall(rf"\b([\w-]+)['’]s\s{noun}\b", said, re.IGNORECASE)
    return bool(owners) and all(relations(o) or o.lower() in ("his", "her") for o in owners)


def _carrying(text: str, grounds: Grounds) -> list[Statement]:
    """Return the clauses that hold the most of what *text* states; a name counts for two."""
    skip = frozenset(stem(w) for w in (*subject_of(text, grounds).words, *grounds.own_names, *relations(text)))
    stated = content_of(_without_people(text)) - skip
    names = frozenset(stem(w) for w in name_words(text)) - skip
    shared = [(stated & content_of(c.text), c) for c in _said_in(grounds, text)]
    counted = [(len(held) + len(held & names), c) for held, c in shared]
    most = max((n for n, _ in counted), default=0)
    return [c for n, c in counted if n == most] if most else []


def _without_people(text: str) -> str:
    """Return *text* with blanks for those around the speaker, and for whose they are."""
    for start, end, _ in relation_spans(text):
        owner = _OWNED.search(text[:start])
        first = owner.start() if owner else start
        text = text[:first] + " " * (end - first) + text[end:]
    return text


@lru_cache(maxsize=1024)
def content_of(text: str) -> frozenset[str]:
    """Return the terms of a text; of Chinese the pairs alone, as single characters are in everything."""
    found = (root_of(t) for t in tokens(text))
    return frozenset(t for t in found if t not in _FRAME and (not HAN.match(t) or len(t) > 1))


_FRAME = frozenset(("user", "users", "用户", "的人"))
